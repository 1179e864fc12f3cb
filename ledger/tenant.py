"""A tenant: whose books these are. Settings, versioned fee policies, and the keys that open its door."""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.agreement.events import EarlyPayOff
from ledger.events import Event, stored
from ledger.money import Money
from ledger.policy import FeePolicy
from ledger.rounding import Rounding

FOLD_VERSION = 2

Role = Literal["administrator", "operator", "auditor"]


class Settings(msgspec.Struct, frozen=True):
    """What a tenant decides for itself.

    currency         the usual currency of its documents (ISO 4217)
    timezone         the IANA zone of its business days
    calendar         business days: `none`, `weekends`, a country or a subdivision
    tax_rounding     tax is rounded per `line` or per `document`
    rounding         how tax is rounded
    series           the series its invoice numbers are taken from
    number_format    how a number is written; `{n}` is the number, `{n:06}` pads it, `{year}` its issue year
    clock_starts_on  its business days begin here, never earlier
    credit_note_series      the series its credit notes' numbers are taken from
    apply_credit            credit is applied `by_hand`, or by itself (`automatic`) to what falls due first
    refund_excess_above     an excess payment above this, in its currency, is refunded without being asked for
    duplicate_window_days   payments alike in amount and reference within so many days are flagged
    dispute_holds_interest  no interest is counted on what is disputed, until the dispute is resolved
    books_closed_through    the last day of the last closed month: what takes effect by then is posted later
    chart                   names of accounts that differ from the default chart, by its keys
    early_pay_off           an agreement paid off early gives back the interest of the time to come (`actuarial`), or
                            none; each keeps what was set when it came into force
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
    early_pay_off: EarlyPayOff = "actuarial"


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


@stored("tenant.key_created.v1")
class KeyCreated(Event, frozen=True):
    """An API key was made. Only its hash is kept, outside the log."""

    key_id: UUID
    name: str
    role: Role


@stored("tenant.key_revoked.v1")
class KeyRevoked(Event, frozen=True):
    """An API key opens the door no longer."""

    key_id: UUID


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
        case KeyCreated():
            key = Key(event.key_id, event.name, event.role)
            return replace(tenant, keys=(*tenant.keys, key))
        case KeyRevoked():
            keys = tuple(
                replace(key, revoked=True) if key.key_id == event.key_id else key
                for key in tenant.keys
            )
            return replace(tenant, keys=keys)
    raise AssertionError(f"a tenant does not know {event.TAG}")
