"""The formula of the late fee: a part of its base, once, between a minimum and a cap.

In Brazil a consumer pays at most 2% of the instalment (CDC art. 52). Sources: `docs/explanation/money.md`.
"""

from fractions import Fraction

from ledger.money import Money
from ledger.policy import FeePolicy
from ledger.rounding import divide


def late_fee_of(
    policy: FeePolicy, currency: str, base: int | Fraction, open_minor: int, total_minor: int
) -> tuple[int, int]:
    """(late fee, its base rounded), in minor units of `currency`.

    base         what the fee counts on, exactly
    open_minor   the open principal; within the small balance no fee is charged
    total_minor  the invoice's total, of which the cap is a part
    """
    base_minor = divide(base.numerator, base.denominator, policy.rounding)
    tolerance = _in(currency, policy.small_balance_tolerance)
    if tolerance is not None and open_minor <= tolerance:
        return 0, base_minor
    rate = policy.late_fee
    fee_minor = divide(
        base.numerator * rate.numerator, base.denominator * rate.denominator, policy.rounding
    )
    minimum = _in(currency, policy.late_fee_minimum)
    if minimum is not None:
        fee_minor = max(fee_minor, minimum)
    cap = policy.late_fee_cap
    if cap is not None:
        fee_minor = min(fee_minor, total_minor * cap.numerator // cap.denominator)
    return fee_minor, base_minor


def _in(currency: str, amount: Money | None) -> int | None:
    """The minor units of a policy's amount, for a debt in its currency."""
    return amount.minor if amount is not None and amount.currency == currency else None
