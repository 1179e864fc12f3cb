"""What settles an agreement early: on its due dates the principal of the schedule, between them what is earned."""

from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.agreement.events import Plan, Schedule
from ledger.agreement.pay_off import (
    Contract,
    OpenInstalment,
    SettledInstalment,
    interest_to_return,
    pay_off,
)
from ledger.agreement.plan import planned
from ledger.instalment_schedules import InstalmentTooSmall, TermTooLong
from ledger.rates import Rate, parse_rate

BEGINS = date(2024, 1, 10)
FEBRUARY = date(2024, 2, 10)
TWO_PERCENT = parse_rate("2%/month")
PRICE = Plan("price", 6, TWO_PERCENT, FEBRUARY)


def contract(plan: Plan, **changes: Any) -> Contract:
    found = Contract(BEGINS, plan.first_due_on, plan.rate, plan.first_period, "actuarial")
    return found._replace(**changes)


def scheduled(plan: Plan, lent: int = 100_000, paid: int = 0) -> list[OpenInstalment]:
    """The instalments of a loan, the first `paid` of them paid; a down payment is open."""
    return [
        OpenInstalment(
            UUID(int=one.number),
            one.number,
            one.due_on,
            one.interest_minor,
            0 if 0 < one.number <= paid else one.principal_minor + one.interest_minor,
        )
        for one in planned(plan, lent, lent, "BRL", BEGINS)
    ]


def total(settled: tuple[SettledInstalment, ...]) -> int:
    return sum(one.to_pay_minor for one in settled)


def returned(settled: tuple[SettledInstalment, ...]) -> list[int]:
    return [one.returned_minor for one in settled]


def test_price_on_the_day_it_is_lent_costs_what_was_lent() -> None:
    """1,000.00 at 2% in 6, five of 178.53 and one of 178.51, rounded up from 178.5258: they are worth 1,000.01."""
    settled = pay_off(contract(PRICE), scheduled(PRICE), BEGINS)
    assert total(settled) == 1000_01
    assert returned(settled) == [1999, 1683, 1360, 1030, 693, 350]


@pytest.mark.parametrize(
    ("paid", "principal"),
    [(1, 841_48), (2, 679_78), (3, 514_84), (4, 346_61), (5, 175_01), (6, 0)],
)
def test_price_on_due_dates_costs_the_principal_of_the_schedule(paid: int, principal: int) -> None:
    """841.47, 679.77, 514.84, 346.61, 175.01, but for a cent by which rounded instalments are worth more."""
    due_on = scheduled(PRICE)[paid - 1].due_on
    settled = pay_off(contract(PRICE), scheduled(PRICE, paid=paid), due_on)
    assert total(settled) == principal


def test_what_is_due_is_paid_in_full_with_its_fees() -> None:
    parts = scheduled(PRICE)
    parts[0] = parts[0]._replace(charges_minor=3_57)
    settled = pay_off(contract(PRICE), parts, FEBRUARY)
    assert settled[0].to_pay_minor == 178_53 + 3_57
    assert total(settled) == 178_53 + 3_57 + 841_48
    assert returned(settled) == [0, 1682, 1360, 1030, 693, 350]


def test_interest_is_earned_by_the_day() -> None:
    """Fifteen of thirty days: 1,000.01 x 1.02 ** 0.5 = 1,009.96; the running period's interest keeps 9.96 of 20.00."""
    settled = pay_off(contract(PRICE), scheduled(PRICE), date(2024, 1, 25))
    assert total(settled) == 1009_96
    assert returned(settled) == [1004, 1683, 1360, 1030, 693, 350]


def test_sac() -> None:
    """1,000.00 at 2% in 6: interest of 20.00, 16.67, 13.33, 10.00, 6.67, 3.33; after two, 666.66 are open."""
    plan = replace(PRICE, schedule="sac")
    assert total(pay_off(contract(plan), scheduled(plan), BEGINS)) == 1000_00
    settled = pay_off(contract(plan), scheduled(plan, paid=2), date(2024, 3, 10))
    assert total(settled) == 666_66
    assert returned(settled) == [0, 0, 1333, 1000, 667, 333]


def test_equal_instalments_have_nothing_to_give_back() -> None:
    plan = Plan("equal", 6, Rate(0, 1), FEBRUARY)
    parts = scheduled(plan, 900_00)
    assert total(pay_off(contract(plan), parts, BEGINS)) == 900_00
    assert interest_to_return(contract(plan), parts, BEGINS) == {}


def test_none_gives_nothing_back() -> None:
    fixed = contract(PRICE, early_pay_off="none")
    assert total(pay_off(fixed, scheduled(PRICE), BEGINS)) == 1071_16
    assert interest_to_return(fixed, scheduled(PRICE), BEGINS) == {}


def test_a_down_payment_is_not_discounted() -> None:
    plan = replace(PRICE, down_payment_minor=200_00, down_payment_due_on=date(2024, 2, 1))
    settled = pay_off(contract(plan), scheduled(plan), BEGINS)
    assert total(settled) == 1000_01
    assert settled[0] == SettledInstalment(UUID(int=0), 0, 200_00, 0)


def test_what_was_paid_ahead_has_paid_its_interest() -> None:
    """Five paid in full on the day of the loan: of the last, no more than its own interest is given back."""
    settled = pay_off(contract(PRICE), scheduled(PRICE, paid=5), BEGINS)
    assert returned(settled) == [0, 0, 0, 0, 0, 350]
    parts = scheduled(PRICE, paid=5)
    parts[5] = parts[5]._replace(open_minor=2_00)
    # 2.00 in six months are worth 2.00 / 1.02 ** 6 = 1.78
    assert interest_to_return(contract(PRICE), parts, BEGINS) == {UUID(int=6): 22}


@pytest.mark.parametrize("days", [45, 10, 1, 400])
@pytest.mark.parametrize("first_period", ["whole_month", "pro_rata"])
def test_a_first_period_of_any_length_begins_with_what_was_lent(
    days: int, first_period: Any
) -> None:
    first = BEGINS + timedelta(days=days)
    plan = replace(PRICE, first_due_on=first, first_period=first_period)
    parts = scheduled(plan)
    assert abs(total(pay_off(contract(plan), parts, BEGINS)) - 1000_00) <= 3
    due = total(pay_off(contract(plan), parts, first))
    assert abs(due - 1000_00 - parts[0].interest_minor) <= 1


def test_the_last_days_of_february_are_one_day() -> None:
    """Due on 31 January, 29 February, 31 March: on each, what the 10ths of those months have."""
    plan = replace(PRICE, first_due_on=date(2024, 1, 31))
    for paid, principal in ((1, 841_48), (2, 679_78), (3, 514_84)):
        parts = scheduled(plan, paid=paid)
        assert total(pay_off(contract(plan), parts, parts[paid - 1].due_on)) == principal


schedules = st.sampled_from(["price", "sac"])
rates = st.integers(0, 3_000).map(lambda basis: Rate.of(basis, 100_000, "month"))
firsts = st.dates(BEGINS, BEGINS + timedelta(days=90))


def drawn(lent: int, schedule: Schedule, count: int, rate: Rate, first: date) -> Plan:
    plan = Plan(schedule, count, rate, first, first_period="pro_rata")
    try:
        planned(plan, lent, lent, "BRL", BEGINS)
    except (InstalmentTooSmall, TermTooLong):
        assume(False)
    return plan


@given(st.integers(10_000, 10**11), schedules, st.integers(1, 120), rates, firsts, st.data())
def test_on_every_due_date_it_is_the_principal_of_the_schedule(
    lent: int, schedule: Schedule, count: int, rate: Rate, first: date, data: st.DataObject
) -> None:
    """To one minor unit for each instalment that remains."""
    plan = drawn(lent, schedule, count, rate, first)
    paid = data.draw(st.integers(1, count))
    parts = scheduled(plan, lent, paid)
    principal = sum(one.open_minor - one.interest_minor for one in parts if one.open_minor)
    settled = pay_off(contract(plan), parts, parts[paid - 1].due_on)
    assert 0 <= total(settled) - principal <= count - paid


@given(
    st.integers(10_000, 10**9),
    schedules,
    st.integers(1, 60),
    rates,
    firsts,
    st.integers(0, 1_500),
    st.integers(0, 60),
)
def test_never_above_what_is_open_nor_below_its_principal_and_dearer_with_each_day(
    lent: int, schedule: Schedule, count: int, rate: Rate, first: date, days: int, paid: int
) -> None:
    plan = drawn(lent, schedule, count, rate, first)
    parts = scheduled(plan, lent, min(paid, count))
    on = BEGINS + timedelta(days=days)
    settled = pay_off(contract(plan), parts, on)
    for one, part in zip(settled, parts, strict=True):
        assert part.open_minor - part.interest_minor <= one.to_pay_minor <= one.open_minor
        assert one.returned_minor >= 0
        assert not one.returned_minor or part.due_on > on
    later = pay_off(contract(plan), parts, on + timedelta(days=1))
    assert total(settled) <= total(later)


@given(st.integers(10_000, 10**9), st.integers(2, 60), rates, st.integers(0, 1_500))
def test_it_is_the_present_value_of_what_is_to_come(
    lent: int, count: int, rate: Rate, days: int
) -> None:
    """Held against each instalment discounted by itself, by 30/360 from its due date on the 10th."""
    plan = drawn(lent, "price", count, rate, FEBRUARY)
    plan = replace(plan, first_period="whole_month")
    on = BEGINS + timedelta(days=days)
    assume(on.day < 31)
    parts = [
        one if one.due_on > on else one._replace(open_minor=0) for one in scheduled(plan, lent)
    ]
    with localcontext(prec=60):
        monthly = 1 + Decimal(rate.numerator) / Decimal(rate.denominator)
        value = Decimal(0)
        for one in parts:
            months = (one.due_on.year - on.year) * 12 + one.due_on.month - on.month
            thirtieths = months * 30 + one.due_on.day - min(on.day, 30)
            value += one.open_minor * monthly ** (-Decimal(thirtieths) / 30)
    principal = sum(one.open_minor - one.interest_minor for one in parts if one.open_minor)
    expected = max(value, Decimal(principal))
    assert abs(total(pay_off(contract(plan), parts, on)) - expected) <= Decimal("0.5")


def test_six_hundred_instalments_of_a_fine_rate_take_no_time() -> None:
    plan = replace(PRICE, count=600, rate=Rate.of(123_456_789_123, 10**14, "month"))
    parts = scheduled(plan, 500_000_00)
    assert abs(total(pay_off(contract(plan), parts, BEGINS)) - 500_000_00) <= 600
