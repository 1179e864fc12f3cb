"""Agreements through two processes: one set of instalments, and no instalment that is paid and renegotiated."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from commands.agreements.lifecycle import (
    ActivateAgreement,
    RenegotiateAgreement,
    activate_agreement,
    renegotiate_agreement,
)
from commands.numbering import next_numbers
from commands.unit_of_work import Unit, load
from ledger.agreement.decisions import NotApproved
from ledger.numbering import DOCUMENT_NUMBER
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, rows
from tests.store.test_two_writers import Overtaken


@pytest.fixture
def other(asking: Asking, other_books: Books) -> Asking:
    return Asking(other_books, asking.tenant_id)


@pytest.fixture
def approved(asking: Asking) -> UUID:
    return asking.approved(asking.customer())


def activating(agreement_id: UUID) -> Any:
    return lambda unit: activate_agreement(unit, agreement_id, ActivateAgreement())


def test_it_is_put_into_force_once(
    asking: Asking, other: Asking, database: Database, approved: UUID
) -> None:
    late = Overtaken(activating(approved), lambda: other.ask(activating(approved)))
    with pytest.raises(NotApproved):
        asking.ask(late)
    assert late.runs == 2, "the first decision was stale"
    assert rows(database, "SELECT count(*) FROM events WHERE tag = 'invoice.sent.v1'") == [(3,)]
    assert rows(database, "SELECT next_number FROM number_series") == [(4,)]
    assert_log_is_whole(database)


def test_a_payment_that_comes_first_is_not_renegotiated(
    asking: Asking, other: Asking, database: Database, approved: UUID
) -> None:
    parts = asking.ask(activating(approved))["instalments"]
    first = UUID(parts[0]["invoice_id"])
    terms = RenegotiateAgreement(
        reason="less pay",
        schedule="equal",
        count=2,
        first_due_on=asking.today() + timedelta(days=60),
    )
    late = Overtaken(
        lambda unit: renegotiate_agreement(unit, approved, terms),
        lambda: other.pay(first, "300.00"),
    )
    after = asking.ask(late)
    assert late.runs == 2
    assert after["principal"]["amount"] == "600.00"
    assert asking.state("invoice", first).status == "paid"
    assert_log_is_whole(database)


def test_streams_and_names_that_are_looked_up_together(asking: Asking, approved: UUID) -> None:
    customer_id = asking.customer()
    taken = [asking.invoice(customer_id) for _ in range(3)]

    def look(unit: Unit) -> Any:
        unit.expect(taken)
        invoices = [load(unit, "invoice", one).number for one in taken]
        unit.claim(DOCUMENT_NUMBER, "INV-000004", taken[0])
        unit.claim(DOCUMENT_NUMBER, "INV-000006", taken[0])
        tenant = load(unit, "tenant", asking.tenant_id)
        used = unit.in_use(DOCUMENT_NUMBER, ["INV-000001", "INV-000004", "INV-000005"])
        numbers = next_numbers(unit, tenant, "invoice", asking.today(), 3)
        for number in numbers:
            unit.claim(DOCUMENT_NUMBER, number, taken[1])
        return {"invoices": invoices, "used": sorted(used), "numbers": numbers}

    assert asking.ask(look) == {
        "invoices": ["INV-000001", "INV-000002", "INV-000003"],
        "used": ["INV-000001", "INV-000004"],
        "numbers": ["INV-000005", "INV-000007", "INV-000008"],
    }
