"""A small data set in MNIST's form, and a web server on 127.0.0.1 that serves it well or badly.

The first folder of a URL chooses the behaviour: a server at http://127.0.0.1:8000/ answers
/good/NAME.gz with the file, and /hang/NAME.gz not at all. Behaviours are the methods below
`do_GET`.
"""

import gzip
import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

TRAIN_COUNT, TEST_COUNT = 20, 10
ENDLESS_SECONDS = 10
"""What should go on forever stops here, so that a broken client fails its test in finite time."""


def idx_bytes(array: np.ndarray) -> bytes:
    """A plain IDX file, written without the code under test."""
    codes = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
    dimensions = b"".join(struct.pack(">I", size) for size in array.shape)
    entries = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return bytes([0, 0, codes[array.dtype.name], array.ndim]) + dimensions + entries


def _draw_files() -> dict[str, bytes]:
    """The content of the four plain files."""
    rng = np.random.default_rng(0)
    files = {}
    for part, count in (("train", TRAIN_COUNT), ("t10k", TEST_COUNT)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        files[f"{part}-images-idx3-ubyte"] = idx_bytes(images)
        files[f"{part}-labels-idx1-ubyte"] = idx_bytes(labels)
    return files


FILES = _draw_files()
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


class Server(ThreadingHTTPServer):
    """Serves until the test is over; `requests` lists the (behaviour, file) pairs asked for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.over = threading.Event()
        self.requests: list[tuple[str, str]] = []

    def url(self, behaviour: str) -> str:
        """Address of the mirror that behaves in this way."""
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"

    def handle_error(self, request, client_address) -> None:
        """Keep quiet: clients that hang up are what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    """Answers a request in the way its URL asks for."""

    server: Server

    def do_GET(self) -> None:
        """Dispatch on the first folder of the URL."""
        behaviour, file = self.path.strip("/").split("/")
        self.name = file.removesuffix(".gz")
        self.server.requests.append((behaviour, self.name))
        if behaviour.isdigit():
            self.send_error(int(behaviour))
        else:
            getattr(self, f"serve_{behaviour}")(FILES[self.name])

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def reply(self, body: bytes, announced: int | None = None) -> None:
        """Answer 200 with this body, and with Content-Length if one is given."""
        self.send_response(200)
        if announced is not None:
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(body)

    # Honest answers.

    def serve_good(self, content: bytes) -> None:
        body = gzip.compress(content)
        self.reply(body, len(body))

    def serve_plain(self, content: bytes) -> None:
        self.reply(content, len(content))

    def serve_recompressed(self, content: bytes) -> None:
        self.reply(gzip.compress(content[:9], 1) + gzip.compress(content[9:], 0))

    def serve_redirect(self, content: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.server.url('good')}{self.name}.gz")
        self.end_headers()

    # Complete answers with the wrong content.

    def serve_wrong_hash(self, content: bytes) -> None:
        self.reply(gzip.compress(content[:-1] + bytes([content[-1] ^ 1])))

    def serve_web_page(self, content: bytes) -> None:
        self.reply(b"<!DOCTYPE html><title>Please log in</title>")

    def serve_empty(self, content: bytes) -> None:
        self.reply(b"", 0)

    def serve_redirect_loop(self, content: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()

    # Incomplete answers.

    def serve_hang(self, content: bytes) -> None:
        self.server.over.wait(ENDLESS_SECONDS)

    def serve_stall(self, content: bytes) -> None:
        body = gzip.compress(content)
        self.reply(body[:30], len(body))
        self.server.over.wait(ENDLESS_SECONDS)

    def serve_half_closed(self, content: bytes) -> None:
        body = gzip.compress(content)
        self.reply(body[:30], len(body))
        self.connection.shutdown(socket.SHUT_WR)
        self.server.over.wait(ENDLESS_SECONDS)

    def serve_cut_short(self, content: bytes) -> None:
        self.reply(gzip.compress(content)[:-1])

    def serve_reset(self, content: bytes) -> None:
        # Lingering for 0 seconds makes close() send a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())

    def serve_no_http(self, content: bytes) -> None:
        self.wfile.write(b"220 smtp.example.org ready\r\n")

    def serve_bad_chunk(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"no length\r\n")


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that is listening while the block runs."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def closed_port() -> str:
    """URL of a port that refuses connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"
