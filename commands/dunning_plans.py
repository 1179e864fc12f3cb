"""Dunning plans: save, activate, deactivate. The plan `default` is there without having been saved."""

from datetime import date

import msgspec

from commands.plan_loading import find_plan, load_plan
from commands.template_loading import require_template
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.dunning.plan import (
    DEFAULT_KEY,
    SHIPPED,
    Activated,
    Caps,
    Changed,
    Created,
    Deactivated,
    DunningPlan,
    GroupBy,
    LateEntry,
    PlanRules,
    Step,
    Timezone,
    check_key,
    check_plan,
    stream_id,
)
from ledger.errors import Rejected
from ledger.event_registry import Event, New
from ledger.tenant import Tenant


class CreditorMissing(Rejected):
    """Messages in Brazil must say the creditor's name, address and tax number, and one of them is not set."""


class SavePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dunning plan under its key: a new one, or the next version of the one that is there.

    A step is known by its key: one that was taken is never taken again, however the plan is changed.
    """

    key: str
    name: str
    steps: tuple[Step, ...]
    calendar: str = "weekdays"
    late_entry: LateEntry = "next"
    caps: Caps = Caps()
    timezone: Timezone = "debtor"
    group_by: GroupBy = "customer"


class PlanView(msgspec.Struct, frozen=True):
    """A dunning plan. `active_from` is the day since which customers are contacted by it, null while it is inactive."""

    key: str
    version: int
    name: str
    active_from: date | None
    steps: tuple[Step, ...]
    calendar: str
    late_entry: LateEntry
    caps: Caps
    timezone: Timezone
    group_by: GroupBy


def save_plan(unit: Unit, command: SavePlan) -> PlanView:
    """Makes a plan, or its next version; what is said already stays as it is.

    Raises MalformedPlanKey, StepTwice, StepsMissing, OffsetOutOfRange, UnknownRequiredStep, CapOutOfRange,
    AmountRangeEmpty, UnknownCalendar, MalformedWindow, MalformedTag, ValidityOutOfRange, UnknownTemplate, and
    the refusals of a malformed amount.
    """
    key = check_key(command.key)
    rules = check_plan(
        PlanRules(
            command.name,
            command.steps,
            command.calendar,
            command.late_entry,
            command.caps,
            command.timezone,
            command.group_by,
        )
    )
    for step in rules.steps:
        if step.template:
            require_template(unit, step.template)
    before = find_plan(unit, key)
    if before is not None:
        return plan_view(before if before.rules == rules else _append(unit, key, Changed(rules)))
    if key == DEFAULT_KEY:
        if rules == SHIPPED:
            return plan_view(load_plan(unit, key))
        return plan_view(_append(unit, key, Created(key, SHIPPED), Changed(rules)))
    return plan_view(_append(unit, key, Created(key, rules)))


def activate_plan(unit: Unit, key: str) -> PlanView:
    """From today on customers are contacted by a plan about the debts that follow it.

    Raises UnknownPlan, CreditorMissing.
    """
    plan = load_plan(unit, key)
    if plan.active_from is not None:
        return plan_view(plan)
    _require_creditor(unit)
    if find_plan(unit, key) is None:
        return plan_view(_append(unit, key, Created(key, plan.rules), Activated()))
    return plan_view(_append(unit, key, Activated()))


def deactivate_plan(unit: Unit, key: str) -> PlanView:
    """Nobody is contacted by a plan any more. Raises UnknownPlan."""
    plan = load_plan(unit, key)
    return plan_view(plan if plan.active_from is None else _append(unit, key, Deactivated()))


def plan_view(plan: DunningPlan) -> PlanView:
    said = plan.rules
    return PlanView(
        key=plan.key,
        version=plan.version,
        name=said.name,
        active_from=plan.active_from,
        steps=said.steps,
        calendar=said.calendar,
        late_entry=said.late_entry,
        caps=said.caps,
        timezone=said.timezone,
        group_by=said.group_by,
    )


def _require_creditor(unit: Unit) -> None:
    """In Brazil, every collection document says who the creditor is (Law 8,078 of 1990, art. 42-A)."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    settings = tenant.settings
    if settings.currency != "BRL":
        return
    for field in ("creditor_name", "creditor_address", "creditor_tax_number"):
        if not getattr(settings, field):
            raise CreditorMissing(
                f"set {field} in the tenant's settings first: in Brazil, messages must say it",
                field=field,
            )


def _append(unit: Unit, key: str, *events: Event) -> DunningPlan:
    now_on = today(unit)
    state: DunningPlan = unit.append(
        "dunning_plan", stream_id(unit.tenant_id, key), [New(event, now_on) for event in events]
    )
    return state
