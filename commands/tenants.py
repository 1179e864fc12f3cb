"""Tenants: create, configure, add a fee policy, create and revoke keys."""

import re
from datetime import date, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from commands.unit import AlreadyExists, Unit, Unknown, load
from ledger import chart
from ledger.agreement.events import EarlyPayOff
from ledger.allocation import COMPONENTS, waterfall_order
from ledger.calendars import calendar_named
from ledger.errors import Rejected
from ledger.events import New
from ledger.money import Money, exponent, positive_minor
from ledger.policy import Accrual, Base, DayCount, FeePolicy, InterestFrom, check
from ledger.rates import format_rate, parse_rate
from ledger.rounding import Rounding
from ledger.sealed import PREFIX, plain
from ledger.tax import TaxRounding
from ledger.tenant import (
    Configured,
    Created,
    FeePolicyAdded,
    Key,
    KeyCreated,
    KeyRevoked,
    Role,
    Settings,
    Tenant,
)
from ledger.zones import business_date, zone

FIRST_CLOCK_DAY = date(1970, 1, 1)
_NUMBER_FIELD = re.compile(r"\{(series|year|n(?::0?[0-9]{1,2})?)\}")


class MalformedNumberFormat(Rejected):
    """A number format must hold `{n}` and may hold `{series}`, `{year}` and nothing else in braces."""


class NameMissing(Rejected):
    """A tenant needs a name."""


class MalformedSeries(Rejected):
    """A series has a name of 1 to 32 printable characters."""


class WindowTooLong(Rejected):
    """Payments that look alike are looked for within 0 to 31 days."""


class NotAMonthEnd(Rejected):
    """Books are closed through the last day of a month that is over."""


class MonthClosed(Rejected):
    """A month that is closed stays closed."""


class ClockStartsTooEarly(Rejected):
    """Business days begin no earlier than 1970; each of them would be run."""


class CreateTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new tenant. Its business days begin today in its zone unless `clock_starts_on` says otherwise."""

    name: str
    currency: str
    timezone: str
    calendar: str = "weekends"
    clock_starts_on: date | None = None


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
    early_pay_off: EarlyPayOff | msgspec.UnsetType = msgspec.UNSET


class AddFeePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fee policy for invoices sent from now on. Rates are texts: `2%`, `1%/month`, `8.5%/year`."""

    late_fee: str = "0%"
    late_fee_minimum: Money | None = None
    mora: str = "0%/month"
    base: Base = "outstanding"
    grace_days: int = 0
    interest_from: InterestFrom = "due_date"
    day_count: DayCount = "30"
    accrual: Accrual = "daily"
    rounding: Rounding = "half_even"
    waterfall: tuple[str, ...] = COMPONENTS


class FeePolicyView(msgspec.Struct, frozen=True):
    """A fee policy as it is answered, rates as texts."""

    version: int
    late_fee: str
    late_fee_minimum: Money | None
    mora: str
    base: Base
    grace_days: int
    interest_from: InterestFrom
    day_count: DayCount
    accrual: Accrual
    rounding: Rounding
    waterfall: tuple[str, ...]


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
    )
    _check(settings)
    unit.register_tenant(command.name)
    state = _append(unit, Created(command.name, settings), _today(unit, settings))
    return tenant_view(unit.tenant_id, state)


def configure_tenant(unit: Unit, command: ConfigureTenant) -> TenantView:
    """Changes settings. Documents sent before keep the terms they were sent under.

    Raises UnknownCurrency, UnknownZone, UnknownCalendar, MalformedSeries, MalformedNumberFormat,
    ClockStartsTooEarly, WindowTooLong, NotAMonthEnd, MonthClosed, UnknownAccount, MalformedAccount,
    AccountNamedTwice, and what a threshold below or of zero refuses.
    """
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    changes = {
        name: value
        for name in command.__struct_fields__
        if (value := getattr(command, name)) is not msgspec.UNSET
    }
    settings = msgspec.structs.replace(tenant.settings, **changes)
    _check(settings)
    _check_closing(tenant.settings, settings, today(unit))
    if settings == tenant.settings:
        return tenant_view(unit.tenant_id, tenant)
    state = _append(unit, Configured(settings), _today(unit, settings))
    return tenant_view(unit.tenant_id, state)


def add_fee_policy(unit: Unit, command: AddFeePolicy) -> FeePolicyView:
    """Adds a fee policy under the next version.

    Raises MalformedRate, RateTooHigh, WrongPeriod, GraceTooLong, MalformedWaterfall, and what a minimum below or
    of zero refuses.
    """
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    minimum = command.late_fee_minimum
    if minimum is not None:
        positive_minor(minimum, "late_fee_minimum")
    policy = FeePolicy(
        version=tenant.policy.version + 1,
        late_fee=parse_rate(command.late_fee, field="late_fee"),
        late_fee_minimum=minimum,
        mora=parse_rate(command.mora, "month", field="mora"),
        base=command.base,
        grace_days=command.grace_days,
        interest_from=command.interest_from,
        day_count=command.day_count,
        accrual=command.accrual,
        rounding=command.rounding,
        waterfall=waterfall_order(command.waterfall),
    )
    _append(unit, FeePolicyAdded(check(policy)), _today(unit, tenant.settings))
    return fee_policy_view(policy)


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
    """Closes the door to a key. Raises Unknown."""
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


def fee_policy_view(policy: FeePolicy) -> FeePolicyView:
    return FeePolicyView(
        version=policy.version,
        late_fee=format_rate(policy.late_fee),
        late_fee_minimum=policy.late_fee_minimum,
        mora=format_rate(policy.mora),
        base=policy.base,
        grace_days=policy.grace_days,
        interest_from=policy.interest_from,
        day_count=policy.day_count,
        accrual=policy.accrual,
        rounding=policy.rounding,
        waterfall=policy.waterfall,
    )


def today(unit: Unit) -> date:
    """The business date of the command in the tenant's zone."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    return _today(unit, tenant.settings)


def formatted_number(
    settings: Settings, number: int, issued_on: date, series: str | None = None
) -> str:
    """The number as it is written on the document: an invoice's, or one of another series."""
    name = settings.series if series is None else series
    return settings.number_format.format(series=name, n=number, year=issued_on.year)


def _today(unit: Unit, settings: Settings) -> date:
    return business_date(unit.now, settings.timezone)


def _check(settings: Settings) -> None:
    exponent(settings.currency)
    zone(settings.timezone)
    calendar_named(settings.calendar)
    chart.named(settings.chart)
    if not 0 < len(settings.series) <= 32 or not settings.series.isprintable():
        raise MalformedSeries(
            "give the series a name of at most 32 characters, such as INV", field="series"
        )
    plain(settings.series, "series")
    _check_number_format(settings)
    if (
        not 0 < len(settings.credit_note_series) <= 32
        or settings.credit_note_series == settings.series
    ):
        raise MalformedSeries(
            "give credit notes a series of their own with a name of at most 32 characters, such as CN",
            field="credit_note_series",
        )
    plain(settings.credit_note_series, "credit_note_series")
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


def _check_number_format(settings: Settings) -> None:
    text = settings.number_format
    rest = _NUMBER_FIELD.sub("", text)
    fits = len(text) <= 64 and rest.isprintable() and not {"{", "}"} & set(rest)
    if fits and any(field.startswith("n") for field in _NUMBER_FIELD.findall(text)):
        longest = formatted_number(settings, 10**9, FIRST_CLOCK_DAY)
        if len(longest) <= 64 and PREFIX not in longest:
            return
    raise MalformedNumberFormat(
        "number_format must hold {n}, and may hold {series} and {year}: "
        "{series}-{n:06}, or {year}/{n}",
        field="number_format",
    )


def _append(unit: Unit, event: Any, on: date) -> Tenant:
    state: Tenant = unit.append("tenant", unit.tenant_id, [New(event, on)])
    return state
