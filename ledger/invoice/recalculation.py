"""What a late fact changes: a payment recorded after its value date, a reversal, a due date moved (decision 6).

Stored splits stand. Fee and interest follow from the principal's timeline that they imply, and the difference from
what stands is one event. Payments may then have covered more of a charge than was owed on their day. Such an amount
counts as a payment of principal from that day on, as far as the stored splits leave principal open; what no
principal takes is the customer's credit.

All of it is a pure function of the facts that stand: the frozen terms, the payments' stored splits and dates, and
what was given up. Neither the days on which the clock ran nor payments that were reversed leave a trace.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from ledger.allocation import Split
from ledger.invoice import charges
from ledger.invoice.events import ChargesRecalculated, ForgivenOf, GivenUpAs, PrincipalMoved
from ledger.invoice.state import Invoice, Movement, timeline

NOTHING = Split()


class Standing(NamedTuple):
    """Where overpaid charges stand: the invoice with them in its timeline, and by component.

    moved     what left a charge (negative) and went to principal (positive)
    credit_minor  what no principal took
    forgiven_of   what is given up by way, each charge no further than it is asked for and unpaid on that day
    """

    invoice: Invoice
    moved: Split
    credit_minor: int
    forgiven_of: dict[GivenUpAs, Split]

    @property
    def forgiven(self) -> Split:
        """What is given up in all ways, recoveries taken off."""
        return _sum(self.forgiven_of.values())


def last_fact_on(invoice: Invoice) -> date:
    """The day of the last payment that stands or of the last gift; without any, the issue date."""
    assert invoice.terms is not None
    days = [part.on for part in invoice.received]
    days += [gift.on for gift in invoice.given_up]
    return max(days, default=invoice.terms.issued_on)


def mora_through(invoice: Invoice) -> date:
    """The day up to which interest stands; before any was posted, the issue date."""
    assert invoice.terms is not None
    return invoice.mora_through or invoice.terms.issued_on


def charged_through(invoice: Invoice) -> date:
    """The day up to which anything that was charged stands: interest, or the late fee on the first late day."""
    assert invoice.terms is not None
    through = mora_through(invoice)
    if not invoice.was_overdue:
        return through
    return max(through, charges.first_late_day(invoice) or invoice.terms.late_on)


def is_timely(invoice: Invoice, on: date) -> bool:
    """Whether a payment of that day comes after every fact and every charge, so that it changes none."""
    if has_charge_back(invoice):
        return False
    return on >= last_fact_on(invoice) and on >= charged_through(invoice)


def has_charge_back(invoice: Invoice) -> bool:
    """Whether a payment was charged back. What it had overpaid counted as principal for a while only: how much of it,
    depends on the principal that later facts leave open."""
    return any(part.split.total + part.recovered.total < 0 for part in invoice.received)


def standing(invoice: Invoice) -> Standing:
    """Walks the facts day by day and moves what each day's payments had overpaid.

    A payment that was charged back stands until that day: what it had overpaid moves back then.
    """
    days = sorted({part.on for part in invoice.received} | {gift.on for gift in invoice.given_up})
    room_minor = _room(invoice, days)
    paid = moved = forgiven = NOTHING
    forgiven_of: dict[GivenUpAs, Split] = {}
    moves: list[Movement] = []
    at = _with_moves(invoice, moves)
    for day in days:
        paid += _sum(part.split for part in invoice.received if part.on == day)
        over = _over(at, day, paid + moved + forgiven)
        back = _below_zero(paid + moved)
        room = max(0, room_minor[day] - moved.principal + back.total)
        late_fee = min(over.late_fee, room)
        mora = min(over.mora, room - late_fee)
        late_fee, mora = late_fee - back.late_fee, mora - back.mora
        if late_fee or mora:
            moved += Split(late_fee=-late_fee, mora=-mora, principal=late_fee + mora)
            moves.append(Movement(day, late_fee + mora))
            at = _with_moves(invoice, moves)
        for gift in invoice.given_up:
            if gift.on != day:
                continue
            given = gift.split
            given -= _over(at, day, paid + moved + forgiven + given, at_most=given)
            forgiven += given
            forgiven_of[gift.way] = forgiven_of.get(gift.way, NOTHING) + given
    left = _over(at, last_fact_on(invoice), paid + moved + forgiven)
    moved -= left
    return _recovered(invoice, Standing(at, moved, left.total, forgiven_of))


def _room(invoice: Invoice, days: Sequence[date]) -> dict[date, int]:
    """How much principal can still be covered from each day on: the least that the stored splits leave open."""
    room: dict[date, int] = {}
    open_minor = invoice.total_minor
    for day in days:
        open_minor -= sum(part.split.principal for part in invoice.received if part.on == day)
        open_minor -= sum(gift.split.principal for gift in invoice.given_up if gift.on == day)
        room[day] = open_minor
    least = open_minor
    for day in reversed(days):
        least = room[day] = min(least, room[day])
    return room


def _recovered(invoice: Invoice, standing: Standing) -> Standing:
    """Takes recoveries off what is written off. What they brought back beyond it is the customer's credit."""
    recovered = _sum(part.recovered for part in invoice.received)
    if recovered == NOTHING:
        return standing
    written_off = standing.forgiven_of.get("written_off", NOTHING) - recovered
    over = -_below_zero(written_off)
    return standing._replace(
        moved=standing.moved + over,
        credit_minor=standing.credit_minor - over.total,
        forgiven_of={**standing.forgiven_of, "written_off": written_off - over},
    )


def recalculation(
    invoice: Invoice, because: str, reach: date | None = None
) -> ChargesRecalculated | None:
    """The difference between what stands and what the facts now ask for, or None when there is none.

    It looks at the day up to which charges stand, or at the last fact; at `reach`, when that is later: a reversal
    reopens a debt that bore nothing while it was paid.
    """
    if invoice.terms is None:
        return None
    through = max(mora_through(invoice), last_fact_on(invoice), reach or date.min)
    after = standing(invoice)
    fee_through = max(through, charged_through(after.invoice))
    recalculated = ChargesRecalculated(
        through=through,
        because=because,
        late_fee_minor=charges.late_fee(after.invoice, fee_through)[0] - invoice.charged.late_fee,
        mora_minor=charges.cumulative_mora(after.invoice, through) - invoice.charged.mora,
        moved=after.moved - _standing_moves(invoice),
        moved_on=_moved_on(invoice.moved, after.invoice.moved),
        credit_minor=after.credit_minor - invoice.credited_minor,
        forgiven=after.forgiven - invoice.forgiven,
        forgiven_of=_given_up_otherwise(invoice, after),
    )
    nothing = ChargesRecalculated(through=through, because=because)
    # The same interest may be owed, and yet on another day than the one it was posted through.
    stands = charges.cumulative_mora(invoice, mora_through(invoice)) == invoice.charged.mora
    return None if stands and recalculated == nothing else recalculated


def still_owed(invoice: Invoice) -> Split:
    """Fee and interest that are owed on the day of the last fact and covered by nothing."""
    after = standing(invoice)
    last = last_fact_on(invoice)
    covered = invoice.paid - _standing_moves(invoice) + after.moved + after.forgiven
    return Split(
        late_fee=max(0, charges.late_fee(after.invoice, last)[0] - covered.late_fee),
        mora=max(0, charges.cumulative_mora(after.invoice, last) - covered.mora),
    )


def _over(invoice: Invoice, day: date, covered: Split, at_most: Split | None = None) -> Split:
    """How much more of fee and interest is covered than was owed by that day."""
    late_fee = max(0, covered.late_fee - charges.late_fee(invoice, day)[0])
    mora = max(0, covered.mora - charges.cumulative_mora(invoice, day))
    if at_most is not None:
        late_fee, mora = min(late_fee, at_most.late_fee), min(mora, at_most.mora)
    return Split(late_fee=late_fee, mora=mora)


def _below_zero(covered: Split) -> Split:
    """How far the charges are paid below zero: what a charge-back took away that had moved to principal."""
    return Split(
        other_fees=max(0, -covered.other_fees),
        late_fee=max(0, -covered.late_fee),
        mora=max(0, -covered.mora),
    )


def _given_up_otherwise(invoice: Invoice, after: Standing) -> tuple[ForgivenOf, ...]:
    ways = [
        *after.forgiven_of,
        *(way for way in invoice.forgiven_of if way not in after.forgiven_of),
    ]
    changes = (
        ForgivenOf(way, after.forgiven_of.get(way, NOTHING) - invoice.forgiven_of.get(way, NOTHING))
        for way in ways
    )
    return tuple(change for change in changes if change.split != NOTHING)


def _standing_moves(invoice: Invoice) -> Split:
    """What earlier recalculations have moved: what is covered, less what payments said."""
    said = _sum(part.split + part.recovered for part in invoice.received)
    return invoice.paid - said


def _moved_on(
    before: tuple[Movement, ...], after: tuple[Movement, ...]
) -> tuple[PrincipalMoved, ...]:
    by_day = {move.on: move.principal_minor for move in after}
    for move in before:
        by_day[move.on] = by_day.get(move.on, 0) - move.principal_minor
    return tuple(PrincipalMoved(on, minor) for on, minor in sorted(by_day.items()) if minor)


def _with_moves(invoice: Invoice, moves: list[Movement]) -> Invoice:
    movements = timeline(invoice.received, invoice.given_up, moves)
    return replace(invoice, moved=tuple(moves), movements=movements)


def _sum(splits: Iterable[Split]) -> Split:
    return sum(splits, start=NOTHING)
