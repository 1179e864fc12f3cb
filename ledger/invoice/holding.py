"""What the customer says of an invoice, and what keeps dunning from it: disputes, promises to pay, holds."""

from datetime import date

from msgspec.structs import replace

from ledger.errors import Rejected
from ledger.invoice import events as e
from ledger.invoice.accrual import Decision, bring_up_to_date, promise_over
from ledger.invoice.balance import open_on
from ledger.invoice.preconditions import require_effective, require_open, require_reason
from ledger.invoice.recording import record
from ledger.invoice.replay import replay
from ledger.invoice.sources import NO_ROOM, Room
from ledger.invoice.state import ENDED_UNPAID, Invoice
from ledger.money import format_minor


class AlreadyDisputed(Rejected):
    """The invoice is disputed already; resolve that dispute first."""


class NotDisputed(Rejected):
    """There is no dispute to resolve."""


class DisputesOverlap(Rejected):
    """A dispute begins no earlier than the one before it was resolved."""


class ResolvedTooEarly(Rejected):
    """A dispute is resolved on or after the day on which it was raised."""


class OverDisputed(Rejected):
    """More is disputed than is open."""


class PromiseTooLate(Rejected):
    """A promise is for today or a later day, within a year."""


class OverPromised(Rejected):
    """More is promised than is open."""


class AlreadyHeld(Rejected):
    """Dunning leaves the invoice alone already."""


class NotHeld(Rejected):
    """There is no hold to release."""


class HoldOver(Rejected):
    """A hold lasts until today or a later day."""


def dispute(
    invoice: Invoice,
    amount_minor: int | None,
    holds_interest: bool,
    reason: str,
    on: date,
    today: date,
    room: Room = NO_ROOM,
) -> Decision:
    """Records that the customer disputes the principal that was open on a day, or a part of it.

    Raises NotOpen, ReasonMissing, AlreadyDisputed, OverDisputed, DisputesOverlap, EffectiveInFuture,
    EffectiveTooEarly.
    """
    require_reason(reason)
    require_effective(invoice, on, today)
    require_open(invoice, "can be disputed", on, today)
    if invoice.dispute is not None:
        raise AlreadyDisputed("the invoice is disputed already; resolve that dispute first")
    _require_after_last(invoice, on)
    decision = bring_up_to_date(invoice, today)
    open_minor = open_on(decision.invoice, on).principal
    disputed_minor = open_minor if amount_minor is None else amount_minor
    if not 0 < disputed_minor <= open_minor:
        raise OverDisputed(
            f"{format_minor(open_minor, invoice.currency)} of principal is open; "
            "dispute no more than that",
            field="amount",
        )
    event = e.Disputed(disputed_minor, reason, holds_interest)
    record(decision, event, on, today, f"dispute of {on}", room)
    return decision


def resolve(
    invoice: Invoice,
    outcome: e.Outcome,
    reason: str,
    on: date,
    today: date,
    room: Room = NO_ROOM,
) -> Decision:
    """Ends a dispute on a day.

    Accepted, the held interest is not charged; credit or waive what is not owed. Rejected, it is, unless the debt was
    forgiven meanwhile: nothing more is charged on that.

    Raises NotDisputed, ResolvedTooEarly, EffectiveInFuture.
    """
    if invoice.dispute is None:
        raise NotDisputed("the invoice is not disputed; there is nothing to resolve")
    require_effective(invoice, on, today)
    if on < invoice.dispute.on:
        raise ResolvedTooEarly(
            f"effective_on {on} lies before the dispute, raised on {invoice.dispute.on}",
            field="effective_on",
        )
    keeps_hold = outcome == "rejected" and _is_forgiven(invoice, on, room)
    decision = bring_up_to_date(invoice, today)
    event = e.DisputeResolved(outcome, reason, keeps_hold)
    record(decision, event, on, today, f"dispute {outcome}", room)
    return decision


def promise(
    invoice: Invoice,
    amount_minor: int | None,
    promised_on: date,
    note: str,
    on: date,
    today: date,
) -> Decision:
    """Records a promise to pay, made on a day; it takes the place of an earlier one.

    Raises NotOpen, PromiseTooLate, OverPromised, EffectiveInFuture, EffectiveTooEarly.
    """
    require_effective(invoice, on, today)
    require_open(invoice, "can be promised to be paid", on, today)
    if not 0 <= (promised_on - on).days <= 366:
        raise PromiseTooLate(
            f"promised_on {promised_on} must be the day of the promise, {on}, or a day within a year after",
            field="promised_on",
        )
    decision = bring_up_to_date(invoice, today)
    open_minor = open_on(decision.invoice, on).total
    promised_minor = open_minor if amount_minor is None else amount_minor
    if not 0 < promised_minor <= open_minor:
        raise OverPromised(
            f"{format_minor(open_minor, invoice.currency)} is open; promise no more than that",
            field="amount",
        )
    decision.add(e.Promised(promised_minor, promised_on, note), on)
    for event, effective_on in promise_over(decision.invoice, today):
        decision.add(event, effective_on)
    return decision


def hold(invoice: Invoice, until_on: date | None, reason: str, today: date) -> Decision:
    """Keeps dunning from an invoice. Raises NotOpen, ReasonMissing, AlreadyHeld, HoldOver."""
    require_reason(reason)
    require_open(invoice, "can be held")
    if invoice.hold is not None and is_held(invoice, today):
        raise AlreadyHeld("the invoice is held already; release it first")
    if until_on is not None and until_on < today:
        raise HoldOver(f"until_on {until_on} lies before today, {today}", field="until_on")
    decision = Decision(invoice, [])
    decision.add(e.Held(reason, until_on), today)
    return decision


def release(invoice: Invoice, reason: str, today: date) -> Decision:
    """Lets dunning take an invoice up again. Raises NotHeld."""
    if not is_held(invoice, today):
        raise NotHeld("the invoice is not held; there is nothing to release")
    decision = Decision(invoice, [])
    decision.add(e.Released(reason), today)
    return decision


def is_held(invoice: Invoice, on: date) -> bool:
    """Whether a hold keeps dunning from the invoice on a day."""
    hold = invoice.hold
    return hold is not None and (hold.until_on is None or on <= hold.until_on)


def _require_after_last(invoice: Invoice, on: date) -> None:
    last = max((one.until for one in invoice.disputes if one.until is not None), default=None)
    if last is not None and on < last:
        raise DisputesOverlap(
            f"an earlier dispute was resolved on {last}; this one begins no earlier",
            field="effective_on",
        )


def _is_forgiven(invoice: Invoice, on: date, room: Room) -> bool:
    """Whether the debt was closed without being paid by a day."""
    by_then = replace(
        invoice,
        imputations=tuple(one for one in invoice.imputations if one.on <= on),
        fees=tuple(fee for fee in invoice.fees if fee.on <= on),
    )
    return replay(by_then, room, on).status in ENDED_UNPAID
