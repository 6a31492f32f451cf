"""Downloads against a server that misbehaves: the next mirror, or one error that says why.

No bad file is kept, every wait is bounded. The server runs on 127.0.0.1; no network is needed.
"""

import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from misbehaving_server import (
    CAP,
    FILES,
    SHA256,
    black_hole,
    closed_port,
    idx_bytes,
    running_server,
)

from ae_numpy.datasets.download import CachedMirrors, DataUnavailableError, Mirrors

pytest.importorskip("pooch", reason="downloads need pooch")

IMAGES = "train-images-idx3-ubyte"
LABELS = "t10k-labels-idx1-ubyte"

# Behaviour of the server -> words that tell the user what happened.
WRONG_CONTENT = {
    "wrong_hash": f"of the decompressed file, expected {SHA256[IMAGES]}",
    "web_page": "(perhaps a web page), expected",
    "empty": "found b'' at the start",
    "cut_short": "found a damaged gzip file",
    "bomb": "16777224 bytes, expected at most 262144",
    "too_large": "found 1099511627776 bytes, expected at most 262144",
    "endless": "found an endless body, expected at most 262144 bytes",
    "403": "HTTP 403 Forbidden",
    "404": "HTTP 404 Not Found",
    "500": "HTTP 500 Internal Server Error",
    "redirect_loop": "HTTP 302",
}
NO_ANSWER = {
    "hang": "no answer within 0.5 s",
    "dripped_header": "no answer within 0.5 s",
    "stall": "timed out",
    "dripped_body": "incomplete after 0.6 s",
    "half_closed": "the connection closed after 30 of",
    "reset": "reset by peer",
    "no_http": "no valid HTTP answer",
    "bad_chunk": "no valid HTTP answer",
}
FAULTS = WRONG_CONTENT | NO_ANSWER
SLOW = {"hang", "dripped_header", "stall", "dripped_body"}


@pytest.fixture(scope="module", name="server")
def fixture_server():
    """One server for all tests."""
    with running_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """Reach 127.0.0.1 directly, whatever the user's proxy settings."""
    monkeypatch.setenv("no_proxy", "*")


def patient(*urls: str) -> Mirrors:
    """Mirrors with the waits of real downloads: no verdict depends on the machine's load."""
    return Mirrors(urls, max_bytes=CAP)


def impatient(*urls: str) -> Mirrors:
    """Mirrors that lose patience soon enough for a test."""
    return Mirrors(urls, connect_seconds=0.5, stall_seconds=0.6, total_seconds=0.6, max_bytes=CAP)


def mirrors_for(fault: str, *urls: str) -> Mirrors:
    """Impatient mirrors for the faults that are only told by waiting."""
    return (impatient if fault in SLOW else patient)(*urls)


def content_of(directory: Path) -> dict[str, bytes]:
    """Name and content of every file, temporary ones included."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# Mirrors: one file, from whichever address has it.


@pytest.mark.parametrize("behaviour", ["good", "plain", "recompressed", "redirect"])
def test_any_compression_serves(server, behaviour):
    array = patient(server.url(behaviour)).fetch(IMAGES, SHA256[IMAGES])
    assert idx_bytes(array) == FILES[IMAGES]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_and_nothing_is_kept(server, tmp_path, fault):
    url = server.url(fault)
    start = time.monotonic()
    with pytest.raises(DataUnavailableError) as caught:
        CachedMirrors(tmp_path, mirrors_for(fault, url)).fetch(IMAGES, SHA256[IMAGES])
    message = str(caught.value)
    assert message.startswith(f"{IMAGES} cannot be downloaded. {url}{IMAGES}.gz: ")
    assert FAULTS[fault] in message
    assert "\n" not in message
    assert content_of(tmp_path) == {}
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("fault", FAULTS)
def test_next_mirror_serves_and_only_good_files_are_kept(server, tmp_path, fault):
    server.requests.clear()
    mirrors = mirrors_for(fault, server.url(fault), server.url("good"))
    downloads = CachedMirrors(tmp_path, mirrors)
    for name, sha256 in SHA256.items():
        assert idx_bytes(downloads.fetch(name, sha256)) == FILES[name]
    assert content_of(tmp_path) == FILES
    assert downloads.problem is None
    # A mirror that gave no answer is not asked for the other three files.
    asked = {name for behaviour, name in server.requests if behaviour == fault}
    assert len(asked) == (1 if fault in NO_ANSWER else 4)


def test_error_names_every_mirror(server):
    mirrors = patient(server.url("404"), closed_port(), server.url("web_page"))
    with pytest.raises(DataUnavailableError, match=r"404 Not Found; .* refused; .* web page"):
        mirrors.fetch(IMAGES, SHA256[IMAGES])


def test_memory_of_an_endless_body_is_bounded(server):
    tracemalloc.start()
    try:
        with pytest.raises(DataUnavailableError, match="endless"):
            patient(server.url("endless")).fetch(IMAGES, SHA256[IMAGES])
        assert tracemalloc.get_traced_memory()[1] < 4 * CAP
    finally:
        tracemalloc.stop()


# No network: short, whatever stands in for it.


def fail_to_resolve(*args, **kwargs):
    """Stand-in for socket.getaddrinfo on a machine without network."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def resolve_slowly(*args, **kwargs):
    """Stand-in for socket.getaddrinfo whose name server never answers."""
    time.sleep(2)
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def fetch_in_vain(mirrors: Mirrors) -> tuple[str, float]:
    """Message and duration of a download that cannot work."""
    start = time.monotonic()
    with pytest.raises(DataUnavailableError) as caught:
        mirrors.fetch(IMAGES, SHA256[IMAGES])
    return str(caught.value), time.monotonic() - start


def test_unknown_host(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", fail_to_resolve)
    message, seconds = fetch_in_vain(Mirrors(["http://one.invalid/", "http://two.invalid/"]))
    assert message.count("Name or service not known") == 2
    assert seconds < 1


def test_silent_name_server(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", resolve_slowly)
    message, seconds = fetch_in_vain(impatient("http://one.invalid/", "http://two.invalid/"))
    assert message.count("no answer within 0.5 s") == 2
    assert seconds < 1.6


def test_refused_connection():
    message, seconds = fetch_in_vain(Mirrors([closed_port(), closed_port()]))
    assert message.count("Connection refused") == 2
    assert seconds < 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's way to drop connections")
def test_dropped_connection_at_every_address_of_a_host(monkeypatch):
    with black_hole() as url:
        address = socket.getaddrinfo("127.0.0.1", int(url[:-1].rsplit(":", 1)[1]), socket.AF_INET)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: address[:1] * 8)
        message, seconds = fetch_in_vain(impatient(url, url))
    assert message.count("no answer within 0.5 s") == 2
    assert seconds < 1.6


# CachedMirrors: what is kept, and what happens where nothing can be.


def test_undamaged_file_is_not_downloaded(server, tmp_path):
    (tmp_path / LABELS).write_bytes(FILES[LABELS])
    downloads = CachedMirrors(tmp_path, patient(closed_port()))
    assert idx_bytes(downloads.fetch(LABELS, SHA256[LABELS])) == FILES[LABELS]


@pytest.mark.parametrize("spoiled", [b"", b"<html>", FILES[LABELS][:-1], FILES[IMAGES]])
def test_spoiled_file_is_fetched_again(server, tmp_path, spoiled):
    (tmp_path / LABELS).write_bytes(spoiled)
    downloads = CachedMirrors(tmp_path, patient(server.url("good")))
    assert idx_bytes(downloads.fetch(LABELS, SHA256[LABELS])) == FILES[LABELS]
    assert content_of(tmp_path) == {LABELS: FILES[LABELS]}


def test_path_with_spaces_and_letters_beyond_ascii(server, tmp_path):
    cache = tmp_path / "mein Žwischenspeicher" / "手書き"
    CachedMirrors(cache, patient(server.url("good"))).fetch(LABELS, SHA256[LABELS])
    assert content_of(cache) == {LABELS: FILES[LABELS]}


def serves_from_memory(cache: Path, server) -> str | None:
    """Fetch two files although the cache cannot take them; why it could not."""
    downloads = CachedMirrors(cache, patient(server.url("good")))
    for name in (IMAGES, LABELS):
        assert idx_bytes(downloads.fetch(name, SHA256[name])) == FILES[name]
    return downloads.problem


def test_cache_below_a_file_is_replaced_by_memory(server, tmp_path):
    (tmp_path / "file").touch()
    assert "Not a directory" in serves_from_memory(tmp_path / "file" / "cache", server)


def test_read_only_cache_is_replaced_by_memory(server, tmp_path):
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("needs a user whom permissions bind")
        assert "Permission denied" in serves_from_memory(tmp_path, server)
    finally:
        tmp_path.chmod(0o700)
    assert content_of(tmp_path) == {}


@contextlib.contextmanager
def limited_file_size(size: int):
    """Make longer writes fail as on a full disk (EFBIG in place of ENOSPC)."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_is_replaced_by_memory(server, tmp_path):
    with limited_file_size(len(FILES[IMAGES]) // 2):
        assert "File too large" in serves_from_memory(tmp_path, server)
    assert content_of(tmp_path) == {}


def test_error_of_the_network_is_not_taken_for_one_of_the_cache(server, tmp_path):
    downloads = CachedMirrors(tmp_path, patient(server.url("404")))
    with pytest.raises(DataUnavailableError):
        downloads.fetch(LABELS, SHA256[LABELS])
    assert downloads.problem is None


def test_absence_of_pooch_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataUnavailableError, match=r'pip install "ae_numpy\[data\]"'):
        CachedMirrors(tmp_path, patient(closed_port())).fetch(LABELS, SHA256[LABELS])


def fetch_all_at_once(url: str, cache: str, count: int) -> None:
    """Start processes that fetch the four files together; exit with how many went wrong."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(count)

    def fetch() -> None:
        barrier.wait()
        downloads = CachedMirrors(Path(cache), Mirrors([url]))
        for name, sha256 in SHA256.items():
            assert idx_bytes(downloads.fetch(name, sha256)) == FILES[name]
        assert downloads.problem is None

    processes = [context.Process(target=fetch) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(sum(process.exitcode != 0 for process in processes))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to start eight processes cheaply")
@pytest.mark.parametrize("spoiled", [False, True], ids=["empty cache", "spoiled cache"])
def test_eight_processes_at_once(server, tmp_path, spoiled):
    if spoiled:
        for name in FILES:
            (tmp_path / name).write_bytes(b"<html>")
    # Forking is safe in a process without threads, which the one that runs the server is not.
    script = "import sys, test_download as t; t.fetch_all_at_once(*sys.argv[1:3], 8)"
    done = subprocess.run(
        [sys.executable, "-c", script, server.url("good"), tmp_path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert content_of(tmp_path) == FILES
