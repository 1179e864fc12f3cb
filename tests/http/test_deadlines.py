"""A stalled database and a full disk are reported within seconds, each by its own error."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from adapters.http import dispatcher, read_pool
from adapters.postgres.connection import connect_database
from adapters.postgres.embedded_server import EmbeddedPostgres
from adapters.wiring import Books
from tests.conftest import MASTER_KEY
from tests.http.conftest import Client, Service, running


@pytest.fixture
def server(private_server: Callable[..., EmbeddedPostgres]) -> EmbeddedPostgres:
    return private_server({"fsync": "off"})


@pytest.fixture
def client(server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Client]:
    """A client of a service whose database server is the test's own."""
    with (
        connect_database(server.admin_url, MASTER_KEY, pool_size=4, embedded=None) as database,
        Books(database) as books,
        running(books, tmp_path) as url,
    ):
        service = Service(books, url, tmp_path)
        with Client(service, service.new_tenant(), "administrator") as client:
            yield client


def processes_of(server: EmbeddedPostgres) -> list[int]:
    """The server and its backends."""
    assert server.postmaster_pid is not None
    with psycopg.connect(server.admin_url) as connection:
        backends = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        ).fetchall()
    return [server.postmaster_pid, *(pid for (pid,) in backends)]


def test_a_server_that_stands_still_is_503_within_seconds(
    server: EmbeddedPostgres, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_pool, "READY_SECONDS", 0.5)
    monkeypatch.setattr(read_pool, "DEADLINE_SECONDS", 1.0)
    monkeypatch.setattr(dispatcher, "DEADLINE_SECONDS", 1.0)
    assert client.get("/health/ready").status_code == 200
    customer_id = client.customer()
    stopped = processes_of(server)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        wrote = client.post(
            "/api/customers", json={"name": "Ann"}, headers={"Idempotency-Key": "still-1"}
        )
        assert (wrote.status_code, wrote.json()["title"]) == (503, "Outcome unknown")
        for _ in range(20):
            assert client.get("/health/ready").status_code == 503
        assert client.get("/health/live").status_code == 200
        read = client.get(f"/api/customers/{customer_id}")
        assert (read.status_code, read.json()["title"]) == (503, "Service unavailable")
        assert time.monotonic() - started < 20
    finally:
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)
    for _ in range(100):
        if client.get("/health/ready").status_code == 200:
            break
        time.sleep(0.1)
    again = client.post(
        "/api/customers", json={"name": "Ann"}, headers={"Idempotency-Key": "still-1"}
    )
    assert again.status_code == 201
    names = [one["name"] for one in _events(client) if one["name"] == "Ann"]
    assert len(names) == 1, "it was registered once"


def _events(client: Client) -> list[dict[str, str]]:
    items = client.get("/api/events", params={"limit": "200"}).json()["items"]
    return [
        {"name": client.get(f"/api/customers/{one['stream_id']}").json()["name"]}
        for one in items
        if one["tag"] == "customer.registered.v1"
    ]


def test_a_full_disk_is_told_at_once(
    service: Service, clients: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients()
    client.customer()

    def full(*_: object, **__: object) -> None:
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    monkeypatch.setattr(service.books.application, "save", full)
    started = time.monotonic()
    refused = client.post("/api/customers", json={"name": "Ann"})
    assert (refused.status_code, refused.json()["title"]) == (507, "Disk full")
    assert time.monotonic() - started < 5
    monkeypatch.undo()
    client.customer()


def test_a_disk_without_room_is_not_ready(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.books.database, "free_bytes", lambda: 5_000_000)
    answer = httpx.get(service.url + "/health/ready")
    assert (answer.status_code, answer.json()["title"]) == (507, "Disk full")
    monkeypatch.undo()
    assert httpx.get(service.url + "/health/ready").status_code == 200
