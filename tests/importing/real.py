"""The real invoices, and what they owe on any day: worked out from the file alone, without Duebook.

Everything is in cents and exact fractions. The rules, in this file's own words: a fine of 2% once and 1% a month of
simple interest, a thirtieth of it a day, on what is open of the amount; a debt due on a Saturday or Sunday may be
paid on the Monday without charge, and later than that bears interest from the day after it was due, the day of
payment included. A settlement pays the amount invoiced: fine first, then interest, then the amount; what it leaves
open stays open.
"""

import csv
import os
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_FILE = PROJECT.parent / "shared" / "data" / "accounts-receivable.csv"

FIELDS = {
    "customer_ref": "customerID",
    "invoice_number": "invoiceNumber",
    "issued_on": "InvoiceDate",
    "due_on": "DueDate",
    "amount": "InvoiceAmount",
    "settled_on": "SettledDate",
    "disputed": "Disputed",
}
DATE_FORMAT = "%m/%d/%Y"
CURRENCY = "USD"
OPTIONS = [
    *(part for field, header in FIELDS.items() for part in ("--column", f"{field}={header}")),
    "--currency",
    CURRENCY,
    "--date-format",
    DATE_FORMAT,
]
MONTH_ENDS = [
    date(2012 + month // 12, month % 12 + 1, 1) - timedelta(days=1) for month in range(1, 25)
]
LAST_ON = date(2014, 1, 9)


@dataclass(frozen=True)
class Charged:
    """What was charged on an invoice by a day, and what is open of it, in cents."""

    late_fee: int
    interest: int
    open_principal: int
    open_total: int


@dataclass(frozen=True)
class Debt:
    """A row of the file."""

    number: str
    customer: str
    issued_on: date
    due_on: date
    settled_on: date
    cents: int
    days_late: int

    @property
    def late_on(self) -> date:
        """The first day on which it costs to be late."""
        moved = {5: 2, 6: 1}.get(self.due_on.weekday(), 0)
        return self.due_on + timedelta(days=moved + 1)

    def plain_open(self, day: date) -> int:
        """What is open when nothing is charged for being late."""
        return self.cents if self.issued_on <= day < self.settled_on else 0

    def charged(self, day: date) -> Charged:
        """What the fine and the interest make of it."""
        if day < self.issued_on:
            return Charged(0, 0, 0, 0)
        settled = day >= self.settled_on
        if self.settled_on < self.late_on:
            principal = 0 if settled else self.cents
            return Charged(0, 0, principal, principal)
        fine = round(Fraction(self.cents * 2, 100)) if day >= self.late_on else 0
        interest = self._interest(day)
        paid_of_fine = round(Fraction(self.cents * 2, 100))
        paid_of_interest = self._interest(self.settled_on)
        left = paid_of_fine + paid_of_interest
        principal = left if settled else self.cents
        paid = self.cents if settled else 0
        return Charged(fine, interest, principal, self.cents + fine + interest - paid)

    def _interest(self, day: date) -> int:
        if day < self.late_on:
            return 0
        cent_days = self.cents * (min(day, self.settled_on) - self.due_on).days
        if day > self.settled_on:
            left = round(Fraction(self.cents * 2, 100)) + self._interest(self.settled_on)
            cent_days += left * (day - self.settled_on).days
        return round(Fraction(cent_days, 100 * 30))


def file() -> Path:
    """The data set. Where it is missing a run under CI fails, and another one skips."""
    path = Path(os.environ.get("DUEBOOK_TEST_DATA", DEFAULT_FILE))
    if not path.exists():
        told = f"the real invoices are not at {path}; set DUEBOOK_TEST_DATA"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return path


def debts() -> list[Debt]:
    """Every row of the file."""
    with file().open(newline="", encoding="utf-8") as rows:
        return [_debt(row) for row in csv.DictReader(rows)]


def bucket(due_on: date, day: date) -> str:
    """The bucket of a debt on a day, by the due date as written."""
    late = (day - due_on).days
    for most, name in ((0, "current"), (30, "1-30"), (60, "31-60"), (90, "61-90")):
        if late <= most:
            return name
    return "90+"


def aging(opens: list[tuple[date, int]], day: date) -> dict[str, tuple[int, int]]:
    """(how many, cents) by bucket, and `total`, of (due date, cents open)."""
    sums = dict.fromkeys(("current", "1-30", "31-60", "61-90", "90+", "total"), (0, 0))
    for due_on, cents in opens:
        if cents:
            for name in (bucket(due_on, day), "total"):
                count, amount = sums[name]
                sums[name] = (count + 1, amount + cents)
    return sums


def _debt(row: dict[str, str]) -> Debt:
    amount = Fraction(row["InvoiceAmount"]) * 100
    assert amount.denominator == 1
    return Debt(
        number=row["invoiceNumber"],
        customer=row["customerID"],
        issued_on=_date(row["InvoiceDate"]),
        due_on=_date(row["DueDate"]),
        settled_on=_date(row["SettledDate"]),
        cents=int(amount),
        days_late=int(row["DaysLate"]),
    )


def _date(text: str) -> date:
    return datetime.strptime(text, DATE_FORMAT).date()
