"""`duebook report pay-off`: what settles an invoice on a day."""

import argparse
from datetime import UTC, datetime
from typing import Any

from adapters.cli.explanations import NoSuchInvoice
from adapters.cli.parsing import add_command, add_json, add_tenant, day
from adapters.cli.printing import print_fields, print_json
from adapters.cli.reporting import stream_called
from adapters.settings import Settings
from adapters.store import snapshots
from adapters.wiring import open_books
from commands.pay_off_quote import PayOff, pay_off
from ledger.numbering import DOCUMENT_NUMBER
from ledger.time_zones import business_date


def add(family: Any) -> None:
    parser = add_command(
        family, "pay-off", _pay_off, "what has to be paid on a day to settle an invoice"
    )
    parser.add_argument("invoice", metavar="INVOICE", help="the invoice's id or number")
    add_tenant(parser)
    parser.add_argument(
        "--on", type=day, metavar="D", help="the day it is paid (default: today; no earlier one)"
    )
    add_json(parser)


def _pay_off(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        today = business_date(datetime.now(UTC), books.tenants.state(tenant_id).settings.timezone)
        with books.reading(tenant_id) as connection:
            invoice_id = stream_called(connection, tenant_id, DOCUMENT_NUMBER, arguments.invoice)
            snapshot = snapshots.read(connection, tenant_id, "invoice", invoice_id)
    if snapshot is None:
        raise NoSuchInvoice(f"there is no invoice {arguments.invoice!r}")
    found = pay_off(invoice_id, snapshot[1], today, arguments.on)
    if arguments.json:
        print_json(found)
    else:
        _print_quote(found)
    return 0


def _print_quote(found: PayOff) -> None:
    parts, currency = found.components, found.total.currency
    later = "nothing"
    if found.later is not None:
        first, each = found.later.first_day_adds, found.later.each_day_adds
        later = f"{first.amount} {currency} on {found.later.from_on}, then {each.amount} a day"
    print_fields(
        [
            ("invoice", f"{found.number or found.invoice_id}, {found.status}"),
            ("paid on", f"{found.valid_on}"),
            ("principal", parts.principal.amount),
            ("late fee", parts.late_fee.amount),
            ("interest", parts.mora.amount),
            ("other fees", parts.other_fees.amount),
            ("to pay", f"{found.total.amount} {currency}"),
            ("later adds", later),
        ]
    )
