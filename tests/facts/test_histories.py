"""Random histories are what they say they are, and the oracle's books of them add up in every order of recording."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from tests.facts.facts import COMPONENTS, Fact, History, Order, chronological
from tests.facts.histories import DATABLE, WEIGHTS, random_history, random_orders
from tests.facts.oracle import Books, books

SEEDS = range(40)


def books_of(history: History, facts: list[Fact] | None = None) -> Books:
    """A month beyond the last fact, so that what follows from it shows."""
    told = list(history.facts) if facts is None else facts
    return books(history.invoices, told, history.last_on + timedelta(days=31))


def test_a_seed_gives_one_history_and_one_set_of_orders() -> None:
    for seed in range(5):
        once, again = random.Random(seed), random.Random(seed)
        history = random_history(once)
        assert history == random_history(again)
        assert random_orders(history, once) == random_orders(history, again)


def test_histories_hold_facts_of_every_kind_and_the_cases_that_matter() -> None:
    met: Counter[str] = Counter()
    for seed in range(120):
        history = random_history(random.Random(seed))
        met.update(fact.kind for fact in history.facts)
        found = books_of(history)
        met.update(page.status for page in found.days[history.last_on].invoices)
        met["shortfall"] += any(left < 0 for left in found.left.values())
        met["kept"] += any(verdict.kept for verdict in found.verdicts)
        met["broken"] += any(not verdict.kept for verdict in found.verdicts)
        written_off = {fact.invoice for fact in history.facts if fact.kind == "write_off"}
        last = found.days[max(found.days)].invoices
        met["recovered"] += any(last[at].status == "paid" for at in written_off)
        assert not found.contested
        assert 1 <= len([each for each in history.invoices if not each.is_instalment]) <= 4
    cases = (
        "shortfall",
        "kept",
        "broken",
        "recovered",
        "paid",
        "overdue",
        "written_off",
        "cancelled",
    )
    assert not [case for case in (*WEIGHTS, *cases, "renegotiated") if met[case] < 3], met


@pytest.mark.parametrize("seed", SEEDS)
def test_the_books_add_up_on_every_day(seed: int) -> None:
    history = random_history(random.Random(seed))
    for day, found in books_of(history).days.items():
        receivable: Counter[tuple[str, str]] = Counter()
        for invoice, page in zip(history.invoices, found.invoices, strict=True):
            for part in COMPONENTS:
                covered = page.paid[part] + page.forgiven[part]
                assert page.open[part] == page.charged[part] - covered >= 0, (day, part)
                account = f"receivable_{part}"
                if part == "principal" and invoice.is_instalment:
                    account = "loans_receivable"
                receivable[invoice.currency, account] += page.open[part]
        for currency, totals in found.journal.items():
            assert sum(totals.values()) == 0
            for (where, account), amount in receivable.items():
                assert where != currency or totals.get(account, 0) == amount, (day, account)
            credit = sum(left for (_, where), left in found.credit.items() if where == currency)
            assert totals.get("customer_credit", 0) == -credit


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_recording_never_matters(seed: int) -> None:
    rng = random.Random(seed)
    history = random_history(rng)
    expected = books_of(history)
    for order in random_orders(history, rng):
        found = books_of(history, [recording.fact for recording in order])
        assert (found.days, found.verdicts) == (expected.days, expected.verdicts)


def test_an_order_records_every_fact_once_and_not_before_it_can_be_known() -> None:
    moved = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        history = random_history(rng)
        for order in random_orders(history, rng):
            assert Counter(recording.fact for recording in order) == Counter(history.facts)
            days = [recording.on for recording in order]
            assert days == sorted(days)
            assert all(recording.on >= recording.fact.recordable_on for recording in order)
            _assert_follows(order)
            moved += order != chronological(history)
    assert moved > 2 * len(SEEDS)


def _assert_follows(order: Order) -> None:
    """What is about a payment follows it; what resolves a dispute follows that."""
    known: set[int] = set()
    disputed: set[int] = set()
    for _, fact in order:
        if fact.kind == "payment":
            known.add(fact.payment)
        elif fact.payment >= 0:
            assert fact.payment in known, fact
        if fact.kind == "dispute":
            assert fact.invoice not in disputed
            disputed.add(fact.invoice)
        elif fact.kind == "resolution":
            disputed.remove(fact.invoice)


def test_kinds_that_are_not_datable_are_recorded_on_their_own_day() -> None:
    late = 0
    for seed in range(20):
        rng = random.Random(seed)
        history = random_history(rng)
        for order in random_orders(history, rng, datable=frozenset({"payment", "charge_back"})):
            for on, fact in order:
                is_late = on > fact.recordable_on
                late += is_late
                assert not is_late or fact.kind in ("payment", "charge_back")
    assert late > 20
    assert "takeover" not in DATABLE
