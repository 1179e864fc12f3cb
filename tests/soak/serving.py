"""A server process of its own: `python -m tests.soak.serving ADMIN_URL HOME`.

It prints its URL, serves until its input is closed, and then prints how often its writer had to decide again because
another process was there first.
"""

import logging
import sys
from pathlib import Path

from adapters.postgres.connection import connect_database
from adapters.store import writer
from adapters.wiring import Books
from tests.conftest import MASTER_KEY
from tests.http.conftest import running


class Counting(logging.Handler):
    """Counts what is logged, and writes nothing."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.msg.startswith("deciding again")


def main(admin_url: str, home: str) -> None:
    counting = Counting()
    writer.log.addHandler(counting)
    writer.log.setLevel(logging.DEBUG)
    writer.log.propagate = False
    with connect_database(admin_url, MASTER_KEY) as database, Books(database) as books:
        books.projections.start()
        with running(books, Path(home)) as url:
            print(url, flush=True)
            sys.stdin.read()
    print(counting.count, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
