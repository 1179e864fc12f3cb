"""Books over a fresh database, histories in them, and a runner that applies what they append."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.wiring import Books
from projections.engine.runner import Runner
from tests.projections.history import History

Connection = psycopg.Connection[Any]


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with Books(database) as opened:
        yield opened


@pytest.fixture
def history(books: Books) -> Callable[[int], History]:
    """A new tenant's history, by seed."""
    return lambda seed: History(books, seed)


@pytest.fixture
def runner(books: Books) -> Runner:
    """A runner that is told when to apply events."""
    return new_runner(books)


@pytest.fixture
def owner(database: Database) -> Callable[[], AbstractContextManager[Connection]]:
    """Connections of the tables' owner."""
    return lambda: owner_connection(database)


def new_runner(books: Books, **options: Any) -> Runner:
    advance = books.application.tracking().advance
    return Runner(books.database.writer.connection, advance, **options)


@contextlib.contextmanager
def tampering(database: Database) -> Iterator[Connection]:
    """A connection that may change what nobody may: the owner's."""
    with owner_connection(database) as connection:
        yield connection
