"""`duebook agreement list|show|pay-off`."""

import argparse
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant, day
from adapters.cli.printing import print_fields, print_json, print_table
from adapters.cli.reporting import catch_up
from adapters.settings import Settings
from adapters.store.agreement_snapshots import read_agreement, read_pay_off
from adapters.wiring import open_books
from commands.agreements.pay_off_quote import AgreementPayOffView
from commands.agreements.view import AgreementView
from ledger.agreement.state import Status
from ledger.money import Money
from ledger.time_zones import business_date
from projections.agreements.listing import AgreementFilters, AgreementRow, list_agreements
from projections.pagination import MAX_LIMIT


def add(commands: Any) -> None:
    family = add_family(commands, "agreement", "list and show loans and payment plans")
    listing = add_command(family, "list", _list, "list a tenant's agreements, the latest first")
    add_tenant(listing)
    listing.add_argument(
        "--status", choices=get_args(Status), metavar="S", help="only agreements of this status"
    )
    add_json(listing)
    show = add_command(family, "show", _show, "show an agreement with its instalments")
    show.add_argument("agreement_id", type=_id, metavar="AGREEMENT_ID", help="the agreement's id")
    add_tenant(show)
    add_json(show)
    quote = add_command(
        family, "pay-off", _pay_off, "tell what pays an agreement off on a day; changes nothing"
    )
    quote.add_argument("agreement_id", type=_id, metavar="AGREEMENT_ID", help="the agreement's id")
    add_tenant(quote)
    quote.add_argument(
        "--on",
        type=day,
        metavar="D",
        help="the day of payment, at most a year ahead (default: today)",
    )
    add_json(quote)


def _list(arguments: argparse.Namespace) -> int:
    filters = AgreementFilters(status=arguments.status)
    found: list[AgreementRow] = []
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        today = business_date(datetime.now(UTC), books.tenants.state(tenant_id).settings.timezone)
        catch_up(books)
        cursor: str | None = None
        with books.reading(tenant_id) as connection:
            while True:
                page = list_agreements(
                    connection, tenant_id, filters, today=today, cursor=cursor, limit=MAX_LIMIT
                )
                found += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
    if arguments.json:
        print_json({"items": found})
        return 0
    print_table(
        (
            "id",
            "requested",
            "kind",
            "status",
            "instalments",
            "currency",
            "principal",
            "open",
            "overdue",
        ),
        [
            (
                one.id,
                one.requested_on,
                _words(one.kind),
                one.status,
                one.count,
                one.currency,
                one.principal.amount,
                one.open.amount,
                one.overdue.amount,
            )
            for one in found
        ],
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        now = datetime.now(UTC)
        today = business_date(now, books.tenants.state(tenant_id).settings.timezone)
        with books.reading(tenant_id) as connection:
            view = read_agreement(connection, tenant_id, arguments.agreement_id, today, now)
        opened = books.cipher.decrypted(tenant_id, msgspec.json.encode(view))
    if arguments.json:
        print_json(opened)
        return 0
    _print(msgspec.json.decode(opened, type=AgreementView))
    return 0


def _pay_off(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        now = datetime.now(UTC)
        today = business_date(now, books.tenants.state(tenant_id).settings.timezone)
        with books.reading(tenant_id) as connection:
            found = read_pay_off(
                connection, tenant_id, arguments.agreement_id, arguments.on, today, now
            )
    if arguments.json:
        print_json(found)
        return 0
    _print_pay_off(found)
    return 0


def _print_pay_off(found: AgreementPayOffView) -> None:
    print_fields(
        [
            ("agreement", found.agreement_id),
            ("open", found.open.amount),
            ("interest returned", found.interest_returned.amount),
            ("total", found.total.amount),
            ("currency", found.total.currency),
            ("holds until", found.holds_until),
        ]
    )
    print_table(
        ("no.", "due", "invoice", "open", "interest returned", "to pay"),
        [
            (
                one.number,
                one.due_on,
                one.invoice_number,
                one.open.amount,
                one.interest_returned.amount,
                one.to_pay.amount,
            )
            for one in found.instalments
        ],
    )


def _print(view: AgreementView) -> None:
    totals: dict[str, Money] = msgspec.structs.asdict(view.totals)
    print_fields(
        [
            ("id", view.id),
            ("kind", _words(view.kind)),
            ("status", view.status),
            (
                "terms",
                f"{view.count} x {view.schedule} at {view.rate}, mora on the {view.mora_base}",
            ),
            ("currency", view.currency),
            ("principal", view.principal.amount),
            ("original value", view.original.amount),
            *((name, money.amount) for name, money in totals.items()),
            *_break_even(view),
            ("renegotiates", view.renegotiates),
            ("successor", view.successor_id),
            ("reason", view.reason),
            ("notes", view.notes),
        ]
    )
    print_table(
        ("no.", "due", "invoice", "status", "principal", "interest", "open"),
        [
            (
                one.number,
                one.due_on,
                one.invoice_number,
                _words(one.status),
                one.principal.amount,
                one.interest.amount,
                one.open.amount,
            )
            for one in view.instalments
        ],
    )


def _break_even(view: AgreementView) -> list[tuple[str, object]]:
    found = view.break_even
    if found is None:
        return []
    return [
        ("lent", found.lent.amount),
        ("paid back", found.paid.amount),
        ("missing to break even", found.missing.amount),
        ("computed at", found.computed_at.isoformat(timespec="seconds")),
    ]


def _words(code: str) -> str:
    return code.replace("_", " ")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an agreement's id") from None
