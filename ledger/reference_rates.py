"""Reference rates: rates that others publish and change, such as the ECB's or the Basiszinssatz, as dated facts.

A tenant records each fact: from a day on, a rate per year is in force. A fact is never changed and facts of a name come
in the order of their days, so that what was calculated by them stays right.

In the European Union the reference rate of a half-year is the one in force on its first day, 1 January or 1 July
(2011/7/EU art. 3(2)); the Basiszinssatz changes on these days too (BGB 247). So one fact is recorded for each
half-year, and changes within it are left out.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from datetime import date, timedelta

import msgspec

from ledger.errors import Conflict, Rejected, quoted
from ledger.rates import Rate, YearlyRate, format_yearly_rate

MAX_FACTS = 1_000
"""Over all names of a tenant: its state is loaded by every command."""

MAX_DAYS_AHEAD = 366
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class MalformedReferenceName(Rejected):
    """A reference rate has a name of 1 to 40 lower-case letters, digits, - and _, other than `none`."""


class ReferenceRateTooFarAhead(Rejected):
    """A reference rate is known a year ahead at most."""


class ReferenceRateDiffers(Conflict):
    """Another rate is recorded for this name and day, and a fact is never changed."""


class EarlierReferenceRate(Conflict):
    """A later day is recorded for this name: facts are added in the order of their days."""


class TooManyReferenceRates(Rejected):
    """A tenant records at most 1000 reference rates."""


class ReferenceRate(msgspec.Struct, frozen=True, array_like=True):
    """A rate that is in force from a day on, until the next fact of its name."""

    from_on: date
    rate: YearlyRate


Table = Mapping[str, tuple[ReferenceRate, ...]]
"""The facts of each name, in the order of their days."""


def rate_on(table: Table, name: str, day: date) -> ReferenceRate | None:
    """The fact in force on a day: the last one from that day or before. None before the first, or without any."""
    facts = table.get(name, ())
    place = bisect_right(facts, day, key=lambda fact: fact.from_on)
    return facts[place - 1] if place else None


def with_margin(reference: YearlyRate, margin: Rate) -> Rate:
    """Interest per year: the reference rate plus the margin, which has a rate per year or is zero.

    The sum of a negative reference rate and a smaller margin is zero: a late debt is never owed less for being late.
    """
    assert margin.per == "year" or not margin.numerator, "a margin is per year"
    total = reference.fraction + margin.fraction
    return Rate.of(max(total.numerator, 0), total.denominator, "year")


def is_new(table: Table, name: str, fact: ReferenceRate, today: date) -> bool:
    """Whether the fact adds to the table; the same fact again does not.

    Raises MalformedReferenceName, ReferenceRateTooFarAhead, ReferenceRateDiffers, EarlierReferenceRate,
    TooManyReferenceRates.
    """
    if name == "none" or _NAME.fullmatch(name) is None:
        raise MalformedReferenceName(
            f"{quoted(name)} is not a name of a reference rate: write 1 to 40 lower-case letters, digits, - and _, "
            "such as ecb",
            field="name",
        )
    facts = table.get(name, ())
    recorded = rate_on(table, name, fact.from_on)
    if recorded == fact:
        return False
    if recorded is not None and recorded.from_on == fact.from_on:
        raise ReferenceRateDiffers(
            f"{name} is {format_yearly_rate(recorded.rate)} from {fact.from_on} on, as recorded; a fact is never "
            "changed: record the right rates under another name, and add a fee policy with it",
            field="rate",
        )
    if facts and fact.from_on < facts[-1].from_on:
        raise EarlierReferenceRate(
            f"{name} is recorded through {facts[-1].from_on}: only a later day can be added",
            field="from_on",
        )
    if fact.from_on > today + timedelta(days=MAX_DAYS_AHEAD):
        raise ReferenceRateTooFarAhead(
            f"{fact.from_on} lies more than a year ahead; check the year", field="from_on"
        )
    if sum(map(len, table.values())) >= MAX_FACTS:
        raise TooManyReferenceRates(
            f"{MAX_FACTS} reference rates are recorded, the most there can be; record one for each half-year"
        )
    return True


def added(table: Table, name: str, fact: ReferenceRate) -> dict[str, tuple[ReferenceRate, ...]]:
    """The table with one fact more, the last of its name."""
    return {**table, name: (*table.get(name, ()), fact)}
