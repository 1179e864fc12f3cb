"""`duebook report portfolio`: what agreements lent, brought back, and miss until they break even."""

import argparse
from typing import Any

from adapters.cli.parsing import add_command, add_json, add_tenant
from adapters.cli.reporting import answer, left_out, reported
from projections.reports.portfolio import Portfolio, portfolio


def add(family: Any) -> None:
    parser = add_command(
        family,
        "portfolio",
        _portfolio,
        "what agreements lent, brought back, and miss until they break even, now",
    )
    add_tenant(parser)
    forms = parser.add_mutually_exclusive_group()
    add_json(forms)
    forms.add_argument("--csv", action="store_true", help="answer in CSV")
    parser.set_defaults(known_at=None)


def _portfolio(arguments: argparse.Namespace) -> int:
    found: Portfolio = reported(
        arguments,
        report=lambda books, connection, tenant_id, asked: portfolio(
            connection, tenant_id, now=asked.now
        ),
    )
    rows = [
        (one.currency, one.agreements, one.broken_even, one.lent, one.paid, one.missing)
        for one in found.currencies
    ]
    headers = ("currency", "agreements", "broken even", "lent", "paid", "missing")
    at = found.computed_at.isoformat(timespec="seconds")
    answer(arguments, found, headers, rows, title=f"computed at {at}{left_out(found.parked)}")
    return 0
