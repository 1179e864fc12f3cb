"""`duebook report explain`: an invoice, cent by cent."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli.printing import print_csv, print_fields, print_json, print_line, print_table
from adapters.cli.reporting import Asked, Cells, Connection, add_report, reported, stream_called
from adapters.store import snapshots
from adapters.wiring import Books
from ledger.errors import NotFound
from ledger.numbering import DOCUMENT_NUMBER
from projections.invoices.explanation import ComponentExplained, Explanation, explain

CHANGE_HEADERS = (
    "component",
    "versions",
    "event",
    "effective",
    "recorded",
    "charged",
    "paid",
    "forgiven",
    "because",
)


class NoSuchInvoice(NotFound):
    """The tenant has no invoice of that id or number."""


def add(family: Any) -> None:
    parser = add_report(
        family, "explain", _explain, "why each cent of an invoice is there, by rule and event"
    )
    parser.add_argument("invoice", metavar="INVOICE", help="the invoice's id or number")


def _explain(arguments: argparse.Namespace) -> int:
    def report(books: Books, connection: Connection, tenant_id: UUID, asked: Asked) -> Explanation:
        invoice_id = stream_called(connection, tenant_id, DOCUMENT_NUMBER, arguments.invoice)
        if snapshots.read(connection, tenant_id, "invoice", invoice_id) is None:
            raise NoSuchInvoice(f"there is no invoice {arguments.invoice!r}")
        return explain(
            connection,
            tenant_id,
            invoice_id,
            as_of=arguments.as_of,
            **msgspec.structs.asdict(asked),
        )

    found: Explanation = reported(arguments, report=report)
    if arguments.json:
        print_json(found)
    elif arguments.csv:
        print_csv(CHANGE_HEADERS, [row for one in found.components for row in _change_rows(one)])
    else:
        _print_explanation(found)
    return 0


def _change_rows(component: ComponentExplained) -> Iterable[Cells]:
    for change in component.changes:
        first, last = change.versions
        yield (
            component.component,
            str(first) if first == last else f"{first}-{last}",
            change.tag,
            change.effective_on,
            change.recorded_at.isoformat(timespec="seconds"),
            change.charged.amount,
            change.paid.amount,
            change.forgiven.amount,
            change.because,
        )


def _print_explanation(found: Explanation) -> None:
    print_fields(
        [
            ("invoice", f"{found.number or found.invoice_id}, {found.status}"),
            ("as of", f"{found.as_of}, as known at {found.known_at.isoformat(timespec='seconds')}"),
            ("issued, due", f"{found.issued_on}, {found.due_on}"),
            ("payable until", f"{found.payable_until}, late from {found.late_on}"),
            ("terms", f"fee policy {found.fee_policy_version}, calendar {found.calendar}"),
            ("open", f"{found.open.amount} {found.open.currency}"),
        ]
    )
    print_line()
    print_table(
        ("component", "charged", "paid", "forgiven", "open", "rule"),
        [
            (
                one.component,
                *(side.amount for side in (one.charged, one.paid, one.forgiven, one.open)),
                one.rule,
            )
            for one in found.components
        ],
    )
    _print_if(
        ("forgiven of", "as", "amount"),
        [
            (component.component, one.kind.replace("_", " "), one.amount.amount)
            for component in found.components
            for one in component.forgiveness
        ],
    )
    stretches = [one for component in found.components for one in component.stretches]
    is_held = any(one.held.minor for one in stretches)
    _print_if(
        ("interest from", "through", "days", "on", *(("held",) if is_held else ())),
        [
            (
                *(one.first_on, one.last_on, one.days, one.base.amount),
                *((one.held.amount,) if is_held else ()),
            )
            for one in stretches
        ],
    )
    _print_if(
        ("disputed on", "amount", "interest", "resolved on", "outcome"),
        [
            (
                one.disputed_on,
                one.amount.amount,
                "held" if one.holds_interest else "counts",
                one.resolved_on,
                one.outcome,
            )
            for one in found.disputes
        ],
    )
    _print_if(CHANGE_HEADERS, [row for one in found.components for row in _change_rows(one)])


def _print_if(headers: Sequence[str], rows: Sequence[Cells]) -> None:
    """A table, where it has any rows."""
    if rows:
        print_line()
        print_table(headers, rows)
