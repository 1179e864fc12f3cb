"""The trial balance: by the sums and by the entries alike, as of any day, as known at any instant."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.cli.journals import written
from adapters.journals import beancount, hledger
from adapters.wiring import Books
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.chart_of_accounts import named
from projections.engine.runner import Runner
from projections.journal.entries import JournalEntries
from projections.reports.trial_balance import TrialBalance, trial_balance
from tests.journals.programs import (
    Balances,
    bean_check,
    beancount_balances,
    hledger_balances,
    hledger_check,
)
from tests.projections.conftest import tampering
from tests.projections.history import History

Histories = Callable[[int], History]
FAR = date(2030, 1, 1)
OWN_NAMES = {
    "cash": "Assets:Banco-1:Conta-Corrente",
    "revenue": "Income:Serviços:2024",
    "receivable_principal": "Assets:Клиенты",
}


def asked(
    books: Books, life: History, as_of: date | None = None, known_at: datetime | None = None
) -> TrialBalance:
    """Asked on the day itself, where that lies after the life's."""
    chart = books.tenants.state(life.tenant_id).settings.chart
    with books.reading(life.tenant_id) as connection:
        return trial_balance(
            connection,
            life.tenant_id,
            today=max(life.today, as_of or life.today),
            now=datetime.now(UTC),
            chart=chart,
            as_of=as_of,
            known_at=known_at,
        )


def recorded(books: Books) -> datetime:
    """When the last event was."""
    with books.database.writer.connection() as connection:
        row = connection.execute("SELECT recorded_at FROM log_head").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def close_month(life: History) -> date:
    through = life.today.replace(day=1) - timedelta(days=1)
    life.ask(lambda unit: configure_tenant(unit, ConfigureTenant(books_closed_through=through)))
    return through


def balances(found: TrialBalance) -> Balances:
    return {
        (account.name, currency.currency): Decimal(account.balance)
        for currency in found.currencies
        for account in currency.accounts
        if Decimal(account.balance)
    }


@pytest.mark.parametrize("seed", range(2))
def test_sums_and_entries_say_the_same_on_any_day(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    life = history(seed + 80)
    for _ in range(4):
        life.run(15)
        close_month(life)
    runner.catch_up()
    now = recorded(books)
    days = [life.today - timedelta(days=back) for back in (0, 10, 40, 90)]
    for day in [*days, FAR]:
        by_sums = asked(books, life, as_of=day)
        by_entries = asked(books, life, as_of=day, known_at=now)
        assert by_sums.currencies == by_entries.currencies
        for currency in by_sums.currencies:
            assert currency.debit == currency.credit
    assert by_sums.currencies


def test_known_at_an_instant_it_is_what_was_printed_then(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(85)
    printed: list[tuple[datetime, date, TrialBalance]] = []
    for _ in range(4):
        life.run(15)
        life.night()
        runner.catch_up()
        printed.append((recorded(books), life.today, asked(books, life)))
        life.night()
    for at, day, then in printed:
        again = asked(books, life, as_of=day, known_at=at)
        assert again.currencies == then.currencies


def test_of_a_closed_month_it_never_moves(books: Books, history: Histories, runner: Runner) -> None:
    life = history(86)
    life.run(60)
    life.night(32)
    through = close_month(life)
    runner.catch_up()
    before = asked(books, life, as_of=through)
    for _ in range(6):
        life.run(15)
        runner.catch_up()
        assert asked(books, life, as_of=through).currencies == before.currencies
    assert asked(books, life).currencies != before.currencies


def test_streams_that_cannot_be_read_are_counted(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(87).run(30)
    with tampering(books.database) as connection:
        connection.execute(
            "UPDATE events SET data = '[]' WHERE version = 1 AND stream_id = %s",
            (life.invoices[0],),
        )
    runner.catch_up()
    now = recorded(books)
    by_sums, by_entries = asked(books, life), asked(books, life, known_at=now)
    assert by_sums.parked == by_entries.parked == 1
    assert by_sums.currencies == by_entries.currencies


def test_both_programs_agree_with_it_over_a_life_of_everything(
    books: Books, history: Histories, runner: Runner, tmp_path: Path
) -> None:
    """Several currencies, closed months, and accounts with names of the tenant's own."""
    life = history(88)
    assert life.ask(lambda unit: configure_tenant(unit, ConfigureTenant(chart=OWN_NAMES)))
    for _ in range(5):
        life.run(25)
        close_month(life)
    runner.catch_up()
    expected = balances(asked(books, life, as_of=FAR))
    assert {name for name, _ in expected} >= set(OWN_NAMES.values())
    assert {currency for _, currency in expected} == {"BRL", "EUR", "JPY"}
    files = {form: tmp_path / form.__name__ for form in (beancount, hledger)}
    for form, file in files.items():
        with books.reading(life.tenant_id) as connection:
            entries = JournalEntries(connection, life.tenant_id)
            file.write_text("".join(written(form, 'A "life"; of\nall', named(OWN_NAMES), entries)))
    bean_check(files[beancount])
    hledger_check(files[hledger])
    assert beancount_balances(files[beancount]) == expected
    assert hledger_balances(files[hledger]) == expected
