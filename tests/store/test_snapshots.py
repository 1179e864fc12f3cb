"""Snapshots: what a release with another fold has written is refolded, wherever a snapshot is read."""

from uuid import UUID

import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.store import snapshots
from adapters.store.debtors import open_cases
from ledger.streams import STREAMS
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, in_one_group, rows


@pytest.fixture
def invoice(asking: Asking) -> UUID:
    invoice = asking.invoice(asking.customer(), "100.00")
    asking.pay(invoice, "10.00")
    return invoice


def of_another_release(database: Database, kind: str | None = None) -> None:
    """Every snapshot, or those of a kind, as another release has folded them: unreadable to this one."""
    with owner_connection(database) as owner:
        owner.execute(
            "UPDATE snapshots SET fold_version = 99, state = '\\x00ff' WHERE stream = %s OR %s::text IS NULL",
            (kind, kind),
        )


def test_commands_fold_them_anew_and_write_them_anew(
    asking: Asking, database: Database, invoice: UUID
) -> None:
    of_another_release(database)

    asking.pay(invoice, "20.00")

    assert asking.state("invoice", invoice).open.total == 7000
    touched = rows(database, "SELECT fold_version FROM snapshots WHERE stream_id = %s", invoice)
    assert touched == [(STREAMS["invoice"].fold_version,)]
    of_another_release(database, "customer")
    asking.pay(invoice, "100.00")
    assert asking.state("invoice", invoice).status == "paid"
    stored = rows(database, "SELECT stream, stream_id FROM snapshots")
    assert all(asking.state(kind, stream_id) is not None for kind, stream_id in stored)


def test_reads_fold_them_anew_under_row_security(
    asking: Asking, database: Database, invoice: UUID
) -> None:
    before = asking.state("invoice", invoice)
    of_another_release(database)

    assert asking.state("invoice", invoice) == before
    with asking.books.reading(asking.tenant_id) as connection:
        assert snapshots.read(connection, asking.tenant_id, "payment", invoice) is None
    assert asking.books.tenants.state(asking.tenant_id).name == "first"


def test_the_clock_reads_them(asking: Asking, database: Database, invoice: UUID) -> None:
    of_another_release(database)

    assert [standing[0] for standing in asking.books.clock.clock_states()] == [asking.tenant_id]
    cases = open_cases(database.writer, asking.tenant_id)
    assert [one for case in cases for one, _ in case.invoices] == [invoice]


def test_an_unreadable_head_fails_its_own_commands_only(
    asking: Asking, database: Database, invoice: UUID
) -> None:
    """Poisoned bytes under the present fold version: loud for that stream, nothing for the others."""
    other = asking.invoice(asking.customer(), "50.00")
    with owner_connection(database) as owner:
        owner.execute("UPDATE snapshots SET state = '\\x00ff' WHERE stream_id = %s", (invoice,))
    before = rows(database, "SELECT count(*) FROM events")

    requests = [
        asking.request(asking.paying(each, "1.00"), key=f"k{n}", prefetch_streams=(each,))
        for n, each in enumerate((other, invoice, other))
    ]
    futures = in_one_group(asking.books.writer, requests)
    failures = [future.exception(20) for future in futures]

    assert [failure is None for failure in failures] == [True, False, True]
    assert asking.state("invoice", other).open.total == 4800
    assert rows(database, "SELECT count(*) FROM events WHERE stream_id = %s", invoice) == [(3,)]
    assert rows(database, "SELECT count(*) FROM events") == [(before[0][0] + 4,)]


def test_snapshots_are_what_the_events_say(
    asking: Asking, database: Database, invoice: UUID
) -> None:
    asking.reverse(UUID(asking.pay(invoice, "200.00")["id"]))
    assert_log_is_whole(database)
