"""A provider of payouts on loopback: it keeps one instruction for each id, and answers as it was told to."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import msgspec


class Put(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


Manner = Callable[["Peer", Put], int | None]
"""What the provider does with a request: it may keep it, and answers a status, or None for no answer at all."""


class Peer:
    """The provider: what it was sent, and the instructions it has."""

    def __init__(self) -> None:
        self.puts: list[Put] = []
        self.instructions: dict[str, bytes] = {}
        self.manners: dict[str, list[Manner]] = {}
        self.manner: Manner = keep
        self.answer: bytes = b'{"reference": "po-1"}'
        self.lock = threading.Lock()
        self.url = ""

    def take(self, put: Put) -> int | None:
        """By the manners that were set for its id, one after another; then by the usual one."""
        refund_id = put.path.rpartition("/")[2]
        with self.lock:
            self.puts.append(put)
            queue = self.manners.get(refund_id)
            manner = queue.pop(0) if queue else self.manner
            return manner(self, put)


def keep(peer: Peer, put: Put) -> int:
    """Keeps it; the same again changes nothing, another content under the id is a conflict."""
    refund_id = put.path.rpartition("/")[2]
    known = peer.instructions.setdefault(refund_id, put.body)
    return 200 if known == put.body else 409


def keep_and_say_nothing(peer: Peer, put: Put) -> None:
    keep(peer, put)


def answering(status: int) -> Manner:
    return lambda peer, put: status


def say_nothing(peer: Peer, put: Put) -> None:
    return None


def keep_slowly(seconds: float) -> Manner:
    def slowly(peer: Peer, put: Put) -> int:
        found = keep(peer, put)
        time.sleep(seconds)
        return found

    return slowly


@contextlib.contextmanager
def listening_peer() -> Iterator[Peer]:
    peer = Peer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a client that was killed
                super().handle()

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = peer.take(Put(self.path, headers, body))
            if status is None:
                # Reset rather than closed, so that it is a lost connection and nothing else.
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.close_connection = True
                return
            with contextlib.suppress(OSError):  # the client may have been killed
                self.send_response(status)
                self.send_header("Content-Length", str(len(peer.answer)))
                self.end_headers()
                self.wfile.write(peer.answer)

        def log_message(self, format: str, *arguments: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    peer.url = f"http://127.0.0.1:{server.server_address[1]}/refunds"
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def decoded(put: Put) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(put.body)
    return found
