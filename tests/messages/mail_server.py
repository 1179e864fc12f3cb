"""A mail server on loopback that answers what a test says, over real sockets, and keeps what it took.

An answer is a line such as `550 5.1.1 no such user`, or `drop` to close the connection, or `hang` to say nothing.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections import defaultdict
from types import TracebackType

GREETING = "220 test ESMTP"
DROP, HANG = "drop", "hang"


class Mail:
    """A mail that was taken: from, to, its bytes, and when its MAIL command came."""

    def __init__(self, sent_from: str, to: list[str], content: bytes, at: float) -> None:
        self.sent_from = sent_from
        self.to = to
        self.content = content
        self.at = at


class MailServer:
    """Use it in a `with`.

    answers    by command (`connect`, `ehlo`, `auth`, `mail`, `rcpt`, `data`, `dot`): answers to give in turn, before
               those that succeed
    by_domain  answers to RCPT by the recipient's domain, for as long as they stand there
    """

    def __init__(
        self, *, starttls: ssl.SSLContext | None = None, login: bool = False, tls: bool = False
    ) -> None:
        self.answers: dict[str, list[str]] = defaultdict(list)
        self.by_domain: dict[str, str] = {}
        self.mails: list[Mail] = []
        self.connections = 0
        self.commands: list[str] = []
        self.sources: list[str] = []
        self._context = starttls
        self._login = login
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "MailServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.drop_connections()
        self._thread.join()

    def drop_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self.sources.append(address[0])
                self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls and self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            session = Session(self, connection)
            try:
                session.run()
            finally:
                session.close()

    def next(self, command: str) -> str | None:
        with self._lock:
            self.commands.append(command)
            waiting = self.answers[command]
            return waiting.pop(0) if waiting else None

    def take(self, mail: Mail) -> None:
        with self._lock:
            self.mails.append(mail)


class Session:
    def __init__(self, server: MailServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._encrypted = server._tls
        self._from = ""
        self._to: list[str] = []
        self._at = 0.0

    def run(self) -> None:
        if not self._answer("connect", GREETING):
            return
        while line := self._reader.readline():
            command, _, rest = line.decode().strip().partition(" ")
            if not self._command(command.upper(), rest):
                return

    def close(self) -> None:
        self._reader.close()
        self._connection.close()

    def _command(self, command: str, rest: str) -> bool:
        match command:
            case "EHLO" | "HELO":
                return self._answer("ehlo", self._features())
            case "STARTTLS":
                self._say("220 go ahead")
                context = self._server._context
                assert context is not None
                self._reader.close()
                self._connection = context.wrap_socket(self._connection, server_side=True)
                self._reader = self._connection.makefile("rb")
                self._encrypted = True
                return True
            case "AUTH":
                return self._answer("auth", "235 2.7.0 welcome")
            case "MAIL":
                self._at = time.monotonic()
                self._from, self._to = rest.split(":", 1)[1].split(">")[0].strip(" <"), []
                return self._answer("mail", "250 2.1.0 ok")
            case "RCPT":
                to = rest.split(":", 1)[1].strip(" <>")
                told = self._server.by_domain.get(to.rpartition("@")[2])
                self._to.append(to)
                return self._answer("rcpt", told or "250 2.1.5 ok")
            case "DATA":
                return self._data()
            case "QUIT":
                self._say("221 bye")
                return False
            case _:
                self._say("250 ok")
                return True

    def _data(self) -> bool:
        refused = self._server.next("data")
        if refused is not None:
            return self._told(refused)
        self._say("354 go on")
        lines: list[bytes] = []
        while (line := self._reader.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        refused = self._server.next("dot")
        if refused is not None and not refused.startswith("2"):
            return self._told(refused)
        self._server.take(Mail(self._from, self._to, b"".join(lines), self._at))
        self._say(refused or f"250 2.0.0 queued as {len(self._server.mails)}")
        return True

    def _features(self) -> str:
        features = ["250-test"]
        if self._server._context is not None and not self._encrypted:
            features.append("250-STARTTLS")
        if self._server._login:
            features.append("250-AUTH PLAIN LOGIN")
        return "\r\n".join([*features, "250 ENHANCEDSTATUSCODES"])

    def _answer(self, command: str, success: str) -> bool:
        return self._told(self._server.next(command) or success)

    def _told(self, answer: str) -> bool:
        if answer == DROP:
            return False
        if answer == HANG:
            self._reader.read(1)
            return False
        self._say(answer)
        return not answer.startswith("421")

    def _say(self, line: str) -> None:
        self._connection.sendall(line.encode() + b"\r\n")
