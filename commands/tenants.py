"""Tenants: create, configure, create and revoke keys."""

from datetime import date, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from commands.fee_policies import FeePolicyView, fee_policy_view
from commands.plan_loading import load_plan
from commands.template_loading import require_template
from commands.unit_of_work import AlreadyExists, Unit, Unknown, load
from ledger import chart_of_accounts
from ledger.additional_holidays import (
    AdditionalHoliday,
    check_additional_holidays,
    check_business_days_follow,
)
from ledger.agreement.events import EarlyPayOff
from ledger.dunning.plan import check_tags
from ledger.encrypted import plain
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.money import Money, positive_minor, require_in_use
from ledger.numbering import check_numbering
from ledger.rounding import Rounding
from ledger.sender import MAX_PER_SECOND
from ledger.tax import TaxRounding
from ledger.tenant import (
    Configured,
    Created,
    Key,
    KeyCreated,
    KeyRevoked,
    NumberRestarts,
    Role,
    Settings,
    TagPlan,
    Tenant,
)
from ledger.time_zones import business_date, zone

FIRST_CLOCK_DAY = date(1970, 1, 1)


class NameMissing(Rejected):
    """A tenant needs a name."""


class WindowTooLong(Rejected):
    """Payments that look alike are looked for within 0 to 31 days."""


class NotAMonthEnd(Rejected):
    """Books are closed through the last day of a month that is over."""


class MonthClosed(Rejected):
    """A month that is closed stays closed."""


class ClockStartsTooEarly(Rejected):
    """Business days begin no earlier than 1970, over HTTP 400 days back: each of them would be run."""


class CreateTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new tenant. Its business days begin today in its zone unless `clock_starts_on` says otherwise. In test mode
    nothing of it ever leaves: its messages and refunds become files. That never changes."""

    name: str
    currency: str
    timezone: str
    calendar: str = "weekends"
    clock_starts_on: date | None = None
    test_mode: bool = False


class ConfigureTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings to change; what is left out stays."""

    currency: str | msgspec.UnsetType = msgspec.UNSET
    timezone: str | msgspec.UnsetType = msgspec.UNSET
    calendar: str | msgspec.UnsetType = msgspec.UNSET
    tax_rounding: TaxRounding | msgspec.UnsetType = msgspec.UNSET
    rounding: Rounding | msgspec.UnsetType = msgspec.UNSET
    series: str | msgspec.UnsetType = msgspec.UNSET
    number_format: str | msgspec.UnsetType = msgspec.UNSET
    clock_starts_on: date | msgspec.UnsetType = msgspec.UNSET
    credit_note_series: str | msgspec.UnsetType = msgspec.UNSET
    apply_credit: Literal["by_hand", "automatic"] | msgspec.UnsetType = msgspec.UNSET
    refund_excess_above: Money | msgspec.UnsetType | None = msgspec.UNSET
    duplicate_window_days: int | msgspec.UnsetType = msgspec.UNSET
    dispute_holds_interest: bool | msgspec.UnsetType = msgspec.UNSET
    books_closed_through: date | msgspec.UnsetType = msgspec.UNSET
    chart: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    additional_holidays: tuple[AdditionalHoliday, ...] | msgspec.UnsetType = msgspec.UNSET
    number_restarts: NumberRestarts | msgspec.UnsetType = msgspec.UNSET
    early_pay_off: EarlyPayOff | msgspec.UnsetType = msgspec.UNSET
    dunning_plan: str | msgspec.UnsetType = msgspec.UNSET
    creditor_name: str | msgspec.UnsetType = msgspec.UNSET
    creditor_address: str | msgspec.UnsetType = msgspec.UNSET
    creditor_tax_number: str | msgspec.UnsetType = msgspec.UNSET
    receipts: bool | msgspec.UnsetType = msgspec.UNSET
    invoice_template: str | msgspec.UnsetType = msgspec.UNSET
    receipt_template: str | msgspec.UnsetType = msgspec.UNSET
    dunning_plans_by_tag: tuple[TagPlan, ...] | msgspec.UnsetType = msgspec.UNSET
    max_messages_per_second: int | msgspec.UnsetType = msgspec.UNSET


class RateOutOfRange(Rejected):
    """A tenant sends at most a thousand messages in a second, or as many as its senders can."""


class TenantView(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    settings: Settings
    fee_policy: FeePolicyView


class KeyView(msgspec.Struct, frozen=True):
    """An API key; the key itself is shown once, when it is made."""

    key_id: UUID
    name: str
    role: Role
    revoked: bool = False


def create_tenant(unit: Unit, command: CreateTenant) -> TenantView:
    """Opens a tenant's books in the unit's tenant id. Raises AlreadyExists for a name in use."""
    if not plain(command.name, "name").strip():
        raise NameMissing("give the tenant a name", field="name")
    if unit.find("tenant", unit.tenant_id) is not None:
        raise AlreadyExists(f"tenant {unit.tenant_id} exists")
    zone(command.timezone)
    settings = Settings(
        currency=command.currency,
        timezone=command.timezone,
        calendar=command.calendar,
        clock_starts_on=command.clock_starts_on or business_date(unit.now, command.timezone),
        test_mode=command.test_mode,
    )
    require_in_use(settings.currency, _today(unit, settings))
    _check(settings)
    unit.register_tenant(command.name)
    state = _append(unit, Created(command.name, settings), _today(unit, settings))
    return tenant_view(unit.tenant_id, state)


def configure_tenant(
    unit: Unit, command: ConfigureTenant, *, max_clock_days_back: int | None = None
) -> TenantView:
    """Changes settings. Documents sent before keep the terms they were sent under.

    `max_clock_days_back` bounds how many days before today the clock may be set to start: each of them is run.

    Raises UnknownCurrency, WithdrawnCurrency, UnknownZone, UnknownCalendar, HolidayTwice, HolidayYear, TooManyHolidays,
    NoBusinessDay, MalformedSeries, MalformedNumberFormat, YearNotInFormat,
    ClockStartsTooEarly, WindowTooLong, NotAMonthEnd, MonthClosed, UnknownAccount, MalformedAccount,
    AccountNamedTwice, UnknownPlan, MalformedTag, UnknownTemplate, RateOutOfRange, and what a threshold below
    or of zero refuses.
    """
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    changes = {
        name: value
        for name in command.__struct_fields__
        if (value := getattr(command, name)) is not msgspec.UNSET
    }
    if max_clock_days_back is not None and command.clock_starts_on is not msgspec.UNSET:
        _check_clock_start(command.clock_starts_on, today(unit) - timedelta(max_clock_days_back))
    settings = _with_holidays(
        msgspec.structs.replace(tenant.settings, **changes), before=tenant.settings
    )
    if settings.dunning_plan != tenant.settings.dunning_plan:
        load_plan(unit, settings.dunning_plan)
    if settings.dunning_plans_by_tag != tenant.settings.dunning_plans_by_tag:
        check_tags(
            tuple(rule.tag for rule in settings.dunning_plans_by_tag), "dunning_plans_by_tag"
        )
        for rule in settings.dunning_plans_by_tag:
            load_plan(unit, rule.plan)
    for field in ("invoice_template", "receipt_template"):
        if getattr(settings, field) not in ("", getattr(tenant.settings, field)):
            require_template(unit, getattr(settings, field))
    _check_currencies(tenant.settings, settings, today(unit))
    _check(settings)
    _check_closing(tenant.settings, settings, today(unit))
    if not 0 <= settings.max_messages_per_second <= MAX_PER_SECOND:
        raise RateOutOfRange(
            f"max_messages_per_second lies between 0 and {MAX_PER_SECOND}",
            field="max_messages_per_second",
        )
    if settings == tenant.settings:
        return tenant_view(unit.tenant_id, tenant)
    state = _append(unit, Configured(settings), _today(unit, settings))
    return tenant_view(unit.tenant_id, state)


class CreateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    role: Role = "administrator"


def create_key(unit: Unit, command: CreateKey, key_hash: bytes) -> KeyView:
    """Makes a key known by its hash; the caller made the key and shows it once."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    key_id = unit.new_id("key")
    created = KeyCreated(key_id, plain(command.name, "name"), command.role)
    unit.store_key(key_id, key_hash, command.name, command.role)
    _append(unit, created, _today(unit, tenant.settings))
    return KeyView(key_id, command.name, command.role)


def revoke_key(unit: Unit, key_id: UUID) -> KeyView:
    """Revokes a key. Raises Unknown."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    key: Key | None = next((key for key in tenant.keys if key.key_id == key_id), None)
    if key is None:
        raise Unknown(f"there is no key {key_id}")
    if not key.revoked:
        unit.revoke_key(key_id)
        _append(unit, KeyRevoked(key_id), _today(unit, tenant.settings))
    return KeyView(key_id, key.name, key.role, revoked=True)


def tenant_view(tenant_id: UUID, tenant: Tenant) -> TenantView:
    return TenantView(tenant_id, tenant.name, tenant.settings, fee_policy_view(tenant.policy))


def today(unit: Unit) -> date:
    """The business date of the command in the tenant's zone."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    return _today(unit, tenant.settings)


def _today(unit: Unit, settings: Settings) -> date:
    return business_date(unit.now, settings.timezone)


def _check(settings: Settings) -> None:
    zone(settings.timezone)
    check_business_days_follow(settings.business_days)
    chart_of_accounts.named(settings.chart)
    check_numbering(settings)
    for field in ("creditor_name", "creditor_address", "creditor_tax_number"):
        plain(getattr(settings, field), field)
    if settings.refund_excess_above is not None:
        positive_minor(settings.refund_excess_above, "refund_excess_above")
    if not 0 <= settings.duplicate_window_days <= 31:
        raise WindowTooLong(
            "duplicate_window_days must be between 0 and 31", field="duplicate_window_days"
        )
    if settings.clock_starts_on < FIRST_CLOCK_DAY:
        raise ClockStartsTooEarly(
            f"clock_starts_on {settings.clock_starts_on} lies before {FIRST_CLOCK_DAY}; check the year",
            field="clock_starts_on",
        )


def _check_clock_start(starts_on: date, earliest_on: date) -> None:
    if starts_on < earliest_on:
        raise ClockStartsTooEarly(
            f"clock_starts_on {starts_on} lies before {earliest_on}; an operator may set an earlier day "
            "with `duebook tenant configure`",
            field="clock_starts_on",
        )


def _with_holidays(settings: Settings, before: Settings) -> Settings:
    """The settings with their additional holidays in order, and counted as a new version when they differ."""
    holidays = check_additional_holidays(settings.additional_holidays)
    version = before.additional_holidays_version + (holidays != before.additional_holidays)
    return msgspec.structs.replace(
        settings, additional_holidays=holidays, additional_holidays_version=version
    )


def _check_currencies(before: Settings, after: Settings, now_on: date) -> None:
    """A currency that is newly set must be in use; one that was withdrawn since stays until it is changed."""
    if after.currency != before.currency:
        require_in_use(after.currency, now_on)
    threshold = after.refund_excess_above
    if threshold is not None and threshold != before.refund_excess_above:
        require_in_use(threshold.currency, now_on, "refund_excess_above.currency")


def _check_closing(before: Settings, after: Settings, now_on: date) -> None:
    closed = after.books_closed_through
    if closed == before.books_closed_through:
        return
    if before.books_closed_through is not None and (
        closed is None or closed < before.books_closed_through
    ):
        raise MonthClosed(
            f"the books are closed through {before.books_closed_through}, and stay so",
            field="books_closed_through",
        )
    if closed is None or closed >= now_on or (closed + timedelta(days=1)).day != 1:
        raise NotAMonthEnd(
            f"books_closed_through {closed} must be the last day of a month that is over",
            field="books_closed_through",
        )


def _append(unit: Unit, event: Any, on: date) -> Tenant:
    state: Tenant = unit.append("tenant", unit.tenant_id, [New(event, on)])
    return state
