"""How a payment is divided over what an invoice owes.

By default charges and interest are met before principal, as Brazil's Civil Code art. 354 and
Germany's BGB 367 both say: other fees, late fee, mora, principal.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec

from ledger.errors import Rejected

Component = Literal["other_fees", "late_fee", "mora", "principal"]
Order = tuple[Component, ...]

COMPONENTS: Final[Order] = ("other_fees", "late_fee", "mora", "principal")
"""The components of a debt, in the order in which a payment meets them by default."""


class MalformedWaterfall(Rejected):
    """The order does not name every component exactly once."""


class Split(msgspec.Struct, frozen=True, omit_defaults=True):
    """Minor units by component; JSON leaves out components that are zero."""

    other_fees: int = 0
    late_fee: int = 0
    mora: int = 0
    principal: int = 0

    @property
    def total(self) -> int:
        """The sum of the components, in minor units."""
        return self.other_fees + self.late_fee + self.mora + self.principal

    def __add__(self, other: "Split") -> "Split":
        return Split(
            self.other_fees + other.other_fees,
            self.late_fee + other.late_fee,
            self.mora + other.mora,
            self.principal + other.principal,
        )

    def __sub__(self, other: "Split") -> "Split":
        return Split(
            self.other_fees - other.other_fees,
            self.late_fee - other.late_fee,
            self.mora - other.mora,
            self.principal - other.principal,
        )

    def __neg__(self) -> "Split":
        return Split(-self.other_fees, -self.late_fee, -self.mora, -self.principal)


def waterfall(amount: int, open: Split, order: Order = COMPONENTS) -> tuple[Split, int]:
    """An amount poured over the open components in order: the split, and what is left over.

    Both are minor units of one currency, the amount and every open component zero or more. The
    split never exceeds `open`, and nothing is left over while anything is open. The default
    order follows Brazil's Civil Code art. 354 and Germany's BGB 367, which both put charges and
    interest before principal; a tenant may set another. Raises MalformedWaterfall.
    """
    assert amount >= 0, "a payment is not below zero"
    if order != COMPONENTS:
        order = waterfall_order(order)
    taken = dict.fromkeys(COMPONENTS, 0)
    for component in order:
        owed: int = getattr(open, component)
        assert owed >= 0, "an invoice owes nothing below zero"
        taken[component] = part = amount if amount < owed else owed
        amount -= part
    return Split(**taken), amount


def waterfall_order(order: Sequence[str], field: str | None = "waterfall") -> Order:
    """A tenant's order, checked to name each component once. Raises MalformedWaterfall."""
    return _checked(tuple(order), field)


@lru_cache(maxsize=64)
def _checked(order: tuple[str, ...], field: str | None) -> Order:
    known = tuple(component for name in order for component in COMPONENTS if component == name)
    if len(order) != len(COMPONENTS) or set(known) != set(COMPONENTS):
        raise MalformedWaterfall(
            f"A waterfall names each of {', '.join(COMPONENTS)} exactly once, in the order in "
            "which a payment meets them.",
            field=field,
        )
    return known
