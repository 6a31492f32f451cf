"""Downloads from a server that misbehaves: the next mirror, or one error that says why.

No bad file is kept.
"""

import multiprocessing
import socket
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest
from misbehaving_server import FILES, SHA256, closed_port

from ae_numpy.datasets.download import DataUnavailableError, download_files

IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

# Behaviour of the server -> words that tell the user what happened.
FAULTS = {
    "wrong_hash": f"expected {SHA256[IMAGES]} but got",
    "web_page": "(perhaps a web page), expected",
    "empty": "found b'' at the start",
    "cut_short": "found a damaged gzip file",
    "403": "403 Client Error: Forbidden",
    "404": "404 Client Error: Not Found",
    "500": "500 Server Error: Internal Server Error",
    "redirect_loop": "TooManyRedirects",
    "hang": "TimeoutError: timed out",
    "stall": "TimeoutError: timed out",
    "half_closed": "IncompleteRead",
    "reset": "reset by peer",
    "no_http": "BadStatusLine: 220 smtp",
    "bad_chunk": "no length",
}


def content_of(directory) -> dict[str, bytes]:
    """Name and content of every file, temporary ones included."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def download(directory, *mirrors, names=FILES) -> None:
    """Download the files of these names, with a short timeout."""
    download_files({name: SHA256[name] for name in names}, mirrors, directory, timeout=(0.5, 0.5))


@pytest.mark.parametrize("behaviour", ["good", "plain", "recompressed", "redirect"])
def test_any_compression_serves(server, tmp_path, behaviour):
    download(tmp_path, server.url(behaviour))
    assert content_of(tmp_path) == FILES


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_nothing_is_kept(server, tmp_path, fault):
    url = server.url(fault)
    with pytest.raises(DataUnavailableError) as caught:
        download(tmp_path, url)
    message = str(caught.value)
    assert message.startswith(f"{IMAGES} cannot be downloaded. {url}{IMAGES}.gz: ")
    assert FAULTS[fault] in message
    assert "\n" not in message
    assert content_of(tmp_path) == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_mirror_serves_and_only_good_files_are_kept(server, tmp_path, fault):
    server.requests.clear()
    download(tmp_path, server.url(fault), server.url("good"))
    assert content_of(tmp_path) == FILES
    # A mirror that failed is not asked for the other three files.
    assert {name for behaviour, name in server.requests if behaviour == fault} == {IMAGES}


def test_an_error_names_every_mirror(server, tmp_path):
    mirrors = server.url("404"), closed_port(), server.url("web_page")
    with pytest.raises(DataUnavailableError, match=r"404 Client .* refused; .* web page"):
        download(tmp_path, *mirrors)


def test_an_error_that_the_caller_was_handling_is_not_named(tmp_path):
    pytest.importorskip("pooch", reason="downloads need pooch")

    def with_a_handler():
        try:
            raise KeyError("the caller's")
        except KeyError:
            download(tmp_path, closed_port())

    with pytest.raises(DataUnavailableError, match=r"ConnectionRefusedError: .* refused"):
        with_a_handler()


def test_an_unknown_host_is_named(tmp_path, monkeypatch):
    pytest.importorskip("pooch", reason="downloads need pooch")

    def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(DataUnavailableError) as caught:
        download(tmp_path, "http://one.invalid/", "http://two.invalid/")
    assert str(caught.value).count("Name or service not known") == 2


def test_an_undamaged_file_is_not_downloaded(server, tmp_path):
    (tmp_path / LABELS).write_bytes(FILES[LABELS])
    download(tmp_path, closed_port(), names=[LABELS])


@pytest.mark.parametrize("spoiled", [b"", b"<html>", FILES[LABELS][:-1], FILES[IMAGES]])
def test_a_spoiled_file_is_downloaded_again(server, tmp_path, spoiled):
    (tmp_path / LABELS).write_bytes(spoiled)
    download(tmp_path, server.url("good"), names=[LABELS])
    assert content_of(tmp_path) == {LABELS: FILES[LABELS]}


def test_a_directory_that_cannot_be_written_is_not_the_mirrors_fault(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file") as caught:
        download(tmp_path / "file" / "cache", server.url("good"))
    assert not isinstance(caught.value, DataUnavailableError)


def test_nothing_is_printed_and_the_logger_is_left_as_it_was(server, tmp_path, capfd):
    pooch = pytest.importorskip("pooch")
    level = pooch.get_logger().level
    download(tmp_path, server.url("good"))
    assert capfd.readouterr() == ("", "")
    assert pooch.get_logger().level == level


def test_absence_of_pooch_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataUnavailableError, match=r'pip install "ae_numpy\[data\]"'):
        download(tmp_path, closed_port())


def test_processes_that_download_at_once_do_not_disturb_each_other(server, tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(b"<html>")
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        done = [pool.submit(download_files, SHA256, [server.url("good")], tmp_path) for _ in "1234"]
        assert [future.result() for future in done] == [None] * 4
    assert content_of(tmp_path) == FILES
