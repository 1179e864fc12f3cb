"""`duebook report aging|dashboard`, and the family of reports."""

import argparse
from collections.abc import Iterable
from typing import Any

import msgspec

from adapters.cli import explanations, pay_offs, portfolios, statements, trial_balances
from adapters.cli.parsing import add_family
from adapters.cli.reporting import Cells, add_report, answer, left_out, reported
from projections.reports.aging import Aging, aging
from projections.reports.dashboard import CurrencyDashboard, Dashboard, dashboard


def add(commands: Any) -> None:
    family = add_family(commands, "report", "what is owed, as of any day, as known at any instant")
    add_report(family, "aging", _aging, "what is open, by days past the due date as written")
    add_report(
        family, "dashboard", _dashboard, "outstanding, overdue, paid this month, and by status"
    )
    statements.add(family)
    trial_balances.add(family)
    portfolios.add(family)
    explanations.add(family)
    pay_offs.add(family)


def _aging(arguments: argparse.Namespace) -> int:
    found: Aging = reported(
        arguments,
        report=lambda books, connection, tenant_id, asked: aging(
            connection, tenant_id, as_of=arguments.as_of, **msgspec.structs.asdict(asked)
        ),
    )
    rows = [
        (currency.currency, part.bucket, part.count, part.amount)
        for currency in found.currencies
        for part in currency.buckets
    ]
    totals = [
        (currency.currency, "total", currency.total.count, currency.total.amount)
        for currency in found.currencies
    ]
    both = sorted([*rows, *totals], key=lambda row: row[0])
    headers = ("currency", "days past due", "invoices", "open")
    answer(arguments, found, headers, both, title=f"open on {found.as_of}{left_out(found.parked)}")
    return 0


def _dashboard(arguments: argparse.Namespace) -> int:
    found: Dashboard = reported(
        arguments,
        report=lambda books, connection, tenant_id, asked: dashboard(
            connection, tenant_id, as_of=arguments.as_of, **msgspec.structs.asdict(asked)
        ),
    )
    rows = [row for currency in found.currencies for row in _dashboard_rows(currency)]
    headers = ("currency", "what", "count", "amount", "open")
    answer(arguments, found, headers, rows, title=f"on {found.as_of}{left_out(found.parked)}")
    return 0


def _dashboard_rows(found: CurrencyDashboard) -> Iterable[Cells]:
    for name, figure in (
        ("outstanding", found.outstanding),
        ("overdue", found.overdue),
        ("paid this month", found.paid_this_month),
    ):
        yield found.currency, name, figure.count, figure.amount, None
    yield found.currency, "unapplied credit", None, found.unapplied_credit, None
    for status in found.by_status:
        name = f"invoices {status.status}"
        yield found.currency, name, status.count, status.total, status.open
