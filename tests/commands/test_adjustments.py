"""Fees, waivers, credit notes, write-offs, disputes, promises and holds as they are asked for."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.adjustments import (
    AmountOrLines,
    ChargeFee,
    CreditInvoice,
    CreditLine,
    CreditNoteView,
    WaiveComponent,
    WriteOffInvoice,
    charge_fee,
    credit_invoice,
    waive,
    write_off,
)
from commands.holds import (
    DisputeInvoice,
    HoldInvoice,
    PromiseToPay,
    ReleaseInvoice,
    ResolveDispute,
    dispute_invoice,
    hold_invoice,
    promise_to_pay,
    release_invoice,
    resolve_dispute,
)
from commands.payments import CurrencyDiffers
from commands.tenants import ConfigureTenant, configure_tenant
from commands.unit_of_work import Unknown
from ledger.errors import Rejected
from ledger.invoice.adjusting import OverWaived
from ledger.invoice.credit_notes import LineOverCredited, OverCredited, UnknownLine
from ledger.invoice.events import Disputed, PromiseBroken
from ledger.invoice.holding import NotHeld, OverDisputed, OverPromised
from ledger.invoice.preconditions import ReasonMissing
from ledger.money import Money, NegativeAmount, ZeroAmount
from ledger.tax import Line
from ledger.waterfall import Split
from tests.commands.books import Books

DUE = date(2024, 3, 8)
DAY = timedelta(days=1)
NOBODY = UUID(int=404)
LINES = (
    Line("Work", "3", "33.33", tax_rate="17.5%"),
    Line("Book", "1", "19.99", tax_rate="7%", tax_included=True),
    Line("Discount", "1", "-10.01", tax_rate="17.5%"),
)


@pytest.fixture
def books() -> Books:
    return Books()


def brl(amount: str) -> Money:
    return Money(amount, "BRL")


def credit(books: Books, invoice_id: UUID, **fields: Any) -> CreditNoteView:
    view: CreditNoteView = books.run(
        credit_invoice, invoice_id, CreditInvoice("returned", **fields)
    )
    return view


def test_a_fee_and_a_waiver_are_answered_by_component_and_their_texts_are_encrypted(
    books: Books,
) -> None:
    invoice_id = books.invoice()
    books.on(DUE + 3 * DAY)
    view = books.run(charge_fee, invoice_id, ChargeFee(brl("15.00"), "returned cheque"))
    assert view.charged.other_fees == brl("15.00")
    assert view.open == brl("525.50")
    view = books.run(waive, invoice_id, WaiveComponent("late_fee", "kindness", brl("4.00")))
    assert (view.waived, view.outstanding.late_fee) == (brl("4.00"), brl("6.00"))
    view = books.run(waive, invoice_id, WaiveComponent("late_fee", "kindness"))
    assert view.waived == brl("10.00")
    fee, first, second = books.events("invoice", invoice_id)[-3:]
    assert fee.description.startswith("encrypted:")  # type: ignore[attr-defined]
    assert all(waiver.reason.startswith("encrypted:") for waiver in (first, second))  # type: ignore[attr-defined]


def test_a_write_off_is_shown_less_what_was_recovered(books: Books) -> None:
    invoice_id = books.invoice("50.00")
    view = books.run(write_off, invoice_id, WriteOffInvoice("hopeless"))
    assert (view.status, view.written_off) == ("written_off", brl("50.00"))
    payment = books.pay("60.00", invoice_id=invoice_id)
    assert payment.unapplied == brl("10.00")
    assert books.of_invoice(invoice_id).status == "paid"


class TestCreditNote:
    def test_in_full_is_the_stored_amounts_of_the_invoice(self, books: Books) -> None:
        for rounding in ("line", "document"):
            books.run(configure_tenant, ConfigureTenant(tax_rounding=rounding))
            invoice_id = books.invoice(lines=LINES)
            invoice = books.of_invoice(invoice_id)
            note = credit(books, invoice_id)
            assert note.net.minor == invoice.net_minor
            assert note.tax.minor == invoice.tax_minor
            assert (note.applied, note.credit) == (note.total, brl("0.00"))
            assert note.invoice.status == "paid"
            assert note.invoice.credited == note.total

    def test_of_lines_whole_or_in_part(self, books: Books) -> None:
        invoice_id = books.invoice(lines=LINES)
        note = credit(books, invoice_id, lines=(CreditLine(1), CreditLine(0, brl("10.00"))))
        assert note.total == brl("29.99")
        assert note.net.minor + note.tax.minor == 2_999
        assert note.tax.minor == 149 + 131
        rest = credit(books, invoice_id)
        invoice = books.of_invoice(invoice_id)
        assert note.tax.minor + rest.tax.minor == invoice.tax_minor
        assert note.net.minor + rest.net.minor == invoice.net_minor

    @pytest.mark.parametrize(
        ("fields", "error", "field"),
        [
            ({"amount": brl("0.00")}, ZeroAmount, "amount"),
            ({"amount": brl("-1.00")}, NegativeAmount, "amount"),
            ({"amount": brl("500.01")}, OverCredited, "amount"),
            ({"amount": Money("1.00", "EUR")}, CurrencyDiffers, "amount"),
            ({"lines": (CreditLine(1),)}, UnknownLine, "lines[0].line"),
            ({"lines": (CreditLine(-1),)}, UnknownLine, "lines[0].line"),
            ({"lines": (CreditLine(0), CreditLine(0))}, UnknownLine, "lines[1].line"),
            ({"lines": (CreditLine(0, brl("500.01")),)}, LineOverCredited, "lines[0].amount"),
            ({"lines": (CreditLine(0),), "amount": brl("1.00")}, AmountOrLines, "lines"),
        ],
    )
    def test_is_refused_and_takes_no_number(
        self, books: Books, fields: dict[str, Any], error: type[Rejected], field: str
    ) -> None:
        invoice_id = books.invoice()
        with pytest.raises(error) as refused:
            credit(books, invoice_id, **fields)
        assert refused.value.field == field
        assert credit(books, invoice_id, amount=brl("1.00")).number == "CN-000001"

    def test_without_a_reason_is_refused(self, books: Books) -> None:
        with pytest.raises(ReasonMissing):
            books.run(credit_invoice, books.invoice(), CreditInvoice(" "))

    def test_after_a_waiver_credits_what_was_not_waived(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.pay("300.00", invoice_id=invoice_id)
        books.on(date(2024, 3, 2))
        books.run(waive, invoice_id, WaiveComponent("principal", "kindness", brl("50.00")))
        books.on(date(2024, 3, 3))
        note = credit(books, invoice_id)
        assert note.total == brl("450.00")
        assert (note.applied, note.credit) == (brl("150.00"), brl("300.00"))
        books.reverse(books.of_invoice(invoice_id).imputations[0].source_id)
        assert books.credit() == {}
        assert books.of_invoice(invoice_id).forgiven_of["credited"] == Split(principal=45_000)


class TestRefused:
    @pytest.mark.parametrize(
        ("handler", "command", "error"),
        [
            (charge_fee, ChargeFee(brl("1.00"), ""), ReasonMissing),
            (charge_fee, ChargeFee(Money("1.00", "EUR"), "a visit"), CurrencyDiffers),
            (charge_fee, ChargeFee(brl("0.00"), "a visit"), ZeroAmount),
            (waive, WaiveComponent("principal", ""), ReasonMissing),
            (waive, WaiveComponent("principal", "x", brl("500.01")), OverWaived),
            (waive, WaiveComponent("mora", "x"), OverWaived),
            (write_off, WriteOffInvoice(""), ReasonMissing),
            (dispute_invoice, DisputeInvoice(""), ReasonMissing),
            (dispute_invoice, DisputeInvoice("x", brl("500.01")), OverDisputed),
            (promise_to_pay, PromiseToPay(DUE, brl("500.01")), OverPromised),
            (hold_invoice, HoldInvoice(""), ReasonMissing),
            (release_invoice, ReleaseInvoice(), NotHeld),
        ],
    )
    def test_and_nothing_is_left_behind(
        self, books: Books, handler: Any, command: Any, error: type[Rejected]
    ) -> None:
        invoice_id = books.invoice()
        before = len(books.log)
        with pytest.raises(error):
            books.run(handler, invoice_id, command)
        with pytest.raises(Unknown):
            books.run(handler, NOBODY, command)
        assert len(books.log) == before


class TestHolding:
    def test_a_dispute_holds_interest_where_the_tenant_has_it_so(self, books: Books) -> None:
        for holds, mora in ((False, 167), (True, 0)):
            books.run(configure_tenant, ConfigureTenant(dispute_holds_interest=holds))
            books.on(date(2024, 3, 1))
            invoice_id = books.invoice()
            view = books.run(dispute_invoice, invoice_id, DisputeInvoice("never ordered"))
            assert view.dispute.amount == brl("500.00")
            assert view.dispute.holds_interest == holds
            books.run_clock(DUE, DUE + 10 * DAY)
            assert books.of_invoice(invoice_id).charged.mora == mora
            books.on(DUE + 10 * DAY)
            view = books.run(resolve_dispute, invoice_id, ResolveDispute("rejected", "signed for"))
            assert view.dispute is None
            assert books.of_invoice(invoice_id).charged.mora == 167
        (first, second) = [e for e in books.events("invoice") if isinstance(e, Disputed)]
        assert (first.holds_interest, second.holds_interest) == (False, True)
        assert first.reason.startswith("encrypted:")

    def test_a_promise_is_shown_until_the_clock_knows(self, books: Books) -> None:
        invoice_id = books.invoice()
        view = books.run(promise_to_pay, invoice_id, PromiseToPay(DUE, note="by phone"))
        assert (view.promise.promised_on, view.promise.kept) == (DUE, None)
        books.run_clock(DUE, DUE + DAY)
        promise = books.of_invoice(invoice_id).promise
        assert promise is not None
        assert promise.kept is False
        assert len([e for e in books.events("invoice") if isinstance(e, PromiseBroken)]) == 1

    def test_a_hold_is_shown_until_it_is_released(self, books: Books) -> None:
        invoice_id = books.invoice()
        view = books.run(hold_invoice, invoice_id, HoldInvoice("in court", DUE))
        assert view.hold.until_on == DUE
        assert books.run(release_invoice, invoice_id, ReleaseInvoice("settled")).hold is None
