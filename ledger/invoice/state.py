"""The state of an invoice and how each event changes it. `evolve` never refuses: history is history."""

from collections.abc import Iterable
from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.allocation import Split
from ledger.calendars import Calendar
from ledger.events import Event
from ledger.invoice import events as e
from ledger.policy import FeePolicy

Status = Literal["draft", "sent", "overdue", "paid", "void", "cancelled"]
OPEN: frozenset[Status] = frozenset(("sent", "overdue"))

FOLD_VERSION = 1
"""Raised whenever `Invoice` or `evolve` changes, so that stored heads are folded anew."""

_lines_encoder = msgspec.msgpack.Encoder()


class Movement(msgspec.Struct, frozen=True, array_like=True):
    """A change of the open principal: effective date and signed minor units."""

    on: date
    principal_minor: int


class Received(msgspec.Struct, frozen=True, array_like=True):
    """A payment's part in this invoice, as its event stored it."""

    payment_id: UUID
    on: date
    split: Split


class GivenUp(msgspec.Struct, frozen=True, array_like=True):
    """What the creditor gave up on a day, as its event stored it."""

    on: date
    split: Split


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What was frozen at sending."""

    number: str
    issued_on: date
    payable_until: date
    late_on: date
    policy: FeePolicy
    calendar: Calendar
    mora_base_minor: int


class Invoice(msgspec.Struct, frozen=True, array_like=True):
    """An invoice as folded from its events. Amounts are minor units of `currency`.

    charged   everything ever asked for, by component: principal at sending, fees and interest as posted
    paid      what payments cover, by component
    forgiven  what was given up, by component
    open      charged - paid - forgiven
    received  the payments that stand, not reversed, in the order in which they were recorded
    given_up  what void and cancel gave up, as they said it
    moved     overpaid charges that count as a payment of principal: day and (positive) minor units
    movements changes of the open principal after sending by day, from the three above
    mora_through  the day up to which interest stands, once anything was posted or recalculated
    was_overdue   overdue by its present due date, whatever became of it
    credited_minor  overpaid amounts that this invoice has handed to the customer's credit
    lines     the priced lines, still encoded: only documents need them
    """

    customer_id: UUID
    currency: str
    status: Status
    due_on: date
    net_minor: int
    tax_minor: int
    total_minor: int
    lines: msgspec.Raw
    notes: str
    terms: Terms | None = None
    charged: Split = Split()
    paid: Split = Split()
    forgiven: Split = Split()
    open: Split = Split()
    movements: tuple[Movement, ...] = ()
    mora_through: date | None = None
    was_overdue: bool = False
    credited_minor: int = 0
    received: tuple[Received, ...] = ()
    given_up: tuple[GivenUp, ...] = ()
    moved: tuple[Movement, ...] = ()

    @property
    def number(self) -> str:
        return self.terms.number if self.terms else ""


def lines_of(invoice: Invoice) -> tuple[e.InvoiceLine, ...]:
    """The priced lines of an invoice."""
    return msgspec.msgpack.decode(invoice.lines, type=tuple[e.InvoiceLine, ...])


def timeline(
    received: Iterable[Received], given_up: Iterable[GivenUp], moved: Iterable[Movement]
) -> tuple[Movement, ...]:
    """What payments, gifts and moved amounts do to the open principal, one movement a day, in order."""
    by_day: dict[date, int] = {}
    for part in received:
        by_day[part.on] = by_day.get(part.on, 0) - part.split.principal
    for gift in given_up:
        by_day[gift.on] = by_day.get(gift.on, 0) - gift.split.principal
    for move in moved:
        by_day[move.on] = by_day.get(move.on, 0) - move.principal_minor
    return tuple(Movement(on, minor) for on, minor in sorted(by_day.items()) if minor)


def evolve(invoice: Invoice | None, event: Event, effective_on: date) -> Invoice:
    """The invoice after one more event."""
    if isinstance(event, e.MoraPosted):  # nine events of ten
        assert invoice is not None
        return _posted(invoice, event)
    if isinstance(event, e.Drafted):
        return Invoice(
            customer_id=event.customer_id,
            currency=event.currency,
            status="draft",
            due_on=event.due_on,
            net_minor=event.net_minor,
            tax_minor=event.tax_minor,
            total_minor=event.total_minor,
            lines=_raw(event.lines),
            notes=event.notes,
        )
    assert invoice is not None, f"{event.TAG} came before the invoice was drafted"
    match event:
        case e.Redrafted():
            return replace(
                invoice,
                due_on=event.due_on,
                net_minor=event.net_minor,
                tax_minor=event.tax_minor,
                total_minor=event.total_minor,
                lines=_raw(event.lines),
                notes=event.notes,
            )
        case e.Sent():
            return _sent(invoice, event)
        case e.DueDateMoved():
            return _due_date_moved(invoice, event)
        case e.BecameOverdue():
            return replace(invoice, status="overdue", was_overdue=True)
        case e.LateFeeCharged():
            fee = Split(late_fee=event.amount_minor)
            return replace(invoice, charged=invoice.charged + fee, open=invoice.open + fee)
        case e.PaymentReceived():
            return _received(invoice, event, effective_on)
        case e.PaymentReversed():
            return _reversed(invoice, event)
        case e.ChargesRecalculated():
            return _recalculated(invoice, event)
        case e.Voided():
            return _closed(invoice, "void", event.forgiven, effective_on)
        case e.Cancelled():
            return _closed(invoice, "cancelled", event.forgiven, effective_on)
    raise AssertionError(f"an invoice does not know {event.TAG}")


def _raw(lines: tuple[e.InvoiceLine, ...]) -> msgspec.Raw:
    return msgspec.Raw(_lines_encoder.encode(lines))


def _posted(invoice: Invoice, event: e.MoraPosted) -> Invoice:
    mora = Split(0, 0, event.amount_minor)
    return replace(
        invoice,
        charged=invoice.charged + mora,
        open=invoice.open + mora,
        mora_through=event.through,
    )


def _sent(invoice: Invoice, event: e.Sent) -> Invoice:
    principal = Split(principal=invoice.total_minor)
    terms = Terms(
        number=event.number,
        issued_on=event.issued_on,
        payable_until=event.payable_until,
        late_on=event.late_on,
        policy=event.policy,
        calendar=event.calendar,
        mora_base_minor=event.mora_base_minor,
    )
    return replace(
        invoice, status="sent", due_on=event.due_on, terms=terms, charged=principal, open=principal
    )


def _due_date_moved(invoice: Invoice, event: e.DueDateMoved) -> Invoice:
    assert invoice.terms is not None
    terms = replace(
        invoice.terms,
        payable_until=event.payable_until,
        late_on=event.late_on,
        calendar=event.calendar,
    )
    status: Status = "sent" if invoice.status == "overdue" else invoice.status
    return replace(invoice, due_on=event.due_on, terms=terms, status=status, was_overdue=False)


def _received(invoice: Invoice, event: e.PaymentReceived, on: date) -> Invoice:
    received = (*invoice.received, Received(event.payment_id, on, event.split))
    return _settled(
        replace(
            invoice,
            paid=invoice.paid + event.split,
            open=invoice.open - event.split,
            received=received,
            movements=timeline(received, invoice.given_up, invoice.moved),
        )
    )


def _reversed(invoice: Invoice, event: e.PaymentReversed) -> Invoice:
    received = tuple(part for part in invoice.received if part.payment_id != event.payment_id)
    return _settled(
        replace(
            invoice,
            paid=invoice.paid - event.split,
            open=invoice.open + event.split,
            received=received,
            movements=timeline(received, invoice.given_up, invoice.moved),
        )
    )


def _recalculated(invoice: Invoice, event: e.ChargesRecalculated) -> Invoice:
    change = Split(late_fee=event.late_fee_minor, mora=event.mora_minor)
    by_day = {move.on: move.principal_minor for move in invoice.moved}
    for move in event.moved_on:
        by_day[move.on] = by_day.get(move.on, 0) + move.principal_minor
    moved = tuple(Movement(on, minor) for on, minor in sorted(by_day.items()) if minor)
    return _settled(
        replace(
            invoice,
            charged=invoice.charged + change,
            paid=invoice.paid + event.moved,
            forgiven=invoice.forgiven + event.forgiven,
            open=invoice.open + change - event.moved - event.forgiven,
            moved=moved,
            movements=timeline(invoice.received, invoice.given_up, moved),
            mora_through=event.through,
            credited_minor=invoice.credited_minor + event.credit_minor,
        )
    )


def _closed(invoice: Invoice, status: Status, forgiven: Split, on: date) -> Invoice:
    given_up = (*invoice.given_up, GivenUp(on, forgiven)) if forgiven.total else invoice.given_up
    return replace(
        invoice,
        status=status,
        forgiven=invoice.forgiven + forgiven,
        open=invoice.open - forgiven,
        given_up=given_up,
        movements=timeline(invoice.received, given_up, invoice.moved),
    )


def _settled(invoice: Invoice) -> Invoice:
    """The status that follows from what is open: paid when nothing is, open again when something is."""
    if invoice.open.total == 0:
        return replace(invoice, status="paid") if invoice.status in OPEN else invoice
    if invoice.status in ("paid", "cancelled"):
        return replace(invoice, status="overdue" if invoice.was_overdue else "sent")
    return invoice
