"""Giving out the numbers of documents: the next of a series, without those that another document has."""

from datetime import date

from commands.tenants import today
from commands.unit_of_work import Unit
from ledger.event_registry import New
from ledger.numbering import DOCUMENT_NUMBER, DocumentKind, numbers_from, series_of
from ledger.tenant import NumbersSkipped, Tenant

MAX_LOOKED_UP = 1_000
"""Numbers are looked up together, at most so many."""


def next_number(unit: Unit, tenant: Tenant, kind: DocumentKind, issued_on: date) -> str:
    """The next number of a tenant's documents of a kind. Raises NumberBeforeSeries."""
    (number,) = next_numbers(unit, tenant, kind, issued_on, 1)
    return number


def next_numbers(
    unit: Unit, tenant: Tenant, kind: DocumentKind, issued_on: date, count: int
) -> list[str]:
    """So many next numbers, in order. Those that another document has are skipped, and the tenant's log says so.

    Raises NumberBeforeSeries.
    """
    settings = tenant.settings
    series = series_of(settings, kind)
    yearly = settings.number_restarts == "yearly"
    n = unit.next_number(*series, issued_on, yearly=yearly)
    numbers: list[str] = []
    skipped: list[str] = []
    looked_up = count
    while len(numbers) < count:
        following = numbers_from(settings, series, n, looked_up, issued_on)
        used = unit.in_use(DOCUMENT_NUMBER, following)
        for number in following:
            (skipped if number in used else numbers).append(number)
            n += 1
            if len(numbers) == count:
                break
        looked_up = min(2 * looked_up, MAX_LOOKED_UP)
    unit.take_number(*series, n - 1, issued_on)
    if skipped:
        event = NumbersSkipped(*series, skipped[0], skipped[-1], len(skipped), numbers[-1])
        unit.append("tenant", unit.tenant_id, [New(event, today(unit))])
    return numbers
