"""What of an invoice's events is effective by a day: for reports as of that day."""

from datetime import date

from msgspec.structs import replace

from ledger.event_registry import Event
from ledger.invoice import events as e
from ledger.invoice.state import NOTHING

_IMPUTATIONS = (
    e.PaymentReceived,
    e.CreditApplied,
    e.PaymentChargedBack,
    e.Waived,
    e.InterestReturned,
    e.Credited,
    e.WrittenOff,
    e.Cancelled,
    e.Voided,
    e.Renegotiated,
)


def effective_by(event: Event, day: date) -> Event:
    """The part of an event that is effective by a day. Only recalculations have changes on several days."""
    if not isinstance(event, e.Recalculated):
        return event
    return replace(
        event,
        through=min(event.through, day),
        overdue_on=_by(event.overdue_on, day),
        settled_on=_by(event.settled_on, day),
        late_fee=tuple(one for one in event.late_fee if one.on <= day),
        mora=tuple(_interest_by(run, day) for run in event.mora if run.first_on <= day),
        imputations=tuple(one for one in event.imputations if one.on <= day),
        small_balances=tuple(one for one in event.small_balances if one.on <= day),
    )


def before_effect(event: Event) -> Event | None:
    """What stands for an event before its day: nothing, or a fact that covers nothing, so that the facts after it keep
    their places among the invoice's imputations."""
    return e.Waived("", NOTHING) if isinstance(event, _IMPUTATIONS) else None


def _by(on: date | None, day: date) -> date | None:
    return on if on is not None and on <= day else None


def _interest_by(run: e.InterestChange, day: date) -> e.InterestChange:
    return replace(run, minors=run.minors[: (day - run.first_on).days + 1])
