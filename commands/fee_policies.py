"""Fee policies: what a late debt costs, for invoices sent from now on."""

import msgspec

from commands.unit_of_work import Unit, load
from ledger.errors import Rejected, quoted
from ledger.event_registry import New
from ledger.money import Money, positive_minor, require_in_use
from ledger.policy import Accrual, Base, DayCount, FeePolicy, InterestFrom, check
from ledger.rates import format_rate, parse_rate
from ledger.rounding import Rounding
from ledger.tenant import FeePolicyAdded, Tenant
from ledger.time_zones import business_date
from ledger.waterfall import COMPONENTS, waterfall_order


class UnknownReferenceRate(Rejected):
    """A fee policy names a reference rate of which the tenant has recorded no fact."""


class AddFeePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fee policy for invoices sent from now on. Rates are texts: `2%`, `1%/month`, `8.5%/year`, `0.033%/day`.

    With `mora_reference`, `mora` is the margin on that reference rate, per year.
    """

    late_fee: str = "0%"
    late_fee_minimum: Money | None = None
    late_fee_cap: str | None = None
    mora: str = "0%/month"
    mora_reference: str = ""
    mora_base: Base = "outstanding"
    grace_days: int = 0
    interest_from: InterestFrom = "due_date"
    day_count: DayCount = "30"
    accrual: Accrual = "daily"
    rounding: Rounding = "half_even"
    small_balance_tolerance: Money | None = None
    waterfall: tuple[str, ...] = COMPONENTS


class FeePolicyView(msgspec.Struct, frozen=True):
    """A fee policy as it is answered, rates as texts."""

    version: int
    late_fee: str
    late_fee_minimum: Money | None
    late_fee_cap: str | None
    mora: str
    mora_reference: str
    mora_base: Base
    grace_days: int
    interest_from: InterestFrom
    day_count: DayCount
    accrual: Accrual
    rounding: Rounding
    small_balance_tolerance: Money | None
    waterfall: tuple[str, ...]


def add_fee_policy(unit: Unit, command: AddFeePolicy) -> FeePolicyView:
    """Adds a fee policy under the next version.

    Raises MalformedRate, RateTooHigh, WrongPeriod, MarginNotYearly, UnknownReferenceRate, ZeroLateFeeCap, GraceTooLong,
    MalformedWaterfall, WithdrawnCurrency, and what an amount below or of zero refuses.
    """
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    minimum = command.late_fee_minimum
    if minimum is not None:
        positive_minor(minimum, "late_fee_minimum")
        if minimum != tenant.policy.late_fee_minimum:
            require_in_use(
                minimum.currency,
                business_date(unit.now, tenant.settings.timezone),
                "late_fee_minimum.currency",
            )
    reference, cap = command.mora_reference, command.late_fee_cap
    if reference and reference not in tenant.reference_rates:
        raise UnknownReferenceRate(
            f"{quoted(reference)} is no reference rate of this tenant: record it first",
            field="mora_reference",
        )
    policy = FeePolicy(
        version=tenant.policy.version + 1,
        late_fee=parse_rate(command.late_fee, field="late_fee"),
        late_fee_minimum=minimum,
        late_fee_cap=None if cap is None else parse_rate(cap, field="late_fee_cap"),
        mora=parse_rate(command.mora, field="mora"),
        mora_reference=reference,
        mora_base=command.mora_base,
        grace_days=command.grace_days,
        interest_from=command.interest_from,
        day_count=command.day_count,
        accrual=command.accrual,
        rounding=command.rounding,
        small_balance_tolerance=command.small_balance_tolerance,
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
        late_fee_cap=None if policy.late_fee_cap is None else format_rate(policy.late_fee_cap),
        mora=format_rate(policy.mora),
        mora_reference=policy.mora_reference,
        mora_base=policy.mora_base,
        grace_days=policy.grace_days,
        interest_from=policy.interest_from,
        day_count=policy.day_count,
        accrual=policy.accrual,
        rounding=policy.rounding,
        small_balance_tolerance=policy.small_balance_tolerance,
        waterfall=policy.waterfall,
    )
