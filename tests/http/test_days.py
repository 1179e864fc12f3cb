"""Business days that are run over HTTP."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.daylight import TODAY
from tests.http.answers import body_of, position_of
from tests.http.conftest import LATER, Clients, Service


def test_a_business_day_is_run_once(service: Service, clients: Clients) -> None:
    client = clients()
    path = f"/api/days/{TODAY.isoformat()}/run"
    first = body_of(client.post(path))
    assert (first["day"], first["ran"]) == (TODAY.isoformat(), True)
    assert [step["step"] for step in first["steps"]] == ["overdue", "mora"]
    again = body_of(client.post(path, json={}, headers={"Idempotency-Key": "d1"}))
    assert again == {**first, "ran": False}
    listed = body_of(client.get("/api/days", params={"min_position": position_of(client)}))
    assert [(day["day"], day["status"]) for day in listed["items"]] == [
        (TODAY.isoformat(), "closed")
    ]
    assert listed["items"][0]["steps"] == first["steps"]
    closed = body_of(client.get("/api/days", params={"status": "closed", "day_to": LATER}))
    assert len(closed["items"]) == 1
    assert body_of(client.get("/api/days", params={"status": "open"}))["items"] == []


@pytest.mark.parametrize(("days", "code"), [(1, "day_not_come"), (-1, "before_clock_start")])
def test_days_are_run_in_their_turn(clients: Clients, days: int, code: str) -> None:
    day = (TODAY + timedelta(days=days)).isoformat()
    answer = clients().post(f"/api/days/{day}/run")
    assert answer.status_code == 422
    assert answer.json()["type"] == f"/problems/{code}"


def test_a_clock_that_another_runs_is_waited_for(
    service: Service, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.http.routes.days.CLOCK_WAIT_SECONDS", 0.6)
    client = clients()
    path = f"/api/days/{TODAY.isoformat()}/run"
    lease = service.books.clock.acquire("another runner")
    busy = client.post(path)
    assert busy.status_code == 409
    assert busy.json()["type"] == "/problems/clock_busy"
    assert busy.headers["Retry-After"] == "2"
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.post, path)
        time.sleep(0.2)
        service.books.clock.release(lease)
        assert waiting.result().status_code == 200
