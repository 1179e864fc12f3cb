"""Random histories: payments on any day, recorded late, taken back; due dates moved; debts given up."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import events
from ledger.invoice import charges
from ledger.invoice.recalculation import charged_through, mora_through
from ledger.streams import decode_state, encode_state, fold
from tests.ledger.histories import (
    Fact,
    Ledger,
    amount_of,
    amounts_of,
    assert_sound,
    component_of,
    payment_id,
    random_facts,
    random_terms,
    sent,
    tell,
)
from tests.ledger.independent import Books, Terms

randoms = st.randoms(use_true_random=False)
accruals: st.SearchStrategy[Literal["daily", "month_end"]] = st.sampled_from(["daily", "month_end"])


def random_history(rng: random.Random) -> tuple[Terms, list[Fact]]:
    terms = random_terms(rng)
    return terms, random_facts(rng, terms, rng.randrange(1, 16))


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
        end = ledger.invoice
        amounts = (end.charged, end.paid, end.forgiven, end.open, ledger.credit_minor)
        ends.append((end.status, amounts, end.received, end.moved, end.movements))
    assert ends[0] == ends[1] == ends[2]


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


@given(rng=randoms)
def test_taking_back_every_payment_brings_back_what_was_owed(rng: random.Random) -> None:
    terms, facts = random_history(rng)
    facts = [fact for fact in facts if fact.kind in ("pay", "reverse", "extend")] or [
        Fact(terms.due_on, "pay", terms.due_on)
    ]
    paid, untouched = Ledger(sent(terms)), Ledger(sent(terms))
    for told in tell(paid, facts, "sometimes", random.Random(rng.getrandbits(32))):
        if told.fact.kind == "extend":
            untouched.extend(told.fact.on, told.fact.today)
    end = facts[-1].today
    numbers = list(paid.taken)
    rng.shuffle(numbers)
    for number in numbers:
        paid.reverse(number, end)
        assert_sound(paid)
    paid.bring_up_to_date(end)
    untouched.bring_up_to_date(end)
    assert paid.invoice.open == untouched.invoice.open
    assert paid.invoice.charged == untouched.invoice.charged
    assert paid.invoice.status == untouched.invoice.status
    assert paid.invoice.movements == ()
    assert paid.credit_minor == 0


@given(rng=randoms, accrual=accruals)
def test_stored_events_and_heads_give_back_the_live_state(
    rng: random.Random, accrual: Literal["daily", "month_end"]
) -> None:
    terms, facts = random_history(rng)
    ledger = Ledger(sent(terms, accrual))
    for _ in tell(ledger, facts, "sometimes", random.Random(rng.getrandbits(32))):
        assert decode_state("invoice", encode_state(ledger.invoice)) == ledger.invoice
    stored = [(events.decode(event.TAG, events.encode(event)), on) for event, on in ledger.events]
    assert fold("invoice", stored) == ledger.invoice


@given(rng=randoms, accrual=accruals)
def test_payments_may_be_taken_back_in_any_order(
    rng: random.Random, accrual: Literal["daily", "month_end"]
) -> None:
    """Reversed or charged back on the same days, in whatever order that is recorded: the same balances."""
    terms, facts = random_history(rng)
    today = facts[-1].today
    seed = rng.getrandbits(32)
    back = timedelta(days=rng.randrange(40))
    ends, taken_back = [], list[tuple[int, bool]]()
    for shuffled in (False, True):
        ledger = Ledger(sent(terms, accrual))
        for _ in tell(ledger, facts, "sometimes", random.Random(seed)):
            pass
        if not shuffled:
            taken_back = [(number, rng.random() < 0.5) for number in ledger.taken]
        else:
            rng.shuffle(taken_back)
        for number, is_reversed in taken_back:
            if is_reversed:
                ledger.reverse(number, today)
            else:
                ledger.charge_back(number, today - back, today)
        assert_sound(ledger)
        end = ledger.invoice
        amounts = (end.charged, end.paid, end.forgiven, end.open, ledger.credit_minor)
        ends.append((end.status, amounts, end.movements))
    assert ends[0] == ends[1]


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


def assert_as_computed_independently(seed: int) -> None:
    """After each fact the ledger stands as the independent calculator says."""
    rng = random.Random(seed)
    terms, facts = random_history(rng)
    ledger, books = Ledger(sent(terms)), Books(terms)
    for fact, number in tell(ledger, facts, rng.choice(("never", "daily", "sometimes")), rng):
        invoice = ledger.invoice
        if fact.kind == "pay":
            amount = amount_of(invoice, fact)
            assert amount - books.receive(number, amount, fact.on) == ledger.taken[number]
            assert invoice.received[-1].source_id == payment_id(number)
            assert amounts_of(invoice.received[-1].split) == books.payments[-1].split
        elif fact.kind == "reverse":
            books.reverse(number)
        elif fact.kind == "charge back":
            books.charge_back(number, fact.on)
        elif fact.kind == "waive":
            books.waive(component_of(fact), fact.today)
        elif fact.kind == "extend":
            books.terms = replace(books.terms, due_on=fact.on)
        else:
            books.give_up(fact.today)
        _assert_same(ledger, books)
    ledger.bring_up_to_date(facts[-1].today + timedelta(days=rng.randrange(40)))
    _assert_same(ledger, books)


def _assert_same(ledger: Ledger, books: Books) -> None:
    invoice = ledger.invoice
    interest_on = max(mora_through(invoice), books.last_on())
    page, fee = books.at(interest_on), books.at(max(interest_on, charged_through(invoice))).fee
    assert invoice.charged.mora == page.mora == charges.cumulative_mora(invoice, interest_on)
    assert invoice.charged.late_fee == fee
    covered = {
        "late_fee": min(page.paid["late_fee"], page.fee - page.given["late_fee"]),
        "mora": min(page.paid["mora"], page.mora - page.given["mora"]),
    }
    assert amounts_of(invoice.paid) == {**page.paid, **covered}
    assert amounts_of(invoice.forgiven) == page.given
    assert ledger.credit_minor == books.credit()


@pytest.mark.parametrize("hundred", range(15))
def test_an_independent_calculation_agrees(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        assert_as_computed_independently(seed)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_independent_calculation_agrees_on_ten_thousand_histories() -> None:
    for seed in range(10_000, 20_000):
        assert_as_computed_independently(seed)
