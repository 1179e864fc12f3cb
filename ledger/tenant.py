"""A tenant: whose books these are. Settings, fee policies, reference rates, and its API keys."""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger import reference_rates
from ledger.additional_holidays import AdditionalHoliday
from ledger.agreement.events import EarlyPayOff
from ledger.calendars import AdditionalHolidays, Calendar, calendar_named
from ledger.dunning.plan import DEFAULT_KEY
from ledger.event_registry import Event, stored
from ledger.money import Money
from ledger.policy import FeePolicy
from ledger.rates import YearlyRate
from ledger.reference_rates import ReferenceRate
from ledger.rounding import Rounding

FOLD_VERSION = 8

Role = Literal["administrator", "operator", "auditor"]
NumberRestarts = Literal["never", "yearly"]


class TagPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Debts of customers who have a tag follow a plan, by its key."""

    tag: str
    plan: str


class Settings(msgspec.Struct, frozen=True):
    """What a tenant decides for itself.

    currency         the usual currency of its documents (ISO 4217)
    timezone         the IANA zone of its business days
    calendar         business days: `none`, `weekends`, a country, a subdivision or banks (`BR-banking`, `TARGET`)
    tax_rounding     tax is rounded per `line` or per `document`
    rounding         how tax is rounded
    series           the series its invoice numbers are taken from
    number_format    how a number is written; `{n}` is the number, `{n:06}` pads it, `{year}` its issue year
    clock_starts_on  its business days begin here, never earlier
    credit_note_series      the series its credit notes' numbers are taken from
    apply_credit            credit is applied `by_hand`, or automatically (`automatic`) to what falls due first
    refund_excess_above     an excess payment above this, in its currency, is refunded without being asked for
    duplicate_window_days   payments alike in amount and reference within so many days are flagged
    dispute_holds_interest  no interest is counted on what is disputed, until the dispute is resolved
    books_closed_through    the last day of the last closed month: what takes effect by then is posted later
    chart                   names of accounts that differ from the default chart, by its keys
    number_restarts         series count on for ever (`never`), or from 1 in each year of issue (`yearly`)
    additional_holidays          dates that are no business days either, such as municipal holidays
    additional_holidays_version  how often they were changed; counted by Duebook
    early_pay_off           an agreement paid off early gives back the interest of the time to come (`actuarial`), or
                            none; each keeps what was set when it came into force
    dunning_plan            the key of the dunning plan that its debts follow
    dunning_plans_by_tag    plans that the debts of customers with a tag follow instead; the first rule that applies
    max_messages_per_second messages in a second over all its senders and workers; 0, no limit of its own
    creditor_name           who the debts are owed to, as messages name it; the tenant's name where it is empty
    creditor_address        its address, on one line
    creditor_tax_number     its tax number, in Brazil the CNPJ or CPF
    """

    currency: str
    timezone: str
    calendar: str = "weekends"
    tax_rounding: Literal["line", "document"] = "line"
    rounding: Rounding = "half_even"
    series: str = "INV"
    number_format: str = "{series}-{n:06}"
    clock_starts_on: date = date(1970, 1, 1)
    credit_note_series: str = "CN"
    apply_credit: Literal["by_hand", "automatic"] = "by_hand"
    refund_excess_above: Money | None = None
    duplicate_window_days: int = 7
    dispute_holds_interest: bool = False
    books_closed_through: date | None = None
    chart: dict[str, str] = {}
    additional_holidays: tuple[AdditionalHoliday, ...] = ()
    additional_holidays_version: int = 0
    number_restarts: NumberRestarts = "never"
    early_pay_off: EarlyPayOff = "actuarial"
    dunning_plan: str = DEFAULT_KEY
    creditor_name: str = ""
    creditor_address: str = ""
    creditor_tax_number: str = ""
    receipts: bool = False
    invoice_template: str = ""
    receipt_template: str = ""
    test_mode: bool = False
    dunning_plans_by_tag: tuple[TagPlan, ...] = ()
    max_messages_per_second: int = 0

    @property
    def holidays(self) -> AdditionalHolidays:
        """The additional holidays as a calendar takes them."""
        days = tuple(holiday.on for holiday in self.additional_holidays)
        return AdditionalHolidays(self.additional_holidays_version, days)

    @property
    def business_days(self) -> Calendar:
        """The calendar under which documents are sent now. Raises UnknownCalendar."""
        return calendar_named(self.calendar, additional=self.holidays)


@stored("tenant.created.v1")
class Created(Event, frozen=True):
    """A tenant's books were opened."""

    name: str
    settings: Settings


@stored("tenant.configured.v1")
class Configured(Event, frozen=True):
    """The settings as they are from now on."""

    settings: Settings


@stored("tenant.fee_policy_added.v1")
class FeePolicyAdded(Event, frozen=True):
    """A fee policy with the next version; invoices sent from now on are sent under it."""

    policy: FeePolicy


@stored("tenant.reference_rate_set.v1")
class ReferenceRateSet(Event, frozen=True):
    """A reference rate is in force from a day on, until the next fact of its name.

    name     what the rate is called, in fee policies too
    from_on  the first day on which it is in force
    rate     per year; it may be below zero
    """

    name: str
    from_on: date
    rate: YearlyRate


@stored("tenant.key_created.v1")
class KeyCreated(Event, frozen=True):
    """An API key was made. Only its hash is kept, outside the log."""

    key_id: UUID
    name: str
    role: Role


@stored("tenant.key_revoked.v1")
class KeyRevoked(Event, frozen=True):
    """An API key was revoked."""

    key_id: UUID


@stored("tenant.numbers_skipped.v1")
class NumbersSkipped(Event, frozen=True):
    """A series left out numbers that other documents had already, such as imported invoices.

    kind    the documents that the series is named after: `invoice` or `credit_note`
    series  its name
    first   the first number that was left out, as written
    last    the last one
    count   how many were left out, from the first to the last
    given   the last number that was given out
    """

    kind: str
    series: str
    first: str
    last: str
    count: int
    given: str


class Key(msgspec.Struct, frozen=True, array_like=True):
    key_id: UUID
    name: str
    role: Role
    revoked: bool = False


class Tenant(msgspec.Struct, frozen=True, array_like=True):
    name: str
    settings: Settings
    policies: tuple[FeePolicy, ...] = (FeePolicy(version=0),)
    keys: tuple[Key, ...] = ()
    reference_rates: dict[str, tuple[ReferenceRate, ...]] = {}

    @property
    def policy(self) -> FeePolicy:
        """The fee policy that is in force; version 0 charges nothing."""
        return self.policies[-1]


def evolve(tenant: Tenant | None, event: Event, effective_on: date) -> Tenant:
    if isinstance(event, Created):
        return Tenant(event.name, event.settings)
    assert tenant is not None, f"{event.TAG} came before the tenant was created"
    match event:
        case Configured():
            return replace(tenant, settings=event.settings)
        case FeePolicyAdded():
            return replace(tenant, policies=(*tenant.policies, event.policy))
        case ReferenceRateSet():
            fact = ReferenceRate(event.from_on, event.rate)
            table = reference_rates.added(tenant.reference_rates, event.name, fact)
            return replace(tenant, reference_rates=table)
        case KeyCreated():
            key = Key(event.key_id, event.name, event.role)
            return replace(tenant, keys=(*tenant.keys, key))
        case NumbersSkipped():
            return tenant
        case KeyRevoked():
            keys = tuple(
                replace(key, revoked=True) if key.key_id == event.key_id else key
                for key in tenant.keys
            )
            return replace(tenant, keys=keys)
    raise AssertionError(f"a tenant does not know {event.TAG}")
