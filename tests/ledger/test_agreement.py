"""Agreements: given what happened, when somebody decides, then an event or a named refusal."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.agreement import decisions
from ledger.agreement.decisions import (
    AlreadyDecided,
    Chain,
    DiscountOnLoan,
    NotActive,
    NotApproved,
    NothingToTakeOver,
    SameActor,
)
from ledger.agreement.events import (
    Activated,
    Approved,
    Lost,
    Paid,
    Plan,
    Refused,
    Renegotiated,
    Reopened,
    Requested,
)
from ledger.agreement.plan import (
    DownPaymentLate,
    DueInPast,
    EqualBearsNoInterest,
    NothingLeft,
    planned,
)
from ledger.agreement.state import Agreement, evolve
from ledger.calendars import Calendar
from ledger.errors import Rejected
from ledger.event_registry import Event
from ledger.instalment_schedules import (
    InstalmentCountOutOfRange,
    InstalmentTooSmall,
    RateNotMonthly,
)
from ledger.invoice import accrual, issuing
from ledger.invoice.evolve import evolve as evolve_invoice
from ledger.invoice.issuing import DueTooEarly, DueTooLate
from ledger.invoice.preconditions import ReasonMissing
from ledger.money import AmountTooLarge, format_minor
from ledger.policy import Base, FeePolicy
from ledger.rates import Rate, RateTooHigh, parse_rate
from ledger.tax import Line, price_lines
from ledger.waterfall import Split

TODAY = date(2024, 1, 10)
FIRST = date(2024, 1, 31)
TWO_PERCENT = parse_rate("2%/month")
PLAN = Plan("price", 6, TWO_PERCENT, FIRST)
REQUESTED = Requested(UUID(int=1), "loan", "BRL", 100_000, 100_000, PLAN, "key:a")
OVER_INVOICES = replace(REQUESTED, kind="payment_plan", invoices=(UUID(int=5),))
EQUAL = replace(PLAN, schedule="equal", rate=Rate(0, 1))


def after(*events: Event) -> Agreement:
    agreement: Agreement | None = None
    for event in events:
        agreement = evolve(agreement, event, TODAY)
    assert agreement is not None
    return agreement


def activated(
    agreement: Agreement, owed: int = 100_000, original: int = 100_000, lent: int | None = None
) -> Activated:
    return decisions.activate(
        agreement,
        owed,
        original,
        TODAY,
        "half_even",
        lambda number: UUID(int=100 + number),
        Chain(UUID(int=8), lent if lent is not None else owed),
    )


APPROVED = Approved("key:b")
ACTIVATED = activated(after(REQUESTED, APPROVED))
OTHER = Renegotiated(UUID(int=9), "encrypted")


def test_a_request_is_remembered() -> None:
    agreement = after(decisions.request(REQUESTED, TODAY))
    assert (agreement.status, agreement.requested_by) == ("requested", "key:a")
    assert agreement.requested_on == TODAY


@pytest.mark.parametrize("owed", [100_000, 106_480])
def test_instalments_keep_the_month_end_and_number_the_down_payment_0(owed: int) -> None:
    plan = replace(
        EQUAL, count=3, down_payment_minor=10_000, discount_minor=480, down_payment_due_on=TODAY
    )
    found = planned(plan, owed, 100_000, "BRL", TODAY)
    assert [one.number for one in found] == [0, 1, 2, 3]
    assert [one.due_on for one in found] == [
        TODAY,
        date(2024, 1, 31),
        date(2024, 2, 29),
        date(2024, 3, 31),
    ]
    assert sum(one.principal_minor for one in found) == owed - 480
    assert found[0].principal_minor == 10_000
    assert sum(one.mora_base_minor for one in found) == 100_000


def test_a_down_payment_without_a_date_is_due_at_once() -> None:
    down, *_ = planned(replace(PLAN, down_payment_minor=1), 100_000, 100_000, "BRL", TODAY)
    assert (down.number, down.due_on, down.principal_minor) == (0, TODAY, 1)


def test_price_as_banks_use_it() -> None:
    """1,000.00 at 2% in 6: five of 178.53 and one of 178.51. The bases of a loan are its principals."""
    payments = [one.principal_minor + one.interest_minor for one in ACTIVATED.instalments]
    assert payments == [17853] * 5 + [17851]
    bases = [one.mora_base_minor for one in ACTIVATED.instalments]
    assert bases == [one.principal_minor for one in ACTIVATED.instalments]
    assert (ACTIVATED.disbursed_minor, ACTIVATED.principal_minor) == (100_000, 100_000)


@pytest.mark.parametrize(("days", "interest"), [(45, 3000), (10, 667), (31, 2067), (0, 0)])
@pytest.mark.parametrize("schedule", ["price", "sac"])
def test_the_first_period_counts_from_the_activation(
    schedule: Any, days: int, interest: int
) -> None:
    """1,000.00 at 2%: 45/30, 10/30 and 31/30 of a month's interest of 20.00; not by the day of the request."""
    first = TODAY + timedelta(days=days)
    plan = replace(PLAN, schedule=schedule, first_due_on=first, first_period="pro_rata")
    asked = decisions.request(replace(REQUESTED, plan=plan), TODAY - timedelta(days=5))
    found = activated(after(asked, APPROVED)).instalments
    whole = activated(
        after(replace(asked, plan=replace(plan, first_period="whole_month")), APPROVED)
    )
    assert found[0].interest_minor == interest
    assert whole.instalments[0].interest_minor == 2000
    assert found[1:] == whole.instalments[1:]
    assert sum(one.principal_minor for one in found) == 100_000


def test_sac_as_banks_use_it() -> None:
    """1,000.00 at 2% in 6: amortisation five of 166.67 and one of 166.65, first payment 186.67."""
    plan = replace(PLAN, schedule="sac")
    found = activated(after(replace(REQUESTED, plan=plan), APPROVED)).instalments
    assert [one.principal_minor for one in found] == [16667] * 5 + [16665]
    assert found[0].principal_minor + found[0].interest_minor == 18667


def test_an_equal_split_keeps_the_remainder() -> None:
    plan = replace(EQUAL, count=3)
    found = activated(after(replace(OVER_INVOICES, plan=plan), APPROVED), 10_000, 10_000)
    assert [one.principal_minor for one in found.instalments] == [3334, 3333, 3333]
    assert [one.interest_minor for one in found.instalments] == [0, 0, 0]
    assert found.disbursed_minor == 0


def test_the_value_first_asked_for_is_shared_by_largest_remainder() -> None:
    """1,000.00 shared over 3334, 3333, 3333 of 100.00: 333.40, 333.30, 333.30; over a third each: 333.34 once."""
    plan = replace(EQUAL, count=3)
    shared = [one.mora_base_minor for one in planned(plan, 10_000, 100_000, "BRL", TODAY)]
    assert shared == [33_340, 33_330, 33_330]
    shared = [one.mora_base_minor for one in planned(plan, 9_999, 100_000, "BRL", TODAY)]
    assert shared == [33_334, 33_333, 33_333]
    down = replace(plan, count=2, down_payment_minor=3)
    shared = [one.mora_base_minor for one in planned(down, 7, 100, "BRL", TODAY)]
    assert shared == [43, 29, 28]


@given(
    owed=st.integers(10_000, 10**9),
    original=st.integers(0, 10**9),
    count=st.integers(1, 48),
    down=st.integers(0, 3_000),
    discount=st.integers(0, 3_000),
    schedule=st.sampled_from(["equal", "price", "sac"]),
)
def test_nothing_is_lost_between_what_is_owed_and_its_instalments(
    owed: int, original: int, count: int, down: int, discount: int, schedule: Any
) -> None:
    plan = Plan(
        schedule,
        count,
        Rate(0, 1) if schedule == "equal" else TWO_PERCENT,
        FIRST,
        discount_minor=discount,
        down_payment_minor=down,
    )
    found = planned(plan, owed, original, "BRL", TODAY)
    assert len(found) == count + (down > 0)
    assert sum(one.principal_minor for one in found) == owed - discount
    assert sum(one.mora_base_minor for one in found) == original
    for one in found:
        true_share = original * one.principal_minor
        assert abs(one.mora_base_minor * (owed - discount) - true_share) < owed - discount
        assert one.principal_minor + one.interest_minor > 0


@given(
    owed=st.integers(1_000, 10**8),
    original=st.integers(1_000, 10**8),
    count=st.integers(1, 24),
    days=st.integers(1, 400),
)
def test_late_instalments_cost_together_what_the_original_value_costs(
    owed: int, original: int, count: int, days: int
) -> None:
    """Whatever the debt has become: to less than a cent for each, as interest is rounded on each invoice."""
    found = planned(replace(EQUAL, count=count), owed, original, "BRL", TODAY)
    late = [
        _late(one.principal_minor, one.mora_base_minor, one.due_on, days, "original")
        for one in found
    ]
    whole = _late(original, original, FIRST, days, "outstanding")
    for component in ("late_fee", "mora"):
        together = sum(getattr(one, component) for one in late)
        assert abs(together - getattr(whole, component)) <= (count + 1) / 2


def _late(minor: int, base_minor: int, due_on: date, days: int, base: Base) -> Split:
    """What is charged on an invoice of so much, so many days after its due date."""
    policy = FeePolicy(late_fee=parse_rate("2%"), mora=parse_rate("1%/month"), mora_base=base)
    lines = [Line("Debt", "1", format_minor(minor, "BRL"))]
    drafted = issuing.draft(UUID(int=1), "BRL", due_on, lines, price_lines(lines, "BRL"), "")
    draft = evolve_invoice(None, drafted, TODAY)
    none = Calendar("none", "1")
    sent = issuing.send(draft, "INV-1", TODAY, policy, none, mora_base_minor=base_minor)
    late = accrual.bring_up_to_date(evolve_invoice(draft, *sent), due_on + timedelta(days=days))
    return late.invoice.charged


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"plan": replace(PLAN, discount_minor=1)}, DiscountOnLoan),
        ({"plan": replace(PLAN, down_payment_minor=100_000)}, NothingLeft),
        (
            {"kind": "payment_plan", "plan": replace(PLAN, discount_minor=100_000)},
            NothingLeft,
        ),
        ({"kind": "payment_plan", "principal_minor": 0}, NothingToTakeOver),
        ({"plan": replace(PLAN, schedule="equal")}, EqualBearsNoInterest),
        ({"plan": replace(PLAN, rate=Rate(101, 100, "month"))}, RateTooHigh),
        ({"plan": replace(PLAN, rate=Rate(1, 50, "year"))}, RateNotMonthly),
        ({"plan": replace(PLAN, count=0)}, InstalmentCountOutOfRange),
        ({"plan": replace(EQUAL, count=600), "principal_minor": 599}, InstalmentTooSmall),
        ({"plan": replace(PLAN, first_due_on=date(1899, 12, 31))}, DueTooEarly),
        ({"plan": replace(PLAN, first_due_on=date(2999, 12, 1))}, DueTooLate),
        ({"principal_minor": 10**15 - 1}, AmountTooLarge),
        (
            {"plan": replace(PLAN, down_payment_minor=1, down_payment_due_on=date(2024, 2, 1))},
            DownPaymentLate,
        ),
        (
            {
                "plan": replace(
                    PLAN, down_payment_minor=50_00, down_payment_due_on=date(1899, 12, 31)
                )
            },
            DueTooEarly,
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_could_never_be_put_into_force_is_not_asked_for(
    changes: dict[str, Any], refusal: type[Rejected]
) -> None:
    with pytest.raises(refusal):
        decisions.request(replace(REQUESTED, **changes), TODAY)


def test_another_person_approves_or_rejects() -> None:
    requested = after(REQUESTED)
    assert decisions.approve(requested, "key:b") == Approved("key:b")
    assert decisions.reject(requested, "key:b", "encrypted") == Refused("key:b", "encrypted")
    for refused in (
        lambda: decisions.approve(requested, "key:a"),
        lambda: decisions.reject(requested, "key:a", "encrypted"),
    ):
        with pytest.raises(SameActor):
            refused()
    with pytest.raises(ReasonMissing):
        decisions.reject(requested, "key:b", "")


def test_what_was_approved_can_be_rejected_until_it_is_in_force() -> None:
    approved = after(REQUESTED, APPROVED)
    assert decisions.reject(approved, "key:b", "too late").rejected_by == "key:b"
    with pytest.raises(AlreadyDecided):
        decisions.approve(approved, "key:c")
    with pytest.raises(AlreadyDecided):
        decisions.reject(after(REQUESTED, APPROVED, ACTIVATED), "key:b", "too late")
    rejected = after(REQUESTED, Refused("key:b", "no"))
    assert rejected.status == "rejected"
    with pytest.raises(AlreadyDecided):
        decisions.reject(rejected, "key:b", "no")


@pytest.mark.parametrize(
    "events",
    [
        (REQUESTED,),
        (REQUESTED, Refused("key:b", "no")),
        (REQUESTED, APPROVED, ACTIVATED),
        (REQUESTED, APPROVED, ACTIVATED, Paid()),
    ],
)
def test_only_what_is_approved_is_put_into_force(events: tuple[Event, ...]) -> None:
    with pytest.raises(NotApproved):
        activated(after(*events))


def test_what_follows_another_agreement_needs_no_approval_of_its_own() -> None:
    follows = after(replace(OVER_INVOICES, renegotiates=UUID(int=8), kind="loan"))
    found = activated(follows, 106_480, 100_000)
    assert (found.principal_minor, found.original_minor, found.disbursed_minor) == (
        106_480,
        100_000,
        0,
    )


def test_what_was_lent_is_shared_over_the_first_agreements_instalments() -> None:
    """Of a plan it is the value taken over, before the discount; what follows an agreement lends nothing."""
    plan = replace(EQUAL, count=3, discount_minor=1_000)
    first = activated(after(replace(OVER_INVOICES, plan=plan), APPROVED), 10_000, 9_000)
    assert (first.first_agreement_id, first.lent_minor) == (UUID(int=8), 10_000)
    assert [one.lent_minor for one in first.instalments] == [3334, 3333, 3333]
    follows = after(replace(OVER_INVOICES, renegotiates=UUID(int=8)))
    successor = activated(follows, 106_480, 100_000, lent=10_000)
    assert (successor.first_agreement_id, successor.lent_minor) == (UUID(int=8), 10_000)
    assert {one.lent_minor for one in successor.instalments} == {0}


def test_nothing_is_due_before_it_is_in_force() -> None:
    approved = after(REQUESTED, APPROVED)
    with pytest.raises(DueInPast) as refused:
        decisions.require_activable(approved, date(2024, 2, 1))
    assert refused.value.field == "first_due_on"
    decisions.require_activable(approved, FIRST)
    early = replace(PLAN, down_payment_minor=1, down_payment_due_on=date(2024, 1, 9))
    with pytest.raises(DueInPast) as refused:
        activated(after(replace(REQUESTED, plan=early), APPROVED))
    assert refused.value.field == "down_payment_due_on"


def test_a_plan_whose_invoices_are_all_closed_takes_nothing_over() -> None:
    with pytest.raises(NothingToTakeOver):
        activated(after(OVER_INVOICES, APPROVED), owed=0, original=0)


@pytest.mark.parametrize("last", [Paid(), OTHER, Lost("encrypted")])
def test_only_what_is_in_force_is_renegotiated_or_lost(last: Event) -> None:
    in_force = after(REQUESTED, APPROVED, ACTIVATED)
    assert decisions.renegotiate(in_force, UUID(int=9), "encrypted") == OTHER
    assert decisions.lose(in_force, "encrypted") == Lost("encrypted")
    ended = after(REQUESTED, APPROVED, ACTIVATED, last)
    with pytest.raises(NotActive):
        decisions.renegotiate(ended, UUID(int=9), "encrypted")
    with pytest.raises(NotActive):
        decisions.lose(ended, "encrypted")


def test_why_is_kept() -> None:
    in_force = after(REQUESTED, APPROVED, ACTIVATED)
    with pytest.raises(ReasonMissing):
        decisions.renegotiate(in_force, UUID(int=9), "")
    with pytest.raises(ReasonMissing):
        decisions.lose(in_force, "")


def test_paid_and_open_again() -> None:
    paid = after(REQUESTED, APPROVED, ACTIVATED, Paid())
    assert paid.status == "paid"
    assert evolve(paid, Reopened(), TODAY).status == "active"
