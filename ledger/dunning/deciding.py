"""Whom to contact on a day, and why not: a pure decision over one customer's debts.

A step comes on its day, counted from the due date as written and moved to the next contact day. Of the steps that have
come and were not taken, the highest whose conditions hold is taken; those below it are collapsed into it and never
taken later. One message goes to a customer for each plan and currency, or for each agreement where the plan says so, at
the highest of its debts' steps, and takes the step of each of them. When something keeps a debt from being dunned, no
step is taken: it is taken when that has ended.

A debt keeps the stage it has reached when it comes to another plan: steps up to the offset of its last one are over in
every plan.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, Literal, NamedTuple
from uuid import UUID

from ledger.dunning.choice import Choice
from ledger.dunning.plan import WEEK_DAYS, Caps, Channel, DunningPlan, Step
from ledger.invoice.events import PassedStep
from ledger.invoice.state import StepTaken

SkipReason = Literal[
    "imported",
    "held",
    "disputed",
    "promised",
    "plan_inactive",
    "no_contact_day",
    "before_entry",
    "requires",
    "amount",
    "tags",
    "opened",
    "past_due",
    "no_address",
    "opted_out",
    "cap_day",
    "cap_week",
    "cap_gap",
]
"""Why a debt that has come to a step is not dunned on a day.

    imported        it was imported, and nobody has released it
    held            a person holds it
    disputed        the customer disputes it
    promised        the customer has promised to pay, and the day has not passed
    plan_inactive  the plan that it follows is not active, while another one is
    no_contact_day  nobody is contacted on a weekend or holiday
    before_entry    every step that has come came before the debt entered dunning
    requires        a step that must come before was not taken
    amount          what is open lies outside the step's amounts
    tags            the customer has none of the step's tags
    opened          the step asks for a message that was opened, or for none, and it is otherwise
    past_due        a courtesy is not sent after the due date
    no_address      the customer has no address on any channel of the step, or it was refused as one that does not exist
    opted_out       the customer wants no reminders on the channels of the step
    cap_day         the customer was contacted often enough on that day
    cap_week        the customer was contacted often enough on the last seven days
    cap_gap         the customer was contacted too short a while ago
"""

Block = Literal["imported", "held", "disputed", "promised"]


class Debt(NamedTuple):
    """An open invoice as dunning sees it on a day.

    entered_on  since when dunning may act on it: it was sent, or a hold, dispute or promise has ended
    open_minor  what is open in all components
    block       what keeps dunning from it
    taken       the steps that were taken, of any plan
    choice      the plan that it follows
    agreement_id  the agreement of which it is an instalment
    """

    invoice_id: UUID
    currency: str
    due_on: date
    entered_on: date
    open_minor: int
    block: Block | None
    taken: tuple[StepTaken, ...]
    choice: Choice
    agreement_id: UUID | None = None


class Debtor(NamedTuple):
    """A customer as dunning sees it: the channels that reach it, those it has opted out of, the days of its last
    contacts in order, its tags, the day on which it last opened a reminder, and the limits of contact of the active
    plans that its debts follow, which all hold."""

    customer_id: UUID
    channels: frozenset[Channel]
    opted_out: frozenset[Channel]
    contacts: tuple[date, ...]
    caps: tuple[Caps, ...]
    tags: frozenset[str] = frozenset()
    opened_on: date | None = None


class Due(NamedTuple):
    """A step that a debt has come to, and the lower ones that are passed over with it. One above it, whose conditions
    do not hold yet, may be taken on a later day."""

    debt: Debt
    step: Step
    passed: tuple[PassedStep, ...]


class Contact(NamedTuple):
    """A message to queue, by a plan: the highest step, and the step of each of its debts."""

    channel: Channel
    currency: str
    plan: DunningPlan
    step: Step
    due: tuple[Due, ...]

    @property
    def open_minor(self) -> int:
        return sum(one.debt.open_minor for one in self.due)

    @property
    def fees_minor(self) -> int:
        """What the steps charge."""
        return sum(one.step.fee_minor(self.currency) for one in self.due)


class Skip(NamedTuple):
    """A debt that has come to a step, which is not taken on the day."""

    debt: Debt
    step: Step
    reason: SkipReason


class Decision(NamedTuple):
    """What a customer's day comes to."""

    contacts: tuple[Contact, ...]
    skips: tuple[Skip, ...]


NOTHING: Final = Decision((), ())


def decide_day(debtor: Debtor, debts: Iterable[Debt], day: date) -> Decision:
    """Whom to contact about which debts on a day."""
    skips: list[Skip] = []
    groups: dict[tuple[str, str, str], list[Due]] = {}
    for debt in debts:
        found = step_due(debtor, debt, day)
        if isinstance(found, Skip):
            skips.append(found)
        elif found is not None:
            groups.setdefault(_group(debt), []).append(found)
    if not groups:
        return Decision((), tuple(skips)) if skips else NOTHING
    contacts: list[Contact] = []
    contacted = list(debtor.contacts)
    for _, group in sorted(groups.items(), key=lambda one: (-_highest(one[1]).step.offset, one[0])):
        step, plan = _highest(group).step, group[0].debt.choice.plan
        channel = next((one for one in step.channels if _reaches(debtor, one)), None)
        reason = (
            _unreached(debtor, step) if channel is None else _capped(debtor.caps, contacted, day)
        )
        if channel is None or reason is not None:
            skips += [Skip(one.debt, one.step, reason or "no_address") for one in group]
            continue
        contacted.append(day)
        contacts.append(Contact(channel, group[0].debt.currency, plan, step, tuple(group)))
    return Decision(tuple(contacts), tuple(skips))


def _group(debt: Debt) -> tuple[str, str, str]:
    """What debts of one message have in common."""
    plan = debt.choice.plan
    agreement = plan.rules.group_by == "agreement" and debt.agreement_id
    return debt.currency, plan.key, str(agreement or "")


def step_due(debtor: Debtor, debt: Debt, day: date) -> Due | Skip | None:
    """The step that a debt has come to on a day; why it is not taken; None when it has come to none."""
    come = steps_come(debt, day)
    if not come:
        return None
    plan, days = debt.choice.plan, debt.choice.days
    highest = come[-1][0]
    if plan.active_from is None:
        return Skip(debt, highest, "plan_inactive")
    entered_on = max(debt.entered_on, plan.active_from)
    if debt.block is not None:
        return Skip(debt, highest, debt.block)
    if not days.includes(day):
        return Skip(debt, highest, "no_contact_day")
    taken = _reached(debt)
    reasons: list[SkipReason] = []
    for place in range(len(come) - 1, -1, -1):
        step, comes_on = come[place]
        reason = _unmet(step, debtor, debt, taken, day)
        if _is_before_entry(plan, comes_on, entered_on):
            reason = "before_entry"
        if reason is None:
            passed = tuple(
                PassedStep(
                    lower.key,
                    "before_entry" if _is_before_entry(plan, came_on, entered_on) else "collapsed",
                )
                for lower, came_on in come[:place]
            )
            return Due(debt, step, passed)
        reasons.append(reason)
    return Skip(debt, highest, reasons[0])


def _reached(debt: Debt) -> set[str]:
    """The steps of the debt's plan that were taken, or are covered by a step as high of another plan."""
    plan = debt.choice.plan
    found = {one.step for one in debt.taken if one.plan == plan.key}
    elsewhere = [one.offset for one in debt.taken if one.plan != plan.key]
    if elsewhere:
        found |= {step.key for step in plan.rules.steps if step.offset <= max(elsewhere)}
    return found


def _is_before_entry(plan: DunningPlan, comes_on: date, entered_on: date) -> bool:
    return plan.rules.late_entry == "next" and comes_on < entered_on


def steps_come(debt: Debt, day: date) -> Sequence[tuple[Step, date]]:
    """The steps that have come and were not taken, lowest first, each with the day on which it came. A step that is
    not above every step that was taken, by any plan, is over. A debt takes one step a day, so that a night that is run
    again does not go on to the next one."""
    if debt.taken and debt.taken[-1].on >= day:
        return ()
    plan, days = debt.choice.plan, debt.choice.days
    keys = {one.step for one in debt.taken if one.plan == plan.key}
    floor = max((one.offset for one in debt.taken), default=None)
    come: list[tuple[Step, date]] = []
    late_days = (day - debt.due_on).days
    for step in plan.rules.steps:
        if step.offset > late_days:
            break
        if step.key in keys or (floor is not None and step.offset <= floor):
            continue
        comes_on = days.moved(date.fromordinal(debt.due_on.toordinal() + step.offset))
        if comes_on <= day:
            come.append((step, comes_on))
    return come


def _unmet(step: Step, debtor: Debtor, debt: Debt, taken: set[str], day: date) -> SkipReason | None:
    """Which condition of a step does not hold."""
    if step.purpose == "courtesy" and day > debt.due_on:
        return "past_due"
    if any(required not in taken for required in step.requires):
        return "requires"
    for least in step.at_least:
        if least.currency == debt.currency and debt.open_minor < least.minor:
            return "amount"
    for most in step.at_most:
        if most.currency == debt.currency and debt.open_minor > most.minor:
            return "amount"
    if step.tags and debtor.tags.isdisjoint(step.tags):
        return "tags"
    if step.opened is not None and step.opened != _has_opened(debtor, debt):
        return "opened"
    return None


def _has_opened(debtor: Debtor, debt: Debt) -> bool:
    """Whether the customer has opened a reminder since the debt's last step."""
    taken = [one.on for one in debt.taken]
    return debtor.opened_on is not None and bool(taken) and debtor.opened_on >= max(taken)


def _highest(group: Sequence[Due]) -> Due:
    return max(group, key=lambda one: one.step.offset)


def _reaches(debtor: Debtor, channel: Channel) -> bool:
    return channel in debtor.channels and channel not in debtor.opted_out


def _unreached(debtor: Debtor, step: Step) -> SkipReason:
    """Why no channel of a step reaches the customer."""
    return "opted_out" if debtor.channels & set(step.channels) else "no_address"


def _capped(limits: Iterable[Caps], contacts: Sequence[date], day: date) -> SkipReason | None:
    """Which limit of contact is reached."""
    for caps in limits:
        if sum(one == day for one in contacts) >= caps.day:
            return "cap_day"
        if sum(0 <= (day - one).days < WEEK_DAYS for one in contacts) >= caps.week:
            return "cap_week"
        if contacts and (day - max(contacts)).days < caps.min_gap_days:
            return "cap_gap"
    return None


def caps_of(choices: Iterable[Choice]) -> tuple[Caps, ...]:
    """The limits of contact of the active plans among those that a customer's debts follow."""
    plans = {choice.plan.key: choice.plan for choice in choices}
    return tuple(plan.rules.caps for plan in plans.values() if plan.active_from is not None)
