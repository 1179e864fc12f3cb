"""How each event changes an invoice. `evolve` never refuses: history is history."""

from datetime import date
from typing import Literal

import msgspec
from msgspec.structs import replace

from ledger.allocation import Split
from ledger.events import Event
from ledger.invoice import events as e
from ledger.invoice.state import (
    GIVEN_UP,
    NOTHING,
    OPEN,
    REOPENING,
    CreditedLine,
    Dispute,
    GivenUp,
    Hold,
    Invoice,
    Movement,
    Promise,
    Received,
    Status,
    Terms,
    lines_of,
    timeline,
)

_lines_encoder = msgspec.msgpack.Encoder()


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
            instalment=event.instalment,
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
        case e.FeeCharged():
            fee = Split(other_fees=event.amount_minor)
            return _reopened(
                replace(invoice, charged=invoice.charged + fee, open=invoice.open + fee)
            )
        case e.PaymentReceived():
            return _received(invoice, Received(event.payment_id, effective_on, event.split))
        case e.CreditApplied():
            return _received(invoice, Received(event.source_id, effective_on, event.split))
        case e.Recovered():
            part = Received(event.payment_id, effective_on, NOTHING, event.split)
            return _received(invoice, part)
        case e.PaymentReversed():
            return _reversed(invoice, event, effective_on)
        case e.PaymentChargedBack():
            return _received(
                invoice, Received(event.payment_id, effective_on, -event.split, -event.recovered)
            )
        case e.ChargesRecalculated():
            return _recalculated(invoice, event)
        case e.Waived():
            return _settled(_given_up(invoice, "waived", event.forgiven, effective_on))
        case e.Credited():
            return _credited(invoice, event, effective_on)
        case e.WrittenOff():
            return _closed(invoice, "written_off", event.forgiven, effective_on)
        case e.Renegotiated():
            return _closed(invoice, "renegotiated", event.forgiven, effective_on)
        case e.Voided():
            return _closed(invoice, "void", event.forgiven, effective_on)
        case e.Cancelled():
            return _closed(invoice, "cancelled", event.forgiven, effective_on)
        case e.Held():
            return replace(invoice, hold=Hold(event.until_on))
        case e.Released():
            return replace(invoice, hold=None)
    return _said(invoice, event, effective_on)


def _said(invoice: Invoice, event: Event, on: date) -> Invoice:
    """What the customer says of the debt changes no amount of it."""
    match event:
        case e.Disputed():
            dispute = Dispute(on, event.amount_minor, event.holds_interest)
            return replace(invoice, disputes=(*invoice.disputes, dispute))
        case e.DisputeResolved():
            assert invoice.dispute is not None
            resolved = replace(invoice.dispute, until=on, outcome=event.outcome)
            is_over = event.outcome == "accepted" or invoice.status in GIVEN_UP
            counts = resolved.holds_interest and is_over
            earlier = invoice.disputes[:-1]
            return replace(invoice, disputes=(*earlier, resolved) if counts else earlier)
        case e.Promised():
            before = tuple(part for part in invoice.received if part.on >= on)
            promise = Promise(on, event.amount_minor, event.promised_on, before=before)
            return replace(invoice, promise=promise)
        case e.PromiseKept():
            assert invoice.promise is not None
            kept = replace(invoice.promise, kept=True, paid_minor=event.paid_minor)
            return replace(invoice, promise=kept)
        case e.PromiseBroken():
            assert invoice.promise is not None
            broken = replace(invoice.promise, kept=False, paid_minor=event.paid_minor)
            return replace(invoice, promise=broken)
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
        invoice,
        status="sent",
        due_on=event.due_on,
        terms=terms,
        charged=principal,
        open=principal,
        hold=Hold(None) if event.imported else None,
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


def _received(invoice: Invoice, part: Received) -> Invoice:
    received = (*invoice.received, part)
    return _settled(
        replace(
            invoice,
            paid=invoice.paid + part.split + part.recovered,
            forgiven=invoice.forgiven - part.recovered,
            forgiven_of=_changed(invoice.forgiven_of, "written_off", -part.recovered),
            open=invoice.open - part.split,
            received=received,
            movements=timeline(received, invoice.given_up, invoice.moved),
        )
    )


def _reversed(invoice: Invoice, event: e.PaymentReversed, on: date) -> Invoice:
    gone = Received(event.payment_id, on, event.split, event.recovered)
    received = tuple(part for part in invoice.received if part != gone)
    return _settled(
        replace(
            invoice,
            paid=invoice.paid - event.split - event.recovered,
            forgiven=invoice.forgiven + event.recovered,
            forgiven_of=_changed(invoice.forgiven_of, "written_off", event.recovered),
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
            forgiven_of=_all_changed(invoice, event),
            open=invoice.open + change - event.moved - event.forgiven,
            moved=moved,
            movements=timeline(invoice.received, invoice.given_up, moved),
            mora_through=event.through,
            credited_minor=invoice.credited_minor + event.credit_minor,
        )
    )


def _all_changed(invoice: Invoice, event: e.ChargesRecalculated) -> dict[e.GivenUpAs, Split]:
    """What was given up, by way, after a recalculation. Events that do not say the way come after the one there was."""
    forgiven_of = invoice.forgiven_of
    changes = event.forgiven_of
    if not changes and event.forgiven != NOTHING:
        changes = (e.ForgivenOf(invoice.given_up[-1].way, event.forgiven),)
    for change in changes:
        forgiven_of = _changed(forgiven_of, change.way, change.split)
    return forgiven_of


def _changed(
    forgiven_of: dict[e.GivenUpAs, Split], way: e.GivenUpAs, change: Split
) -> dict[e.GivenUpAs, Split]:
    if change == NOTHING:
        return forgiven_of
    return {**forgiven_of, way: forgiven_of.get(way, NOTHING) + change}


def _given_up(invoice: Invoice, way: e.GivenUpAs, forgiven: Split, on: date) -> Invoice:
    if forgiven == NOTHING:
        return invoice
    given_up = (*invoice.given_up, GivenUp(on, forgiven, way))
    return replace(
        invoice,
        forgiven=invoice.forgiven + forgiven,
        forgiven_of=_changed(invoice.forgiven_of, way, forgiven),
        open=invoice.open - forgiven,
        given_up=given_up,
        movements=timeline(invoice.received, given_up, invoice.moved),
    )


def _closed(
    invoice: Invoice,
    status: Literal["void", "cancelled", "written_off", "renegotiated"],
    forgiven: Split,
    on: date,
) -> Invoice:
    return replace(_given_up(invoice, status, forgiven, on), status=status)


def _credited(invoice: Invoice, event: e.Credited, on: date) -> Invoice:
    lines = list(invoice.credited_lines) or [CreditedLine()] * len(lines_of(invoice))
    for line in event.lines:
        before = lines[line.line]
        lines[line.line] = CreditedLine(
            before.net_minor + line.net_minor, before.tax_minor + line.tax_minor
        )
    invoice = replace(invoice, credited_lines=tuple(lines))
    return _settled(_given_up(invoice, "credited", event.forgiven, on))


def _settled(invoice: Invoice) -> Invoice:
    """The status that follows from what is open: closed when nothing is, open again when something is."""
    if invoice.open.total:
        return _reopened(invoice)
    is_recovered = invoice.written_off.total == 0
    if invoice.status in OPEN or invoice.status in ("paid", "written_off"):
        return replace(invoice, status="paid" if is_recovered else "written_off")
    return invoice


def _reopened(invoice: Invoice) -> Invoice:
    if invoice.status in REOPENING:
        return replace(invoice, status="overdue" if invoice.was_overdue else "sent")
    return invoice
