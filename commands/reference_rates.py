"""Reference rates: record one, or many at once."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import msgspec

from commands.unit_of_work import Unit, load
from ledger.errors import LedgerError
from ledger.event_registry import New
from ledger.rates import format_yearly_rate, parse_yearly_rate
from ledger.reference_rates import ReferenceRate, Table, added, is_new
from ledger.tenant import ReferenceRateSet, Tenant
from ledger.time_zones import business_date


class SetReferenceRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reference rate that is in force from a day on, per year: `4.50%/year`, `-0.88%/year`."""

    name: str
    from_on: date
    rate: str


class ReferenceRateView(msgspec.Struct, frozen=True):
    """A reference rate as it is answered, the rate as a text."""

    name: str
    from_on: date
    rate: str


class ReferenceRateLine(NamedTuple):
    """A line of a file, counted from 1, and what it says."""

    line: int
    command: SetReferenceRate


class FailedLine(msgspec.Struct, frozen=True):
    """A line that cannot go in, and why."""

    line: int
    reason: str


class ImportedReferenceRates(msgspec.Struct, frozen=True):
    """How many lines were recorded, how many were so before, and those that cannot go in.

    When there is one of the last, no line was recorded.
    """

    added: int
    unchanged: int
    failed: list[FailedLine]


def set_reference_rate(unit: Unit, command: SetReferenceRate) -> ReferenceRateView:
    """Records a reference rate; the same fact again changes nothing.

    Raises MalformedRate, RateTooHigh, RateTooLow, MalformedReferenceName, ReferenceRateTooFarAhead,
    ReferenceRateDiffers, EarlierReferenceRate, TooManyReferenceRates.
    """
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    today = business_date(unit.now, tenant.settings.timezone)
    fact = _fact(command)
    if is_new(tenant.reference_rates, command.name, fact, today):
        _append(unit, [ReferenceRateSet(command.name, fact.from_on, fact.rate)], today)
    return _view(command.name, fact)


def import_reference_rates(
    unit: Unit, lines: Iterable[ReferenceRateLine], unreadable: Iterable[FailedLine] = ()
) -> ImportedReferenceRates:
    """Records what every line says, in the order of their days, or nothing when a line cannot go in."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    today = business_date(unit.now, tenant.settings.timezone)
    table, unchanged, failed = tenant.reference_rates, 0, list(unreadable)
    events: list[ReferenceRateSet] = []
    for line, command in sorted(lines, key=lambda one: (one.command.from_on, one.line)):
        try:
            fact = _fact(command)
            if is_new(table, command.name, fact, today):
                table = added(table, command.name, fact)
                events.append(ReferenceRateSet(command.name, fact.from_on, fact.rate))
            else:
                unchanged += 1
        except LedgerError as error:
            failed.append(FailedLine(line, str(error)))
    if failed:
        return ImportedReferenceRates(0, 0, sorted(failed, key=lambda one: one.line))
    _append(unit, events, today)
    return ImportedReferenceRates(len(events), unchanged, [])


def reference_rate_views(table: Table) -> list[ReferenceRateView]:
    """Every fact, by name and day."""
    return [_view(name, fact) for name in sorted(table) for fact in table[name]]


def _fact(command: SetReferenceRate) -> ReferenceRate:
    return ReferenceRate(command.from_on, parse_yearly_rate(command.rate, field="rate"))


def _view(name: str, fact: ReferenceRate) -> ReferenceRateView:
    return ReferenceRateView(name, fact.from_on, format_yearly_rate(fact.rate))


def _append(unit: Unit, events: list[ReferenceRateSet], today: date) -> None:
    if events:
        unit.append("tenant", unit.tenant_id, [New(event, today) for event in events])
