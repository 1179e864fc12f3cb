"""Why each cent of an invoice is there: every component with its rule, its base, its days, and the events behind it.

For each component, charged less paid less forgiven is what is open, and the changes listed add up to each of the
three. Interest shows the stretches of days that bear it, each with the principal it counts on and what a dispute held
of it. The same invoice can be explained as of another day, as known at another instant.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import replace

from ledger.errors import NotFound
from ledger.event_registry import Event, decode
from ledger.invoice import charges
from ledger.invoice import events as e
from ledger.invoice.as_of import before_effect, effective_by
from ledger.invoice.events import ForgivenessKind, Outcome
from ledger.invoice.evolve import evolve
from ledger.invoice.state import Invoice
from ledger.money import Money
from ledger.waterfall import Component, Split
from projections.as_of import KNOWN, require_come
from projections.invoices.explanation_rules import rule_of

SELECT_EVENTS = f"""
SELECT version, tag, recorded_at, effective_on, data
  FROM events
 WHERE tenant_id = %(tenant_id)s AND stream_id = %(invoice_id)s
   AND tag >= 'invoice.' AND tag < 'invoice/'
   AND {KNOWN}
 ORDER BY version
"""

COMPONENTS: tuple[Component, ...] = ("principal", "late_fee", "mora", "other_fees")


class NothingToExplain(NotFound):
    """There is no such invoice, or there was none on that day as known then."""


class Change(msgspec.Struct, frozen=True):
    """What one event, or a run of postings of interest, did to a component. Amounts are signed.

    versions      of the first and the last event
    effective_on  of the last; recorded_at likewise
    because       the payment, the reason that was given, or the fact that caused a recalculation
    """

    versions: tuple[int, int]
    tag: str
    effective_on: date
    recorded_at: datetime
    charged: Money
    paid: Money
    forgiven: Money
    because: str


class Stretch(msgspec.Struct, frozen=True):
    """Days, both included, on which interest counts on the same principal.

    held  what of the open principal bears none on these days, because it is disputed
    """

    first_on: date
    last_on: date
    days: int
    base: Money
    held: Money


class Forgiveness(msgspec.Struct, frozen=True):
    """What was forgiven in one way, recoveries of a write-off taken off."""

    kind: ForgivenessKind
    amount: Money


class DisputeExplained(msgspec.Struct, frozen=True):
    """A dispute from the day it was raised to the day it was resolved; both are empty while it is open.

    holds_interest  the amount bears no interest from the day after `disputed_on` through `resolved_on`; after all it
                    does when the outcome is `rejected`
    """

    disputed_on: date
    amount: Money
    holds_interest: bool
    resolved_on: date | None
    outcome: Outcome | None
    reason: str


class ComponentExplained(msgspec.Struct, frozen=True):
    """A component of an invoice. `open` is charged less paid less forgiven.

    forgiveness    the kinds that add up to `forgiven`
    rule        how it is calculated, in words
    calculated  what the rule gives by the facts; `charged` follows it when interest is posted or recalculated
    stretches   of interest
    """

    component: Component
    charged: Money
    paid: Money
    forgiven: Money
    forgiveness: list[Forgiveness]
    open: Money
    rule: str
    calculated: Money
    stretches: list[Stretch]
    changes: list[Change]


class Explanation(msgspec.Struct, frozen=True):
    """An invoice explained. The components' open amounts add up to `open`."""

    invoice_id: UUID
    number: str
    customer_id: UUID
    status: str
    currency: str
    as_of: date
    known_at: datetime
    issued_on: date | None
    due_on: date
    payable_until: date | None
    late_on: date | None
    mora_through: date | None
    fee_policy_version: int | None
    calendar: str | None
    components: list[ComponentExplained]
    disputes: list[DisputeExplained]
    open: Money


class _Step(NamedTuple):
    """An event with the invoice before and after it."""

    version: int
    tag: str
    recorded_at: datetime
    effective_on: date
    event: Event
    before: Invoice
    after: Invoice


def explain(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    invoice_id: UUID,
    *,
    today: date,
    now: datetime,
    as_of: date | None = None,
    known_at: datetime | None = None,
) -> Explanation:
    """Explains an invoice as of a day (today when left out), as known at an instant (now when left out).

    Raises NothingToExplain, AsOfInFuture, KnownAtInFuture.
    """
    require_come(as_of, known_at, today, now)
    day = as_of or today
    values = {
        "tenant_id": tenant_id,
        "invoice_id": invoice_id,
        "known_at": known_at,
    }
    steps = _steps(connection.execute(SELECT_EVENTS.encode(), values).fetchall(), day)
    if not any(step.effective_on <= day for step in steps):
        raise NothingToExplain(f"there is no invoice {invoice_id} on {day}, as known then")
    invoice = steps[-1].after
    terms = invoice.terms
    return Explanation(
        invoice_id=invoice_id,
        number=invoice.number,
        customer_id=invoice.customer_id,
        status=invoice.status,
        currency=invoice.currency,
        as_of=day,
        known_at=known_at or now,
        issued_on=terms.issued_on if terms else None,
        due_on=invoice.due_on,
        payable_until=terms.payable_until if terms else None,
        late_on=terms.late_on if terms else None,
        mora_through=invoice.mora_through,
        fee_policy_version=terms.policy.version if terms else None,
        calendar=terms.calendar.edition if terms else None,
        components=[_component(component, invoice, steps) for component in COMPONENTS],
        disputes=_disputes(invoice.currency, steps),
        open=Money.of(invoice.open.total, invoice.currency),
    )


def _steps(rows: Sequence[tuple[int, str, datetime, date, bytes]], as_of: date) -> list[_Step]:
    """The events that are known, with what of them is effective by a day. A draft's content counts from its issue date,
    though it may have been written later."""
    steps: list[_Step] = []
    invoice: Invoice | None = None
    for version, tag, recorded_at, effective_on, data in rows:
        event: Event | None = decode(tag, bytes(data))
        assert event is not None
        if isinstance(event, e.Drafted | e.Redrafted) or effective_on <= as_of:
            event = effective_by(event, as_of)
        else:
            event = before_effect(event)
        if event is None:
            continue
        after = evolve(invoice, event, effective_on)
        steps.append(_Step(version, tag, recorded_at, effective_on, event, invoice or after, after))
        invoice = after
    return steps


def _component(
    component: Component, invoice: Invoice, steps: Sequence[_Step]
) -> ComponentExplained:
    rule, calculated_minor = rule_of(component, invoice)
    return ComponentExplained(
        component=component,
        charged=_amount(invoice.charged, component, invoice),
        paid=_amount(invoice.paid, component, invoice),
        forgiven=_amount(invoice.forgiven, component, invoice),
        forgiveness=[
            Forgiveness(way, _amount(split, component, invoice))
            for way, split in invoice.forgiven_of.items()
            if getattr(split, component)
        ],
        open=_amount(invoice.open, component, invoice),
        rule=rule,
        calculated=Money.of(calculated_minor, invoice.currency),
        stretches=_stretches(invoice) if component == "mora" else [],
        changes=_changes(component, steps),
    )


def _amount(split: Split, component: Component, invoice: Invoice) -> Money:
    return Money.of(getattr(split, component), invoice.currency)


def _stretches(invoice: Invoice) -> list[Stretch]:
    terms = invoice.terms
    if terms is None or invoice.mora_through is None or not terms.policy.bears_interest:
        return []
    return [
        Stretch(
            first_on=one.first_on,
            last_on=one.last_on,
            days=(one.last_on - one.first_on).days + 1,
            base=Money.of(round(one.base), invoice.currency),
            held=Money.of(one.held_minor, invoice.currency),
        )
        for one in charges.stretches(invoice, invoice.mora_through)
    ]


def _disputes(currency: str, steps: Sequence[_Step]) -> list[DisputeExplained]:
    found: list[DisputeExplained] = []
    for step in steps:
        event, on = step.event, step.effective_on
        if isinstance(event, e.Disputed):
            amount = Money.of(event.amount_minor, currency)
            found.append(
                DisputeExplained(on, amount, event.holds_interest, None, None, event.reason)
            )
        elif isinstance(event, e.DisputeResolved):
            found[-1] = replace(found[-1], resolved_on=on, outcome=event.outcome)
    return found


class _Sum(msgspec.Struct):
    """A change in the making: minor units."""

    first: _Step
    last: _Step
    charged: int
    paid: int
    forgiven: int


def _changes(component: Component, steps: Sequence[_Step]) -> list[Change]:
    """The events that changed a component; postings of interest that follow one another are one change."""
    sums: list[_Sum] = []
    for step in steps:
        charged, paid, forgiven = (
            getattr(getattr(step.after, side), component)
            - getattr(getattr(step.before, side), component)
            for side in ("charged", "paid", "forgiven")
        )
        if not (charged or paid or forgiven):
            continue
        if sums and isinstance(step.event, e.MoraPosted) and sums[-1].last.tag == step.tag:
            sums[-1].last = step
            sums[-1].charged += charged
        else:
            sums.append(_Sum(step, step, charged, paid, forgiven))
    return [_change(found) for found in sums]


def _change(found: _Sum) -> Change:
    currency = found.last.after.currency
    return Change(
        versions=(found.first.version, found.last.version),
        tag=found.last.tag,
        effective_on=found.last.effective_on,
        recorded_at=found.last.recorded_at,
        charged=Money.of(found.charged, currency),
        paid=Money.of(found.paid, currency),
        forgiven=Money.of(found.forgiven, currency),
        because=_because(found.last.event),
    )


def _because(event: Event) -> str:
    match event:
        case (
            e.PaymentReceived()
            | e.PaymentReversed()
            | e.PaymentReallocated()
            | e.PaymentChargedBack()
        ):
            return f"payment {event.payment_id}"
        case e.CreditApplied():
            return f"credit from {event.source_id}"
        case e.Recalculated():
            return event.because
        case e.FeeCharged():
            return event.description
        case e.Credited():
            return f"credit note {event.number}: {event.reason}"
        case e.SmallBalanceWaived():
            return "no more than the policy's small balance was left"
        case e.Renegotiated() | e.InterestReturned():
            return f"agreement {event.agreement_id}"
        case e.Voided() | e.Cancelled() | e.Waived() | e.WrittenOff():
            return event.reason
    return ""
