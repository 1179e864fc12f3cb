"""Invoices as they are asked for: drafted, changed, sent under a number, extended, voided, cancelled."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.invoices import (
    ChangeInvoice,
    DraftInvoice,
    InvoiceView,
    IssuedInFuture,
    SendInvoice,
    UnitPrice,
    change_invoice,
    draft_as,
    draft_invoice,
    send_imported,
    send_invoice,
)
from commands.tenants import ConfigureTenant, configure_tenant
from commands.unit_of_work import AlreadyExists, NumberBeforeSeries, Unknown
from ledger.additional_holidays import AdditionalHoliday
from ledger.calendars import Calendar
from ledger.encrypted import LooksEncrypted
from ledger.invoice.adjusting import NotVoidable
from ledger.invoice.events import Redrafted
from ledger.invoice.issuing import DueBeforeIssue, DueDateNotExtended, DueTooLate, NotADraft
from ledger.invoice.preconditions import NotOpen, ReasonMissing
from ledger.money import Money, UnknownCurrency
from ledger.tax import EmptyInvoice, Line, ZeroTotal
from tests.commands.books import Books

TODAY = date(2024, 3, 1)
DUE = date(2024, 3, 8)
DAY = timedelta(days=1)


@pytest.fixture
def books() -> Books:
    return Books()


def change(books: Books, invoice_id: UUID, **fields: Any) -> InvoiceView:
    view: InvoiceView = books.run(change_invoice, invoice_id, ChangeInvoice(**fields))
    return view


def send(books: Books, invoice_id: UUID, issued_on: date | None = None) -> InvoiceView:
    view: InvoiceView = books.run(send_invoice, invoice_id, SendInvoice(issued_on))
    return view


class TestDraft:
    def test_is_priced_and_its_texts_are_encrypted(self, books: Books) -> None:
        lines = (
            Line("Work for Maria", "2", "150.00", tax_rate="10%"),
            Line("Travel", "1", "55.00", tax_rate="10%", tax_included=True),
        )
        command = DraftInvoice(books.customer_id, DUE, lines, notes="call her first")
        view: InvoiceView = books.run(draft_invoice, command)
        assert (view.status, view.number, view.issued_on) == ("draft", "", None)
        assert (view.net.amount, view.tax.amount, view.total) == (
            "350.00",
            "35.00",
            Money("385.00", "BRL"),
        )
        assert view.open == Money("0.00", "BRL")
        assert [line.gross.amount for line in view.lines] == ["330.00", "55.00"]
        assert view.notes.startswith("encrypted:")
        assert all(line.description.startswith("encrypted:") for line in view.lines)
        assert "Maria" not in repr(books.events("invoice"))

    def test_is_in_its_own_currency_or_the_tenants(self, books: Books) -> None:
        assert books.of_invoice(books.draft()).currency == "BRL"
        assert books.of_invoice(books.draft("700", currency="JPY")).total_minor == 700
        with pytest.raises(UnknownCurrency):
            books.draft(currency="XAU")

    def test_is_refused_without_customer_lines_or_a_total(self, books: Books) -> None:
        with pytest.raises(Unknown):
            books.draft(customer_id=UUID(int=404))
        with pytest.raises(EmptyInvoice):
            books.draft(lines=())
        with pytest.raises(ZeroTotal):
            books.draft("0.00")
        with pytest.raises(DueTooLate):
            books.draft(due_on=date(9999, 12, 31))

    def test_under_a_used_id_is_refused(self, books: Books) -> None:
        invoice_id = books.draft()
        command = DraftInvoice(books.customer_id, DUE, (Line("Work", "1", "1.00"),))
        with pytest.raises(AlreadyExists):
            books.run(draft_as, invoice_id, command)


class TestChangedDraft:
    def test_keeps_what_is_left_out(self, books: Books) -> None:
        invoice_id = books.draft(notes="a note")
        notes = books.of_invoice(invoice_id).notes
        view = change(books, invoice_id, due_on=DUE + DAY)
        assert (view.due_on, view.total.amount, view.notes) == (DUE + DAY, "500.00", notes)
        view = change(books, invoice_id, lines=(Line("Less work", "1", "400.00"),))
        assert (view.due_on, view.total.amount, view.notes) == (DUE + DAY, "400.00", notes)
        view = change(books, invoice_id, notes="")
        assert (view.notes, view.total.amount) == ("", "400.00")
        assert len(view.lines) == 1

    def test_is_no_event_when_nothing_changes(self, books: Books) -> None:
        invoice_id = books.draft()
        change(books, invoice_id)
        change(books, invoice_id, due_on=DUE)
        assert not any(isinstance(event, Redrafted) for event in books.events("invoice"))

    def test_is_not_priced_anew_by_settings_that_changed_since(self, books: Books) -> None:
        lines = (
            Line("a", "1", "0.33", tax_rate="19%"),
            Line("b", "1", "0.33", tax_rate="19%"),
            Line("c", "1", "0.33", tax_rate="19%"),
        )
        invoice_id = books.draft(lines=lines)
        assert books.of_invoice(invoice_id).tax_minor == 18
        books.run(configure_tenant, ConfigureTenant(tax_rounding="document"))
        assert change(books, invoice_id, due_on=DUE + DAY).tax.amount == "0.18"
        assert change(books, invoice_id, lines=lines).tax.amount == "0.19"


class TestSending:
    def test_takes_the_next_number_and_freezes_the_terms(self, books: Books) -> None:
        view = send(books, books.draft())
        assert (view.status, view.number, view.issued_on) == ("sent", "INV-000001", TODAY)
        assert (view.payable_until, view.fee_policy_version) == (DUE, 1)
        assert view.open.amount == "500.00"
        assert send(books, books.draft()).number == "INV-000002"

    def test_has_no_gap_after_a_refusal(self, books: Books) -> None:
        due_before = books.draft(due_on=TODAY - DAY)
        with pytest.raises(DueBeforeIssue):
            send(books, due_before)
        assert send(books, books.draft()).number == "INV-000001"

    def test_keeps_the_policy_it_was_sent_under(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.run(add_fee_policy, AddFeePolicy(late_fee="10%"))
        books.on(DUE + 10 * DAY)
        books.pay("511.67", invoice_id=invoice_id)
        assert books.of_invoice(invoice_id).status == "paid"
        later = books.invoice(due_on=DUE + 10 * DAY)
        terms = books.of_invoice(later).terms
        assert terms is not None
        assert terms.policy.version == 2

    def test_may_be_dated_back_but_not_before_the_series_nor_ahead(self, books: Books) -> None:
        assert send(books, books.draft(), TODAY - 2 * DAY).issued_on == TODAY - 2 * DAY
        assert send(books, books.draft(), TODAY - DAY).number == "INV-000002"
        with pytest.raises(NumberBeforeSeries):
            send(books, books.draft(), TODAY - 2 * DAY)
        with pytest.raises(IssuedInFuture):
            send(books, books.draft(), TODAY + DAY)

    def test_happens_once(self, books: Books) -> None:
        invoice_id = books.invoice()
        with pytest.raises(NotADraft):
            send(books, invoice_id)

    def test_writes_numbers_as_the_tenant_does(self, books: Books) -> None:
        books.run(
            configure_tenant, ConfigureTenant(series="FAT", number_format="{year}/{series}{n}")
        )
        assert send(books, books.draft()).number == "2024/FAT1"


class TestImported:
    def test_keeps_its_own_number_outside_the_series(self, books: Books) -> None:
        invoice_id = books.draft()
        invoice = books.run(send_imported, invoice_id, "611365", date(2023, 1, 2))
        assert (invoice.number, invoice.status) == ("611365", "sent")
        assert send(books, books.draft()).number == "INV-000001"

    def test_has_a_number_of_its_own(self, books: Books) -> None:
        books.run(send_imported, books.draft(), "611365", TODAY)
        with pytest.raises(AlreadyExists):
            books.run(send_imported, books.draft(), "611365", TODAY)
        with pytest.raises(LooksEncrypted):
            books.run(send_imported, books.draft(), "encrypted:1:7", TODAY)

    def test_does_not_block_the_series_by_a_number_that_it_would_give_out(
        self, books: Books
    ) -> None:
        for number in ("INV-000001", "INV-000002", "INV-000004"):
            books.run(send_imported, books.draft(), number, TODAY)
        numbers = [send(books, books.draft()).number for _ in range(2)]
        assert numbers == ["INV-000003", "INV-000005"]


class TestAdditionalHolidays:
    def test_are_frozen_at_sending_and_taken_anew_when_the_due_date_moves(
        self, books: Books
    ) -> None:
        self.configure(books, DUE, DUE + DAY, DUE + 9 * DAY)
        invoice_id = books.invoice()
        terms = books.of_invoice(invoice_id).terms
        assert terms is not None
        assert terms.payable_until == DUE + 2 * DAY
        assert terms.calendar == Calendar("none", "1", 1, (DUE, DUE + DAY))
        self.configure(books, DUE + 2 * DAY, DUE + 8 * DAY)
        assert books.of_invoice(invoice_id).terms == terms
        moved = change(books, invoice_id, due_on=DUE + 8 * DAY)
        assert moved.payable_until == DUE + 9 * DAY
        terms = books.of_invoice(invoice_id).terms
        assert terms is not None
        assert terms.calendar == Calendar("none", "1", 2, (DUE + 8 * DAY,))

    def test_move_imported_invoices_too(self, books: Books) -> None:
        self.configure(books, DUE)
        invoice = books.run(send_imported, books.draft(), "611365", date(2023, 1, 2))
        assert invoice.terms.payable_until == DUE + DAY

    def configure(self, books: Books, *days: date) -> None:
        holidays = tuple(map(AdditionalHoliday, days))
        books.run(configure_tenant, ConfigureTenant(additional_holidays=holidays))


class TestDueDate:
    def test_of_an_overdue_invoice_moves_on_and_takes_the_charges_back(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.run_clock(DUE, DUE + 10 * DAY)
        books.on(DUE + 10 * DAY)
        view = change(books, invoice_id, due_on=DUE + 30 * DAY, reason="agreed by phone")
        assert (view.status, view.open.amount) == ("sent", "500.00")
        assert view.charged.late_fee == view.charged.mora == Money("0.00", "BRL")
        assert "phone" not in repr(books.events("invoice"))

    def test_hands_what_was_paid_of_the_charges_to_credit(self) -> None:
        books = Books(waterfall=("principal", "late_fee", "mora", "other_fees"))
        invoice_id = books.invoice()
        books.on(DUE + 10 * DAY)
        books.pay("510.00", invoice_id=invoice_id)
        assert books.of_invoice(invoice_id).status == "overdue"
        view = change(books, invoice_id, due_on=DUE + 30 * DAY)
        assert view.status == "paid"
        assert books.credit() == {"BRL": 1_000}
        books.assert_money_balances()

    def test_only_moves_on_and_only_while_the_invoice_is_open(self, books: Books) -> None:
        invoice_id = books.invoice()
        with pytest.raises(DueDateNotExtended):
            change(books, invoice_id, due_on=DUE)
        books.pay("500.00", invoice_id=invoice_id)
        with pytest.raises(NotOpen):
            change(books, invoice_id, due_on=DUE + DAY)

    def test_is_all_of_a_sent_invoice_that_changes(self, books: Books) -> None:
        invoice_id = books.invoice()
        for fields in ({"notes": "x"}, {"due_on": DUE + DAY, "notes": "x"}, {}):
            with pytest.raises(NotADraft):
                change(books, invoice_id, **fields)


class TestGivingUp:
    def test_a_draft_is_voided_without_a_number(self, books: Books) -> None:
        view = books.void(books.draft())
        assert (view.status, view.number) == ("void", "")

    def test_a_void_invoice_keeps_its_number(self, books: Books) -> None:
        view = books.void(books.invoice(), "sent to the wrong Maria")
        assert (view.status, view.number, view.open.amount) == ("void", "INV-000001", "0.00")
        assert view.forgiven.principal == Money("500.00", "BRL")
        assert "wrong" not in repr(books.events("invoice"))
        assert send(books, books.draft()).number == "INV-000002"

    def test_with_a_payment_is_cancelled_instead(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.pay("200.00", invoice_id=invoice_id)
        with pytest.raises(NotVoidable):
            books.void(invoice_id)
        books.on(date(2024, 3, 2))
        view = books.cancel(invoice_id)
        assert (view.status, view.paid.total.amount, view.forgiven.total.amount) == (
            "cancelled",
            "200.00",
            "300.00",
        )
        with pytest.raises(NotOpen):
            books.cancel(invoice_id)

    def test_needs_a_reason(self, books: Books) -> None:
        invoice_id = books.invoice()
        for reason in ("", " \n"):
            with pytest.raises(ReasonMissing):
                books.void(invoice_id, reason)
            with pytest.raises(ReasonMissing):
                books.cancel(invoice_id, reason)

    def test_of_what_is_unknown(self, books: Books) -> None:
        with pytest.raises(Unknown):
            books.void(UUID(int=404))
        with pytest.raises(Unknown):
            books.cancel(books.customer_id)


@pytest.mark.parametrize(
    ("written", "currency", "answered"),
    [
        ("120", "BRL", "120.00"),
        ("0120.5", "BRL", "120.50"),
        ("0.01250", "BRL", "0.0125"),
        ("-60.00", "BRL", "-60.00"),
        ("12345", "JPY", "12345"),
        ("12.50", "JPY", "12.5"),
        ("1.2", "KWD", "1.200"),
    ],
)
def test_a_unit_price_has_its_currencys_digits_and_more_where_it_is_finer(
    books: Books, written: str, currency: str, answered: str
) -> None:
    lines = (Line("Screws", "1000", "100"), Line("More", "1000", written))
    view = books.run(draft_invoice, DraftInvoice(books.customer_id, DUE, lines, currency))
    assert view.lines[1].unit_price == UnitPrice(answered, currency)
