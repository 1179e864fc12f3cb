"""The read model of agreements: it says what the snapshots say, in lists of any length, rebuilt or not."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.store.agreement_snapshots import read_agreement
from adapters.store.writer import Request
from adapters.wiring import Books
from commands.agreements.lifecycle import (
    ActivateAgreement,
    ApproveAgreement,
    LoseAgreement,
    RejectAgreement,
    RenegotiateAgreement,
    RequestAgreement,
    activate_agreement,
    approve_agreement,
    lose_agreement,
    reject_agreement,
    renegotiate_agreement,
    request_agreement,
)
from ledger.money import Money
from projections.agreements.fold import AGREEMENTS
from projections.agreements.listing import AgreementFilters, AgreementRow, list_agreements
from projections.engine.runner import Runner
from projections.pagination import MalformedCursor
from projections.rebuild.rebuild import rebuild
from tests.projections.conftest import new_runner, tampering
from tests.projections.history import FIRST_DAY, History
from tests.projections.state import contents

FIRST = date(2024, 1, 31)
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


class Lender(History):
    """A history with agreements. `key:1` asks and acts, `key:2` decides."""

    def act(self, handler: Any, *arguments: Any, actor: str = "key:1") -> UUID:
        request = Request(
            tenant_id=self.tenant_id,
            actor=actor,
            handler=lambda unit: handler(unit, *arguments).id,
            now=datetime.combine(self.today, time(12), UTC),
        )
        return UUID(self.books.writer.run(request).body.decode().strip('"'))

    def request(self) -> UUID:
        terms = RequestAgreement(
            customer_id=self.customers[0],
            kind="loan",
            principal=Money("900.00", "BRL"),
            schedule="equal",
            count=3,
            first_due_on=FIRST,
        )
        return self.act(request_agreement, terms)

    def lend(self) -> UUID:
        agreement_id = self.request()
        self.act(approve_agreement, agreement_id, ApproveAgreement(), actor="key:2")
        return self.act(activate_agreement, agreement_id, ActivateAgreement())


@pytest.fixture(scope="module")
def books(module_database: Database) -> Iterator[Books]:
    with Books(module_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def runner(books: Books) -> Runner:
    return new_runner(books)


@pytest.fixture(scope="module")
def life(books: Books, runner: Runner) -> Lender:
    """One agreement of each status, another renegotiated twice, forty days gone by."""
    life = Lender(books, 7)
    life.request()
    life.act(approve_agreement, life.request(), ApproveAgreement(), actor="key:2")
    life.act(reject_agreement, life.request(), RejectAgreement("no"), actor="key:2")
    life.lend()
    paid = life.lend()
    with books.reading(life.tenant_id) as connection:
        parts = read_agreement(connection, life.tenant_id, paid, FIRST_DAY, NOW).instalments
    for part in parts:
        life._pay(invoice_id=part.invoice_id, amount=part.open)
    life.act(lose_agreement, life.lend(), LoseAgreement("gone"))
    again = RenegotiateAgreement(reason="less pay", schedule="equal", count=2, first_due_on=FIRST)
    successor = life.act(renegotiate_agreement, life.lend(), again)
    life.act(renegotiate_agreement, successor, again)
    life.night(40)
    runner.catch_up()
    return life


def listed(books: Books, life: History, limit: int = 500, **filters: Any) -> list[AgreementRow]:
    items: list[AgreementRow] = []
    cursor = None
    while True:
        with books.reading(life.tenant_id) as connection:
            page = list_agreements(
                connection,
                life.tenant_id,
                AgreementFilters(**filters),
                today=life.today,
                cursor=cursor,
                limit=limit,
            )
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


def test_each_row_says_what_the_snapshots_say(books: Books, life: Lender) -> None:
    rows = listed(books, life)
    assert {row.status for row in rows} == {
        "requested",
        "approved",
        "rejected",
        "active",
        "paid",
        "lost",
        "renegotiated",
    }
    assert len(rows) == 9
    with books.reading(life.tenant_id) as connection:
        for row in rows:
            view = read_agreement(connection, life.tenant_id, row.id, life.today, NOW)
            for name in (
                "customer_id",
                "kind",
                "status",
                "currency",
                "schedule",
                "count",
                "principal",
                "original",
                "requested_on",
                "activated_on",
                "renegotiates",
                "successor_id",
            ):
                assert getattr(row, name) == getattr(view, name), name
            for name in ("charged", "paid", "open", "overdue"):
                assert getattr(row, name) == getattr(view.totals, name), name
    assert any(row.overdue.minor > 0 for row in rows)


def test_pages_and_filters(books: Books, life: Lender) -> None:
    every = listed(books, life)
    for limit in (1, 2, 8, 9):
        assert listed(books, life, limit) == every
    lost = listed(books, life, status="lost")
    assert lost == [row for row in every if row.status == "lost"]
    assert listed(books, life, customer_id=life.customers[0]) == every
    assert listed(books, life, customer_id=life.customers[1]) == []
    assert listed(books, life, kind="payment_plan") == []


def test_a_cursor_of_another_list_is_refused(books: Books, life: Lender) -> None:
    with books.reading(life.tenant_id) as connection, pytest.raises(MalformedCursor):
        list_agreements(connection, life.tenant_id, today=life.today, cursor="nonsense")


def test_another_tenant_sees_none_of_it(books: Books, life: Lender) -> None:
    other = History(books, 8)
    with books.reading(other.tenant_id) as connection:
        page = list_agreements(connection, life.tenant_id, today=life.today)
    assert page.items == []


def test_rebuilt_it_is_the_same(books: Books, life: Lender) -> None:
    with books.database.writer.connection() as connection:
        before = contents(connection, AGREEMENTS)
    with tampering(books.database) as connection:
        connection.execute("DELETE FROM agreements")
    rebuild(AGREEMENTS, books.database.writer.connection, lambda: owner_connection(books.database))
    with books.database.writer.connection() as connection:
        assert contents(connection, AGREEMENTS) == before
    assert len(before["agreements"]) == 9
