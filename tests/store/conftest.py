"""Books over a fresh database, with one tenant in them."""

from collections.abc import Iterator

import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from tests.store.asking import Asking


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with Books(database) as opened:
        yield opened


@pytest.fixture
def asking(books: Books) -> Asking:
    """A tenant in BRL with a fee policy of 2% once and 1% a month."""
    return Asking.new_tenant(books, "first")


@pytest.fixture
def other_books(database: Database, books: Books) -> Iterator[Books]:
    """A second process's books, as good as: nothing but the database is shared. Closed first."""
    with Books(database) as opened:
        yield opened
