"""A journal entry: postings in one currency that add up to zero, and the day on which it is posted."""

from datetime import date, timedelta

import msgspec

from ledger.chart_of_accounts import Account


class Unbalanced(Exception):
    """An event's amounts do not add up, so that it has no balanced entry."""


class Posting(msgspec.Struct, frozen=True, gc=False):
    """An amount on an account, in minor units: a debit above zero, a credit below."""

    account: Account
    minor: int


class JournalEntry(msgspec.Struct, frozen=True, gc=False):
    """A balanced entry in one currency. `on` is the day it takes effect; `says` is what it is for, in a few words."""

    on: date
    currency: str
    says: str
    postings: tuple[Posting, ...]


Entries = tuple[JournalEntry, ...]
NONE: Entries = ()


def entry(on: date, currency: str, says: str, *postings: tuple[Account, int]) -> Entries:
    """The entry of these postings, one for each account; none when nothing is left. Raises Unbalanced."""
    by_account: dict[Account, int] = {}
    for account, minor in postings:
        by_account[account] = by_account.get(account, 0) + minor
    left = tuple(Posting(account, minor) for account, minor in by_account.items() if minor)
    if sum(posting.minor for posting in left):
        raise Unbalanced(f"{says}: the postings do not add up to zero")
    return (JournalEntry(on, currency, says, left),) if left else NONE


def posted_on(on: date, closed_through: date | None) -> date:
    """The day on which what takes effect on a day is posted, when the books are closed through another."""
    if closed_through is None or on > closed_through:
        return on
    return closed_through + timedelta(days=1)
