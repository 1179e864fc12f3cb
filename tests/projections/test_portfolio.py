"""The portfolio's sums: what the snapshots say of each chain of agreements, kept as things happen and when rebuilt."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.store.agreement_snapshots import read_agreement
from adapters.wiring import Books
from commands.agreements.break_even import BreakEven
from commands.agreements.lifecycle import (
    LoseAgreement,
    RenegotiateAgreement,
    lose_agreement,
    renegotiate_agreement,
)
from commands.reversals import ReversePayment, reverse_payment
from ledger.money import Money
from projections.agreements.listing import list_agreements
from projections.engine.runner import Runner
from projections.invoices.fold import INVOICES
from projections.rebuild.rebuild import rebuild
from projections.reports.portfolio import CurrencyPortfolio, portfolio
from projections.verify.read_models import verify
from tests.projections.conftest import new_runner
from tests.projections.state import contents
from tests.projections.test_agreements import Lender

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def books(module_database: Database) -> Iterator[Books]:
    with Books(module_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def runner(books: Books) -> Runner:
    return new_runner(books)


def chains(books: Books, life: Lender) -> list[BreakEven]:
    """What each chain's last agreement tells."""
    with books.reading(life.tenant_id) as connection:
        rows = list_agreements(connection, life.tenant_id, today=life.today, limit=100).items
        views = [
            read_agreement(connection, life.tenant_id, row.id, life.today, NOW) for row in rows
        ]
    return [
        view.break_even for view in views if view.break_even is not None and not view.successor_id
    ]


def found(books: Books, life: Lender) -> list[CurrencyPortfolio]:
    with books.reading(life.tenant_id) as connection:
        return portfolio(connection, life.tenant_id, now=NOW).currencies


def assert_is_what_snapshots_say(books: Books, life: Lender) -> CurrencyPortfolio:
    told = chains(books, life)
    (line,) = found(books, life)
    assert line.agreements == len(told)
    assert line.broken_even == sum(not one.missing.minor for one in told)
    for name in ("lent", "paid", "missing"):
        total = sum(getattr(one, name).minor for one in told)
        assert getattr(line, name) == Money.of(total, "BRL").amount, name
    return line


def test_the_portfolio_follows_each_chain(books: Books, runner: Runner) -> None:
    """Money more than what was lent on one agreement does not make up for what another misses."""
    life = Lender(books, 11)
    first, second, third = life.lend(), life.lend(), life.lend()
    runner.catch_up()
    assert assert_is_what_snapshots_say(books, life).missing == "2700.00"
    with books.reading(life.tenant_id) as connection:
        view = read_agreement(connection, life.tenant_id, first, life.today, NOW)
    life.night(40)  # late fees and interest: more comes back than was lent
    for part in view.instalments:
        life._pay(invoice_id=part.invoice_id, amount=Money("310.00", "BRL"), received_on=life.today)
    again = RenegotiateAgreement(
        reason="less pay", schedule="equal", count=2, first_due_on=life.today
    )
    successor = life.act(renegotiate_agreement, second, again)
    with books.reading(life.tenant_id) as connection:
        view = read_agreement(connection, life.tenant_id, successor, life.today, NOW)
    life._pay(invoice_id=view.instalments[0].invoice_id, amount=Money("100.00", "BRL"))
    life.act(lose_agreement, third, LoseAgreement("gone"))
    runner.catch_up()
    line = assert_is_what_snapshots_say(books, life)
    assert (line.agreements, line.broken_even, line.lent) == (3, 1, "2700.00")
    assert line.missing == "1700.00"
    assert Money(line.paid, "BRL").minor > 1000_00


def test_money_reversed_is_missing_again(books: Books, runner: Runner) -> None:
    life = Lender(books, 12)
    agreement_id = life.lend()
    with books.reading(life.tenant_id) as connection:
        view = read_agreement(connection, life.tenant_id, agreement_id, life.today, NOW)
    for part in view.instalments:
        life._pay(invoice_id=part.invoice_id, amount=part.open)
    runner.catch_up()
    assert assert_is_what_snapshots_say(books, life).broken_even == 1
    life.act(reverse_payment, life.payments[-1], ReversePayment("bounced"))
    runner.catch_up()
    line = assert_is_what_snapshots_say(books, life)
    assert (line.broken_even, line.missing) == (0, "300.00")


def test_rebuilt_and_verified_it_is_the_same(books: Books, runner: Runner) -> None:
    runner.catch_up()

    def sums() -> dict[str, list[object]]:
        with books.database.writer.connection() as connection:
            kept = contents(connection, INVOICES)
        return {name: kept[name] for name in ("break_even_totals", "portfolio_totals")}

    before = sums()
    assert before["break_even_totals"]
    connect = books.database.writer.connection
    assert verify(INVOICES, connect, lambda: owner_connection(books.database)).holds
    rebuild(INVOICES, connect, lambda: owner_connection(books.database))
    assert sums() == before


def test_another_tenant_sees_none_of_it(books: Books, runner: Runner) -> None:
    life, other = Lender(books, 13), Lender(books, 14)
    life.lend()
    runner.catch_up()
    with books.reading(other.tenant_id) as connection:
        assert portfolio(connection, life.tenant_id, now=NOW).currencies == []
