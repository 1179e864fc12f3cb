"""Books over a fresh database, and chunks small enough that a day has several."""

from collections.abc import Iterator

import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from schedulers import chunks
from tests.schedulers.nights import Nights


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with Books(database) as opened:
        yield opened


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three streams to a chunk."""
    for name in ("FEWEST", "FIRST", "MOST"):
        monkeypatch.setattr(chunks, name, 3)


@pytest.fixture
def nights(books: Books) -> Nights:
    return Nights.begin(books)
