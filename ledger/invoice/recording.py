"""Recording a fact of an invoice: its event says what it covers, and one more what it changes of others (ADR 0020)."""

from collections.abc import Callable, Iterable
from datetime import date
from uuid import UUID

from msgspec.structs import replace

from ledger.event_registry import Event, New
from ledger.invoice import events as e
from ledger.invoice.accrual import (
    MAX_DAYS_APART,
    Decision,
    bring_up_to_date,
    promise_over,
    rates_due,
)
from ledger.invoice.evolve import evolve
from ledger.invoice.preconditions import TakenOver
from ledger.invoice.recalculation import effective_on, posted_through, recalculation, settles
from ledger.invoice.replay import Replayed, cover_latest, is_latest, replay
from ledger.invoice.sources import NO_ROOM, Room
from ledger.invoice.state import (
    NOTHING,
    Imputation,
    Invoice,
    given_back_minor,
    taken_by_source,
    taken_over_on,
)
from ledger.mora import DAY
from ledger.reference_rates import Table


def impute(
    invoice: Invoice,
    one: Imputation,
    event_of: Callable[[e.Covered], Event],
    today: date,
    because: str,
    room: Room = NO_ROOM,
    *,
    apart: int = MAX_DAYS_APART,
) -> Decision:
    """Records a new fact that covers something. `event_of` makes its event from what it covers; `room` holds the money
    that it brings along, too. More than `apart` days of interest that the clock missed are posted by one event."""
    if not is_latest(invoice, one):
        decision = bring_up_to_date(invoice, today, apart=apart)
        recorded = replace(decision.invoice, imputations=(*decision.invoice.imputations, one))
        _record(
            decision,
            recorded,
            lambda replayed: [New(event_of(replayed.covered[-1]), one.on)],
            today,
            because,
            room,
        )
        return decision
    decision = bring_up_to_date(invoice, one.on, settle=settles(one), apart=apart)
    covered, small = cover_latest(decision.invoice, one, room)
    decision.add(event_of(covered), one.on)
    if small != NOTHING:
        decision.add(e.SmallBalanceWaived(small), one.on)
    _judge_promise(decision, today)
    return decision


def change_offers(
    invoice: Invoice,
    offers: dict[int, int],
    event_of: Callable[[int, int, e.Covered], Event],
    today: date,
    because: str,
    room: Room = NO_ROOM,
) -> Decision:
    """Records that offers are smaller by so many minor units, by their places among the imputations.

    `event_of` makes the event of each from its place, what is taken off, and what it covers less by it.
    """
    decision = bring_up_to_date(invoice, today)
    facts = list(decision.invoice.imputations)
    for at, less_minor in offers.items():
        facts[at] = replace(facts[at], asked_minor=facts[at].asked_minor - less_minor)

    def events(replayed: Replayed) -> list[New]:
        return [
            New(event_of(at, less_minor, facts[at].covered - replayed.covered[at]), facts[at].on)
            for at, less_minor in offers.items()
        ]

    recorded = replace(decision.invoice, imputations=tuple(facts))
    _record(decision, recorded, events, today, because, room)
    return decision


def record(
    decision: Decision,
    event: Event,
    on: date,
    today: date,
    because: str,
    room: Room = NO_ROOM,
) -> None:
    """Records a fact that covers nothing but may change what others cover, or what is charged."""
    recorded = evolve(decision.invoice, event, on)
    _record(decision, recorded, lambda replayed: [New(event, on)], today, because, room)


def learn_rates(invoice: Invoice, table: Table, today: date) -> Decision:
    """Records the reference rates that an invoice does not know; one from an earlier day changes what was charged.

    Where that would change what money has covered, the rate counts from the first day that is not charged yet: what was
    paid by a rate that was in force as far as anybody knew stays paid.
    """
    decision = Decision(invoice, [])
    taken_over = taken_over_on(invoice)
    for event, on in rates_due(invoice, table, today):
        if taken_over is not None and on <= taken_over:
            continue  # what was taken over by then stays as it was
        learned = Decision(decision.invoice, [])
        record(learned, event, on, today, f"reference rate of {on}")
        if not _keeps_money(decision.invoice, learned.invoice):
            from_on = _first_uncharged(decision.invoice)
            if from_on > today:
                break  # the next night
            learned = Decision(decision.invoice, [])
            record(learned, event, from_on, today, f"reference rate of {on}")
        decision = Decision(learned.invoice, [*decision.new, *learned.new])
    return decision


def _keeps_money(before: Invoice, after: Invoice) -> bool:
    return taken_by_source(before) == taken_by_source(after) and given_back_minor(
        before
    ) == given_back_minor(after)


def _first_uncharged(invoice: Invoice) -> date:
    """The first day after all that is charged and after all facts."""
    days = [one.on for one in invoice.imputations]
    if invoice.mora_through is not None:
        days.append(invoice.mora_through)
    return max(days) + DAY


def refit(invoice: Invoice, today: date, because: str, room: Room) -> Decision:
    """Lets facts take what now fits and is there as credit of their sources."""
    decision = bring_up_to_date(invoice, today)
    _record(decision, decision.invoice, lambda replayed: [], today, because, room)
    return decision


def _record(
    decision: Decision,
    recorded: Invoice,
    events: Callable[[Replayed], Iterable[New]],
    today: date,
    because: str,
    room: Room,
) -> None:
    posted = decision.invoice
    replayed = _replay(recorded, room, max(today, posted_through(recorded, today)))
    for event, on in events(replayed):
        decision.add(event, on)
    changed = recalculation(posted, decision.invoice, replayed, today, because)
    if changed is not None:
        _add(decision, changed, today)
    _judge_promise(decision, today)


def _replay(recorded: Invoice, room: Room, through: date) -> Replayed:
    """Replays an invoice. Credit of earlier facts takes nothing of what an agreement took over: where it would, no fact
    takes more than before. Raises TakenOver where a new fact itself does."""
    replayed = replay(recorded, room, through)
    if _undercut(recorded, replayed) is not None and room.credit:
        replayed = replay(recorded, room._replace(credit={}), through)
    agreement_id = _undercut(recorded, replayed)
    if agreement_id is not None:
        raise TakenOver(
            f"agreement {agreement_id} took over what this would leave open no longer; "
            "adjust the agreement's instalments instead"
        )
    return replayed


def _undercut(recorded: Invoice, replayed: Replayed) -> UUID | None:
    """An agreement that finds less open than it took over."""
    for one, covered in zip(recorded.imputations, replayed.covered, strict=True):
        if one.kind == "renegotiated" and covered.forgiven.total < one.asked_minor:
            return one.source_id
    return None


def _add(decision: Decision, changed: e.Recalculated, today: date) -> None:
    """Adds a recalculation; a small balance that is waived by it has an event of its own."""
    waived = [one for one in changed.small_balances if one.before == NOTHING]
    others = tuple(one for one in changed.small_balances if one.before != NOTHING)
    before = decision.invoice
    changed = replace(changed, small_balances=others)
    says_more = changed.late_fee or changed.mora or changed.imputations or others
    if says_more or changed.closed_as or changed.overdue_on != before.overdue_on or not waived:
        decision.add(changed, effective_on(changed, before, today))
    for one in waived:
        decision.add(e.SmallBalanceWaived(one.after), one.on)


def _judge_promise(decision: Decision, today: date) -> None:
    for event, on in promise_over(decision.invoice, today):
        decision.add(event, on)
