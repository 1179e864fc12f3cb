"""What the books already hold of the rows of an import.

Compared are the events that brought an invoice in, not what became of it since: a due date moved later or a payment
reversed does not make the same file another one.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from adapters.importing.history import (
    customer_id_of,
    invoice_id_of,
    payment_id_of,
    send_command_id,
)
from adapters.importing.row_validation import Row
from ledger.event_registry import Event, decode
from ledger.invoice.events import Drafted, Sent
from ledger.money import format_minor
from ledger.numbering import DOCUMENT_NUMBER
from ledger.payment import Received

SELECT_NAMES = """
SELECT kind, name, stream_id FROM unique_names
 WHERE tenant_id = %(tenant)s
   AND (kind = 'document_number' AND name = ANY (%(numbers)s)
        OR kind = 'customer_reference' AND name = ANY (%(references)s))
"""
SELECT_FIRST_EVENTS = """
SELECT stream_id, tag, data, command_id FROM events
 WHERE tenant_id = %(tenant)s AND stream_id = ANY (%(streams)s) AND version <= 3
 ORDER BY stream_id, version
"""


class Comparison(NamedTuple):
    """A row against the books: `new`, `unchanged`, `unpaid` (an import was interrupted before its settlement),
    or `refused` for a reason."""

    kind: Literal["new", "unchanged", "unpaid", "refused"]
    reason: str = ""


class Held(msgspec.Struct):
    """What the books hold of a batch of rows: names, and the events with which streams that the rows would write began.

    events    of each stream, those of its first command
    commands  that command of each stream
    """

    tenant_id: UUID
    numbers: dict[str, UUID]
    customers: dict[str, UUID]
    events: dict[UUID, list[Event]]
    commands: dict[UUID, UUID]

    def compare(self, row: Row) -> Comparison:
        """Compares a row with what is held."""
        invoice_id = invoice_id_of(self.tenant_id, row.invoice_number)
        holder = self.numbers.get(row.invoice_number)
        if holder is None:
            return Comparison("new")
        if holder != invoice_id:
            return Comparison(
                "refused", f"the number {row.invoice_number} belongs to a document made here"
            )
        if self.commands.get(invoice_id) == send_command_id(self.tenant_id, row):
            settled = row.settled_on is None or self._payment(row) is not None
            return Comparison("unchanged" if settled else "unpaid")
        differences = self._differences(row, invoice_id)
        if not differences:
            return Comparison("unchanged")
        return Comparison(
            "refused",
            f"invoice {row.invoice_number} is in the books with other content: "
            + "; ".join(differences),
        )

    def _differences(self, row: Row, invoice_id: UUID) -> list[str]:
        drafted, sent, *disputed = self.events[invoice_id]
        assert isinstance(drafted, Drafted)
        assert isinstance(sent, Sent)
        customer_id = self.customers.get(
            row.customer_ref, customer_id_of(self.tenant_id, row.customer_ref)
        )
        there = {
            "currency": drafted.currency,
            "amount": format_minor(drafted.total_minor, drafted.currency),
            "issued_on": sent.issued_on.isoformat(),
            "due_on": sent.due_on.isoformat(),
            "disputed": "yes" if disputed or drafted.notes else "no",
            **self._settlement(row, drafted.currency),
        }
        here = {
            "currency": row.currency,
            "amount": format_minor(row.amount_minor, row.currency),
            "issued_on": row.issued_on.isoformat(),
            "due_on": row.due_on.isoformat(),
            "disputed": "yes" if row.disputed else "no",
            "settled_on": row.settled_on.isoformat() if row.settled_on else "none",
            "settled_amount": format_minor(row.settled_minor, row.currency),
        }
        differences = [
            f"{field} is {there[field]} there, {here[field]} here"
            for field in here
            if there[field] != here[field]
        ]
        if drafted.customer_id != customer_id:
            differences.append("it is another customer's")
        return differences

    def _settlement(self, row: Row, currency: str) -> dict[str, str]:
        received = self._payment(row)
        if received is None:
            return {"settled_on": "none", "settled_amount": format_minor(0, currency)}
        return {
            "settled_on": received.received_on.isoformat(),
            "settled_amount": format_minor(received.amount_minor, received.currency),
        }

    def _payment(self, row: Row) -> Received | None:
        found = self.events.get(payment_id_of(self.tenant_id, row.invoice_number))
        if not found:
            return None
        assert isinstance(found[0], Received)
        return found[0]


def held(connection: psycopg.Connection[Any], tenant_id: UUID, rows: Sequence[Row]) -> Held:
    """What the books hold of these rows, in two queries. The connection sees the tenant's rows."""
    numbers: dict[str, UUID] = {}
    customers: dict[str, UUID] = {}
    for kind, name, stream_id in connection.execute(
        SELECT_NAMES,
        {
            "tenant": tenant_id,
            "numbers": [row.invoice_number for row in rows],
            "references": list({row.customer_ref for row in rows}),
        },
    ):
        (numbers if kind == DOCUMENT_NUMBER else customers)[name] = stream_id
    streams = [
        stream_id
        for row in rows
        if row.invoice_number in numbers
        for stream_id in (
            invoice_id_of(tenant_id, row.invoice_number),
            payment_id_of(tenant_id, row.invoice_number),
        )
    ]
    events: dict[UUID, list[Event]] = {}
    commands: dict[UUID, UUID] = {}
    if streams:
        for stream_id, tag, data, command_id in connection.execute(
            SELECT_FIRST_EVENTS, {"tenant": tenant_id, "streams": streams}
        ):
            if commands.setdefault(stream_id, command_id) == command_id:
                events.setdefault(stream_id, []).append(decode(tag, bytes(data)))
    return Held(tenant_id, numbers, customers, events, commands)
