"""Seeded databases to kill processes on, copied from a template in milliseconds, and a nursery to fork workers from."""

import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from adapters.postgres.connection import connect_database
from adapters.wiring import Books
from tests.conftest import MASTER_KEY, Engine
from tests.schedulers.nights import Nights, day

INVOICES = 300


class Seed:
    """A template database with one tenant, its ids, and copies of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._template = f"seed_{secrets.token_hex(4)}"
        with self._admin() as admin:
            admin.execute(SQL("CREATE DATABASE {}").format(Identifier(self._template)))
        url = engine.server.url(self._template)
        with connect_database(url, MASTER_KEY) as database, Books(database) as books:
            nights = Nights.begin(books)
            self.invoices = nights.invoices(INVOICES)
            for n, invoice in enumerate(self.invoices[::10]):
                nights.pay(invoice, f"{10 + 3 * n}.00", day(n % 4 - 1), f"seed {n}")

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._engine.server.admin_url, autocommit=True)

    def drop(self) -> None:
        with self._admin() as admin:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(self._template)))

    @contextlib.contextmanager
    def copy(self) -> Iterator["Copy"]:
        name = f"copy_{secrets.token_hex(6)}"
        with self._admin() as admin:
            admin.execute(
                SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    Identifier(name), Identifier(self._template)
                )
            )
            try:
                yield Copy(self._engine.server.url(name))
            finally:
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


class Copy:
    """One database copied from the seed. `url` is the administrator's, `writer_url` the writer's login."""

    def __init__(self, url: str) -> None:
        from adapters.postgres.connection import service_url
        from adapters.postgres.roles import WRITER

        self.url = url
        options = "-c search_path=duebook_s1 -c idle_in_transaction_session_timeout=20s"
        self.writer_url = make_conninfo(service_url(url, WRITER, MASTER_KEY), options=options)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        options = "-c search_path=duebook_s1"
        with psycopg.connect(self.url, autocommit=True, options=options) as connection:
            return connection.execute(query.encode(), values or None).fetchall()

    def expire_lease(self) -> None:
        """Time goes by."""
        self.rows("UPDATE leases SET expires_at = '2000-01-01' RETURNING 1")

    @contextlib.contextmanager
    def books(self) -> Iterator[Books]:
        with connect_database(self.url, MASTER_KEY) as database, Books(database) as books:
            yield books


class Nursery:
    """Forks workers from a warmed process (`tests.soak.nursery`)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, work: str, seconds: float | None = None, **options: Any) -> dict[str, Any]:
        """Runs a worker to its end, or kills it after so many seconds: {ended: done, failed or killed; said}."""
        return self._asked({"work": work, "with": options, "seconds": seconds})

    def run_until_it_stops(self, work: str, **options: Any) -> dict[str, Any]:
        """Runs a worker until it stands still."""
        return self._asked({"work": work, "with": options, "stops": True})

    def wake(self) -> dict[str, Any]:
        """Lets the worker that stands still go on, to its end."""
        return self._asked({})

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _asked(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="session")
def seed(engine_of: Callable[[str], Engine]) -> Iterator[Seed]:
    seed = Seed(engine_of("embedded"))
    yield seed
    seed.drop()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def copy(seed: Seed) -> Iterator[Copy]:
    with seed.copy() as copied:
        yield copied


def uuids(ids: list[UUID]) -> list[str]:
    return [str(each) for each in ids]
