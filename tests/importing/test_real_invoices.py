"""2,466 real invoices of 100 customers through the product, against what the file itself says they owe."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.cli.clock_lease import held_clock
from adapters.cli.imports import import_invoices
from adapters.cli.main import main
from adapters.cli.tenant_creation import open_tenant
from adapters.importing.history import invoice_id_of
from adapters.importing.invoices import Importer, Outcome, Wish
from adapters.postgres.connection import Database, owner_connection
from adapters.store.reading import every_event
from adapters.wiring import Books
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.tenants import CreateTenant
from projections.catalog import CATALOG
from projections.invoices.explanation import explain
from projections.rebuild.rebuild import rebuild
from projections.reports.aging import aging
from projections.verify.numbers import verify_numbers
from projections.verify.read_models import verify
from projections.verify.snapshots import verify_snapshots
from schedulers.business_day import run_day
from schedulers.ports import Run
from tests.cli.running import environment
from tests.importing import real
from tests.importing.real import Charged, Debt

POLICY = AddFeePolicy(late_fee="2%", mora="1%/month", mora_base="outstanding", grace_days=0)
NOW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(scope="module")
def debts() -> list[Debt]:
    return real.debts()


@pytest.fixture(scope="module")
def books(module_database: Database) -> Iterator[Books]:
    with Books(module_database) as books:
        yield books


def new_tenant(books: Books, name: str, policy: AddFeePolicy | None = None) -> UUID:
    tenant_id = open_tenant(books, CreateTenant(name, "USD", "UTC", "weekends")).tenant_id
    if policy is not None:
        books.run(tenant_id, "test", lambda unit: add_fee_policy(unit, policy))
    return tenant_id


def bring_in(books: Books, tenant_id: UUID, *, run_clock: bool = False) -> Outcome:
    with real.file().open("rb") as stream:
        return import_invoices(
            books,
            tenant_id,
            stream,
            named=real.FIELDS,
            date_format=real.DATE_FORMAT,
            currency=real.CURRENCY,
            run_clock=run_clock,
        )


@pytest.fixture(scope="module")
def plain(books: Books) -> UUID:
    """A tenant that charges nothing for being late; its clock did not run."""
    tenant_id = new_tenant(books, "plain")
    assert bring_in(books, tenant_id).added == 2466
    return tenant_id


@pytest.fixture(scope="module")
def charged(books: Books) -> UUID:
    """A tenant with the fee policy, its clock run on every date of the history."""
    tenant_id = new_tenant(books, "charged", POLICY)
    assert bring_in(books, tenant_id, run_clock=True).added == 2466
    return tenant_id


Report = Callable[..., Any]


@pytest.fixture
def report(
    module_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Report:
    """`duebook report ... --json`, in this process."""
    for name, value in environment(module_database, tmp_path / "home").items():
        monkeypatch.setenv(name, value)

    def report(*arguments: str) -> Any:
        assert main(["report", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return report


def cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def aged(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """(how many, cents) by bucket, and `total`; empty when nothing is open."""
    if not found["currencies"]:
        return {}
    (dollars,) = found["currencies"]
    assert dollars["currency"] == "USD"
    sums = {part["bucket"]: (part["count"], cents(part["amount"])) for part in dollars["buckets"]}
    return sums | {"total": (dollars["total"]["count"], cents(dollars["total"]["amount"]))}


class Account(msgspec.Struct):
    """An invoice as its own events tell it, added up here."""

    number: str = ""
    principal: int = 0
    late_fee: int = 0
    interest: int = 0
    paid: dict[str, int] = msgspec.field(
        default_factory=lambda: {"principal": 0, "late_fee": 0, "mora": 0}
    )

    def take(self, tag: str, data: dict[str, Any]) -> None:
        match tag:
            case "invoice.drafted.v1":
                self.principal = data["total_minor"]
            case "invoice.sent.v1":
                self.number = data["number"]
            case "invoice.late_fee_charged.v1":
                self.late_fee += data["amount_minor"]
            case "invoice.mora_posted.v1":
                self.interest += data["amount_minor"]
            case "invoice.recalculated.v1":
                assert (data["because"], data.get("imputations", [])) == ("missed days", [])
                self.interest += sum(sum(minors) for _, minors in data["mora"])
            case "invoice.payment_received.v1":
                for component, minor in data["split"].items():
                    self.paid[component] += minor
            case (
                "invoice.became_overdue.v1" | "invoice.disputed.v1" | "invoice.dispute_resolved.v1"
            ):
                pass  # charges nothing by itself
            case _:
                raise AssertionError(f"unexpected {tag}")

    def standing(self) -> Charged:
        paid = sum(self.paid.values())
        return Charged(
            late_fee=self.late_fee,
            interest=self.interest,
            open_principal=self.principal - self.paid["principal"],
            open_total=self.principal + self.late_fee + self.interest - paid,
        )


def accounts(
    books: Books, tenant_id: UUID, days: list[date]
) -> Iterator[tuple[date, dict[str, Charged]]]:
    """What each invoice stood at on each day, by number, from the events effective by then."""
    with books.reading(tenant_id) as connection:
        events = [
            (
                one.effective_on,
                one.tenant_seq,
                one.stream_id,
                one.tag,
                msgspec.json.decode(one.data),
            )
            for one in every_event(connection, tenant_id)
            if one.stream == "invoice"
        ]
    events.sort(key=lambda event: event[:2])
    found: dict[UUID, Account] = {}
    place = 0
    for day in days:
        while place < len(events) and events[place][0] <= day:
            _, _, stream_id, tag, data = events[place]
            found.setdefault(stream_id, Account()).take(tag, data)
            place += 1
        yield day, {account.number: account.standing() for account in found.values()}


def test_the_file_is_the_one_we_know(debts: list[Debt]) -> None:
    assert len(debts) == 2466
    assert len({debt.customer for debt in debts}) == 100
    assert sum(debt.cents for debt in debts) == 14_770_318
    assert sum(debt.days_late > 0 for debt in debts) == 877
    assert max(debt.settled_on for debt in debts) == real.LAST_ON
    assert all(debt.settled_on >= debt.issued_on for debt in debts)


def test_the_calculation_agrees_with_two_worked_by_hand() -> None:
    # 1,000.00 due Friday 2013-03-01, paid ten days late: 20.00 and 3.33, of which 976.67 pay the amount.
    late = Debt("1", "c", date(2013, 2, 1), date(2013, 3, 1), date(2013, 3, 11), 100_000, 10)
    assert late.charged(date(2013, 3, 1)) == Charged(0, 0, 100_000, 100_000)
    assert late.charged(date(2013, 3, 10)) == Charged(2_000, 300, 100_000, 102_300)
    assert late.charged(date(2013, 3, 11)) == Charged(2_000, 333, 2_333, 2_333)
    # 23.33 left bear 0.0078 a day: after 30 days 333.33 + 23.33 cents are 357.
    assert late.charged(date(2013, 4, 10)) == Charged(2_000, 357, 2_333, 2_357)
    # Due on a Saturday, paid on the Monday: nothing. On the Tuesday: three days, from the Saturday on.
    monday = Debt("2", "c", date(2013, 2, 1), date(2013, 3, 2), date(2013, 3, 4), 100_000, 2)
    assert monday.charged(date(2013, 3, 5)) == Charged(0, 0, 0, 0)
    tuesday = Debt("3", "c", date(2013, 2, 1), date(2013, 3, 2), date(2013, 3, 5), 100_000, 3)
    assert tuesday.charged(date(2013, 3, 5)) == Charged(2_000, 100, 2_100, 2_100)


def test_nothing_charged_leaves_what_the_file_says_on_every_month_end(
    books: Books, plain: UUID, debts: list[Debt]
) -> None:
    for day, found in accounts(books, plain, real.MONTH_ENDS):
        expected = {debt.number: debt.plain_open(day) for debt in debts if debt.issued_on <= day}
        assert {number: account.open_total for number, account in found.items()} == expected


def test_fine_interest_and_principal_of_every_invoice_on_every_month_end(
    books: Books, charged: UUID, debts: list[Debt]
) -> None:
    days = [*real.MONTH_ENDS, real.LAST_ON]
    compared = 0
    for day, found in accounts(books, charged, days):
        expected = {debt.number: debt.charged(day) for debt in debts if debt.issued_on <= day}
        assert found == expected
        compared += len(found)
    assert compared > 30_000
    late = [debt for debt in debts if debt.settled_on >= debt.late_on]
    assert 800 < len(late) <= 877


def test_aging_on_every_month_end_is_what_the_file_says(
    report: Report, plain: UUID, debts: list[Debt]
) -> None:
    for day in [*real.MONTH_ENDS, real.LAST_ON]:
        found = report("aging", "--tenant", "plain", "--as-of", str(day))
        assert found["as_of"] == str(day)
        expected = real.aging([(debt.due_on, debt.plain_open(day)) for debt in debts], day)
        assert aged(found) == {name: sums for name, sums in expected.items() if found["currencies"]}
        assert found["currencies"] or expected["total"] == (0, 0)


def test_aging_with_charges_is_what_the_file_and_the_policy_say(
    books: Books, charged: UUID, debts: list[Debt]
) -> None:
    for day in [*real.MONTH_ENDS, real.LAST_ON]:
        with books.reading(charged) as connection:
            found = aging(connection, charged, today=day, now=NOW, as_of=day, known_at=NOW)
        opens = [(debt.due_on, debt.charged(day).open_total) for debt in debts]
        assert aged(msgspec.to_builtins(found)) == real.aging(opens, day)


def test_the_invoices_sum_up_to_what_the_file_says(report: Report, plain: UUID) -> None:
    found = report("dashboard", "--tenant", "plain")
    (dollars,) = found["currencies"]
    by_status = {one["status"]: one for one in dollars["by_status"]}
    assert (by_status["paid"]["count"], by_status["paid"]["total"]) == (2466, "147703.18")
    assert dollars["outstanding"] == {"count": 0, "amount": "0.00"}


def test_explanations_are_what_the_file_and_the_policy_say(
    books: Books, charged: UUID, debts: list[Debt]
) -> None:
    late = [debt for debt in debts if debt.settled_on >= debt.late_on]
    day = date(2013, 12, 31)
    for debt in late[::20]:
        with books.reading(charged) as connection:
            found = explain(
                connection,
                charged,
                invoice_id_of(charged, debt.number),
                today=day,
                now=NOW,
                as_of=day,
            )
        expected = debt.charged(day)
        parts = {one.component: one for one in found.components}
        assert parts["late_fee"].charged.minor == expected.late_fee
        assert parts["mora"].charged.minor == parts["mora"].calculated.minor == expected.interest
        assert parts["principal"].open.minor == expected.open_principal
        assert cents(found.open.amount) == expected.open_total


def test_a_second_import_adds_nothing(books: Books, plain: UUID, charged: UUID) -> None:
    for tenant_id, run_clock in ((plain, False), (charged, True), (charged, False)):
        before = position(books, tenant_id)
        again = bring_in(books, tenant_id, run_clock=run_clock)
        assert (again.added, again.unchanged, again.failed) == (0, 2466, [])
        assert position(books, tenant_id) == before


def test_the_clock_begins_after_the_history(books: Books, plain: UUID, charged: UUID) -> None:
    assert books.tenants.state(charged).settings.clock_starts_on == date(2014, 1, 10)
    assert books.tenants.state(plain).settings.clock_starts_on > date(2014, 1, 10)


def test_a_clock_run_at_random_later_times_leaves_the_same_balances(
    books: Books, charged: UUID, debts: list[Debt]
) -> None:
    chance = random.Random(20130102)
    tenant_id = new_tenant(books, "late", POLICY)
    with held_clock(books) as lease, real.file().open("rb") as stream:

        def now_and_then(day: date) -> None:
            if chance.random() < 0.03 or day == real.LAST_ON:
                run_day(books.clock, Run(tenant_id, day, lease), in_turn=False)

        importer = Importer(
            books.writer, books.database.api, tenant_id, run_day=now_and_then, most_in_memory=500
        )
        outcome = importer.run(stream, wish())
    assert outcome.added == 2466
    expected = {debt.number: debt.charged(real.LAST_ON) for debt in debts}
    for tenant in (tenant_id, charged):
        ((_, found),) = accounts(books, tenant, [real.LAST_ON])
        assert found == expected


def test_a_clock_run_once_at_the_end_leaves_the_same_balances(
    books: Books, debts: list[Debt]
) -> None:
    tenant_id = new_tenant(books, "once", POLICY)
    assert bring_in(books, tenant_id).added == 2466
    with held_clock(books) as lease:
        run_day(books.clock, Run(tenant_id, real.LAST_ON, lease), in_turn=False)
    ((_, found),) = accounts(books, tenant_id, [real.LAST_ON])
    assert found == {debt.number: debt.charged(real.LAST_ON) for debt in debts}


def test_read_models_snapshots_and_names_are_what_the_log_says(
    books: Books, plain: UUID, charged: UUID
) -> None:
    books.projections.catch_up()
    connect = books.database.writer.connection
    for projection in CATALOG:
        before = verify(projection, connect, lambda: owner_connection(books.database))
        assert before.holds, before.differences
        rebuilt = rebuild(projection, connect, lambda: owner_connection(books.database))
        assert rebuilt.parked == 0
        after = verify(projection, connect, lambda: owner_connection(books.database))
        assert after.holds, after.differences
        assert after.tables == before.tables
    snapshots = verify_snapshots(connect)
    assert snapshots.differences == []
    assert snapshots.snapshots > 2 * (2466 + 2466 + 100)
    numbers = verify_numbers(connect)
    assert numbers.differences == []
    assert numbers.names >= 2 * (2466 + 100)


def wish() -> Wish:
    return Wish(date(2025, 1, 1), real.FIELDS, real.DATE_FORMAT, real.CURRENCY)


def position(books: Books, tenant_id: UUID) -> int:
    with books.database.writer.connection() as connection:
        row = connection.execute(
            "SELECT tenant_seq FROM tenant_log WHERE tenant_id = %s", (tenant_id,)
        ).fetchone()
    assert row is not None
    return int(row[0])
