"""`duebook report trial-balance`: debits, credits and balance of each account."""

import argparse
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli.reporting import (
    Asked,
    Cells,
    Connection,
    add_report,
    answer,
    left_out,
    reported,
)
from adapters.wiring import Books
from projections.reports.trial_balance import CurrencyTrialBalance, TrialBalance, trial_balance


def add(family: Any) -> None:
    add_report(
        family,
        "trial-balance",
        _trial_balance,
        "debits, credits and balance of each account of the journal, by the day of posting",
    )


def _trial_balance(arguments: argparse.Namespace) -> int:
    def report(books: Books, connection: Connection, tenant_id: UUID, asked: Asked) -> TrialBalance:
        return trial_balance(
            connection,
            tenant_id,
            chart=books.tenants.state(tenant_id).settings.chart,
            as_of=arguments.as_of,
            **msgspec.structs.asdict(asked),
        )

    found: TrialBalance = reported(arguments, report=report)
    rows = [row for currency in found.currencies for row in _rows(currency)]
    headers = ("currency", "account", "debit", "credit", "balance")
    answer(
        arguments, found, headers, rows, title=f"posted to {found.as_of}{left_out(found.parked)}"
    )
    return 0


def _rows(found: CurrencyTrialBalance) -> Iterable[Cells]:
    for account in found.accounts:
        yield found.currency, account.name, account.debit, account.credit, account.balance
    yield found.currency, "total", found.debit, found.credit, None
