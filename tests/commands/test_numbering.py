"""Numbers as they are given out: by series and year, without gaps, and none twice."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.adjustments import CreditInvoice, credit_invoice
from commands.invoices import SendInvoice, send_imported, send_invoice
from commands.numbering import next_numbers
from commands.tenants import ConfigureTenant, configure_tenant
from commands.unit_of_work import AlreadyExists, NumberBeforeSeries
from ledger.numbering import DOCUMENT_NUMBER
from ledger.tenant import NumbersSkipped, Tenant
from tests.commands.books import Books

TODAY = date(2024, 3, 1)


@pytest.fixture
def books() -> Books:
    return Books()


def configure(books: Books, **fields: Any) -> None:
    books.run(configure_tenant, ConfigureTenant(**fields))


def send(books: Books, issued_on: date | None = None) -> str:
    due_on = books.now.date() + timedelta(days=30)
    number: str = books.run(send_invoice, books.draft(due_on=due_on), SendInvoice(issued_on)).number
    return number


def credit(books: Books, invoice_id: Any) -> str:
    number: str = books.run(credit_invoice, invoice_id, CreditInvoice("too much")).number
    return number


def bring(books: Books, *numbers: str) -> None:
    for number in numbers:
        books.run(send_imported, books.draft(), number, date(2023, 1, 2))


def skipped(books: Books) -> list[NumbersSkipped]:
    return [event for event in books.events("tenant") if isinstance(event, NumbersSkipped)]


class TestYearly:
    FORMAT = "{series}-{year}-{n:03}"

    def test_begins_again_with_the_year_of_issue(self, books: Books) -> None:
        configure(books, number_restarts="yearly", number_format=self.FORMAT)
        days = [date(2022, 12, 30), date(2022, 12, 31), date(2023, 1, 1), date(2024, 2, 29)]
        assert [send(books, day) for day in [*days, None]] == [
            "INV-2022-001",
            "INV-2022-002",
            "INV-2023-001",
            "INV-2024-001",
            "INV-2024-002",
        ]

    def test_gives_nothing_to_a_year_that_is_over_for_the_series(self, books: Books) -> None:
        configure(books, number_restarts="yearly", number_format=self.FORMAT)
        send(books, date(2024, 1, 1))
        with pytest.raises(NumberBeforeSeries):
            send(books, date(2023, 12, 31))
        assert send(books) == "INV-2024-002"

    def test_of_credit_notes_begins_again_too(self, books: Books) -> None:
        configure(books, number_restarts="yearly", number_format=self.FORMAT)
        first, second = books.invoice(), books.invoice()
        assert credit(books, first) == "CN-2024-001"
        books.on(date(2025, 1, 2))
        assert credit(books, second) == "CN-2025-001"

    def test_goes_on_in_the_year_in_which_it_is_set(self, books: Books) -> None:
        configure(books, number_format=self.FORMAT)
        assert send(books, date(2023, 12, 31)) == "INV-2023-001"
        assert send(books) == "INV-2024-002"
        configure(books, number_restarts="yearly")
        assert send(books) == "INV-2024-003"
        books.on(date(2025, 1, 2))
        assert send(books) == "INV-2025-001"
        configure(books, number_restarts="never")
        books.on(date(2026, 1, 2))
        assert send(books) == "INV-2026-002"

    def test_leaves_the_numbers_of_imported_invoices_out(self, books: Books) -> None:
        configure(books, number_restarts="yearly", number_format=self.FORMAT)
        bring(books, "INV-2024-001")
        assert send(books, date(2023, 5, 5)) == "INV-2023-001"
        assert send(books) == "INV-2024-002"

    def test_counts_many_at_once(self, books: Books) -> None:
        configure(books, number_restarts="yearly", number_format=self.FORMAT)
        send(books, date(2023, 5, 5))
        tenant: Tenant = books.state("tenant", books.tenant_id)
        assert books.run(next_numbers, tenant, "invoice", TODAY, 2) == [
            "INV-2024-001",
            "INV-2024-002",
        ]


class TestSkipped:
    def test_numbers_are_told(self, books: Books) -> None:
        bring(books, "INV-000001")
        assert send(books) == "INV-000002"
        assert skipped(books) == [
            NumbersSkipped("invoice", "INV", "INV-000001", "INV-000001", 1, given="INV-000002")
        ]
        assert send(books) == "INV-000003"
        assert len(skipped(books)) == 1

    def test_numbers_are_told_together(self, books: Books) -> None:
        for taken in ("INV-000001", "INV-000003", "INV-000004"):
            books.claim(DOCUMENT_NUMBER, taken, uuid4())
        tenant: Tenant = books.state("tenant", books.tenant_id)
        numbers = books.run(next_numbers, tenant, "invoice", TODAY, 2)
        assert numbers == ["INV-000002", "INV-000005"]
        assert skipped(books) == [
            NumbersSkipped("invoice", "INV", "INV-000001", "INV-000004", 3, given="INV-000005")
        ]

    def test_a_hundred_thousand_numbers_are_looked_up_together(
        self, books: Books, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(1, 100_001):
            books.claim(DOCUMENT_NUMBER, f"INV-{number:06}", books.customer_id)
        lookups = []
        look = books.in_use

        def counted(kind: str, names: list[str]) -> set[str]:
            lookups.append(len(names))
            return look(kind, names)

        monkeypatch.setattr(books, "in_use", counted)
        tenant: Tenant = books.state("tenant", books.tenant_id)
        assert next_numbers(books, tenant, "invoice", TODAY, 1) == ["INV-100001"]
        assert (len(lookups) < 120, max(lookups)) == (True, 1_000)

    def test_nothing_is_told_of_a_refused_command(self, books: Books) -> None:
        bring(books, "INV-000001")
        send(books)
        with pytest.raises(NumberBeforeSeries):
            send(books, date(2024, 2, 1))
        assert len(skipped(books)) == 1


class TestOneNumberOneDocument:
    def test_of_an_invoice_and_a_credit_note_that_are_written_alike(self, books: Books) -> None:
        configure(books, number_format="{year}/{n}")
        first, second = books.invoice(), books.invoice()
        assert [books.of_invoice(one).number for one in (first, second)] == ["2024/1", "2024/2"]
        assert credit(books, first) == "2024/3"
        assert send(books) == "2024/4"
        assert skipped(books) == []

    def test_of_series_whose_names_run_into_the_numbers(self, books: Books) -> None:
        configure(books, series="A1", credit_note_series="A", number_format="{series}{n}")
        invoices = [books.invoice() for _ in range(2)]
        assert [books.of_invoice(one).number for one in invoices] == ["A11", "A12"]
        sent = [books.invoice() for _ in range(11)]
        notes = [credit(books, one) for one in sent]
        assert notes == [*(f"A{n}" for n in range(1, 11)), "A20"]
        assert skipped(books) == [NumbersSkipped("credit_note", "A", "A11", "A19", 9, given="A20")]

    def test_of_an_imported_invoice_and_a_credit_note(self, books: Books) -> None:
        bring(books, "CN-000001")
        assert credit(books, books.invoice()) == "CN-000002"
        with pytest.raises(AlreadyExists):
            bring(books, "CN-000002")

    def test_of_formats_that_follow_one_another(self, books: Books) -> None:
        configure(books, number_format="{series}{n}")
        assert send(books) == "INV1"
        configure(books, series="IN", number_format="{series}V{n}")
        assert send(books) == "INV2"
        assert skipped(books)[0].series == "IN"

    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def test_whatever_is_set_and_asked_for(self, data: st.DataObject) -> None:
        books = Books()
        day = TODAY
        formats = ["{series}{n}", "{n}", "{year}{n}", "{n}{year}", "{series}{year}{n}"]
        for _ in range(data.draw(st.integers(1, 12))):
            action = data.draw(st.sampled_from(["send", "credit", "bring", "configure", "year"]))
            if action == "send":
                send(books)
            elif action == "credit":
                credit(books, books.invoice(due_on=day))
            elif action == "bring":
                number = str(data.draw(st.sampled_from([1, 2, 12, 20241, "A1", "A12", "A20242"])))
                if (DOCUMENT_NUMBER, number) not in books.names:
                    bring(books, number)
            elif action == "configure":
                number_format = data.draw(st.sampled_from(formats))
                configure(
                    books,
                    number_format=number_format,
                    series=data.draw(st.sampled_from(["A", "A1", "INV"])),
                    number_restarts="yearly" if "{year}" in number_format else "never",
                )
            else:
                day = day.replace(year=day.year + 1)
                books.on(day)
        numbers = [
            event.number
            for event in books.events("invoice")
            if type(event).__name__ in ("Sent", "Credited")
        ]
        assert len(numbers) == len(set(numbers))
