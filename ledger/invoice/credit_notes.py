"""What a credit note credits of each line of an invoice: an amount, lines whole or in part, or all that is left.

The tax of a note is its share of the tax that is left, per tax rate, rounded up or down; which of the two is decided by
what all notes so far come to, so that many small notes do not drift (`docs/explanation/money.md`, "A credit note").
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from heapq import heapify, heappop, heapreplace
from typing import NamedTuple

from ledger.errors import Rejected
from ledger.invoice.events import CreditedLine, ForgivenessKind, InvoiceLine
from ledger.invoice.state import NOTHING, Invoice, lines_of
from ledger.money import format_minor
from ledger.rates import Rate, parse_rate

_FORGIVEN_OTHERWISE: dict[ForgivenessKind, str] = {
    "void": "voided",
    "cancelled": "cancelled",
    "waived": "waived",
    "written_off": "written off",
    "renegotiated": "taken over by an agreement",
}
_ROUNDING_MINOR = 2
"""So far, in minor units, rounding may take a line's or rate's gross from its share of the notes by amount."""


class OverCredited(Rejected):
    """A credit note credits more than nothing, and no more than is left of the invoice's lines."""


class LineOverCredited(Rejected):
    """A credit note credits no more of a line than earlier credit notes have left of it."""


class CreditedSince(Rejected):
    """Principal that a later credit note credited is not given up on an earlier day."""


class ForgivenOtherwise(Rejected):
    """Principal that was waived, written off or taken over was not paid: a credit note gives none of it back."""


class DiscountLeftOver(Rejected):
    """A credit note of lines would leave nothing but lines and the discount that they add up to zero with."""


class UnknownLine(Rejected):
    """The invoice has no such line, or the credit note names it twice."""


class Left(NamedTuple):
    """What credit notes have left of a line, in minor units; below zero of a discount."""

    net_minor: int
    tax_minor: int

    @property
    def gross_minor(self) -> int:
        return self.net_minor + self.tax_minor


class _Cell(NamedTuple):
    """A whole number to be found: at least `low`, at most `high`, as near to `wanted` as can be."""

    low: int
    high: int
    wanted: Fraction


class _Line(NamedTuple):
    """A line and the note's exact share of it. Amounts are minor units.

    tax, net          the note's share of what is left
    tax_due, net_due  what all notes, this one included, exactly come to, less what the earlier ones took
    """

    tax: Fraction
    net: Fraction
    tax_due: Fraction
    net_due: Fraction


def left_of(invoice: Invoice) -> list[Left]:
    """What is left of each line to credit."""
    return _left(invoice, lines_of(invoice))


def creditable_minor(invoice: Invoice) -> int:
    """What credit notes can still credit in all, in minor units: what is left of the lines, less principal that was
    forgiven in another way. Nobody paid that, so nobody is given it back."""
    return sum(line.gross_minor for line in left_of(invoice)) - _forgiven_minor(invoice)


def require_not_credited(invoice: Invoice, principal_minor: int, on: date) -> None:
    """Whether principal may be forgiven on a day: what a later credit note credited would otherwise be given to the
    customer's credit, though nobody had paid it. Raises CreditedSince."""
    is_before = any(one.kind == "credited" and one.on >= on for one in invoice.imputations)
    left_minor = creditable_minor(invoice)
    if is_before and principal_minor > left_minor:
        raise CreditedSince(
            f"credit notes of {on} or later credited more of the principal than would be left; "
            f"{_money(invoice, max(0, left_minor))} of it can be forgiven on that day: choose a later day, or less",
            field="effective_on",
        )


def by_amount(
    invoice: Invoice, amount_minor: int, field: str | None = "amount"
) -> tuple[CreditedLine, ...]:
    """Takes an amount back: the same part of what is left of every line, discounts included.

    Raises OverCredited, ForgivenOtherwise.
    """
    require_left(invoice, amount_minor, field)
    lines = lines_of(invoice)
    left = _left(invoice, lines)
    part = Fraction(amount_minor, sum(line.gross_minor for line in left))
    shares: list[_Line] = []
    for line, rest, before in zip(lines, left, _exact_parts(lines, left), strict=True):
        reached = before + part * (1 - before)
        shares.append(
            _Line(
                tax=part * rest.tax_minor,
                net=part * rest.net_minor,
                tax_due=line.tax_minor * reached - (line.tax_minor - rest.tax_minor),
                net_due=line.net_minor * reached - (line.net_minor - rest.net_minor),
            )
        )
    return _spread(amount_minor, shares, _by_rate(lines))


def by_lines(invoice: Invoice, wanted: Mapping[int, int | None]) -> tuple[CreditedLine, ...]:
    """Takes lines back, by their places: so much of the gross of each, or with None all that is left of it.

    A discount is credited whole. Raises UnknownLine, LineOverCredited, OverCredited, ForgivenOtherwise,
    DiscountLeftOver; `field` names the place among the lines wanted.
    """
    lines = lines_of(invoice)
    left = _left(invoice, lines)
    grosses = [0] * len(lines)
    for index, (at, minor) in enumerate(wanted.items()):
        if not 0 <= at < len(lines):
            raise unknown_line(invoice, index)
        grosses[at] = _wanted_of(invoice, left[at], at, minor, f"lines[{index}].amount")
    require_left(invoice, sum(grosses), "lines")
    _require_no_discount_left(left, grosses)
    before = _exact_parts(lines, left)
    taxes = [0] * len(lines)
    for places in _by_rate(lines):
        for at, tax_minor in _taxes_of_lines(places, lines, left, grosses, before):
            taxes[at] = tax_minor
    return _credited([gross - tax for gross, tax in zip(grosses, taxes, strict=True)], taxes)


def all_left(invoice: Invoice) -> tuple[CreditedLine, ...]:
    """Credits all that can be credited. Raises OverCredited, ForgivenOtherwise."""
    return by_amount(invoice, creditable_minor(invoice), field=None)


def require_left(invoice: Invoice, amount_minor: int, field: str | None = "amount") -> None:
    """A credit note is above zero and within what is left. Raises OverCredited, ForgivenOtherwise."""
    of_lines_minor = sum(line.gross_minor for line in left_of(invoice))
    creditable = creditable_minor(invoice)
    if 0 < amount_minor <= creditable:
        return
    shown = f"{_money(invoice, creditable)} can be credited still"
    if creditable < amount_minor <= of_lines_minor or creditable <= 0 < of_lines_minor:
        raise ForgivenOtherwise(
            f"of the {_money(invoice, of_lines_minor)} that is left of the invoice's lines, "
            f"{_forgiveness(invoice)}, which nobody paid; {shown}",
            field=field,
        )
    if amount_minor > 0 or of_lines_minor <= 0:
        raise OverCredited(
            f"{_money(invoice, of_lines_minor)} is left of the invoice's lines; {shown}",
            field=field,
        )
    raise OverCredited(
        f"the lines come to {format_minor(amount_minor, invoice.currency)} with their discounts: a "
        f"credit note is above zero; {shown}",
        field=field,
    )


def unknown_line(invoice: Invoice, index: int) -> UnknownLine:
    """The refusal of the line named at a place of a credit note's lines."""
    return UnknownLine(
        f"name each of the invoice's lines once, from 0 to {len(lines_of(invoice)) - 1}",
        field=f"lines[{index}].line",
    )


def _left(invoice: Invoice, lines: Sequence[InvoiceLine]) -> list[Left]:
    if not invoice.credited_lines:
        return [Left(line.net_minor, line.tax_minor) for line in lines]
    return [
        Left(line.net_minor - was.net_minor, line.tax_minor - was.tax_minor)
        for line, was in zip(lines, invoice.credited_lines, strict=True)
    ]


def _forgiven_minor(invoice: Invoice) -> int:
    return (invoice.forgiven - invoice.forgiven_of.get("credited", NOTHING)).principal


def _forgiveness(invoice: Invoice) -> str:
    """Such as: principal of 20.00 was waived and of 30.00 was written off."""
    return "principal " + " and ".join(
        f"of {_money(invoice, invoice.forgiven_of[kind].principal)} was {words}"
        for kind, words in _FORGIVEN_OTHERWISE.items()
        if kind in invoice.forgiven_of and invoice.forgiven_of[kind].principal > 0
    )


def _wanted_of(invoice: Invoice, rest: Left, at: int, minor: int | None, field: str) -> int:
    """The gross to credit of a line. Raises LineOverCredited."""
    left_minor = rest.gross_minor
    wanted_minor = left_minor if minor is None else minor
    if not left_minor or (minor is not None and minor > left_minor):
        raise LineOverCredited(
            f"line {at} is a discount: name it without an amount, it is credited whole"
            if left_minor < 0
            else f"{_money(invoice, left_minor)} is left of line {at}: credit no more of it; "
            f"{_money(invoice, creditable_minor(invoice))} of the invoice can be credited still",
            field=field,
        )
    return wanted_minor


def _require_no_discount_left(left: Sequence[Left], grosses: Sequence[int]) -> None:
    """Raises DiscountLeftOver: what is left would add up to zero, and no later note could take it back."""
    after = [rest.gross_minor - gross for rest, gross in zip(left, grosses, strict=True)]
    if not sum(after) and any(after):
        places = ", ".join(str(at) for at, minor in enumerate(after) if minor)
        raise DiscountLeftOver(
            f"lines {places} would be left, which add up to zero with their discount; name them too, "
            "or credit all that is left",
            field="lines",
        )


def _by_rate(lines: Sequence[InvoiceLine]) -> list[list[int]]:
    """The places of the lines of each tax rate."""
    places: dict[Rate, list[int]] = {}
    for at, line in enumerate(lines):
        places.setdefault(parse_rate(line.tax_rate), []).append(at)
    return list(places.values())


def _part(minor: int, line: InvoiceLine) -> Fraction:
    return Fraction(minor, line.gross_minor) if line.gross_minor else Fraction(0)


def _exact_parts(lines: Sequence[InvoiceLine], left: Sequence[Left]) -> list[Fraction]:
    """The part of each line that earlier notes took: the same of all, where rounding alone explains the differences, as
    notes by amount leave it."""
    taken = [line.gross_minor - rest.gross_minor for line, rest in zip(lines, left, strict=True)]
    total = sum(line.gross_minor for line in lines)
    common = Fraction(sum(taken), total) if total > 0 else Fraction(0)

    def is_rounding(places: Sequence[int]) -> bool:
        exact = common * sum(lines[at].gross_minor for at in places)
        return abs(sum(taken[at] for at in places) - exact) < _ROUNDING_MINOR

    if all(is_rounding(places) for places in ([at] for at in range(len(lines)))) and all(
        map(is_rounding, _by_rate(lines))
    ):
        return [common] * len(lines)
    return [_part(minor, line) for minor, line in zip(taken, lines, strict=True)]


def _taxes_of_lines(
    places: Sequence[int],
    lines: Sequence[InvoiceLine],
    left: Sequence[Left],
    grosses: Sequence[int],
    before: Sequence[Fraction],
) -> Iterator[tuple[int, int]]:
    """The tax in the grosses credited of lines of one rate: (place, minor units)."""
    shares: dict[int, Fraction] = {}
    due: dict[int, Fraction] = {}
    for at in places:
        line, rest, gross = lines[at], left[at], grosses[at]
        reached = before[at]
        if gross:
            shares[at] = Fraction(gross * rest.tax_minor, rest.gross_minor)
            reached += _part(gross, line)
        due[at] = line.tax_minor * reached - (line.tax_minor - rest.tax_minor)
    (tax_minor,) = _closest(None, [_cell(_sum(shares.values()), _sum(due.values()))])
    cells = [_cell(share, due[at]) for at, share in shares.items()]
    yield from zip(shares, _closest(tax_minor, cells), strict=True)


def _spread(
    amount_minor: int, shares: Sequence[_Line], rates: Sequence[Sequence[int]]
) -> tuple[CreditedLine, ...]:
    """An amount over tax and net of each rate, then over its lines. The tax comes first and the net is what remains, as
    long as that leaves no line less than nothing."""
    low = sum(math.floor(share.net) for share in shares)
    high = sum(math.ceil(share.net) for share in shares)
    of_rates = [
        _cell(_sum(shares[at].tax for at in places), _sum(shares[at].tax_due for at in places))
        for places in rates
    ]
    tax_minor = min(max(sum(_closest(None, of_rates)), amount_minor - high), amount_minor - low)
    taxes, nets = [0] * len(shares), [0] * len(shares)
    for places, minor in zip(rates, _closest(tax_minor, of_rates), strict=True):
        of_lines = [_cell(shares[at].tax, shares[at].tax_due) for at in places]
        for at, found in zip(places, _closest(minor, of_lines), strict=True):
            taxes[at] = found
    of_rates = [
        _Cell(
            sum(math.floor(shares[at].net) for at in places),
            sum(math.ceil(shares[at].net) for at in places),
            _sum(shares[at].net_due for at in places),
        )
        for places in rates
    ]
    for places, minor in zip(rates, _closest(amount_minor - tax_minor, of_rates), strict=True):
        of_lines = [_cell(shares[at].net, shares[at].net_due) for at in places]
        for at, found in zip(places, _closest(minor, of_lines), strict=True):
            nets[at] = found
    return _credited(nets, taxes)


def _sum(parts: Iterable[Fraction]) -> Fraction:
    return sum(parts, Fraction(0))


def _cell(share: Fraction, wanted: Fraction) -> _Cell:
    return _Cell(math.floor(share), math.ceil(share), wanted)


def _closest(total: int | None, cells: Sequence[_Cell]) -> list[int]:
    """A whole number for each cell, the nearest within its bounds. Where they must add up to `total`, what that asks
    for besides is laid on the cells that want it most, the earlier first."""
    found = [min(max(round(cell.wanted), cell.low), cell.high) for cell in cells]
    missing = 0 if total is None else total - sum(found)
    step = 1 if missing > 0 else -1
    most = [
        (step * (found[at] - cell.wanted), at)
        for at, cell in enumerate(cells)
        if cell.low <= found[at] + step <= cell.high
    ]
    heapify(most)
    for _ in range(abs(missing)):
        _, at = most[0]
        found[at] += step
        if cells[at].low <= found[at] + step <= cells[at].high:
            heapreplace(most, (step * (found[at] - cells[at].wanted), at))
        else:
            heappop(most)
    return found


def _credited(nets: Sequence[int], taxes: Sequence[int]) -> tuple[CreditedLine, ...]:
    return tuple(
        CreditedLine(at, net_minor, tax_minor)
        for at, (net_minor, tax_minor) in enumerate(zip(nets, taxes, strict=True))
        if net_minor or tax_minor
    )


def _money(invoice: Invoice, minor: int) -> str:
    return format_minor(max(0, minor), invoice.currency)
