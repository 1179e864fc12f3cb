"""The real application on a real PostgreSQL, over loopback.

service   the application with its books, for a module's tests
clients   makes tenants and HTTP clients: `clients()` is an administrator of a new tenant
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from adapters.http.app import create_app, listening, server_of
from adapters.postgres.connection import Database
from adapters.wiring import Books
from commands.tenants import CreateKey, CreateTenant, create_key, create_tenant
from ledger.tenant import Role
from tests.daylight import TODAY, ZONE

LATER = (TODAY + timedelta(days=30)).isoformat()


class Service:
    """A running application: its books and where it listens."""

    def __init__(self, books: Books, url: str, home: Path) -> None:
        self.books = books
        self.url = url
        self.home = home

    def new_tenant(self) -> UUID:
        tenant_id = uuid4()
        create = CreateTenant(f"tenant {tenant_id}", "USD", ZONE)
        self.books.run(tenant_id, "test", lambda unit: create_tenant(unit, create))
        return tenant_id

    def new_key(self, tenant_id: UUID, role: Role = "administrator") -> tuple[UUID, str]:
        """(id, key)"""
        key = "dbk_" + secrets.token_urlsafe(12)
        key_hash = sha256(key.encode()).digest()
        answer = self.books.run(
            tenant_id, "test", lambda unit: create_key(unit, CreateKey("test", role), key_hash)
        )
        return UUID(answer.body.decode().split('"')[3]), key


class Client(httpx.Client):
    """An HTTP client that carries a tenant's key, with the few steps that most tests begin with."""

    def __init__(self, service: Service, tenant_id: UUID, role: Role) -> None:
        self.service = service
        self.tenant_id = tenant_id
        self.key_id, self.key = service.new_key(tenant_id, role)
        headers = {"X-Api-Key": self.key, "X-Tenant-Id": str(tenant_id)}
        super().__init__(base_url=service.url, headers=headers, timeout=20)

    def made(self, path: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """What a POST answered, which must be 200 or 201."""
        answer = self.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def customer(self, **fields: str) -> str:
        made = self.made("/api/customers", {"name": "Ann Other", **fields})
        return str(made["id"])

    def draft(self, customer_id: str | None = None, price: str = "100.00") -> str:
        body = {
            "customer_id": customer_id or self.customer(),
            "due_on": LATER,
            "lines": [{"description": "Advice", "quantity": "1", "unit_price": price}],
        }
        return str(self.made("/api/invoices", body)["id"])

    def sent(self, customer_id: str | None = None, price: str = "100.00") -> str:
        invoice_id = self.draft(customer_id, price)
        self.made(f"/api/invoices/{invoice_id}/send", {})
        return invoice_id

    def paid(self, invoice_id: str, amount: str, key: str | None = None) -> str:
        body = {"invoice_id": invoice_id, "amount": usd(amount)}
        return str(self.made("/api/payments", body, key or secrets.token_hex(8))["id"])

    def accepted(self, customer_id: str) -> str:
        """A payment of 1.00 that was accepted to be recorded soon; nobody does, in these tests."""
        answer = self.post(
            "/api/payments",
            json={"customer_id": customer_id, "amount": usd("1.00")},
            headers={"Idempotency-Key": secrets.token_hex(8), "Prefer": "respond-async"},
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def agreement(self, customer_id: str | None = None, **terms: Any) -> str:
        """A loan of 1,000.00 in three equal parts, requested."""
        body = self.agreement_body(customer_id, **terms)
        return str(self.made("/api/agreements", body)["id"])

    def agreement_body(self, customer_id: str | None = None, **terms: Any) -> dict[str, Any]:
        return {
            "customer_id": customer_id or self.customer(),
            "kind": "loan",
            "principal": usd("1000.00"),
            "schedule": "equal",
            "count": 3,
            "first_due_on": LATER,
            **terms,
        }


Clients = Callable[..., Client]


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


@contextlib.contextmanager
def running(books: Books, home: Path) -> Iterator[str]:
    """Serves the books; yields the URL."""
    started = threading.Event()
    with listening("127.0.0.1", 0) as listener:
        server = server_of(create_app(books, home), started.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert started.wait(10), "the server did not start"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(15)
            assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(scope="module")
def service(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    with Books(module_database) as books:
        books.projections.start()
        with running(books, home) as url:
            yield Service(books, url, home)


@pytest.fixture
def clients(service: Service) -> Iterator[Clients]:
    with contextlib.ExitStack() as stack:

        def clients(tenant_id: UUID | None = None, role: Role = "administrator") -> Client:
            client = Client(service, tenant_id or service.new_tenant(), role)
            return stack.enter_context(client)

        yield clients
