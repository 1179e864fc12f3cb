"""Where a worker is to end or to stand still: at its n-th pause point, statement or COMMIT, counted as it runs."""

import os
import signal
import threading
import time
from typing import Any, ClassVar, Literal

import httpx
import psycopg

Place = Literal["pause", "statement", "commit", "in commit", "in copy", "file", "request"]


class Doom:
    """Strikes the process with a signal at the n-th passing of a kind of place, from 0.

    `in commit` strikes when the server has been sent the COMMIT and before its reply is read; `in copy` when half of
    a COPY's data has been sent; `file` before each step that changes a folder or puts it on the disk; `request` before
    a request is sent, while it is under way, and when its answer has come.
    """

    def __init__(self, place: Place | None, n: int, strike: signal.Signals) -> None:
        self._place, self._left, self._strike = place, n, strike
        self._lock = threading.Lock()
        self.passed: dict[str, int] = {}

    def passes(self, place: Place) -> bool:
        """Counts; True when the place is the one."""
        with self._lock:
            self.passed[place] = self.passed.get(place, 0) + 1
            if place != self._place:
                return False
            self._left -= 1
            return self._left == -1

    def strike(self) -> None:
        os.kill(os.getpid(), self._strike)
        time.sleep(0.001)  # a stop takes effect before the next line

    def at(self, place: Place) -> None:
        if self.passes(place):
            self.strike()


class DoomedCursor(psycopg.Cursor[Any]):
    """Passes `statement` before each one."""

    def execute(self, *arguments: Any, **options: Any) -> Any:
        DoomedConnection.doom.at("statement")
        return super().execute(*arguments, **options)

    def copy(self, *arguments: Any, **options: Any) -> Any:
        DoomedConnection.doom.at("statement")
        return super().copy(*arguments, **options)


class DoomedConnection(psycopg.Connection[Any]):
    """A connection under a doom."""

    doom: ClassVar[Doom] = Doom(None, 0, signal.SIGKILL)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor_factory = DoomedCursor

    def commit(self) -> None:
        self.doom.at("commit")
        if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.INTRANS and (
            self.doom.passes("in commit")
        ):
            self.pgconn.send_query(b"COMMIT")
            self.pgconn.flush()
            self.doom.strike()
        super().commit()


def doom_copies(doom: Doom) -> None:
    """Lets the doom strike in the middle of a COPY's data."""
    write = psycopg.Copy.write

    def written(copy: psycopg.Copy, data: Any) -> None:
        if len(data) > 10_000 and doom.passes("in copy"):
            half = len(data) // 2
            write(copy, data[:half])
            doom.strike()
            data = data[half:]
        write(copy, data)

    psycopg.Copy.write = written  # type: ignore[method-assign]


def doom_files(doom: Doom) -> None:
    """Lets the doom strike before each step that changes a folder or puts it on the disk."""
    for name in ("fsync", "link", "open", "unlink"):
        step = getattr(os, name)

        def doomed(*arguments: Any, _step: Any = step, **options: Any) -> Any:
            doom.at("file")
            return _step(*arguments, **options)

        setattr(os, name, doomed)


IN_FLIGHT_SECONDS = 0.03


class DoomedTransport(httpx.BaseTransport):
    """Requests under a doom. The peer must take longer than IN_FLIGHT_SECONDS to answer."""

    def __init__(self, doom: Doom, transport: httpx.BaseTransport) -> None:
        self._doom, self._transport = doom, transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._doom.at("request")
        if self._doom.passes("request"):
            threading.Timer(IN_FLIGHT_SECONDS, self._doom.strike).start()
        answer = self._transport.handle_request(request)
        self._doom.at("request")
        return answer

    def close(self) -> None:
        self._transport.close()
