"""A dry run writes nothing, and says exactly what the run then posts."""

from collections import Counter
from datetime import UTC, date, datetime

import pytest

from adapters.postgres.connection import owner_connection
from adapters.store.debtors import open_cases
from adapters.wiring import Books
from ledger.money import Money
from schedulers.catch_up import tick
from schedulers.forecast import forecast
from tests.schedulers.nights import Nights, day
from tests.store.forcing import counts

WHAT = {
    "invoice.became_overdue.v1": "overdue",
    "invoice.late_fee_charged.v1": "late_fee",
    "invoice.mora_posted.v1": "mora",
}
Posting = tuple[object, str, date, Money | None]


def foreseen(nights: Nights, on: date) -> Counter[Posting]:
    cases = open_cases(nights.books.database.writer, nights.tenant_id, limit=3)
    open_invoices = [one for case in cases for one in case.invoices]
    return Counter(
        (one.invoice_id, one.what, one.effective_on, one.amount)
        for one in forecast(open_invoices, on)
    )


def posted(nights: Nights, since: int) -> Counter[Posting]:
    found: Counter[Posting] = Counter()
    for event in nights.events(*WHAT):
        if event.tenant_seq > since:
            minor = getattr(event.event, "amount_minor", None)
            amount = None if minor is None else Money.of(minor, "BRL")
            found[event.stream_id, WHAT[event.tag], event.effective_on, amount] += 1
    return found


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("accrual", ["daily", "month_end"])
@pytest.mark.parametrize("nights_ahead", [0, 1, 5])
def test_what_is_foreseen_is_posted(books: Books, accrual: str, nights_ahead: int) -> None:
    nights = Nights.begin(books, accrual=accrual)
    invoices = nights.invoices(10)
    nights.pay(invoices[0], "50.00", day(0), "a")
    nights.pay(invoices[1], "5000.00", day(0), "b")
    tick(books.clock, "here", datetime(2026, 1, 6, 12, tzinfo=UTC))
    nights.pay(invoices[2], "20.00", day(1), "c")
    before = counts(books.database)
    since = nights.count()

    through = day(2 + nights_ahead)
    expected = foreseen(nights, through)

    assert counts(books.database) == before
    assert nights.count() == since
    tick(books.clock, "here", datetime(2026, 1, 7 + nights_ahead, 12, tzinfo=UTC))
    assert posted(nights, since) == expected
    assert foreseen(nights, through) == Counter()


def test_one_that_cannot_be_read_leaves_the_others_foreseen(nights: Nights) -> None:
    invoices = nights.invoices(5)
    expected = foreseen(nights, day(3))
    with owner_connection(nights.books.database) as owner:
        owner.execute("UPDATE snapshots SET state = '\\x00ff' WHERE stream_id = %s", (invoices[2],))

    found = foreseen(nights, day(3))

    assert found == Counter({one: n for one, n in expected.items() if one[0] != invoices[2]})
