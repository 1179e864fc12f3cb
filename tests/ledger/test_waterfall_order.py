"""The waterfall of each day: nothing later in the policy's order is paid while something earlier was owed."""

import random
from collections.abc import Iterator
from datetime import date
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.invoice.charges import terms_of
from ledger.invoice.state import Imputation
from ledger.waterfall import Component
from tests.ledger.histories import Ledger, amounts_of, random_facts, random_terms, sent, tell
from tests.ledger.implied import implied
from tests.ledger.independent import Amounts, minus, nothing, plus

RANKS = {
    "charge_back": 1,
    "waived": 3,
    "written_off": 5,
    "cancelled": 5,
    "renegotiated": 6,
    "payment": 7,
    "credited": 8,
    "credit": 9,
    "void": 10,
}


def in_order(ledger: Ledger) -> list[Imputation]:
    """By day and kind, and as recorded; a charge-back on its payment's own day follows that payment."""
    facts = list(enumerate(ledger.invoice.imputations))
    paid = {one.source_id: (one.on, at) for at, one in reversed(facts) if one.kind == "payment"}

    def place(fact: tuple[int, Imputation]) -> tuple[date, int, int, int]:
        at, one = fact
        on, paid_at = paid.get(one.source_id, (date.min, 0))
        if one.kind == "charge_back" and on == one.on:
            return one.on, RANKS["payment"], paid_at, 1 + at
        return one.on, RANKS[one.kind], at, 0

    return [one for _, one in sorted(facts, key=place)]


def walked(ledger: Ledger) -> Iterator[tuple[Imputation, Amounts, Amounts]]:
    """Each fact with what is open after it, and what all facts have paid, by an independent calculation."""
    invoice = ledger.invoice
    facts = in_order(ledger)
    last = max([ledger.today, *(one.on for one in facts)])
    terms = implied(ledger.events).terms
    assert terms is not None
    charged = {
        day: (fee, terms.rounded(exact)) for day, _, fee, exact in implied(ledger.events).days(last)
    }
    small = {one.on: amounts_of(one.forgiven) for one in invoice.small_balances}
    paid, forgiven = nothing(), nothing()
    for one in facts:
        for on in [on for on in small if on < one.on]:
            forgiven = plus(forgiven, small.pop(on))
        late_fee, mora = charged.get(one.on, (0, 0))
        fees = sum(fee.minor for fee in invoice.fees if fee.on <= one.on)
        owed = nothing() | {
            "other_fees": fees,
            "late_fee": late_fee,
            "mora": mora,
            "principal": invoice.total_minor,
        }
        paid = plus(paid, amounts_of(one.covered.paid))
        forgiven = plus(forgiven, amounts_of(one.covered.forgiven))
        yield one, minus(minus(owed, paid), forgiven), dict(paid)


@settings(deadline=None)
@given(
    rng=st.builds(random.Random, st.integers(0, 2**32)),
    order=st.permutations(["other_fees", "late_fee", "mora", "principal"]),
    accrual=st.sampled_from(["daily", "month_end"]),
)
def test_no_fact_pays_a_component_while_an_earlier_one_was_owed_that_day(
    rng: random.Random, order: list[Component], accrual: Literal["daily", "month_end"]
) -> None:
    terms = random_terms(rng)
    terms.order = tuple(order)
    ledger = Ledger(sent(terms, accrual))
    for _ in tell(ledger, random_facts(rng, terms, 10), "sometimes", rng):
        pass
    assert terms_of(ledger.invoice).policy.waterfall == tuple(order)
    for one, open_, paid in walked(ledger):
        assert min(open_.values()) >= 0
        covered = amounts_of(one.covered.paid)
        if one.kind in ("payment", "credit"):
            assert min(covered.values()) >= 0
            for at, component in enumerate(order):
                if covered[component]:
                    assert not any(open_[earlier] for earlier in order[:at])
            if one.covered.recovered.total:
                assert not any(open_.values())
        elif one.kind == "charge_back":
            for at, component in enumerate(order):
                if covered[component]:
                    assert not any(paid[later] for later in order[at + 1 :])
