"""A proxy between a client and PostgreSQL's unix socket that can cut connections at a chosen COMMIT."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
READY = b"Z\x00\x00\x00\x05"
FILE_NAME = ".s.PGSQL.5432"

Fault = Literal["swallow the reply", "swallow the commit", "cut after the commit was sent"]


class Proxy:
    """Listens on a socket in `folder` and passes everything on to the server's socket in `server_folder`.

    `arm(fault)` makes it spoil the next COMMIT that comes by (or one after `skip` others), and cut that connection:
    - swallow the reply: the server has committed, and its reply is never delivered;
    - swallow the commit: the server never sees it;
    - cut after the commit was sent: the client is cut off while the server still works on it.
    `after` is called before the client is cut off. While `shut` is set, new connections are cut at once.
    """

    def __init__(self, folder: Path, server_folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._server = str(server_folder / FILE_NAME)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / FILE_NAME))
        self._listener.listen(50)
        self._open: set[socket.socket] = set()
        self._fault: Fault | None = None
        self._after: Callable[[], None] = lambda: None
        self._skip = 0
        self.spoilt = 0
        self.shut = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def arm(self, fault: Fault, after: Callable[[], None] = lambda: None, skip: int = 0) -> None:
        self._after, self._skip, self._fault = after, skip, fault

    def disarm(self) -> None:
        self._fault = None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.cut_all()

    def cut_all(self) -> None:
        """Cuts every connection there is."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.shut:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._open |= {client, server}
            replies = threading.Event()
            threading.Thread(target=self._up, args=(client, server, replies), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, replies), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, spoiling: threading.Event) -> None:
        """What the client sends."""
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                fault = self._fault
                if fault is not None and data.endswith(COMMIT) and self._skip:
                    self._skip -= 1
                elif fault is not None and data.endswith(COMMIT):
                    self._fault = None
                    self.spoilt += 1
                    if fault == "swallow the reply":
                        spoiling.set()
                        server.sendall(data)
                        continue  # `_down` cuts the client off when the reply has come
                    if fault == "cut after the commit was sent":
                        server.sendall(data)
                    self._after()
                    break
                server.sendall(data)
        self._cut(client, server)

    def _down(
        self, client: socket.socket, server: socket.socket, spoiling: threading.Event
    ) -> None:
        """What the server answers."""
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if spoiling.is_set():
                    if READY in data:
                        self._after()
                        break
                    continue
                client.sendall(data)
        self._cut(client, server)

    def _cut(self, client: socket.socket, server: socket.socket) -> None:
        for each in (client, server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
            self._open.discard(each)
