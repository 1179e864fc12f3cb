"""The trial balance: debits, credits and balance of each account, by what was posted up to a day.

As it is known now it reads the sums; as known at an earlier instant it derives the entries of the events recorded by
then. Both come to the same.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.chart_of_accounts import Account, named
from ledger.money import format_minor
from projections.as_of import require_come
from projections.engine import parked
from projections.journal.entries import JournalEntries
from projections.journal.fold import JOURNAL

TOTALS = """
SELECT currency, account, sum(debit_minor), sum(credit_minor)
  FROM journal_totals
 WHERE tenant_id = %s AND posted_on <= %s
 GROUP BY currency, account
"""


class AccountBalance(msgspec.Struct, frozen=True):
    """An account by its key and its name. The balance is debits less credits. Amounts are decimal text."""

    account: str
    name: str
    debit: str
    credit: str
    balance: str


class CurrencyTrialBalance(msgspec.Struct, frozen=True):
    """One currency: the accounts that were posted to, in the chart's order; total debits and credits are equal."""

    currency: str
    accounts: list[AccountBalance]
    debit: str
    credit: str


class TrialBalance(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was posted up to a day, as known at an instant; currencies in order.

    parked  streams that could not be read and are left out from there on
    """

    as_of: date
    known_at: datetime
    currencies: list[CurrencyTrialBalance]
    parked: int = 0


Item = tuple[str, str, int, int]
"""(currency, account, debits, credits), in minor units"""


def trial_balance(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    *,
    today: date,
    now: datetime,
    chart: Mapping[str, str],
    as_of: date | None = None,
    known_at: datetime | None = None,
) -> TrialBalance:
    """The trial balance of a day (today's when left out), as known at an instant (now when left out).

    `chart` is the tenant's own names of accounts. Raises AsOfInFuture, KnownAtInFuture.
    """
    require_come(as_of, known_at, today, now)
    day = as_of or today
    names = named(chart)
    if known_at is None:
        items = connection.execute(TOTALS, (tenant_id, day)).fetchall()
        left_out = parked.count(connection, JOURNAL.name, tenant_id)
        return TrialBalance(day, now, _currencies(items, names), left_out)
    found = JournalEntries(connection, tenant_id, known_at)
    return TrialBalance(day, known_at, _currencies(_items(found, day), names), found.failed)


def _items(found: JournalEntries, day: date) -> Iterable[Item]:
    for posted in found:
        if posted.posted_on <= day:
            for posting in posted.entry.postings:
                minor = posting.minor
                debit, credit = (minor, 0) if minor > 0 else (0, -minor)
                yield posted.entry.currency, posting.account, debit, credit


def _currencies(items: Iterable[Item], names: dict[Account, str]) -> list[CurrencyTrialBalance]:
    sums: dict[str, dict[str, list[int]]] = {}
    for currency, account, debit, credit in items:
        sides = sums.setdefault(currency, {}).setdefault(account, [0, 0])
        sides[0] += int(debit)
        sides[1] += int(credit)
    return [_currency(currency, sums[currency], names) for currency in sorted(sums)]


def _currency(
    currency: str, sums: dict[str, list[int]], names: dict[Account, str]
) -> CurrencyTrialBalance:
    accounts = [
        AccountBalance(
            account,
            name,
            format_minor(sums[account][0], currency),
            format_minor(sums[account][1], currency),
            format_minor(sums[account][0] - sums[account][1], currency),
        )
        for account, name in names.items()
        if any(sums.get(account, ()))
    ]
    debit, credit = (sum(sides[side] for sides in sums.values()) for side in (0, 1))
    return CurrencyTrialBalance(
        currency, accounts, format_minor(debit, currency), format_minor(credit, currency)
    )
