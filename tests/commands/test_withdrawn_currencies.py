"""Withdrawn currencies: nothing new is written in them, what was written is read, paid and adjusted."""

from datetime import date
from typing import Any

import pytest

from commands.adjustments import CreditInvoice, credit_invoice
from commands.agreements.lifecycle import (
    ActivateAgreement,
    RequestAgreement,
    activate_agreement,
    request_agreement,
)
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.invoices import DraftInvoice, SendInvoice, draft_as, send_imported, send_invoice
from commands.tenants import (
    ConfigureTenant,
    CreateTenant,
    configure_tenant,
    create_tenant,
)
from ledger.ids import stable_id
from ledger.money import Money, WithdrawnCurrency
from ledger.tax import Line
from tests.commands.books import Books
from tests.commands.lending import Lending
from tests.commands.memory_unit import MemoryUnit

LAST, FIRST = date(2025, 12, 31), date(2026, 1, 1)
"""The last day of the Bulgarian lev, and the first of the euro."""


def lev(amount: str) -> Money:
    return Money(amount, "BGN")


@pytest.fixture
def books() -> Books:
    """On the lev's last day."""
    books = Books()
    books.on(LAST)
    return books


def refused(books: MemoryUnit, handler: Any, *arguments: Any) -> WithdrawnCurrency:
    before = len(books.log)
    with pytest.raises(WithdrawnCurrency, match="BGN was withdrawn on 2026-01-01") as caught:
        books.run(handler, *arguments)
    assert len(books.log) == before
    return caught.value


def test_no_tenant_is_opened_in_one() -> None:
    unit = MemoryUnit()
    asked = CreateTenant("Acme", "HRK", "Europe/Zagreb")
    with pytest.raises(WithdrawnCurrency, match="give EUR"):
        unit.run(create_tenant, asked)
    assert unit.tenants == set()


def test_no_setting_is_changed_to_one_and_one_that_is_set_may_stay(books: Books) -> None:
    books.run(configure_tenant, ConfigureTenant(currency="BGN", refund_excess_above=lev("5.00")))
    books.run(add_fee_policy, AddFeePolicy(late_fee_minimum=lev("5.00")))
    books.on(FIRST)
    books.run(configure_tenant, ConfigureTenant(calendar="TARGET"))
    books.run(add_fee_policy, AddFeePolicy(late_fee="1%", late_fee_minimum=lev("5.00")))
    error = refused(books, configure_tenant, ConfigureTenant(refund_excess_above=lev("6.00")))
    assert error.field == "refund_excess_above.currency"
    error = refused(books, add_fee_policy, AddFeePolicy(late_fee_minimum=lev("6.00")))
    assert error.field == "late_fee_minimum.currency"
    books.run(configure_tenant, ConfigureTenant(currency="EUR"))
    assert refused(books, configure_tenant, ConfigureTenant(currency="BGN")).field == "currency"


def test_no_invoice_is_drafted_or_issued_in_one(books: Books) -> None:
    drafts = [books.draft(currency="BGN", due_on=date(2026, 2, 1)) for _ in range(2)]
    books.on(FIRST)
    lines = (Line("Work", "1", "5.00"),)
    command = DraftInvoice(books.customer_id, date(2026, 2, 1), lines, "BGN")
    refused(books, draft_as, stable_id("draft"), command)
    assert refused(books, send_invoice, drafts[0], SendInvoice()).field is None
    sent = books.run(send_invoice, drafts[0], SendInvoice(LAST))  # as of the lev's last day
    assert (sent.status, sent.open) == ("sent", lev("500.00"))
    refused(books, send_invoice, drafts[1], SendInvoice(FIRST))


def test_old_invoices_are_imported_in_one(books: Books) -> None:
    books.on(date(2026, 6, 1))
    lines = (Line("Work", "1", "5.00"),)
    command = DraftInvoice(books.customer_id, date(2026, 2, 1), lines, "BGN")
    invoice_id = stable_id("imported")
    books.run(draft_as, invoice_id, command, LAST)
    assert books.run(send_imported, invoice_id, "0017", LAST).currency == "BGN"


def test_no_agreement_is_made_or_put_into_force_in_one() -> None:
    books = Lending()
    books.on(LAST)
    terms = {
        "customer_id": books.customer_id,
        "kind": "loan",
        "schedule": "equal",
        "count": 2,
        "principal": lev("500.00"),
        "currency": "BGN",
        "first_due_on": date(2026, 3, 1),
    }
    agreement_id = books.request(**terms)
    books.approve(agreement_id)
    books.on(FIRST)
    assert refused(books, request_agreement, RequestAgreement(**terms)).field == "currency"
    assert refused(books, activate_agreement, agreement_id, ActivateAgreement()).field is None


def test_money_is_taken_where_an_invoice_is_in_it(books: Books) -> None:
    invoice_id = books.invoice(currency="BGN", due_on=date(2026, 2, 1))
    books.on(date(2026, 2, 1))
    assert books.pay("100.00", "BGN", customer_id=books.customer_id).unapplied == lev("0.00")
    payment = books.pay("500.00", "BGN", invoice_id=invoice_id)
    assert payment.unapplied == lev("100.00")
    assert books.of_invoice(invoice_id).status == "paid"
    books.reverse(payment.id)
    assert books.run(credit_invoice, invoice_id, CreditInvoice("gone")).total == lev("500.00")


def test_money_is_not_taken_where_none_is(books: Books) -> None:
    invoice_id = books.invoice(due_on=date(2026, 2, 1))
    books.on(FIRST)
    for target in ({"customer_id": books.customer_id}, {"invoice_id": invoice_id}):
        with pytest.raises(WithdrawnCurrency) as caught:
            books.pay("100.00", "BGN", **target)
        assert caught.value.field == "amount.currency"
    taken = books.pay("100.00", "BGN", customer_id=books.customer_id, received_on=LAST)
    assert taken.unapplied == lev("100.00")  # it arrived while the lev was in use
