"""Quotes: what settles an invoice on a day, and what each later day adds."""

from datetime import date, timedelta
from typing import Any

import pytest

from commands.adjustments import ChargeFee, WriteOffInvoice, charge_fee, write_off
from commands.holds import DisputeInvoice, dispute_invoice
from commands.pay_off_quote import (
    DAYS_AHEAD,
    LaterDays,
    PayOff,
    PayOffInPast,
    PayOffTooFar,
    pay_off,
)
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.money import Money
from schedulers import forecast
from tests.commands.books import Books

TODAY = date(2024, 3, 1)
DUE = date(2024, 3, 8)
DAY = timedelta(days=1)


def brl(amount: str) -> Money:
    return Money(amount, "BRL")


def quoted(books: Books, invoice_id: Any, on: date | None = None, today: date = TODAY) -> PayOff:
    return pay_off(invoice_id, books.of_invoice(invoice_id), today, on)


def amounts(quote: PayOff) -> tuple[str, ...]:
    parts = quote.components
    return tuple(
        one.amount for one in (parts.principal, parts.late_fee, parts.mora, parts.other_fees)
    )


class TestQuote:
    def test_is_of_today_when_no_day_is_named(self) -> None:
        books = Books()
        quote = quoted(books, books.invoice("500.00"))
        assert (quote.on, quote.valid_on, quote.status) == (TODAY, TODAY, "sent")
        assert (quote.total, quote.components.total) == (brl("500.00"), brl("500.00"))
        assert quote.number == "INV-000001"

    def test_has_the_fee_and_interest_that_the_day_will_have_brought(self) -> None:
        books = Books()
        invoice_id = books.invoice("500.00")
        books.run(charge_fee, invoice_id, ChargeFee(brl("8.50"), "a letter"))
        before = len(books.log)
        quote = quoted(books, invoice_id, DUE + 10 * DAY)
        assert amounts(quote) == ("500.00", "10.00", "1.67", "8.50")
        assert (quote.status, quote.total) == ("overdue", brl("520.17"))
        assert books.of_invoice(invoice_id).status == "sent"
        assert len(books.log) == before

    def test_is_what_a_payment_before_it_leaves(self) -> None:
        books = Books()
        invoice_id = books.invoice("500.00")
        books.on(DUE + 10 * DAY)
        books.pay("211.67", invoice_id=invoice_id)  # the fee, ten days' interest, 200.00
        quote = quoted(books, invoice_id, DUE + 20 * DAY, today=DUE + 10 * DAY)
        assert amounts(quote) == ("300.00", "0.00", "1.00", "0.00")

    @pytest.mark.parametrize("status", ["draft", "paid", "written_off", "void"])
    def test_is_nothing_where_nothing_is_owed(self, status: str) -> None:
        books = Books()
        invoice_id = books.draft() if status == "draft" else books.invoice("500.00")
        if status == "paid":
            books.pay("500.00", invoice_id=invoice_id)
        elif status == "written_off":
            books.run(write_off, invoice_id, WriteOffInvoice("hopeless"))
        elif status == "void":
            books.void(invoice_id)
        quote = quoted(books, invoice_id, DUE + 10 * DAY)
        assert (quote.status, quote.total, quote.later) == (status, brl("0.00"), None)

    @pytest.mark.parametrize("days", [0, 7, 8, 9, 40, 41])
    @pytest.mark.parametrize(
        "policy",
        [
            {},
            {"mora_base": "original"},
            {"accrual": "month_end"},
            {"day_count": "actual", "mora": "9.12%/year"},
            {"grace_days": 5, "interest_from": "shifted", "rounding": "half_up"},
            {"late_fee_minimum": Money("40.00", "BRL")},
        ],
        ids=lambda policy: " ".join(policy) or "usual",
    )
    def test_settles_it_to_the_cent_on_its_day(self, policy: dict[str, Any], days: int) -> None:
        """The next day: nothing is open, and the amount that later days add settles it as well."""
        for later in (0, 1, 2):
            books = Books(**policy)
            invoice_id = books.invoice("733.31")
            on = TODAY + days * DAY
            quote = quoted(books, invoice_id, on)
            if later and quote.later is not None:
                first_minor = quote.later.first_day_adds.minor
                each_minor = quote.later.each_day_adds.minor
                on = quote.later.from_on + (later - 1) * DAY
                added_minor = quoted(books, invoice_id, on).total.minor - quote.total.minor
                assert abs(added_minor - first_minor - (later - 1) * each_minor) <= later - 1
                quote = quoted(books, invoice_id, on)
            books.on(on)
            books.run_clock(TODAY, on)
            books.pay(quote.total.amount, invoice_id=invoice_id)
            invoice = books.of_invoice(invoice_id)
            assert (invoice.status, invoice.open.total, books.credit()) == ("paid", 0, {})


class TestLaterDays:
    def test_begin_with_the_first_late_day(self) -> None:
        books = Books()
        quote = quoted(books, books.invoice("500.00"))
        # 10.00 once, and 0.17 of the one day since the due date
        assert quote.later == LaterDays(DUE + DAY, brl("10.17"), brl("0.17"))

    def test_begin_after_the_grace_with_the_interest_since_the_due_date(self) -> None:
        books = Books(grace_days=5)
        quote = quoted(books, books.invoice("500.00"))
        assert quote.later == LaterDays(DUE + 6 * DAY, brl("11.00"), brl("0.17"))

    def test_are_the_next_ones_once_it_is_late(self) -> None:
        books = Books()
        quote = quoted(books, books.invoice("500.00"), DUE + DAY)
        assert quote.later == LaterDays(DUE + 2 * DAY, brl("0.16"), brl("0.17"))

    def test_add_the_fee_alone_where_there_is_no_interest(self) -> None:
        books = Books(mora="0%/month")
        invoice_id = books.invoice("500.00")
        assert quoted(books, invoice_id).later == LaterDays(DUE + DAY, brl("10.00"), brl("0.00"))
        assert quoted(books, invoice_id, DUE + DAY).later is None

    def test_add_nothing_to_what_a_dispute_holds(self) -> None:
        books = Books()
        books.run(configure_tenant, ConfigureTenant(dispute_holds_interest=True))
        invoice_id = books.invoice("500.00")
        books.run(dispute_invoice, invoice_id, DisputeInvoice("never came"))
        quote = quoted(books, invoice_id, DUE + 10 * DAY)
        assert (quote.total, quote.later) == (brl("500.00"), None)


class TestRefused:
    def test_for_a_day_that_is_over(self) -> None:
        books = Books()
        with pytest.raises(PayOffInPast) as refused:
            quoted(books, books.invoice(), TODAY - DAY)
        assert refused.value.field == "on"

    def test_for_a_day_more_than_ten_years_ahead(self) -> None:
        books = Books()
        invoice_id = books.invoice("500.00")
        assert DAYS_AHEAD == forecast.DAYS_AHEAD
        last = quoted(books, invoice_id, TODAY + DAYS_AHEAD * DAY)
        assert last.components.mora == brl("608.83")  # 3,653 days
        with pytest.raises(PayOffTooFar) as refused:
            quoted(books, invoice_id, TODAY + (DAYS_AHEAD + 1) * DAY)
        assert refused.value.field == "on"
