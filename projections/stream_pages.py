"""The log in stream order, read ahead by a thread on a connection of its own, while the pages before are worked on."""

import threading
from collections.abc import Iterator
from queue import Full, Queue

from projections import log
from projections.log import Logged
from projections.tables import StreamKey
from projections.tracking import Connect

READ_AHEAD = 2
LAST_VERSION = 2**31 - 1


class StreamPages:
    """Pages of the log up to a position, in stream order, after the whole of a stream.

    `kind` is the kind of stream whose events come with their data; None is every kind.
    """

    def __init__(self, connect: Connect, kind: str | None, after: StreamKey, upto: int) -> None:
        self._connect = connect
        self._kind = kind
        self._after = after
        self._upto = upto
        self._read: Queue[list[Logged] | BaseException] = Queue(READ_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duebook-rebuild", daemon=True)

    def __enter__(self) -> "StreamPages":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[list[Logged]]:
        while True:
            read = self._read.get()
            if isinstance(read, BaseException):
                raise read
            if not read:
                return
            yield read

    def _run(self) -> None:
        try:
            self._read_all()
        except BaseException as error:  # raised again where the pages are used
            self._put(error)

    def _read_all(self) -> None:
        after = (*self._after, LAST_VERSION)
        with self._connect() as connection, connection.cursor() as cursor:
            page: list[Logged] | None = None
            while page is None or page:
                page = log.stream_page(cursor, self._kind, after, self._upto)
                connection.rollback()  # nothing is held while the page waits
                self._put(page)
                if self._stop.is_set():
                    return
                if page:
                    _, tenant, stream, version, _, _, _, _ = page[-1]
                    after = (tenant, stream, version)

    def _put(self, read: list[Logged] | BaseException) -> None:
        while not self._stop.is_set():
            try:
                return self._read.put(read, timeout=0.1)
            except Full:
                continue
