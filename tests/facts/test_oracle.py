"""The oracle against amounts worked out elsewhere: the decision record, the vectors of the field, the money page."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise, permutations
from typing import Literal

import pytest

from tests.facts.facts import COMPONENTS, Fact, Invoice
from tests.facts.oracle import Page, books

PLAIN = Invoice(500_00, date(2024, 1, 2), date(2024, 2, 1))
SENT = replace(PLAIN, late_fee=Fraction(2, 100), rate=Fraction(1, 100))


def page(invoice: Invoice, facts: list[Fact], on: date) -> Page:
    found = books([invoice], facts, on)
    assert not found.contested
    return found.page(on, 0)


def paid(number: int, on: date, amount: int, offered: int | None = None) -> Fact:
    offers = ((0, amount if offered is None else offered),)
    return Fact("payment", on, payment=number, amount=amount, offers=offers)


def amounts(page: Page, *components: str) -> dict[str, tuple[int, int, int]]:
    return {c: (page.charged[c], page.paid[c], page.open[c]) for c in components}


# The decision's motive: two payments, typed in either order.

LATE = replace(SENT, total=100_000_00, issued_on=date(2026, 8, 1), due_on=date(2026, 8, 31))
A = paid(1, date(2026, 9, 10), 20_000_00)
B = paid(2, date(2026, 10, 20), 30_000_00)
A_REVERSED = Fact("reversal", date(2026, 11, 20), payment=1, amount=20_000_00)
A_AGAIN = paid(3, date(2026, 9, 10), 20_000_00)


@pytest.mark.parametrize(
    "facts", [*permutations([A, B]), [A, B, A_REVERSED, A_AGAIN], [A, A_REVERSED, B, A_AGAIN]]
)
def test_two_payments_leave_the_same_in_whatever_order_they_are_recorded(facts: list[Fact]) -> None:
    assert sum(page(LATE, facts, date(2026, 11, 25)).open.values()) == 54_072_28


@pytest.mark.parametrize("facts", [[B], [A, B, A_REVERSED], [B, A, A_REVERSED]])
def test_a_reversed_payment_leaves_no_trace(facts: list[Fact]) -> None:
    found = books([LATE], facts, date(2026, 11, 25))
    assert found.days == books([LATE], [B], date(2026, 11, 25)).days
    assert found.days[date(2026, 11, 25)].statement == {(0, "BRL"): 74_550_67}


# Ten days of 1% a month on 500.00.


def test_interest_is_rounded_once() -> None:
    days = books([SENT], [], date(2024, 2, 11)).days
    mora = [
        days[date(2024, 2, 1) + timedelta(days=n)].invoices[0].charged["mora"] for n in range(11)
    ]
    assert [after - before for before, after in pairwise(mora)] == [
        17, 16, 17, 17, 16, 17, 17, 16, 17, 17,
    ]  # fmt: skip
    last = page(SENT, [], date(2024, 2, 11))
    assert last.status == "overdue"
    assert amounts(last, "principal", "late_fee", "mora") == {
        "principal": (500_00, 0, 500_00),
        "late_fee": (10_00, 0, 10_00),
        "mora": (1_67, 0, 1_67),
    }


# The money page.

LATE_FACT = paid(2, date(2024, 2, 6), 200_00)
IN_TIME = paid(3, date(2024, 2, 1), 100_00)


def test_a_payment_covers_fee_and_interest_of_its_day_first() -> None:
    assert amounts(page(SENT, [LATE_FACT], date(2024, 2, 11)), "principal", "late_fee", "mora") == {
        "principal": (500_00, 189_17, 310_83),
        "late_fee": (10_00, 10_00, 0),
        "mora": (1_35, 83, 52),
    }


@pytest.mark.parametrize("facts", [*permutations([LATE_FACT, IN_TIME])])
def test_a_payment_in_time_lowers_what_a_later_one_covers(facts: list[Fact]) -> None:
    assert amounts(page(SENT, facts, date(2024, 2, 11)), "principal", "late_fee", "mora") == {
        "principal": (500_00, 291_33, 208_67),
        "late_fee": (8_00, 8_00, 0),
        "mora": (1_01, 67, 34),
    }


def test_a_reversal_undoes_and_a_charge_back_ends() -> None:
    whole = paid(4, date(2024, 2, 1), 500_00)
    end = date(2024, 2, 21)
    back = Fact("reversal", end, payment=4, amount=500_00)
    charged_back = Fact("charge_back", date(2024, 2, 11), payment=4, amount=500_00)
    assert page(SENT, [whole], end).status == "paid"
    assert page(SENT, [whole, back], end).open == {
        "other_fees": 0,
        "late_fee": 10_00,
        "mora": 3_33,
        "principal": 500_00,
    }
    taken = books([SENT], [whole, charged_back], end).days
    assert taken[end].invoices[0].open == {
        "other_fees": 0,
        "late_fee": 10_00,
        "mora": 1_67,
        "principal": 500_00,
    }
    assert [taken[date(2024, 2, day)].invoices[0].status for day in (10, 11, 12)] == [
        "paid",
        "sent",
        "overdue",
    ]


@pytest.mark.parametrize(("outcome", "mora"), [("accepted", 2_67), ("rejected", 3_33)])
def test_a_dispute_holds_interest_unless_it_is_rejected(
    outcome: Literal["accepted", "rejected"], mora: int
) -> None:
    dispute = Fact("dispute", date(2024, 2, 11), invoice=0, amount=200_00, holds_interest=True)
    resolved = Fact("resolution", date(2024, 2, 21), invoice=0, outcome=outcome)
    assert page(SENT, [dispute], date(2024, 2, 21)).charged["mora"] == 2_67
    assert page(SENT, [dispute, resolved], date(2024, 2, 21)).charged["mora"] == mora


def test_money_on_a_debt_written_off_recovers_it_in_the_policys_order() -> None:
    lost = Fact("write_off", date(2024, 2, 11), invoice=0, split=(0, 10_00, 1_67, 500_00))
    recovery = paid(5, date(2024, 6, 3), 100_00)
    after = page(SENT, [lost, recovery], date(2024, 6, 3))
    assert (after.status, sum(after.written_off.values())) == ("written_off", 411_67)
    assert amounts(after, "principal", "late_fee", "mora") == {
        "principal": (500_00, 88_33, 0),
        "late_fee": (10_00, 10_00, 0),
        "mora": (1_67, 1_67, 0),
    }
    again = Fact("charge_back", date(2024, 6, 10), payment=5, amount=20_00)
    lost_again = books([SENT], [lost, recovery, again], date(2024, 6, 10)).days[date(2024, 6, 10)]
    assert lost_again.invoices[0].written_off == {
        "other_fees": 0,
        "late_fee": 0,
        "mora": 0,
        "principal": 431_67,
    }
    assert lost_again.journal["BRL"]["bad_debt"] == 431_67


# The order of kinds within a day.

DAY_10, DAY_20 = date(2024, 1, 10), date(2024, 1, 20)


def test_a_charge_back_of_an_earlier_payment_comes_before_the_days_payments() -> None:
    back = Fact("charge_back", DAY_20, payment=1, amount=100_00)
    facts = [paid(1, DAY_10, 500_00), paid(2, DAY_20, 100_00), back]
    end = books([PLAIN], facts, DAY_20).days[DAY_20]
    assert (end.invoices[0].status, end.credit) == ("paid", {})


def test_a_charge_back_on_the_payments_own_day_follows_it() -> None:
    """Seven cents of interest are paid; what is reversed is principal, which an earlier payment had covered."""
    third = date(2024, 2, 3)
    back = Fact("charge_back", third, payment=2, amount=7)
    end = page(SENT, [paid(1, date(2024, 2, 2), 300_00), paid(2, third, 7), back], third)
    assert end.paid == {"other_fees": 0, "late_fee": 10_00, "mora": 24, "principal": 289_76}


def test_fees_waivers_and_write_offs_come_before_payments_then_notes_and_credit() -> None:
    payment = paid(2, DAY_20, 5_00)
    fee = Fact("fee", DAY_20, invoice=0, amount=5_00)
    assert page(PLAIN, [payment, fee], DAY_20).paid["other_fees"] == 5_00
    waiver = Fact("waiver", DAY_20, invoice=0, component="principal", amount=500_00)
    assert page(PLAIN, [payment, waiver], DAY_20).paid["principal"] == 0
    lost = Fact("write_off", DAY_20, invoice=0, split=(0, 0, 0, 500_00))
    back = Fact("charge_back", date(2024, 1, 21), payment=2, amount=5_00)
    assert page(PLAIN, [payment, lost], DAY_20).written_off["principal"] == 495_00
    assert page(PLAIN, [payment, lost, back], back.on).written_off["principal"] == 500_00
    note = Fact("credit_note", DAY_20, invoice=0, amount=500_00)
    noted = page(PLAIN, [note, payment], DAY_20)
    assert (noted.paid["principal"], noted.forgiven["principal"]) == (5_00, 495_00)
    credit = Fact("credit_applied", DAY_20, invoice=0, payment=1, amount=500_00)
    facts = [paid(1, DAY_10, 500_00, offered=0), credit, payment]
    assert books([PLAIN], facts, DAY_20).left == {("payment", 1): 5_00, ("payment", 2): 0}


# Rules of the decision, one by one.


def test_a_reversal_and_a_charge_back_take_offers_in_the_order_in_which_they_were_recorded() -> (
    None
):
    offers = ((0, 100_00), (1, 150_00))
    payment = Fact("payment", DAY_10, payment=1, amount=300_00, offers=offers)
    back = Fact("charge_back", DAY_20, payment=1, amount=40_00)
    reversal = Fact("reversal", date(2024, 1, 25), payment=1, amount=30_00)
    for facts, paid_minor, credit_minor in (
        ([payment, back, reversal], 130_00, 40_00),
        ([payment, reversal, back], 150_00, 20_00),
    ):
        days = books([PLAIN, PLAIN], facts, date(2024, 1, 25)).days
        assert [found.paid["principal"] for found in days[DAY_10].invoices] == [100_00, paid_minor]
        assert days[DAY_10].credit == {(0, "BRL"): credit_minor}
        assert [found.paid["principal"] for found in days[DAY_20].invoices] == [100_00, 130_00]
        assert days[DAY_20].credit == {}


def test_what_opens_again_beside_an_agreement_bears_its_part_of_the_value_first_asked_for() -> None:
    terms = replace(SENT, base="original", late_fee=Fraction(0))
    facts = [
        paid(1, DAY_10, 200_00),
        Fact("takeover", date(2024, 2, 11), invoice=0, amount=301_67, agreement=0),
        Fact("reversal", date(2024, 2, 20), payment=1, amount=200_00),
    ]
    end = page(terms, facts, date(2024, 2, 21))
    assert end.open == {"other_fees": 0, "late_fee": 0, "mora": 66, "principal": 200_00}


def test_a_payment_after_a_cancellation_leaves_the_invoice_paid() -> None:
    facts = [
        paid(1, DAY_10, 100_00),
        Fact("cancellation", date(2024, 1, 15), invoice=0, split=(0, 0, 0, 400_00)),
        Fact("charge_back", DAY_20, payment=1, amount=100_00),
        paid(2, date(2024, 1, 22), 100_00),
    ]
    days = books([PLAIN], facts, date(2024, 1, 22)).days
    on = (date(2024, 1, 15), DAY_20, date(2024, 1, 22))
    assert [days[day].invoices[0].status for day in on] == ["cancelled", "sent", "paid"]


def test_a_rejection_of_a_debt_that_is_written_off_leaves_the_hold() -> None:
    dispute = Fact("dispute", date(2024, 2, 11), invoice=0, amount=200_00, holds_interest=True)
    lost = Fact("write_off", date(2024, 2, 21), invoice=0, split=(0, 10_00, 2_67, 500_00))
    rejected = Fact("resolution", date(2024, 2, 25), invoice=0, outcome="rejected")
    assert page(SENT, [dispute, rejected], date(2024, 2, 25)).charged["mora"] == 4_00
    end = page(SENT, [dispute, lost, rejected], date(2024, 2, 25))
    assert (end.status, end.charged["mora"]) == ("written_off", 2_67)


def test_a_charge_back_opens_the_last_component_first_whoever_paid_it() -> None:
    first, second = paid(1, date(2024, 2, 2), 300_00), paid(2, date(2024, 2, 3), 50_00)
    back = Fact("charge_back", date(2024, 2, 3), payment=1, amount=300_00)
    end = page(SENT, [first, second, back], date(2024, 2, 3))
    assert end.paid == {"other_fees": 0, "late_fee": 10_00, "mora": 17 + 7, "principal": 39_76}


def test_a_charge_back_takes_first_what_is_offered_to_no_invoice_then_the_last_offer() -> None:
    two = [SENT, SENT]
    facts = [
        Fact(
            "payment",
            date(2024, 1, 10),
            payment=1,
            amount=300_00,
            offers=((0, 100_00), (1, 150_00)),
        ),
        Fact("charge_back", date(2024, 1, 20), payment=1, amount=80_00),
    ]
    end = books(two, facts, date(2024, 1, 20)).days[date(2024, 1, 20)]
    assert [found.paid["principal"] for found in end.invoices] == [100_00, 120_00]
    assert end.credit == {}


def test_credit_applied_goes_with_the_payment_it_came_from() -> None:
    other = replace(PLAIN, total=100_00, due_on=date(2024, 3, 1))
    facts = [
        paid(1, date(2024, 1, 10), 580_00, offered=580_00),
        Fact("credit_applied", date(2024, 1, 12), invoice=1, payment=1, amount=80_00),
    ]
    used = books([SENT, other], facts, date(2024, 1, 31)).days[date(2024, 1, 31)]
    assert (used.credit, used.invoices[1].open["principal"]) == ({}, 20_00)
    facts.append(Fact("reversal", date(2024, 1, 30), payment=1, amount=580_00))
    gone = books([SENT, other], facts, date(2024, 1, 31)).days
    assert gone == books([SENT, other], [], date(2024, 1, 31)).days


def test_credit_that_was_refunded_falls_short_when_the_payment_is_charged_back() -> None:
    facts = [
        paid(1, date(2024, 1, 10), 580_00, offered=500_00),
        Fact("refund", date(2024, 1, 12), payment=1, amount=80_00),
        Fact("charge_back", date(2024, 1, 20), payment=1, amount=580_00),
    ]
    end = books([SENT], facts, date(2024, 1, 20)).days[date(2024, 1, 20)]
    assert end.credit == {(0, "BRL"): -80_00}
    assert end.journal["BRL"] == {
        "receivable_principal": 500_00, "revenue": -500_00, "cash": -80_00, "customer_credit": 80_00,
    }  # fmt: skip


def test_a_credit_note_takes_principal_off_then_pays_and_is_then_credit() -> None:
    facts = [
        paid(1, date(2024, 2, 6), 480_00),
        Fact("credit_note", date(2024, 2, 6), invoice=0, amount=400_00),
        Fact("fee", date(2024, 2, 7), invoice=0, amount=5_00),
        Fact("credit_note", date(2024, 2, 7), invoice=0, amount=50_00),
    ]
    after = books([SENT], facts, date(2024, 2, 7)).days
    first, second = after[date(2024, 2, 6)], after[date(2024, 2, 7)]
    assert first.invoices[0].forgiven["principal"] == 500_00 - (480_00 - 10_00 - 83)
    assert first.credit == {(0, "BRL"): 400_00 - 30_83}
    assert second.invoices[0].paid["other_fees"] == 5_00
    assert second.credit == {(0, "BRL"): 369_17 + 45_00}


def test_a_small_balance_is_waived_and_bears_no_late_fee() -> None:
    terms = replace(SENT, small_balance=50)
    left = books([terms], [paid(1, date(2024, 2, 1), 499_60)], date(2024, 2, 20)).days
    assert (
        left[date(2024, 2, 1)].invoices[0].status,
        left[date(2024, 2, 1)].journal["BRL"]["waivers"],
    ) == ("paid", 40)
    waiver = Fact("waiver", date(2024, 1, 9), invoice=0, component="principal", amount=499_60)
    tiny = page(terms, [waiver], date(2024, 2, 20))
    assert (tiny.status, tiny.charged["late_fee"]) == ("overdue", 0)


def test_the_cap_and_the_base_first_asked_for() -> None:
    terms = replace(SENT, base="original", cap=Fraction(1, 100))
    before = Fact("credit_note", date(2024, 2, 1), invoice=0, amount=200_00)
    after = Fact("credit_note", date(2024, 2, 2), invoice=0, amount=100_00)
    assert page(terms, [before, after], date(2024, 3, 2)).charged["late_fee"] == 5_00
    assert page(terms, [before, after], date(2024, 3, 2)).charged["mora"] == 3_00
    assert page(terms, [after], date(2024, 3, 2)).charged["mora"] == 5_00


def test_month_end_interest_is_posted_on_month_ends_and_days_of_facts() -> None:
    terms = replace(SENT, accrual="month_end")
    days = books([terms], [paid(1, date(2024, 2, 11), 11_67)], date(2024, 2, 29)).days
    mora = {day.day: days[day].invoices[0].charged["mora"] for day in days if day.month == 2}
    assert [mora[day] for day in (10, 11, 28, 29)] == [0, 1_67, 1_67, 4_67]


def test_the_last_moved_due_date_counts_as_if_it_had_always_been() -> None:
    sooner = Fact("due_date_moved", date(2024, 2, 20), invoice=0, until=date(2024, 3, 1))
    later = Fact("due_date_moved", date(2024, 2, 10), invoice=0, until=date(2024, 4, 1))
    for facts in ([sooner, later], [later, sooner]):
        days = books([SENT], facts, date(2024, 3, 11)).days
        assert days[date(2024, 2, 5)].invoices[0].status == "sent"
        assert days[date(2024, 3, 11)].invoices[0].charged["mora"] == 1_67


def test_an_agreement_takes_its_total_and_what_is_recorded_later_follows_it() -> None:
    on = date(2024, 2, 11)
    takeover = Fact("takeover", on, invoice=0, amount=511_67, agreement=0)
    assert page(SENT, [takeover], on).status == "renegotiated"
    late = books([SENT], [takeover, paid(1, date(2024, 2, 6), 100_00)], on).days
    assert late[on].credit == {(0, "BRL"): 100_00}
    known = paid(1, date(2024, 2, 6), 100_00)
    less = Fact("takeover", on, invoice=0, amount=411_52, agreement=0)
    back = Fact("reversal", date(2024, 2, 20), payment=1, amount=100_00)
    assert page(SENT, [known, less], on).open == dict.fromkeys(COMPONENTS, 0)
    reopened = page(SENT, [known, less, back], on)
    assert (reopened.status, sum(reopened.open.values())) == ("overdue", 511_67 - 411_52)


def test_a_promise_counts_what_stands_by_its_day() -> None:
    promise = Fact("promise", date(2024, 2, 6), invoice=0, amount=150_00, until=date(2024, 2, 10))
    pay = paid(1, date(2024, 2, 6), 200_00)
    back = [Fact("charge_back", date(2024, 2, day), payment=1, amount=100_00) for day in (10, 11)]
    for facts, kept, amount in (
        ([promise], False, 0),
        ([promise, pay], True, 200_00),
        ([promise, pay, back[0]], False, 100_00),
        ([promise, pay, back[1]], True, 200_00),
    ):
        [verdict] = books([SENT], facts, date(2024, 2, 11)).verdicts
        assert (verdict.kept, verdict.paid) == (kept, amount)
        assert books([SENT], facts, date(2024, 2, 10)).verdicts == []
