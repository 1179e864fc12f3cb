"""Payments over HTTP: the real server in a process of its own, a lean client in another, each invoice paid once.

Every payment has its own invoice and idempotency key, is validated, encrypted (its reference is personal) and recorded;
every answer must be 201, and the books must add up afterwards.
"""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import msgspec

from adapters.http.app import serve
from adapters.settings import Settings
from adapters.store.writer import Answer, Request
from adapters.wiring import Books, open_books
from commands.customers import RegisterCustomer, register_customer
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from commands.tenants import CreateKey, CreateTenant, create_key, create_tenant
from commands.unit_of_work import Unit
from ledger.invoice.state import Invoice
from ledger.payment import Payment
from ledger.streams import decode_state
from ledger.tax import Line

API_KEY = "dbk_" + "benchmark" * 4
CUSTOMERS = 500
AMOUNT = "12.34"
INVOICED_MINOR, PAID_MINOR = 10_000, 1_234
WARM_UP_SECONDS, MEASURED_SECONDS = 1.0, 4.0
MAX_PER_SECOND = 6_000
"""Invoices are prepared for at most so many payments a second."""


def measure(
    home: Path, warm_up_s: float = WARM_UP_SECONDS, measured_s: float = MEASURED_SECONDS
) -> dict[str, float]:
    """Every `api.` figure, of an installation of its own under `home`: at 16 clients, and with `_64` at 64.

    Raises AssertionError when an answer was not 201 or the books do not add up.
    """
    figures: dict[str, float] = {}
    tenant_id = uuid4()
    count = int(MAX_PER_SECOND * (warm_up_s + measured_s))
    with open_books(_settings(home)) as books:
        invoice_ids = _prepare(books, tenant_id, 2 * count)
    server, port = _start_server(home)
    with server:  # which closes its pipe
        try:
            sent = 0
            for clients, suffix in ((16, ""), (64, "_64")):
                load = {
                    "port": port,
                    "tenant_id": str(tenant_id),
                    "clients": clients,
                    "invoice_ids": [str(one) for one in invoice_ids[sent : sent + count]],
                    "warm_up_s": warm_up_s,
                    "measured_s": measured_s,
                }
                result = _run_client(load)
                assert set(result["statuses"]) == {"201"}, result["statuses"]
                sent += count
                figures[f"api.commands_per_s{suffix}"] = round(result["per_s"], 1)
                figures[f"api.p50_ms{suffix}"] = round(result["p50_ms"], 2)
                figures[f"api.p99_ms{suffix}"] = round(result["p99_ms"], 2)
                figures["api.payments"] = figures.get("api.payments", 0) + sum(
                    result["statuses"].values()
                )
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0, "the server did not stop cleanly"
    with open_books(_settings(home)) as books:
        _check_books(books, tenant_id, int(figures["api.payments"]))
    return figures


def _settings(home: Path) -> Settings:
    return Settings.from_environment({"DUEBOOK_HOME": str(home)})


def _prepare(books: Books, tenant_id: UUID, count: int) -> list[UUID]:
    """A tenant with its key, and `count` sent invoices of 100.00 that are not due yet."""

    def open_tenant(unit: Unit) -> Any:
        create_tenant(unit, CreateTenant("bench", "USD", "UTC"))
        return create_key(unit, CreateKey("bench"), sha256(API_KEY.encode()).digest())

    books.run(tenant_id, "bench", open_tenant)
    customers = [
        UUID(msgspec.json.decode(answer.body)["id"])
        for answer in _run_all(
            books, tenant_id, [_registering(number) for number in range(CUSTOMERS)]
        )
    ]
    due_on = datetime.now(UTC).date() + timedelta(days=30)
    sendings = [_sending(customers[n % CUSTOMERS], due_on) for n in range(count)]
    return [
        UUID(msgspec.json.decode(answer.body)["id"])
        for answer in _run_all(books, tenant_id, sendings)
    ]


def _registering(number: int) -> Any:
    command = RegisterCustomer(name=f"Customer {number}", reference=f"C{number}")
    return lambda unit: register_customer(unit, command)


def _sending(customer_id: UUID, due_on: Any) -> Any:
    draft = DraftInvoice(customer_id, due_on, (Line("Service", "1", "100.00"),))

    def send(unit: Unit) -> Any:
        return send_invoice(unit, draft_invoice(unit, draft).id, SendInvoice())

    return send


def _run_all(books: Books, tenant_id: UUID, handlers: Sequence[Any]) -> list[Answer]:
    """Runs commands with up to 5,000 waiting at once."""
    answers: list[Answer] = []
    for first in range(0, len(handlers), 5_000):
        futures = [
            books.writer.submit(Request(tenant_id=tenant_id, actor="bench", handler=handler))
            for handler in handlers[first : first + 5_000]
        ]
        answers += [future.result() for future in futures]
    return answers


def _start_server(home: Path) -> tuple[subprocess.Popen[str], int]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.api", "serve", str(home)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    return server, int(server.stdout.readline())


def _run_client(load: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.api", "load"],
        input=json.dumps(load),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _check_books(books: Books, tenant_id: UUID, payments: int) -> None:
    """Each payment answered is there once and covers its invoice; nothing else was paid."""
    found = received_minor = paid_minor = open_minor = invoices = 0
    with books.database.writer.connection() as connection:
        rows = connection.execute(
            "SELECT stream, state FROM snapshots WHERE tenant_id = %s", (tenant_id,)
        )
        for kind, state in rows:
            if kind == "payment":
                payment: Payment = decode_state(kind, bytes(state))
                found += 1
                received_minor += payment.amount_minor - payment.unapplied_minor
            elif kind == "invoice":
                invoice: Invoice = decode_state(kind, bytes(state))
                invoices += 1
                paid_minor += invoice.paid.total
                open_minor += invoice.open.total
    assert found == payments, f"{payments} answers and {found} payments"
    assert received_minor == paid_minor == payments * PAID_MINOR
    assert open_minor == invoices * INVOICED_MINOR - paid_minor


class _Client(asyncio.Protocol):
    """One connection: writes a request, waits for its answer, writes the next."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._load.next_request()
        if request is None:
            self._transport.close()
            return
        self._sent_at = perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at : head.find(b"\r\n", at) if b"\r\n" in head[at:] else len(head)])
        if len(self._buffer) < head_end + 4 + length:
            return
        self._load.answered(int(self._buffer[9:12]), self._sent_at, perf_counter())
        self._buffer = self._buffer[head_end + 4 + length :]
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost()


class _Load:
    """Requests to send, and what came of them."""

    def __init__(self, load: dict[str, Any]) -> None:
        self._load = load
        self._requests = iter([_request(load, one) for one in load["invoice_ids"]])
        self._open = load["clients"]
        self.statuses: dict[int, int] = {}
        self.times: list[tuple[float, float]] = []
        self.done = asyncio.get_running_loop().create_future()

    async def run(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        started = perf_counter()
        self._from = started + self._load["warm_up_s"]
        self._until = self._from + self._load["measured_s"]
        for _ in range(self._load["clients"]):
            await loop.create_connection(lambda: _Client(self), "127.0.0.1", self._load["port"])
        await self.done
        measured = sorted(
            (ended - sent) * 1000 for sent, ended in self.times if self._from <= ended < self._until
        )
        return {
            "statuses": self.statuses,
            "per_s": len(measured) / self._load["measured_s"],
            "p50_ms": measured[len(measured) // 2],
            "p99_ms": measured[len(measured) * 99 // 100],
        }

    def next_request(self) -> bytes | None:
        if perf_counter() >= self._until:
            return None
        request = next(self._requests, None)
        assert request is not None, "too few invoices were prepared for this speed"
        return request

    def answered(self, status: int, sent_at: float, ended_at: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.times.append((sent_at, ended_at))

    def lost(self) -> None:
        self._open -= 1
        if not self._open:
            self.done.set_result(None)


def _request(load: dict[str, Any], invoice_id: str) -> bytes:
    body = (
        f'{{"invoice_id":"{invoice_id}","amount":{{"amount":"{AMOUNT}","currency":"USD"}},'
        f'"reference":"transfer {invoice_id[-6:]}"}}'
    )
    return (
        "POST /api/payments HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-Api-Key: {API_KEY}\r\nX-Tenant-Id: {load['tenant_id']}\r\n"
        f"Idempotency-Key: pay-{invoice_id}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _serve(home: Path) -> None:
    with open_books(_settings(home)) as books:
        serve(books, "127.0.0.1", 0, home=home, ready=lambda _, port: print(port, flush=True))


async def _load() -> None:
    print(json.dumps(await _Load(json.loads(sys.stdin.read())).run()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", home]:
            _serve(Path(home))
        case ["load"]:
            asyncio.run(_load())
        case _:
            with tempfile.TemporaryDirectory(prefix="duebook-bench-") as folder:
                print(json.dumps(measure(Path(folder) / "var"), indent=1))
