"""What a late fact changes: a payment recorded after its value date, a reversal, a due date moved (decision 6).

Stored splits stand. Fee and interest follow from the principal's timeline that they imply, and the difference from
what stands is one event. Payments may then have covered more of a charge than was owed on their day. Such an amount
counts as a payment of principal from that day on, as far as the stored splits leave principal open; what no
principal takes is the customer's credit.

All of it is a pure function of the facts that stand: the frozen terms, the payments' stored splits and dates, and
what was given up. Neither the days on which the clock ran nor payments that were reversed leave a trace.
"""

from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from ledger.allocation import Split
from ledger.invoice import charges
from ledger.invoice.events import ChargesRecalculated, PrincipalMoved
from ledger.invoice.state import Invoice, Movement, timeline

NOTHING = Split()


class Standing(NamedTuple):
    """Where overpaid charges stand: the invoice with them in its timeline, and by component.

    moved     what left a charge (negative) and went to principal (positive)
    credit_minor  what no principal took
    forgiven  what is given up, each charge no further than it is asked for and unpaid on that day
    """

    invoice: Invoice
    moved: Split
    credit_minor: int
    forgiven: Split


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
    return max(through, invoice.terms.late_on) if invoice.was_overdue else through


def is_timely(invoice: Invoice, on: date) -> bool:
    """Whether a payment of that day comes after every fact and every charge, so that it changes none."""
    return on >= last_fact_on(invoice) and on >= charged_through(invoice)


def standing(invoice: Invoice) -> Standing:
    """Walks the facts day by day and moves what each day's payments had overpaid."""
    remaining_minor = invoice.total_minor
    remaining_minor -= sum(part.split.principal for part in invoice.received)
    remaining_minor -= sum(gift.split.principal for gift in invoice.given_up)
    paid = forgiven = moved = NOTHING
    moves: list[Movement] = []
    at = _with_moves(invoice, moves)
    days = {part.on for part in invoice.received} | {gift.on for gift in invoice.given_up}
    for day in sorted(days):
        paid += _sum([part.split for part in invoice.received if part.on == day])
        over = _over(at, day, paid + moved + forgiven)
        late_fee = min(over.late_fee, remaining_minor)
        mora = min(over.mora, remaining_minor - late_fee)
        if late_fee or mora:
            remaining_minor -= late_fee + mora
            moved += Split(late_fee=-late_fee, mora=-mora, principal=late_fee + mora)
            moves.append(Movement(day, late_fee + mora))
            at = _with_moves(invoice, moves)
        given = _sum([gift.split for gift in invoice.given_up if gift.on == day])
        forgiven += given - _over(at, day, paid + moved + forgiven + given, at_most=given)
    left = _over(at, last_fact_on(invoice), paid + moved + forgiven)
    moved -= left
    return Standing(at, moved, left.total, forgiven)


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
    fee_through = max(through, charged_through(invoice))
    after = standing(invoice)
    recalculated = ChargesRecalculated(
        through=through,
        because=because,
        late_fee_minor=charges.late_fee(after.invoice, fee_through)[0] - invoice.charged.late_fee,
        mora_minor=charges.cumulative_mora(after.invoice, through) - invoice.charged.mora,
        moved=after.moved - _standing_moves(invoice),
        moved_on=_moved_on(invoice.moved, after.invoice.moved),
        credit_minor=after.credit_minor - invoice.credited_minor,
        forgiven=after.forgiven - invoice.forgiven,
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


def _standing_moves(invoice: Invoice) -> Split:
    """What earlier recalculations have moved: what is covered, less what payments said."""
    return invoice.paid - _sum([part.split for part in invoice.received])


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


def _sum(splits: list[Split]) -> Split:
    return sum(splits, start=NOTHING)
