"""After an upgrade: what an earlier release has filled is rebuilt while it serves, and comes to what the log says."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.postgres.migrate import migrate
from adapters.wiring import Books
from projections.catalog import CATALOG
from projections.engine.projection import Projection
from projections.engine.runner import Runner
from projections.invoices.fold import INVOICES
from projections.rebuild.automatic import AutomaticRebuild
from tests.conftest import MASTER_KEY
from tests.projections.conftest import new_runner, tampering
from tests.projections.history import History
from tests.projections.state import contents

Histories = Callable[[int], History]
Owner = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]

# What the migration of adjustments added, taken away again: the tables as the release before it made them.
BEFORE_ADJUSTMENTS = """
ALTER TABLE invoices
    DROP COLUMN written_off_minor, DROP COLUMN disputed_minor, DROP COLUMN promised_minor, DROP COLUMN promised_on,
    DROP COLUMN held_until, DROP COLUMN agreement_id, DROP COLUMN held, DROP COLUMN promise,
    DROP COLUMN lent_minor, DROP COLUMN first_agreement_id,
    DROP COLUMN promise_made_on, DROP COLUMN due_moved_on, DROP COLUMN closed_on, DROP COLUMN closed_as;
DROP TABLE break_even_totals, portfolio_totals;
ALTER TABLE customers DROP COLUMN has_shortfall, DROP COLUMN shortfall;
ALTER TABLE payments
    DROP COLUMN suspected_duplicate_of, DROP COLUMN reversed_minor, DROP COLUMN charged_back_minor;
DROP INDEX payments_status;
DELETE FROM schema_migrations WHERE name IN ('0003_adjustments', '0009_late_facts', '0010_break_even');
UPDATE projection_versions SET version = 1 WHERE projection IN ('invoices', 'customers', 'payments');
"""
# Rows of that release knew none of the events that it did not have.
FORGOTTEN = """
UPDATE invoices SET status = 'sent', paid_on = NULL WHERE status IN ('written_off', 'renegotiated');
UPDATE payments SET status = 'received' WHERE status = 'charged_back';
UPDATE customers SET credit = '{}', has_credit = false;
"""


def live(books: Books) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with books.database.writer.connection() as connection:
        for projection in CATALOG:
            found |= contents(connection, projection)
    return found


def as_before(database: Database) -> None:
    with owner_connection(database) as connection:
        connection.execute(FORGOTTEN)
        connection.execute(BEFORE_ADJUSTMENTS)


def upgraded(database: Database) -> list[str]:
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        return migrate(admin, MASTER_KEY)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_installation_of_the_release_before_comes_up_and_is_right(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(21).run(120)
    runner.catch_up()
    expected = live(books)
    as_before(books.database)
    assert "duebook_s1/0003_adjustments" in upgraded(books.database)
    outdated = {lag.projection for lag in runner.lag() if lag.outdated}
    assert outdated == {"invoices", "customers", "payments"}
    with books.reading(life.tenant_id) as connection:
        rows = connection.execute("SELECT count(*) FROM invoices WHERE NOT held").fetchone()
        assert rows == (len(life.invoices),)
    books.projections.start()
    wait_until(lambda: not any(lag.outdated for lag in runner.lag()))
    assert live(books) == expected
    life.run(5)
    wait_until(lambda: all(lag.behind == 0 for lag in runner.lag()))


def test_readers_are_served_while_a_read_model_is_renewed(
    books: Books, history: Histories, runner: Runner, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = history(22).run(40)
    runner.catch_up()
    newer = INVOICES._replace(version=INVOICES.version + 1)
    seen: list[int] = []

    def count(projection: Projection, *arguments: Any, **options: Any) -> Any:
        with books.reading(life.tenant_id) as connection:
            row = connection.execute("SELECT count(*) FROM invoices").fetchone()
        assert row is not None
        seen.append(row[0])
        return rebuild(projection, *arguments, **options)

    from projections.rebuild import automatic as renewing
    from projections.rebuild.rebuild import rebuild

    monkeypatch.setattr(renewing, "rebuild", count)
    automatic_rebuild = AutomaticRebuild(books.database.writer.connection, owner, [newer])
    automatic_rebuild.run(threading.Event())
    assert seen == [len(life.invoices)]
    assert automatic_rebuild.due() == []


def test_what_a_later_release_has_filled_is_left_alone(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    history(23).run(10)
    runner.catch_up()
    older = INVOICES._replace(version=INVOICES.version - 1)
    assert AutomaticRebuild(books.database.writer.connection, owner, [older]).due() == []
    assert new_runner(books, projections=[older]).lag()[0].outdated


def test_two_that_renew_the_same_come_to_the_same(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    history(24).run(60)
    runner.catch_up()
    expected = live(books)
    with tampering(books.database) as connection:
        connection.execute("UPDATE projection_versions SET version = version - 1")
    renewals = [AutomaticRebuild(books.database.writer.connection, owner) for _ in range(2)]
    stop = threading.Event()
    threads = [
        threading.Thread(target=automatic_rebuild.run, args=(stop,))
        for automatic_rebuild in renewals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert live(books) == expected
    assert not any(lag.outdated for lag in runner.lag())


def test_a_renewal_that_is_stopped_is_gone_on_with(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    history(25).run(20)
    runner.catch_up()
    with tampering(books.database) as connection:
        connection.execute("UPDATE projection_versions SET version = version - 1")
    automatic_rebuild = AutomaticRebuild(books.database.writer.connection, owner)
    stop = threading.Event()
    stop.set()
    automatic_rebuild.run(stop)
    assert len(automatic_rebuild.due()) == len(CATALOG)
    automatic_rebuild.run(threading.Event())
    assert automatic_rebuild.due() == []
