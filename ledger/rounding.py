"""Dividing whole minor units: rounding with a name, and sharing without loss.

Integers only. Every function is exact: what it returns is the true quotient, rounded once.
"""

from collections.abc import Sequence
from typing import Literal

from ledger.errors import Rejected

Rounding = Literal["half_even", "half_up", "truncate"]


class NothingToShareOver(Rejected):
    """An amount cannot be shared when every weight is zero."""


def divide(numerator: int, denominator: int, rounding: Rounding = "half_even") -> int:
    """The quotient as a whole number.

    `half_even` takes a tie to the even neighbour, `half_up` away from zero (-2.5 is -3), and
    `truncate` drops the fraction (-2.9 is -2). Raises ZeroDivisionError on a zero denominator.
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, remainder = divmod(numerator, denominator)  # floors: 0 <= remainder < denominator
    if not remainder:
        return quotient
    if rounding == "truncate":
        return quotient + 1 if numerator < 0 else quotient
    twice = remainder + remainder
    if twice != denominator:
        return quotient + 1 if twice > denominator else quotient
    if rounding == "half_even":
        return quotient + (quotient & 1)
    assert rounding == "half_up", rounding
    return quotient + 1 if numerator > 0 else quotient


def share(total: int, weights: Sequence[int]) -> list[int]:
    """`total` over `weights` (each >= 0) in proportion, by largest remainder.

    The parts sum exactly to `total`, each is less than one unit from its true share, and equal
    remainders go to the earlier part. A negative total is shared as its absolute value is.
    """
    if total < 0:
        return [-part for part in share(-total, weights)]
    assert all(weight >= 0 for weight in weights), "a weight below zero has no share"
    whole = sum(weights)
    if not whole:
        if total:
            raise NothingToShareOver(
                f"{total} cannot be shared over weights that are all zero: give one a weight."
            )
        return [0] * len(weights)
    return _largest_remainder([total * weight for weight in weights], whole, total)


def split(total: int, parts: int) -> list[int]:
    """`total` in equal parts, the remainder to the first: 10000 in 3 is 3334, 3333, 3333."""
    assert parts > 0, "an amount is split in at least one part"
    return share(total, [1] * parts)


def round_together(
    numerators: Sequence[int], denominator: int, rounding: Rounding = "half_even"
) -> list[int]:
    """Fractions over one denominator (> 0), rounded so that they sum to their rounded sum.

    Signs may be mixed. Each result is less than one unit from its fraction, and a fraction that
    is whole stays as it is.
    """
    assert denominator > 0, "fractions stand over a denominator above zero"
    total = divide(sum(numerators), denominator, rounding)
    return _largest_remainder(numerators, denominator, total)


def _largest_remainder(numerators: Sequence[int], denominator: int, total: int) -> list[int]:
    parts: list[int] = []
    remainders: list[int] = []
    for numerator in numerators:
        part, remainder = divmod(numerator, denominator)
        parts.append(part)
        remainders.append(remainder)
    missing = total - sum(parts)
    if missing:
        # sorted() is stable, so equal remainders keep the order of the parts
        largest_first = sorted(range(len(parts)), key=lambda index: -remainders[index])
        for index in largest_first[:missing]:
            parts[index] += 1
    return parts
