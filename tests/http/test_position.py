"""A query waits for what its principal has written, briefly."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from adapters.postgres.connection import owner_connection
from tests.http.conftest import Clients, Service

AGING = "/api/reports/aging"


@contextlib.contextmanager
def read_models_stand_still(service: Service) -> Iterator[None]:
    """Nothing reaches the read models meanwhile."""
    with owner_connection(service.books.database) as other, other.transaction():
        other.execute("SELECT 1 FROM projection_tracking FOR UPDATE")
        yield


def test_a_query_waits_for_the_position(service: Service, clients: Clients) -> None:
    client = clients()
    client.sent()
    with ThreadPoolExecutor(1) as threads:
        with read_models_stand_still(service):
            position = client.post(f"/api/invoices/{client.draft()}/send").headers[
                "Duebook-Position"
            ]
            asked = threads.submit(client.get, AGING, params={"min_position": position})
            time.sleep(0.3)
            assert not asked.done()
        answer = asked.result()
    assert answer.status_code == 200
    assert answer.json()["currencies"][0]["total"]["count"] == 2
    assert int(answer.headers["Duebook-Position"]) >= int(position)


def test_a_read_model_that_stays_behind_is_503(service: Service, clients: Clients) -> None:
    client = clients()
    with read_models_stand_still(service):
        client.sent()
        position = int(client.get("/api/tenant").headers["Duebook-Position"])
        started = time.monotonic()
        answer = client.get(AGING, params={"min_position": position})
        assert 1.9 < time.monotonic() - started < 4
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/read_model_behind"
        assert answer.headers["Retry-After"] == "2"
        without = client.get(AGING)
        assert without.status_code == 200
        assert int(without.headers["Duebook-Position"]) < position


def test_what_reads_the_log_itself_is_never_behind(service: Service, clients: Clients) -> None:
    client = clients()
    with read_models_stand_still(service):
        invoice_id = client.sent()
        position = int(client.get("/api/tenant").headers["Duebook-Position"])
        for path in (f"/api/invoices/{invoice_id}", "/api/events", "/api/fee-policies"):
            answer = client.get(path, params={"min_position": position})
            assert answer.status_code == 200
            assert int(answer.headers["Duebook-Position"]) == position


def test_a_position_that_does_not_exist_is_refused_at_once(clients: Clients) -> None:
    client = clients()
    client.customer()
    last = int(client.get("/api/tenant").headers["Duebook-Position"])
    for path in (AGING, "/api/tenant"):
        started = time.monotonic()
        answer = client.get(path, params={"min_position": last + 1})
        assert time.monotonic() - started < 1
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "min_position"


def test_positions_are_the_tenants_own(clients: Clients) -> None:
    """Nobody sees from the numbers how much others write."""
    first = clients()
    before = int(first.get("/api/tenant").headers["Duebook-Position"])
    clients().sent()
    assert int(first.get("/api/tenant").headers["Duebook-Position"]) == before
