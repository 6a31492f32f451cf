"""Items, which are tests with points, and the student's file that they look at.

An item's parameters are named like the functions that it needs: they are taken from the student's
file, or from the notebook that calls it. What it says about them is an `AnswerError`'s message.
"""

import ast
import errno
import inspect
import sys
import traceback
from pathlib import Path

from hints import HINTS, AnswerError

ASSIGNMENTS = ("neuron", "dense", "activations", "network", "bias_mask", "autoencoder")
ALLOWED = ("numpy", "math", "__future__", *ASSIGNMENTS)


class Item:
    """A test with points, and what it says about a student's functions."""

    def __init__(self, test, module, points):
        self.test, self.module, self.points = test, module, points
        self.name, self.title = test.__name__.removeprefix("test_"), test.__doc__

    def outcome(self, space=None):
        """Run the test: kinds and message, both empty if it passed.

        The functions that it asks for are taken from `space`, or from the student's file.
        """
        try:
            self.test(*self._functions(load(self.module) if space is None else space))
        except AnswerError as answer:
            return answer.kinds, answer.message
        except BaseException as error:  # whatever a student's code raises is an answer
            return raised(error)
        return (), ""

    def _functions(self, space):
        """The functions that the test's parameters are named like."""
        names = list(inspect.signature(self.test).parameters)
        for name in names:
            if not callable(space.get(name)):
                text = f"There is no function {name} in {self.module}: it must be called just that."
                raise AnswerError(["missing"], text)
        return [space[name] for name in names]


def raised(error):
    """Kinds and message for an exception in a student's code."""
    where, text = line_of(error), str(error)[:500]
    match error:
        case NotImplementedError():
            return ("not_written",), f"Not written yet. Hint: {HINTS['not_written']}"
        case MemoryError():
            return ("memory",), f"Out of memory{where}: {text or 'a list without end?'}"
        case SystemExit():
            return ("exited",), f"The program was ended{where}: return a result instead."
        case OSError(errno=errno.EFBIG):
            return ("output",), f"Too much is printed, or written to a file{where}."
        case ImportError():
            return ("import",), f"An import failed{where}: {text}."
    return ("exception",), f"{type(error).__name__}{where}: {text}"


def items_of(module):
    """The decorator `item(points=...)` for the tests of one assignment."""

    def item(*, points):
        def decorate(test):
            def run(space=None):
                kinds, message = run.item.outcome(space)
                if message and "pytest" in sys.modules:
                    sys.modules["pytest"].fail(message, pytrace=False)
                if message:
                    raise AnswerError(kinds, message)

            run.item = Item(test, module, points)
            run.__name__, run.__doc__ = test.__name__, test.__doc__
            return run

        return decorate

    return item


def load(module):
    """The names that a student's file defines; raises AnswerError where it cannot be read."""
    path = Path(f"{module}.py")
    if not path.is_file():
        raise AnswerError(["missing"], f"There is no file {path}.")
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        where = f"{path}, line {getattr(error, 'lineno', None) or '?'}"
        raise AnswerError(["syntax"], f"{where}: {getattr(error, 'msg', error)}.") from None
    names = {"__name__": module, "__file__": str(path)}
    tree = ast.fix_missing_locations(OnlyAllowedImports().visit(tree))
    exec(compile(tree, str(path), "exec"), names)
    return names


class OnlyAllowedImports(ast.NodeTransformer):
    """Puts an error in the place of every other import, where it was."""

    def visit_Import(self, node):
        return self._checked(node, [alias.name for alias in node.names])

    def visit_ImportFrom(self, node):
        return self._checked(node, [node.module or "."])

    def _checked(self, node, names):
        refused = [name for name in names if name.partition(".")[0] not in ALLOWED]
        if not refused:
            return node
        text = f"{refused[0]}: only numpy, math and the files of the assignments may be imported"
        return ast.copy_location(ast.parse(f"raise ImportError({text!r})").body[0], node)


def line_of(error):
    """Where in a student's file an error was raised, in words; empty if elsewhere."""
    files = {f"{name}.py" for name in ASSIGNMENTS}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).name in files:
            return f" at {Path(frame.filename).name}, line {frame.lineno}"
    return ""
