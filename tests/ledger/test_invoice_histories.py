"""Random histories: facts of every kind, dated in the past, recorded in any order, reversed."""

import random
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger import event_registry
from ledger.errors import Rejected
from ledger.invoice.accrual import bring_up_to_date
from ledger.invoice.state import Invoice, given_back_minor
from ledger.streams import decode_state, encode_state, fold
from ledger.waterfall import Split
from tests.ledger.histories import (
    DAY,
    KINDS,
    Fact,
    Ledger,
    amounts_of,
    assert_sound,
    payment_id,
    random_facts,
    random_terms,
    sent,
    tell,
)
from tests.ledger.independent import Books, Terms

randoms = st.builds(random.Random, st.integers(0, 2**32))
"""Of every kind alike: what `st.randoms` draws keeps to the first of the choices."""
accruals: st.SearchStrategy[Literal["daily", "month_end"]] = st.sampled_from(["daily", "month_end"])

unhurried = settings(deadline=None)
"""A history walks over hundreds of days."""


def random_history(rng: random.Random) -> tuple[Terms, list[Fact]]:
    terms = random_terms(rng)
    return terms, random_facts(rng, terms, rng.randrange(1, 16))


def state_of(ledger: Ledger) -> tuple[object, ...]:
    """What must not depend on when, or in which order, anything was recorded."""
    end = ledger.invoice
    amounts = (end.charged, end.paid, end.forgiven, end.forgiven_of, end.open)
    when = (end.overdue_on, end.movements, end.small_balances)
    return end.status, end.due_on, amounts, when, ledger.taken, given_back_minor(end)


@unhurried
@given(rng=randoms, accrual=accruals, days_after=st.integers(0, 40))
def test_the_same_facts_give_the_same_balances_whenever_the_clock_ran(
    rng: random.Random, accrual: Literal["daily", "month_end"], days_after: int
) -> None:
    terms, facts = random_history(rng)
    seed = rng.getrandbits(32)
    ends = []
    for clock in ("never", "daily", "sometimes"):
        ledger = Ledger(sent(terms, accrual))
        for _ in tell(ledger, facts, clock, random.Random(seed)):
            pass
        ledger.bring_up_to_date(facts[-1].today + timedelta(days=days_after))
        ends.append((state_of(ledger), ledger.invoice.imputations))
    assert ends[0] == ends[1] == ends[2]


@unhurried
@given(rng=randoms, accrual=accruals)
def test_the_books_of_an_invoice_balance_after_every_fact(
    rng: random.Random, accrual: Literal["daily", "month_end"]
) -> None:
    terms, facts = random_history(rng)
    ledger = Ledger(sent(terms, accrual))
    assert_sound(ledger)
    for _ in tell(ledger, facts, "sometimes", random.Random(rng.getrandbits(32))):
        assert_sound(ledger)
    ledger.bring_up_to_date(facts[-1].today + timedelta(days=30))
    assert_sound(ledger)


@unhurried
@given(rng=randoms)
def test_reversing_every_payment_brings_back_what_was_owed(rng: random.Random) -> None:
    terms, facts = random_history(rng)
    facts = [fact for fact in facts if fact.kind in ("pay", "reverse", "extend")] or [
        Fact(terms.due_on, "pay", terms.due_on)
    ]
    paid, untouched = Ledger(sent(terms)), Ledger(sent(terms))
    for told in tell(paid, facts, "sometimes", random.Random(rng.getrandbits(32))):
        if told.fact.kind == "extend":
            assert told.fact.due_on is not None
            untouched.extend(told.fact.due_on, told.fact.today, told.fact.on)
    end = facts[-1].today
    numbers = list(paid.standing)
    rng.shuffle(numbers)
    for number in numbers:
        paid.reverse(number, end)
        assert_sound(paid)
    paid.bring_up_to_date(end)
    untouched.bring_up_to_date(end)
    assert state_of(paid) == state_of(untouched)
    assert paid.invoice.paid == Split()
    assert paid.invoice.movements == ()


@unhurried
@given(rng=randoms, accrual=accruals)
def test_stored_events_and_snapshots_give_back_the_live_state(
    rng: random.Random, accrual: Literal["daily", "month_end"]
) -> None:
    terms, facts = random_history(rng)
    ledger = Ledger(sent(terms, accrual))
    for _ in tell(ledger, facts, "sometimes", random.Random(rng.getrandbits(32))):
        assert decode_state("invoice", encode_state(ledger.invoice)) == ledger.invoice
    stored = [
        (event_registry.decode(event.TAG, event_registry.encode(event)), on)
        for event, on in ledger.events
    ]
    assert fold("invoice", stored) == ledger.invoice


@unhurried
@given(rng=randoms, accrual=accruals)
def test_payments_may_be_reversed_in_any_order(
    rng: random.Random, accrual: Literal["daily", "month_end"]
) -> None:
    """Reversed or charged back, in whole or in part, in whatever order that is recorded: the same balances."""
    terms, facts = random_history(rng)
    today = facts[-1].today
    seed = rng.getrandbits(32)
    ends, undone = [], list[tuple[int, bool, int, date]]()
    for shuffled in (False, True):
        ledger = Ledger(sent(terms, accrual))
        for _ in tell(ledger, facts, "sometimes", random.Random(seed)):
            pass
        if not shuffled:
            for number in ledger.standing:
                amount = ledger.offers[payment_id(number)]
                on = max(ledger.value_on[number], today - timedelta(days=rng.randrange(40)))
                part = rng.choice((amount, rng.randrange(1, amount + 1)))
                undone.append((number, rng.random() < 0.5, part, on))
        else:
            rng.shuffle(undone)
        for number, is_reversed, amount, on in undone:
            if is_reversed:
                ledger.reverse(number, today, amount)
            else:
                ledger.charge_back(number, on, today, amount)
        assert_sound(ledger)
        ends.append(state_of(ledger))
    assert ends[0] == ends[1]


def typed(
    terms: Terms,
    accrual: Literal["daily", "month_end"],
    facts: Iterable[Fact],
    today: date,
    rng: random.Random,
) -> Ledger:
    """All facts of an invoice, typed on one day, with the clock in between."""
    ledger = Ledger(sent(terms, accrual))
    ledger.today = today
    for number, fact in enumerate(facts, 1):
        if rng.random() < 0.3:
            ledger.bring_up_to_date(today)
        if fact.kind == "pay":
            ledger.pay(fact.choice, fact.share, fact.on, today)
        elif fact.kind == "charge back":
            ledger.charge_back(fact.choice, fact.on, today, fact.share)
        elif fact.kind == "fee":
            ledger.charge_fee(fact.share, fact.on, today)
        elif fact.kind == "waive":
            ledger.waive("principal", today, fact.share, fact.on)
        else:
            ledger.credit_note(number, fact.share, fact.on, today)
    ledger.bring_up_to_date(today)
    return ledger


@unhurried
@given(rng=randoms, accrual=accruals)
def test_the_order_of_typing_makes_no_difference(
    rng: random.Random, accrual: Literal["daily", "month_end"]
) -> None:
    """Payments, charge-backs, fees, waivers and credit notes of any days, typed on one, in two orders."""
    terms = random_terms(rng)
    most = max(1, terms.total // 3)
    today = terms.issued_on + 120 * DAY
    facts: list[Fact] = []
    # Of payments on one day the one that is typed first comes first, so that each has a day of its own.
    for number, day in enumerate(rng.sample(range(100), rng.randrange(1, 5)), 1):
        paid_on = terms.issued_on + day * DAY
        amount = rng.randrange(1, most + 1)
        facts.append(Fact(today, "pay", paid_on, amount, number))
        if rng.random() < 0.4:
            on = paid_on + rng.randrange(20) * DAY
            facts.append(Fact(today, "charge back", on, rng.randrange(1, amount + 1), number))
    gifts: tuple[Literal["fee", "waive", "credit note"], ...] = ("fee", "waive", "credit note")
    for kind in rng.sample(gifts, rng.randrange(1, 3)):
        on = terms.issued_on + rng.randrange(120) * DAY
        facts.append(Fact(today, kind, on, rng.randrange(1, most // 4 + 2)))
    other = facts.copy()
    rng.shuffle(other)
    other.sort(
        key=lambda fact: fact.kind == "charge back"
    )  # a payment is known before it is reversed
    try:
        ends = [typed(terms, accrual, order, today, rng) for order in (facts, other)]
    except Rejected:  # nothing was open for it, by what was known then
        assume(False)
        return
    assert state_of(ends[0]) == state_of(ends[1])


@unhurried
@given(rng=randoms)
def test_a_day_run_again_posts_nothing(rng: random.Random) -> None:
    terms, facts = random_history(rng)
    ledger = Ledger(sent(terms))
    for _ in tell(ledger, facts, "daily", rng):
        pass
    today = facts[-1].today
    ledger.run_clock(today)  # the last fact may have been told after this day's interest was posted
    before = len(ledger.events)
    for day in (today, today - timedelta(days=1), today):
        ledger.run_clock(day)
    assert len(ledger.events) == before


def assert_as_computed_independently(seed: int) -> Counter[str]:
    """After each fact the ledger stands as the independent calculator says. Returns the kinds of facts told."""
    rng = random.Random(seed)
    terms, facts = random_history(rng)
    ledger, books = Ledger(sent(terms)), Books(terms)
    kinds: Counter[str] = Counter()
    for fact, to_books in tell(ledger, facts, rng.choice(("never", "daily", "sometimes")), rng):
        to_books(books)
        kinds[fact.kind] += 1
        _assert_same(ledger, books, fact.today)
    end = facts[-1].today + timedelta(days=rng.randrange(40))
    ledger.bring_up_to_date(end)
    _assert_same(ledger, books, end)
    return kinds


def _assert_same(ledger: Ledger, books: Books, today: date) -> None:
    invoice: Invoice = bring_up_to_date(ledger.invoice, today).invoice
    page = books.at(today)
    assert amounts_of(invoice.charged) == page.charged
    assert amounts_of(invoice.paid) == page.paid
    assert amounts_of(invoice.forgiven) == page.given
    assert amounts_of(invoice.written_off) == page.written_off
    assert invoice.status == page.status
    assert invoice.overdue_on == page.late_since
    assert ledger.taken == {name: minor for name, minor in books.taken().items() if minor}
    assert given_back_minor(invoice) == books.given_back
    covers = [fact for fact in books.facts if fact.kind != "fee"]
    for one, fact in zip(invoice.imputations, covers, strict=True):
        assert (one.on, amounts_of(one.covered.paid)) == (fact.on, fact.paid)
        assert amounts_of(one.covered.recovered) == fact.recovered
        assert amounts_of(one.covered.forgiven) == fact.given


@pytest.mark.parametrize("hundred", range(15))
def test_an_independent_calculation_agrees(hundred: int) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(100 * hundred, 100 * hundred + 100):
        kinds += assert_as_computed_independently(seed)
    assert sum(kinds.values()) > 300
    assert len(kinds) >= len(KINDS) - 2  # a void invoice, or one taken over, is rare


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_independent_calculation_agrees_on_ten_thousand_histories() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(10_000, 20_000):
        kinds += assert_as_computed_independently(seed)
    assert set(kinds) == set(KINDS)
