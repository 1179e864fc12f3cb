"""A dunning plan: the steps taken before and after a due date, and the limits of contact.

A plan is found by its key and versioned: each change is the next version. A step is known by its key through all
versions, so that a change repeats no step that was taken. The plan `default` is there without having been made: it is
the shipped one until it is changed.
"""

import re
from datetime import date
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.calendars import calendar_named
from ledger.dunning.window import parse_window
from ledger.encrypted import plain
from ledger.errors import Rejected, quoted
from ledger.event_registry import Event, stored
from ledger.ids import stable_id
from ledger.money import Money, positive_minor

FOLD_VERSION = 3

DEFAULT_KEY: Final = "default"
MAX_STEPS: Final = 200
MAX_DAYS_BEFORE: Final = 365
MAX_DAYS_AFTER: Final = 3_650
MAX_GAP_DAYS: Final = 31
MAX_CONTACTS: Final = 1_000
MAX_VALID_HOURS: Final = 720
MAX_TEXT_LENGTH: Final = 500
MAX_TAGS: Final = 50
WEEK_DAYS: Final = 7

KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

Purpose = Literal["courtesy", "reminder", "final_notice"]
Channel = Literal["email"]
LateEntry = Literal["next", "highest"]
GroupBy = Literal["customer", "agreement"]
ChosenBy = Literal["invoice", "customer", "tag", "default"]
Timezone = Literal["debtor", "tenant"]
ActionKind = Literal["call", "visit", "letter", "to_do", "block", "agency"]


class MalformedPlanKey(Rejected):
    """The key of a plan or a step is 1 to 40 small letters, digits, hyphens and underscores."""


class StepTwice(Rejected):
    """Two steps of a plan have the same key."""


class StepsMissing(Rejected):
    """A plan has between one and two hundred steps, each with a channel."""


class OffsetOutOfRange(Rejected):
    """A step is at most a year before the due date, or ten years after it."""


class UnknownRequiredStep(Rejected):
    """A step requires one that is not before it in the plan."""


class FeeUnexplained(Rejected):
    """A step's fee and the text that says what it is for belong together."""


class ActionTextMissing(Rejected):
    """An action of a step says what is to be done."""


class ValidityOutOfRange(Rejected):
    """A message is valid for at most thirty days, or without an end."""


class CapOutOfRange(Rejected):
    """A limit of contact is too small to allow any contact, or longer than it can be counted."""


class AmountRangeEmpty(Rejected):
    """The amounts of a step name a currency twice, or leave nothing between the least and the most."""


class MalformedTag(Rejected):
    """A tag is 1 to 40 small letters, digits, hyphens and underscores; each is there once, fifty at the most."""


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done beside a step's message.

    kind  `call`, `visit`, `letter` and `to_do` open a task for a person. `block` asks to stop deliveries, `agency` to
          hand the debts over to a collection agency: each is an event for other systems
    text  what is to be done; no personal data
    """

    kind: ActionKind
    text: str


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of a plan.

    key       what the step is known by; a step that was taken under a key is never taken again
    offset    days from the due date as written; below zero, before it
    purpose   a `courtesy` is never sent after the due date; a `final_notice` says that it is the last
    channels  in the order of preference; the first that reaches the customer is used
    requires  keys of earlier steps that must have been taken
    at_least  the open amount, by currency, from which the step is taken
    at_most   the open amount, by currency, up to which it is taken
    tags      it is taken for customers who have one of these tags; empty, for all
    opened    it is taken only when the customer has opened a message since the debt's last step (true), or has not
              (false)
    template  the key of the template that writes its message; empty, the shipped one
    window    the local hours in which its message may be sent (`ledger.dunning.window`); empty, any
    valid_hours  its message expires when it has waited so long; 0, never
    fee       what each of its invoices is charged once, by currency
    fee_text  what the fee is for, as the invoice's explanation says it
    approval  its message waits until a person has approved it
    actions   what is done besides
    """

    key: str
    offset: int
    purpose: Purpose = "reminder"
    channels: tuple[Channel, ...] = ("email",)
    requires: tuple[str, ...] = ()
    at_least: tuple[Money, ...] = ()
    at_most: tuple[Money, ...] = ()
    tags: tuple[str, ...] = ()
    opened: bool | None = None
    template: str = ""
    window: str = ""
    valid_hours: int = 0
    fee: tuple[Money, ...] = ()
    fee_text: str = ""
    approval: bool = False
    actions: tuple[Action, ...] = ()

    def fee_minor(self, currency: str) -> int:
        """The fee in a currency, in minor units; 0 when there is none."""
        return next((one.minor for one in self.fee if one.currency == currency), 0)


class Caps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a customer is contacted at the most, over all channels and kinds of message.

    day           contacts on one day
    week          contacts on seven days that follow each other
    min_gap_days  days from one contact to the next; 0 when two on a day are allowed
    """

    day: int = 1
    week: int = 3
    min_gap_days: int = 2


class PlanRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan says.

    name        what people call it
    steps       in the order of their offsets; of two with one offset, the later in the plan is the higher
    calendar    the days on which customers are contacted: `weekdays`, Monday to Friday less the holidays of the
                tenant's calendar, or a calendar by its name
    late_entry  what a debt does that enters after steps have passed: begins with the `next` step that comes, or with
                the `highest` one that has come
    caps        limits of contact
    timezone    whose local hours count for windows: the debtor's, or the tenant's
    group_by    a message is about the debts of a `customer`, or of one `agreement`, and those of none together
    """

    name: str
    steps: tuple[Step, ...]
    calendar: str = "weekdays"
    late_entry: LateEntry = "next"
    caps: Caps = Caps()
    timezone: Timezone = "debtor"
    group_by: GroupBy = "customer"


SHIPPED: Final = PlanRules(
    name="Default",
    steps=(
        Step("before", -3, "courtesy"),
        Step("due", 0),
        Step("d3", 3),
        Step("d7", 7),
        Step("d15", 15, "final_notice", requires=("d7",)),
    ),
)
"""The plan `default` until it is changed."""


@stored("dunning_plan.created.v1")
class Created(Event, frozen=True):
    """A plan exists, in its first version. It is inactive."""

    key: str
    rules: PlanRules


@stored("dunning_plan.changed.v1")
class Changed(Event, frozen=True):
    """The plan as it is from now on, its next version."""

    rules: PlanRules


@stored("dunning_plan.activated.v1")
class Activated(Event, frozen=True):
    """From this day on customers are contacted by the plan."""


@stored("dunning_plan.deactivated.v1")
class Deactivated(Event, frozen=True):
    """Nobody is contacted by the plan any more."""


class DunningPlan(msgspec.Struct, frozen=True, array_like=True):
    """A plan as folded. `active_from` is the day of its last activation, None while it is inactive."""

    key: str
    version: int
    rules: PlanRules
    active_from: date | None = None


SHIPPED_PLAN: Final = DunningPlan(DEFAULT_KEY, 1, SHIPPED)


def stream_id(tenant_id: UUID, key: str) -> UUID:
    """The stream of a tenant's plan."""
    return stable_id("dunning_plan", tenant_id, key)


def evolve(plan: DunningPlan | None, event: Event, effective_on: date) -> DunningPlan:
    if isinstance(event, Created):
        return DunningPlan(event.key, 1, event.rules)
    assert plan is not None, f"{event.TAG} came before the plan was created"
    match event:
        case Changed():
            return replace(plan, version=plan.version + 1, rules=event.rules)
        case Activated():
            return replace(plan, active_from=effective_on)
        case Deactivated():
            return replace(plan, active_from=None)
    raise AssertionError(f"a dunning plan does not know {event.TAG}")


def check_plan(rules: PlanRules) -> PlanRules:
    """The rules with their steps in the order of their offsets.

    Raises MalformedPlanKey, StepTwice, StepsMissing, OffsetOutOfRange, UnknownRequiredStep, CapOutOfRange,
    AmountRangeEmpty, UnknownCalendar, MalformedWindow, MalformedTag, ValidityOutOfRange, FeeUnexplained,
    ActionTextMissing, and the refusals of an unencrypted text and of a malformed amount.
    """
    plain(rules.name, "name")
    if rules.calendar != "weekdays":
        calendar_named(rules.calendar)
    if not 1 <= len(rules.steps) <= MAX_STEPS:
        raise StepsMissing(f"give the plan 1 to {MAX_STEPS} steps", field="steps")
    _check_caps(rules.caps)
    offsets: dict[str, int] = {}
    for place, step in enumerate(rules.steps):
        field = f"steps[{place}]"
        check_key(step.key, f"{field}.key")
        if step.key in offsets:
            raise StepTwice(f"the step {step.key} is there twice", field=f"{field}.key")
        offsets[step.key] = step.offset
    for place, step in enumerate(rules.steps):
        _check_step(step, offsets, f"steps[{place}]")
    return replace(rules, steps=tuple(sorted(rules.steps, key=lambda step: step.offset)))


def check_key(key: str, field: str = "key") -> str:
    """The key itself. Raises MalformedPlanKey."""
    if not KEY.fullmatch(key):
        raise MalformedPlanKey(
            f"{quoted(key)} is no key: use 1 to 40 of a to z, 0 to 9, - and _, beginning with a letter or digit",
            field=field,
        )
    return key


def check_tags(tags: tuple[str, ...], field: str) -> tuple[str, ...]:
    """The tags themselves. Raises MalformedTag."""
    if len(tags) > MAX_TAGS:
        raise MalformedTag(f"give {MAX_TAGS} tags at the most", field=field)
    for place, tag in enumerate(tags):
        if not KEY.fullmatch(tag):
            raise MalformedTag(
                f"{quoted(tag)} is no tag: use 1 to 40 of a to z, 0 to 9, - and _, beginning with a letter or digit",
                field=f"{field}[{place}]",
            )
        if tag in tags[:place]:
            raise MalformedTag(f"the tag {tag} is there twice", field=f"{field}[{place}]")
    return tags


def _check_step(step: Step, offsets: dict[str, int], field: str) -> None:
    if not -MAX_DAYS_BEFORE <= step.offset <= MAX_DAYS_AFTER:
        raise OffsetOutOfRange(
            f"an offset lies between -{MAX_DAYS_BEFORE} and {MAX_DAYS_AFTER} days",
            field=f"{field}.offset",
        )
    if not step.channels or len(set(step.channels)) != len(step.channels):
        raise StepsMissing("name each channel of the step once", field=f"{field}.channels")
    if step.window:
        parse_window(step.window, f"{field}.window")
    if not 0 <= step.valid_hours <= MAX_VALID_HOURS:
        raise ValidityOutOfRange(
            f"valid_hours lies between 0 and {MAX_VALID_HOURS}", field=f"{field}.valid_hours"
        )
    _by_currency(step.fee, f"{field}.fee")
    if bool(step.fee) != bool(plain(step.fee_text, f"{field}.fee_text").strip()):
        raise FeeUnexplained("say a fee and what it is for, or neither", field=f"{field}.fee_text")
    for place, action in enumerate(step.actions):
        text_field = f"{field}.actions[{place}].text"
        if not plain(action.text, text_field, MAX_TEXT_LENGTH).strip():
            raise ActionTextMissing("say what is to be done", field=text_field)
    for required in step.requires:
        if offsets.get(required, step.offset) >= step.offset:
            raise UnknownRequiredStep(
                f"{quoted(required)} is no step before {step.key}", field=f"{field}.requires"
            )
    check_tags(step.tags, f"{field}.tags")
    least = _by_currency(step.at_least, f"{field}.at_least")
    most = _by_currency(step.at_most, f"{field}.at_most")
    for currency in least.keys() & most.keys():
        if least[currency] > most[currency]:
            raise AmountRangeEmpty(
                f"at_least is more than at_most in {currency}", field=f"{field}.at_least"
            )


def _by_currency(amounts: tuple[Money, ...], field: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, amount in enumerate(amounts):
        if amount.currency in found:
            raise AmountRangeEmpty(f"{amount.currency} is there twice", field=f"{field}[{place}]")
        found[amount.currency] = positive_minor(amount, f"{field}[{place}]")
    return found


def _check_caps(caps: Caps) -> None:
    for name in ("day", "week"):
        if not 1 <= getattr(caps, name) <= MAX_CONTACTS:
            raise CapOutOfRange(
                f"between 1 and {MAX_CONTACTS} contacts a {name} are allowed", field=f"caps.{name}"
            )
    if not 0 <= caps.min_gap_days <= MAX_GAP_DAYS:
        raise CapOutOfRange(
            f"min_gap_days lies between 0 and {MAX_GAP_DAYS}", field="caps.min_gap_days"
        )
