"""Run items of one submission, each in a process of its own, which may die or hang.

    python worker.py TESTS RESULTS SECONDS ITEM...

runs in the folder of the submission, with the tests in TESTS, and appends a line of JSON for each
item to RESULTS: kinds and message. `grade.py` starts it, and again if a student's code ends it.
"""

import contextlib
import importlib
import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

WAIT = 10  # as long as this, times the limit of processor time, an item may take by the clock
MEMORY = 2**30  # bytes beside what Python and NumPy take
FILE_SIZE = 2**24  # bytes that may be written to one file, or to the screen


def main(tests, results, seconds, *items):
    """Run the items in this order."""
    sys.path[:0] = [tests, "."]
    for item in items:
        module, name = item.split(".")
        test = getattr(importlib.import_module(f"test_{module}"), f"test_{name}")
        kinds, message = outcome(test.item, int(seconds))
        with Path(results).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"item": item, "kinds": kinds, "message": message}) + "\n")


def outcome(item, seconds):
    """Run one item in a process: kinds and message, or how the process ended without them."""
    fork = multiprocessing.get_context("fork")
    answer, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=answer_to, args=(item, sender, seconds), daemon=True)
    process.start()
    sender.close()
    with contextlib.suppress(EOFError, OSError, ValueError):
        if answer.poll(WAIT * seconds):
            return json.loads(answer.recv_bytes())
    process.join(0.1)
    ended = process.exitcode
    process.kill()
    process.join()
    if ended in (None, -signal.SIGXCPU):
        return ["timeout"], f"No answer within {seconds} s: a loop without an end?"
    return ["exited"], "The process ended in the middle of this item: return a result instead."


def answer_to(item, sender, seconds):
    """Within the new process: limits, then the item."""
    own = os.getpid()
    with open("output.txt", "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    set_limits(seconds)
    answer = item.outcome()
    if os.getpid() == own:  # and not a copy that a student's code has made
        with contextlib.suppress(OSError):
            sender.send_bytes(json.dumps(answer).encode())
    os._exit(0)


def set_limits(seconds):
    """Limit processor time, memory and the size of files, where the system can."""
    import resource

    with contextlib.suppress(OSError, ValueError):  # macOS does not limit memory
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
