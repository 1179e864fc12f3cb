from datetime import date, timedelta
from uuid import uuid4

import pytest

from ledger.business_day import STEPS, Closed, Opened, StepCompleted, Tally, evolve, stream_id

DAY = date(2024, 3, 8)


def test_a_day_is_opened_runs_its_steps_and_closes() -> None:
    day = evolve(None, Opened(DAY), DAY)
    assert (day.day, day.status, day.steps) == (DAY, "open", {})
    tally = Tally(looked_at=3, posted=2, amounts={"BRL": 17})
    for step in STEPS:
        day = evolve(day, StepCompleted(step, tally), DAY)
    assert day.steps == {"overdue": tally, "mora": tally, "dunning": tally}
    assert evolve(day, Closed(), DAY).status == "closed"


def test_overdue_comes_before_interest_and_both_before_dunning() -> None:
    assert STEPS == ("overdue", "mora", "dunning")


def test_tallies_add_up_by_currency() -> None:
    one = Tally(3, 2, 1, {"BRL": 10, "JPY": 1})
    two = Tally(1, 1, 0, {"BRL": 5, "EUR": 7})
    assert one + two == Tally(4, 3, 1, {"BRL": 15, "JPY": 1, "EUR": 7})
    assert one.amounts == {"BRL": 10, "JPY": 1}


def test_a_day_has_one_stream_per_tenant_and_date() -> None:
    tenant, other = uuid4(), uuid4()
    assert stream_id(tenant, DAY) == stream_id(tenant, DAY)
    different = {
        stream_id(tenant, DAY),
        stream_id(other, DAY),
        stream_id(tenant, DAY + timedelta(days=1)),
    }
    assert len(different) == 3


def test_nothing_happens_to_a_day_before_it_is_opened() -> None:
    with pytest.raises(AssertionError, match="before"):
        evolve(None, Closed(), DAY)
