"""The shipped plan over 2,466 real invoices, simulated and lived night by night, against a sum from the file alone."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.cli.clock_lease import held_clock
from adapters.cli.imports import import_invoices
from adapters.cli.main import main
from adapters.cli.tenant_creation import open_tenant
from adapters.postgres.connection import Database
from adapters.store.reading import every_event
from adapters.wiring import Books
from commands.customers import RegisterCustomer, register_customer
from commands.dunning_plans import activate_plan
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from commands.payments import ReceivePayment, receive_payment
from commands.tenants import CreateTenant
from ledger.message import Queued
from ledger.money import Money
from ledger.tax import Line
from schedulers.business_day import run_day
from schedulers.ports import Run
from tests.cli.running import environment
from tests.importing import real
from tests.messages.independent import Sent, messages

FIRST_ON = date(2012, 1, 2)
FROM_THE_MIDDLE = (date(2012, 9, 5), date(2013, 9, 5))


@pytest.fixture(scope="module")
def debts() -> list[real.Debt]:
    return real.debts()


@pytest.fixture(scope="module")
def books(module_database: Database) -> Iterator[Books]:
    with Books(module_database) as books:
        yield books


@pytest.fixture(scope="module")
def imported(books: Books) -> UUID:
    tenant_id = open_tenant(books, CreateTenant("imported", "USD", "UTC", "weekends")).tenant_id
    with real.file().open("rb") as stream:
        outcome = import_invoices(
            books,
            tenant_id,
            stream,
            named=real.FIELDS,
            date_format=real.DATE_FORMAT,
            currency=real.CURRENCY,
            run_clock=False,
        )
    assert outcome.added == 2466
    return tenant_id


class Names:
    """Numbers of invoices and references of customers by their ids, from the log."""

    def __init__(self, books: Books, tenant_id: UUID) -> None:
        self.numbers: dict[str, str] = {}
        self.references: dict[str, str] = {}
        with books.database.writer.connection() as connection:
            for event in every_event(connection, tenant_id):
                if event.tag == "invoice.sent.v1":
                    self.numbers[str(event.stream_id)] = event.event.number  # type: ignore[attr-defined]
                elif event.tag == "customer.registered.v1":
                    reference = event.event.reference  # type: ignore[attr-defined]
                    self.references[str(event.stream_id)] = reference

    def message(self, item: dict[str, Any]) -> Sent:
        return Sent(
            date.fromisoformat(item["date"]),
            self.references[item["customer_id"]],
            item["step"],
            tuple(sorted(self.numbers[one] for one in item["invoice_ids"])),
            int(item["amount"]["amount"].replace(".", "")),
        )


@pytest.mark.parametrize(
    ("first", "last"),
    [FROM_THE_MIDDLE, pytest.param(FIRST_ON, real.LAST_ON, marks=pytest.mark.soak)],
)
def test_a_simulation_is_what_the_file_says(
    books: Books,
    imported: UUID,
    debts: list[real.Debt],
    first: date,
    last: date,
    module_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment(module_database, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    before = position(books, imported)
    span = ["--from", str(first), "--to", str(last)]
    assert main(["dunning", "simulate", "--tenant", str(imported), *span, "--json"]) == 0
    items = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = Names(books, imported)
    found = [names.message(item) for item in items if item["kind"] == "message"]

    expected = messages(debts, first, last)
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert len(expected) > 1_000
    assert position(books, imported) == before


def test_every_debt_that_is_skipped_says_why(books: Books, imported: UUID) -> None:
    """Of each day, no debt is both contacted about and skipped."""
    from adapters.store.debtors import sent_cases
    from ledger.dunning.plan import SHIPPED_PLAN
    from schedulers.preview import simulate

    plans = books.clock.dunning_plans(imported).only(SHIPPED_PLAN)
    cases = sent_cases(books.database.writer, imported, limit=97)
    seen: dict[tuple[date, UUID], str] = {}
    reasons: dict[str, int] = defaultdict(int)
    for item in simulate(cases, plans, *FROM_THE_MIDDLE):
        for invoice_id in item.invoice_ids:
            assert (item.date, invoice_id) not in seen
            seen[item.date, invoice_id] = item.kind
        if item.kind == "skip":
            assert item.reason is not None
            reasons[item.reason] += 1
    assert {"cap_gap", "no_contact_day", "before_entry"} <= set(reasons)


@pytest.mark.soak
def test_nights_that_are_lived_queue_what_the_simulation_says(
    books: Books, debts: list[real.Debt]
) -> None:
    """Each fact is recorded on its day and the night run after it, under a clock that is given."""
    create = CreateTenant("lived", "USD", "UTC", "weekends", clock_starts_on=FIRST_ON)
    tenant_id = open_tenant(books, create).tenant_id
    ids: dict[str, UUID] = {}

    def ask(day: date, handler: Any) -> UUID:
        now = datetime.combine(day, time(3), tzinfo=UTC)
        answer = books.run(tenant_id, "test", handler, now=now)
        return UUID(msgspec.json.decode(answer.body).get("id", str(UUID(int=0))))

    for reference in sorted({debt.customer for debt in debts}):
        register = RegisterCustomer(reference, reference, email="someone@example.com")
        ids[reference] = ask(
            FIRST_ON, lambda unit, command=register: register_customer(unit, command)
        )
    issued: dict[date, list[real.Debt]] = defaultdict(list)
    settled: dict[date, list[real.Debt]] = defaultdict(list)
    for debt in debts:
        issued[debt.issued_on].append(debt)
        settled[debt.settled_on].append(debt)
    books.run(
        tenant_id,
        "test",
        lambda unit: activate_plan(unit, "default"),
        now=datetime.combine(FIRST_ON, time(3), tzinfo=UTC),
    )
    numbers: dict[UUID, str] = {}
    day = FIRST_ON
    with held_clock(books) as lease:
        while day <= real.LAST_ON:
            for debt in issued[day]:
                lines = (Line(debt.number, "1", f"{debt.cents // 100}.{debt.cents % 100:02}"),)
                draft = DraftInvoice(ids[debt.customer], debt.due_on, lines)
                invoice_id = ask(day, lambda unit, command=draft: draft_invoice(unit, command))
                send = SendInvoice(notify=False)
                ask(day, lambda unit, one=invoice_id, send=send: send_invoice(unit, one, send))
                ids[debt.number], numbers[invoice_id] = invoice_id, debt.number
            for debt in settled[day]:
                money = Money(f"{debt.cents // 100}.{debt.cents % 100:02}", "USD")
                pay = ReceivePayment(money, invoice_id=ids[debt.number])
                ask(day, lambda unit, command=pay: receive_payment(unit, command))
            run_day(books.clock, Run(tenant_id, day, lease), today=day)
            day += timedelta(days=1)

    customers = {ids[debt.customer]: debt.customer for debt in debts}
    with books.database.writer.connection() as connection:
        found = [
            Sent(
                event.event.business_date,
                customers[event.event.customer_id],
                event.event.step,
                tuple(sorted(numbers[one] for one in event.event.invoice_ids)),
                event.event.amount_minor,
            )
            for event in every_event(connection, tenant_id)
            if isinstance(event.event, Queued)
        ]
    assert len(found) == len(set(found))
    assert set(found) == messages(debts, FIRST_ON, real.LAST_ON)


def position(books: Books, tenant_id: UUID) -> int:
    with books.database.writer.connection() as connection:
        return max(event.tenant_seq for event in every_event(connection, tenant_id))
