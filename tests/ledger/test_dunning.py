"""Which step a debt has come to on a day, and whom to contact: plans, days, limits, in words of its own."""

import itertools
from datetime import date, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.calendars import Calendar, is_business_day
from ledger.dunning.choice import Choice
from ledger.dunning.contact_days import ContactDays
from ledger.dunning.deciding import (
    Contact,
    Debt,
    Debtor,
    Due,
    Skip,
    caps_of,
    decide_day,
    step_due,
)
from ledger.dunning.plan import (
    SHIPPED,
    AmountRangeEmpty,
    CapOutOfRange,
    Caps,
    DunningPlan,
    MalformedPlanKey,
    OffsetOutOfRange,
    PlanRules,
    Step,
    StepsMissing,
    StepTwice,
    UnknownRequiredStep,
    check_plan,
)
from ledger.errors import Rejected
from ledger.invoice.events import PassedStep
from ledger.invoice.state import StepTaken
from ledger.money import Money

ANN, ONE, TWO, THREE = (UUID(int=n) for n in (9, 1, 2, 3))
WEEKENDS = Calendar("weekends", "1")
NOBODY = Debtor(ANN, frozenset(("email",)), frozenset(), (), ())
DUE = date(2026, 3, 4)  # a Wednesday
FREE = Caps(day=9, week=60, min_gap_days=0)
STEPS = (
    Step("before", -3, "courtesy"),
    Step("due", 0),
    Step("d3", 3),
    Step("d15", 15, "final_notice", requires=("d3",)),
)


def plan(
    steps: tuple[Step, ...] = STEPS, since: date = date(2026, 1, 1), **rules: object
) -> DunningPlan:
    said = PlanRules("Test", steps, **({"caps": FREE} | rules))  # type: ignore[arg-type]
    return DunningPlan("test", 1, check_plan(said), since)


def debt(invoice_id: UUID = ONE, due_on: date = DUE, **fields: object) -> Debt:
    known = Debt(invoice_id, "EUR", due_on, date(2026, 1, 1), 100_00, None, (), chosen(plan()))
    return known._replace(**fields)


def chosen(of: DunningPlan) -> Choice:
    return Choice(of, ContactDays(of.rules, WEEKENDS))


def taken(*steps: tuple[str, int]) -> tuple[StepTaken, ...]:
    return tuple(StepTaken("test", key, offset, on(offset)) for key, offset in steps)


def found(debt: Debt, day: date, of: DunningPlan | None = None) -> tuple[str, str] | None:
    """(step, reason it is skipped or nothing)."""
    if of is not None:
        debt = debt._replace(choice=chosen(of))
    outcome = step_due(NOBODY, debt, day)
    if isinstance(outcome, Skip):
        return outcome.step.key, outcome.reason
    return None if outcome is None else (outcome.step.key, "")


def contacts(
    debts: list[Debt],
    day: date,
    of: DunningPlan | None = None,
    before: tuple[date, ...] = (),
    **debtor: object,
) -> tuple[list[Contact], list[Skip]]:
    if of is not None:
        debts = [debt._replace(choice=chosen(of)) for debt in debts]
    caps = caps_of(debt.choice for debt in debts)
    ann = Debtor(ANN, frozenset(("email",)), frozenset(), before, caps)._replace(**debtor)
    decision = decide_day(ann, debts, day)
    return list(decision.contacts), list(decision.skips)


def on(offset: int) -> date:
    return DUE + timedelta(days=offset)


def test_a_step_comes_on_its_day_and_no_earlier() -> None:
    assert found(debt(), on(-4)) is None
    # Three days before a Wednesday is a Sunday: the step moves to the Monday.
    assert found(debt(), on(-3)) is None
    assert found(debt(), on(-2)) == ("before", "")
    assert found(debt(taken=taken(("before", -3))), on(-1)) is None
    assert found(debt(taken=taken(("before", -3))), on(0)) == ("due", "")


def test_the_highest_step_that_has_come_is_taken_and_the_lower_are_collapsed() -> None:
    outcome = step_due(NOBODY, debt(), on(5))
    assert isinstance(outcome, Due)
    assert outcome.step.key == "d3"
    assert outcome.passed == (PassedStep("before", "collapsed"), PassedStep("due", "collapsed"))


def test_a_step_below_one_that_was_taken_is_over_whatever_the_plan_says_now() -> None:
    edited = plan((Step("new", 1), Step("renamed", 3), Step("later", 6)))
    known = debt(taken=taken(("d3", 3)))
    assert found(known, on(5), edited) is None
    assert found(known, on(6), edited) == ("later", "")
    other_plan = debt(taken=(StepTaken("another", "d1", 1, DUE),))
    assert found(other_plan, on(5), edited) == ("renamed", "")


def test_a_final_notice_is_never_the_first_contact() -> None:
    assert found(debt(), on(40)) == ("d3", "")
    after = debt(taken=taken(("d3", 3)))
    assert found(after, on(40)) == ("d15", "")


@pytest.mark.parametrize(
    ("late_entry", "expected"), [("next", ("d3", "before_entry")), ("highest", ("d3", ""))]
)
def test_a_debt_that_enters_late(late_entry: str, expected: tuple[str, str]) -> None:
    of = plan(late_entry=late_entry)
    entered = debt(entered_on=on(7))
    assert found(entered, on(7), of) == expected
    assert found(debt(), on(7), plan(late_entry=late_entry, since=on(7))) == expected


def test_with_the_next_step_a_late_debt_begins_and_says_what_it_passed() -> None:
    of = plan((Step("d1", 1), Step("d5", 5)))
    outcome = step_due(NOBODY, debt(entered_on=on(2), choice=chosen(of)), on(5))
    assert isinstance(outcome, Due)
    assert (outcome.step.key, outcome.passed) == ("d5", (PassedStep("d1", "before_entry"),))


@pytest.mark.parametrize("block", ["imported", "held", "disputed", "promised"])
def test_what_keeps_a_debt_back(block: str) -> None:
    assert found(debt(block=block), on(5)) == ("d3", block)
    assert found(debt(block=block), on(-9)) is None


def test_nobody_is_contacted_on_a_weekend() -> None:
    saturday = on(3)
    assert saturday.weekday() == 5
    only = plan((Step("d3", 3),))
    assert found(debt(), saturday, only) is None
    assert found(debt(), on(5), only) == ("d3", "")
    assert found(debt(), on(10), only) == ("d3", "no_contact_day")
    every_day = plan((Step("d3", 3),), calendar="none")
    assert found(debt(), saturday, every_day) == ("d3", "")


def test_a_courtesy_is_not_sent_after_the_due_date() -> None:
    of = plan((Step("before", -1, "courtesy"), Step("d15", 15)))
    assert found(debt(), on(2), of) == ("before", "past_due")


def test_amounts_bound_a_step_in_their_currency_alone() -> None:
    step = Step("d3", 3, at_least=(Money("50.00", "EUR"),), at_most=(Money("200.00", "EUR"),))
    of = plan((Step("d1", 1), step))
    assert found(debt(open_minor=50_00), on(6), of) == ("d3", "")
    assert found(debt(open_minor=49_99), on(6), of) == ("d1", "")
    assert found(debt(open_minor=200_01, taken=taken(("d1", 1))), on(6), of) == ("d3", "amount")
    assert found(debt(open_minor=1, currency="USD"), on(6), of) == ("d3", "")


def test_one_message_for_a_currency_at_the_highest_step() -> None:
    debts = [debt(ONE), debt(TWO, due_on=on(3)), debt(THREE, currency="USD")]
    (euros, dollars), skips = contacts(debts, on(5))
    assert (euros.currency, euros.step.key, euros.open_minor) == ("EUR", "d3", 200_00)
    assert [(one.debt.invoice_id, one.step.key) for one in euros.due] == [(ONE, "d3"), (TWO, "due")]
    assert (dollars.currency, dollars.step.key) == ("USD", "d3")
    assert skips == []


def test_limits_of_contact() -> None:
    limited = plan(caps=Caps(day=1, week=2, min_gap_days=2))
    assert len(contacts([debt()], on(5), limited)[0]) == 1
    for before, reason in (
        ((on(5),), "cap_day"),
        ((on(-1), on(3)), "cap_week"),
        ((on(4),), "cap_gap"),
    ):
        none, skips = contacts([debt()], on(5), limited, before=before)
        assert none == []
        assert [(one.debt.invoice_id, one.reason) for one in skips] == [(ONE, reason)]
    assert len(contacts([debt()], on(5), limited, before=(on(-2), on(3)))[0]) == 1
    both = [debt(ONE), debt(TWO, currency="USD")]
    one, (skipped,) = contacts(both, on(5), limited)
    assert (len(one), skipped.reason) == (1, "cap_day")


def test_who_cannot_be_reached() -> None:
    for debtor, reason in (
        ({"channels": frozenset()}, "no_address"),
        ({"opted_out": frozenset(("email",))}, "opted_out"),
    ):
        none, (skip,) = contacts([debt()], on(5), **debtor)  # type: ignore[arg-type]
        assert (none, skip.reason) == ([], reason)


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ({"steps": ()}, StepsMissing),
        ({"steps": (Step("a", 1, channels=()),)}, StepsMissing),
        ({"steps": (Step("a", 1), Step("a", 2))}, StepTwice),
        ({"steps": (Step("A b", 1),)}, MalformedPlanKey),
        ({"steps": (Step("a", 9_999),)}, OffsetOutOfRange),
        ({"steps": (Step("a", 1), Step("b", 1, requires=("a",)))}, UnknownRequiredStep),
        ({"steps": (Step("b", 1, requires=("nothing",)),)}, UnknownRequiredStep),
        ({"caps": Caps(day=0)}, CapOutOfRange),
        ({"caps": Caps(week=0)}, CapOutOfRange),
        ({"caps": Caps(min_gap_days=99)}, CapOutOfRange),
        (
            {"steps": (Step("a", 1, at_least=(Money("2", "JPY"),), at_most=(Money("1", "JPY"),)),)},
            AmountRangeEmpty,
        ),
        (
            {"steps": (Step("a", 1, at_least=(Money("2", "JPY"), Money("1", "JPY"))),)},
            AmountRangeEmpty,
        ),
    ],
)
def test_a_plan_that_cannot_work_is_refused(
    rules: dict[str, object], error: type[Rejected]
) -> None:
    with pytest.raises(error):
        plan(**rules)  # type: ignore[arg-type]


def test_the_shipped_plan_is_one_and_steps_are_kept_in_order() -> None:
    assert check_plan(SHIPPED) == SHIPPED
    assert [step.offset for step in SHIPPED.steps] == [-3, 0, 3, 7, 15]
    assert [step.key for step in plan((Step("b", 2), Step("a", 1))).rules.steps] == ["a", "b"]


offsets = st.lists(st.integers(-20, 60), min_size=1, max_size=8, unique=True)
debts_due = st.lists(
    st.tuples(st.integers(-30, 30), st.sampled_from(["EUR", "USD"])), min_size=1, max_size=5
)


@given(
    offsets,
    debts_due,
    st.builds(Caps, st.integers(1, 2), st.integers(1, 4), st.integers(0, 5)),
    st.sampled_from(["next", "highest"]),
    st.sampled_from(["weekdays", "none", "BR", "DE"]),
    st.sets(st.integers(0, 90)),
)
def test_over_any_run_of_nights(
    days_of_steps: list[int],
    due: list[tuple[int, str]],
    caps: Caps,
    late_entry: str,
    calendar: str,
    missed: set[int],
) -> None:
    """No step is taken twice or before its day, each is above the one before, and limits hold, whatever nights are
    missed. Where no limit and no condition stands in the way, no step that has come is left."""
    steps = tuple(Step(f"s{n}", offset) for n, offset in enumerate(sorted(days_of_steps)))
    of = plan(steps, on(-40), caps=caps, late_entry=late_entry, calendar=calendar)
    days = ContactDays(of.rules, WEEKENDS)
    known = {
        UUID(int=n + 1): debt(
            UUID(int=n + 1), due_on=on(offset), currency=currency, choice=chosen(of)
        )
        for n, (offset, currency) in enumerate(due)
    }
    sent: list[date] = []
    for n in range(91):
        day = on(n - 40)
        if n in missed:
            continue
        ann = Debtor(ANN, frozenset(("email",)), frozenset(), tuple(sent), (caps,))
        decision = decide_day(ann, list(known.values()), day)
        for contact in decision.contacts:
            sent.append(day)
            assert contact.step.offset == max(one.step.offset for one in contact.due)
            for one in contact.due:
                before = known[one.debt.invoice_id]
                assert one.step.key not in {step.step for step in before.taken}
                assert all(step.offset < one.step.offset for step in before.taken)
                assert day >= before.due_on + timedelta(days=one.step.offset)
                step_taken = StepTaken("test", one.step.key, one.step.offset, day)
                known[one.debt.invoice_id] = before._replace(taken=(*before.taken, step_taken))
        skipped = {skip.debt.invoice_id for skip in decision.skips}
        for one_debt in known.values():
            if one_debt.invoice_id not in skipped:
                assert step_due(ann, one_debt, day) is None
    for day in set(sent):
        assert days.includes(day)
        assert sent.count(day) <= caps.day
        assert sum(0 <= (day - one).days < 7 for one in sent) <= caps.week
    for first, second in itertools.pairwise(sent):
        assert (second - first).days >= caps.min_gap_days


def test_a_debt_takes_one_step_a_day() -> None:
    """Also when a night is run again and the step that was required has just been taken."""
    of = plan((Step("d7", 7), Step("last", 12, requires=("d7",))))
    today = debt(taken=(StepTaken("test", "d7", 7, on(14)),))
    assert found(today, on(14), of) is None
    assert found(today, on(15), of) == ("last", "")


def test_a_step_is_for_customers_with_one_of_its_tags() -> None:
    of = plan((Step("d1", 1), Step("d3", 3, tags=("vip", "new"))))
    assert {one.reason for one in contacts([debt(taken=taken(("d1", 1)))], on(5), of)[1]} == {
        "tags"
    }
    for tags, expected in (({"old"}, "d1"), ({"old", "vip"}, "d3")):
        (contact,), _ = contacts([debt()], on(5), of, tags=frozenset(tags))
        assert contact.step.key == expected


@pytest.mark.parametrize(
    ("opened_on", "expected"),
    [(None, "not"), (on(2), "not"), (on(3), "opened"), (on(4), "opened")],
)
def test_a_step_asks_whether_a_reminder_was_opened_since_the_last_step(
    opened_on: date | None, expected: str
) -> None:
    of = plan((Step("d3", 3), Step("not", 5, opened=False), Step("opened", 6, opened=True)))
    reminded = debt(taken=(StepTaken("test", "d3", 3, on(3)),))
    (contact,), _ = contacts([reminded], on(6), of, opened_on=opened_on)
    assert contact.step.key == expected
    assert (
        contacts([debt()], on(6), plan((Step("d3", 3, opened=True),)), opened_on=opened_on)[0] == []
    )


def test_messages_by_agreement_are_about_one_agreement_each() -> None:
    of = plan((Step("d1", 1),), group_by="agreement")
    debts = [
        debt(ONE, agreement_id=UUID(int=71)),
        debt(TWO, agreement_id=UUID(int=71)),
        debt(THREE, agreement_id=UUID(int=72)),
        debt(UUID(int=4)),
        debt(UUID(int=5)),
    ]
    found, skips = contacts(debts, on(1), of)
    about = sorted(sorted(one.debt.invoice_id.int for one in contact.due) for contact in found)
    assert (about, skips) == ([[1, 2], [3], [4, 5]], [])
    (whole,), _ = contacts(debts, on(1), plan((Step("d1", 1),)))
    assert len(whole.due) == 5


@pytest.mark.parametrize(
    ("strict", "expected"),
    [
        (FREE, ["firm", "soft"]),
        (Caps(1, 9, 0), ["soft"]),
        (Caps(9, 1, 0), ["soft"]),
        (Caps(9, 9, 1), ["soft"]),
    ],
)
@pytest.mark.parametrize("strict_is", ["firm", "soft"])
def test_debts_of_two_plans_are_two_messages_within_the_limits_of_both(
    strict: Caps, strict_is: str, expected: list[str]
) -> None:
    """Whichever of the plans is the stricter, and whichever comes first."""
    caps = {"firm": FREE, "soft": FREE, strict_is: strict}
    firm = msgspec.structs.replace(plan((Step("d1", 1),), caps=caps["firm"]), key="firm")
    soft = msgspec.structs.replace(plan((Step("s2", 2),), caps=caps["soft"]), key="soft")
    debts = [debt(ONE, choice=chosen(firm)), debt(TWO, choice=chosen(soft))]
    found, skips = contacts(debts, on(2))
    assert sorted(one.plan.key for one in found) == expected
    assert len(found) + len(skips) == 2


def test_a_plan_that_is_not_active_limits_nobody() -> None:
    resting = msgspec.structs.replace(plan(caps=Caps(1, 1, 9)), key="resting", active_from=None)
    debts = [debt(ONE, choice=chosen(resting)), debt(TWO)]
    assert caps_of(one.choice for one in debts) == (FREE,)


def test_a_plan_that_is_not_active_contacts_nobody_and_says_so() -> None:
    resting = msgspec.structs.replace(plan(), active_from=None)
    assert found(debt(), on(5), resting) == ("d3", "plan_inactive")
    assert found(debt(), on(-9), resting) is None


def test_a_debt_keeps_its_stage_when_it_comes_to_another_plan() -> None:
    steps = (Step("f5", 5), Step("f7", 7), Step("f15", 15, "final_notice", requires=("f7",)))
    moved = debt(taken=(StepTaken("other", "o7", 7, on(7)),))
    assert found(moved, on(8), plan(steps)) is None
    # A step as high of another plan stands for the one that is required: this is not the first contact.
    assert found(moved, on(15), plan(steps)) == ("f15", "")
    lower = debt(taken=(StepTaken("other", "o5", 5, on(5)),))
    assert found(lower, on(8), plan(steps)) == ("f7", "")
    assert found(debt(), on(16), plan(steps)) == ("f7", "")


@given(st.sampled_from(["BR", "DE-BE", "weekends", "none"]), st.integers(0, 800))
def test_weekdays_are_business_days_of_the_tenant_from_monday_to_friday(
    calendar: str, after: int
) -> None:
    day = date(2025, 1, 1) + timedelta(days=after)
    named = Calendar(calendar, "1")
    days = ContactDays(PlanRules("Test", STEPS), named)
    assert days.includes(day) == (day.weekday() < 5 and is_business_day(named, day))
    moved = days.moved(day)
    assert days.includes(moved)
    between = [day + timedelta(days=n) for n in range((moved - day).days)]
    assert not any(days.includes(one) for one in between)
