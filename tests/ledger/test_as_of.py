"""Reports as of a day count of an invoice's events what is effective by then."""

import random
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.invoice.as_of import before_effect, effective_by
from ledger.invoice.balance import open_on
from ledger.invoice.events import (
    ChargeChange,
    Covered,
    InterestChange,
    MoraPosted,
    PaymentReceived,
    Recalculated,
    Reimputed,
    SmallBalanceChange,
    Waived,
)
from ledger.invoice.evolve import evolve
from ledger.invoice.state import Invoice
from ledger.waterfall import Split
from tests.ledger.histories import Ledger, payment_id, random_facts, random_terms, sent, tell
from tests.ledger.test_invoice_charges import BRAZIL
from tests.ledger.test_invoice_late_facts import DUE, day, run

P1 = payment_id(1)
PAID = PaymentReceived(P1, Split(principal=5), 5)
REIMPUTED = Reimputed(0, "payment", P1, day(12), Covered(), Covered(Split(mora=5)))
SMALL = SmallBalanceChange(day(14), Split(principal=5), Split())
EVENT = Recalculated(
    because="payment",
    through=day(30),
    overdue_on=day(3),
    closed_as="cancelled",
    settled_on=day(20),
    late_fee=(ChargeChange(day(1), -1_000), ChargeChange(day(3), 1_000)),
    mora=(InterestChange(day(1), (-17, -16)), InterestChange(day(11), (-16, -17, -17))),
    imputations=(REIMPUTED,),
    small_balances=(SMALL,),
)


def test_a_recalculation_is_cut_at_the_day() -> None:
    assert effective_by(EVENT, day(12)) == Recalculated(
        because="payment",
        through=day(12),
        overdue_on=day(3),
        closed_as="cancelled",
        settled_on=None,
        late_fee=EVENT.late_fee,
        mora=(EVENT.mora[0], InterestChange(day(11), (-16, -17))),
        imputations=(REIMPUTED,),
    )
    assert effective_by(EVENT, day(1)) == Recalculated(
        because="payment",
        through=day(1),
        closed_as="cancelled",
        late_fee=(ChargeChange(day(1), -1_000),),
        mora=(InterestChange(day(1), (-17,)),),
    )


def test_the_whole_of_it_is_itself() -> None:
    assert effective_by(EVENT, day(30)) == EVENT
    assert effective_by(EVENT, day(31)) == EVENT


def test_other_events_are_of_one_day_and_not_cut() -> None:
    for event in (PAID, MoraPosted(17, day(9))):
        assert effective_by(event, day(1)) is event


def test_before_its_day_a_fact_keeps_its_place_and_covers_nothing() -> None:
    assert before_effect(PAID) == Waived("", Split())
    assert before_effect(MoraPosted(17, day(9))) is None
    assert before_effect(EVENT) is None


def as_of(ledger: Ledger, on: date) -> Invoice:
    """The invoice folded from what is effective by a day."""
    invoice: Invoice | None = None
    for event, effective_on in ledger.events:
        told = effective_by(event, on) if effective_on <= on else before_effect(event)
        if told is not None:
            invoice = evolve(invoice, told, min(effective_on, on))
    assert invoice is not None
    return invoice


def test_a_late_fact_changes_the_days_from_its_own_on_and_no_others() -> None:
    ledger = Ledger(sent(BRAZIL))
    run(ledger, 1, 20)
    known = list(ledger.events)
    ledger.pay(1, 20_000, day(10), day(20))
    assert known == ledger.events[: len(known)]  # what was known stays what was known
    before = Ledger(known)
    for n in range(1, 10):
        assert as_of(ledger, day(n)).open == as_of(before, day(n)).open
    assert as_of(ledger, day(9)).open == Split(late_fee=1_000, mora=150, principal=50_000)
    assert as_of(ledger, day(10)).open == Split(principal=31_167)
    assert as_of(ledger, day(20)).open == ledger.invoice.open == Split(mora=104, principal=31_167)
    assert as_of(ledger, DUE).open == Split(principal=50_000)
    assert as_of(ledger, DUE).status == "sent"
    assert as_of(ledger, day(1)).status == "overdue"


@settings(deadline=None)
@given(rng=st.builds(random.Random, st.integers(0, 2**32)))
def test_as_of_each_day_the_stored_amounts_come_to_what_was_open(rng: random.Random) -> None:
    """Adding up what is effective by a day gives the balance of that day, worked out from all facts."""
    terms = random_terms(rng)
    facts = random_facts(rng, terms, 10)
    ledger = Ledger(sent(terms))
    for _ in tell(ledger, facts, "daily", rng):
        pass
    ledger.bring_up_to_date(facts[-1].today)
    days = (facts[-1].today - terms.issued_on).days
    for _ in range(12):
        on = terms.issued_on + timedelta(days=rng.randrange(days + 1))
        assert as_of(ledger, on).open == open_on(ledger.invoice, on)
    assert as_of(ledger, facts[-1].today) == ledger.invoice
