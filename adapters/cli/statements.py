"""`duebook report statement`: a customer's account."""

import argparse
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli.parsing import day
from adapters.cli.printing import print_line
from adapters.cli.reporting import (
    Asked,
    Cells,
    Connection,
    add_report,
    answer,
    left_out,
    reported,
    stream_called,
)
from adapters.store import snapshots
from adapters.wiring import Books
from ledger.errors import NotFound
from projections.reports.statement import CurrencyStatement, Statement, statement


class NoSuchCustomer(NotFound):
    """The tenant has no customer of that id or reference."""


def add(family: Any) -> None:
    parser = add_report(
        family, "statement", _statement, "a customer's documents, charges, payments and balance"
    )
    parser.add_argument(
        "--customer", required=True, metavar="C", help="the customer's id or reference"
    )
    parser.add_argument(
        "--from", dest="from_on", type=day, metavar="D", help="first day (default: the beginning)"
    )


def _statement(arguments: argparse.Namespace) -> int:
    name = ""

    def report(books: Books, connection: Connection, tenant_id: UUID, asked: Asked) -> Statement:
        nonlocal name
        customer_id = stream_called(connection, tenant_id, "customer_reference", arguments.customer)
        customer = snapshots.read(connection, tenant_id, "customer", customer_id)
        if customer is None:
            raise NoSuchCustomer(f"there is no customer {arguments.customer!r}")
        name = books.cipher.opened_text(tenant_id, customer[1].person.name)
        return statement(
            connection,
            tenant_id,
            customer_id,
            from_on=arguments.from_on,
            to_on=arguments.as_of,
            **msgspec.structs.asdict(asked),
        )

    found: Statement = reported(arguments, report=report)
    rows = [row for currency in found.currencies for row in _statement_rows(found, currency)]
    headers = ("date", "what", "number", "currency", "amount", "balance")
    answer(arguments, found, headers, rows, title=f"{name}, {_span(found)}")
    if not (arguments.json or arguments.csv):
        for currency in found.currencies:
            for what, amount in (
                ("unapplied credit", currency.unapplied_credit),
                ("shortfall", currency.shortfall),
            ):
                if amount.strip("0."):
                    print_line(f"{what} {amount} {currency.currency}")
    return 0


def _statement_rows(found: Statement, currency: CurrencyStatement) -> Iterable[Cells]:
    code = currency.currency
    yield found.from_on, "opening balance", None, code, None, currency.opening
    for entry in currency.entries:
        what = entry.kind.replace("_", " ")
        yield entry.on, what, entry.number, code, entry.amount, entry.balance
    yield found.to_on, "closing balance", None, code, None, currency.closing


def _span(found: Statement) -> str:
    since = f"from {found.from_on} " if found.from_on is not None else ""
    return f"statement {since}to {found.to_on}{left_out(found.unreadable)}"
