"""Fee policies: what a late debt costs, for invoices sent from now on."""

import msgspec

from commands.unit import Unit, load
from ledger.allocation import COMPONENTS, waterfall_order
from ledger.events import New
from ledger.money import Money, positive_minor
from ledger.policy import Accrual, Base, DayCount, FeePolicy, InterestFrom, check
from ledger.rates import format_rate, parse_rate
from ledger.rounding import Rounding
from ledger.tenant import FeePolicyAdded, Tenant
from ledger.zones import business_date


class AddFeePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fee policy for invoices sent from now on. Rates are texts: `2%`, `1%/month`, `8.5%/year`, `0.033%/day`."""

    late_fee: str = "0%"
    late_fee_minimum: Money | None = None
    mora: str = "0%/month"
    mora_base: Base = "outstanding"
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
    mora_base: Base
    grace_days: int
    interest_from: InterestFrom
    day_count: DayCount
    accrual: Accrual
    rounding: Rounding
    waterfall: tuple[str, ...]


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
        mora=parse_rate(command.mora, field="mora"),
        mora_base=command.mora_base,
        grace_days=command.grace_days,
        interest_from=command.interest_from,
        day_count=command.day_count,
        accrual=command.accrual,
        rounding=command.rounding,
        waterfall=waterfall_order(command.waterfall),
    )
    added_on = business_date(unit.now, tenant.settings.timezone)
    unit.append("tenant", unit.tenant_id, [New(FeePolicyAdded(check(policy)), added_on)])
    return fee_policy_view(policy)


def fee_policy_view(policy: FeePolicy) -> FeePolicyView:
    return FeePolicyView(
        version=policy.version,
        late_fee=format_rate(policy.late_fee),
        late_fee_minimum=policy.late_fee_minimum,
        mora=format_rate(policy.mora),
        mora_base=policy.mora_base,
        grace_days=policy.grace_days,
        interest_from=policy.interest_from,
        day_count=policy.day_count,
        accrual=policy.accrual,
        rounding=policy.rounding,
        waterfall=policy.waterfall,
    )
