"""A tenant's business day: opened once, each step with its totals, closed once. One stream per tenant and date."""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.event_registry import Event, stored
from ledger.ids import derived_id

FOLD_VERSION = 1

Step = Literal["overdue", "mora", "dunning"]
STEPS: tuple[Step, ...] = ("overdue", "mora", "dunning")
"""The steps of a day in their order; closing comes after the last."""


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a step did: streams looked at, events posted, streams that could not be read and were left for the
    next day, and minor units posted per currency."""

    looked_at: int = 0
    posted: int = 0
    failed: int = 0
    amounts: dict[str, int] = {}

    def __add__(self, other: "Tally") -> "Tally":
        amounts = dict(self.amounts)
        for currency, minor in other.amounts.items():
            amounts[currency] = amounts.get(currency, 0) + minor
        return Tally(
            self.looked_at + other.looked_at,
            self.posted + other.posted,
            self.failed + other.failed,
            amounts,
        )


@stored("business_day.opened.v1")
class Opened(Event, frozen=True):
    """The day is being run; its steps follow."""

    day: date


@stored("business_day.step_completed.v1")
class StepCompleted(Event, frozen=True):
    """Every stream that was due for this step was looked at."""

    step: Step
    tally: Tally = Tally()


@stored("business_day.closed.v1")
class Closed(Event, frozen=True):
    """All steps are done; the day is never run again."""


class BusinessDay(msgspec.Struct, frozen=True, array_like=True):
    day: date
    status: Literal["open", "closed"] = "open"
    steps: dict[str, Tally] = {}


def stream_id(tenant_id: UUID, day: date) -> UUID:
    """The stream of a tenant's business day."""
    return derived_id(day, tenant_id, "business_day")


def evolve(business_day: BusinessDay | None, event: Event, effective_on: date) -> BusinessDay:
    if isinstance(event, Opened):
        return BusinessDay(event.day)
    assert business_day is not None, f"{event.TAG} came before the day was opened"
    match event:
        case StepCompleted():
            return replace(business_day, steps={**business_day.steps, event.step: event.tally})
        case Closed():
            return replace(business_day, status="closed")
    raise AssertionError(f"a business day does not know {event.TAG}")
