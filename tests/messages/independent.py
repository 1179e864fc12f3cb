"""Whom the shipped plan contacts about the real invoices, worked out from the file and the plan alone.

The rules, in this file's own words: a debt that is open at the end of a day is reminded of three days before it is due,
on the day, and three, seven and fifteen days after; on a weekend, on the Monday after instead. Of several reminders
that have come only the last is sent, and never an earlier one after it. The courtesy before is not sent after the due
date;
the last notice only when the one of seven days was. One message goes to a customer for all of its debts that have come
to a reminder; at most one a day, three in seven days, and none on the day after one.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from tests.importing.real import Debt

DAY = timedelta(days=1)
REMINDERS = {"before": -3, "due": 0, "d3": 3, "d7": 7, "d15": 15}


class Sent(NamedTuple):
    """A message: its day, customer, highest reminder, the numbers of its debts in order, and what is open, in cents."""

    on: date
    customer: str
    step: str
    numbers: tuple[str, ...]
    cents: int


def messages(debts: Iterable[Debt], first: date, last: date) -> set[Sent]:
    """Every message from one day to another."""
    by_customer: dict[str, list[Debt]] = defaultdict(list)
    for debt in debts:
        by_customer[debt.customer].append(debt)
    return {
        message
        for customer, own in by_customer.items()
        for message in _to_customer(customer, own, first, last)
    }


def _to_customer(customer: str, debts: list[Debt], first: date, last: date) -> list[Sent]:
    reminded: dict[str, list[str]] = {debt.number: [] for debt in debts}
    sent: list[Sent] = []
    day = first - DAY
    while day < last:
        day += DAY
        if day.weekday() >= 5:
            continue
        about = {
            debt.number: (step, debt.plain_open(day))
            for debt in debts
            if debt.plain_open(day)
            and (step := _reminder(debt, reminded[debt.number], day, first)) is not None
        }
        recent = sum(0 <= (day - one.on).days < 7 for one in sent)
        if not about or recent >= 3 or (sent and (day - sent[-1].on).days < 2):
            continue
        for number, (step, _) in about.items():
            reminded[number].append(step)
        highest = max((step for step, _ in about.values()), key=lambda step: REMINDERS[step])
        cents = sum(cents for _, cents in about.values())
        sent.append(Sent(day, customer, highest, tuple(sorted(about)), cents))
    return sent


def _reminder(debt: Debt, reminded: list[str], day: date, first: date) -> str | None:
    last_sent = max((REMINDERS[step] for step in reminded), default=-99)
    for step in reversed(REMINDERS):
        comes_on = debt.due_on + timedelta(days=REMINDERS[step])
        while comes_on.weekday() >= 5:
            comes_on += DAY
        if REMINDERS[step] <= last_sent or not max(debt.issued_on, first) <= comes_on <= day:
            continue
        if step == "before" and day > debt.due_on:
            continue
        if step == "d15" and "d7" not in reminded:
            continue
        return step
    return None
