"""Sixteen clients on one customer through real HTTP, at one process and at two: no lost update, books that balance."""

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from ledger.money import Money
from tests.commands import invariants
from tests.commands.memory_unit import MemoryUnit
from tests.http.conftest import Client, Service
from tests.soak.reading_back import unit_of
from tests.store.forcing import assert_log_is_whole

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

CLIENTS = 16
SECONDS = 10
INVOICES = 40
RETRIED = {409, 503}
REFUSED = {"already_reversed", "nothing_to_apply", "over_applied"}
"""What a client may be told that came second."""


class Told:
    """What the clients were answered."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.paid: dict[str, tuple[str, int]] = {}
        self.reversed: dict[str, str] = {}
        self.answers: Counter[str] = Counter()
        self.retries = 0
        self.broken: list[str] = []

    def note(self, what: str) -> None:
        with self.lock:
            self.answers[what] += 1


class Payer:
    """One client that pays, reverses and applies, as fast as it is answered."""

    def __init__(self, client: Client, url: str, told: Told, number: int, ends_at: float) -> None:
        self.client = client
        self.http = httpx.Client(base_url=url, headers=client.headers, timeout=30)
        self.told, self.number, self.ends_at = told, number, ends_at
        self.chance = random.Random(number)
        self.mine: list[str] = []
        self.keys = 0

    def run(self, customer: str, invoices: list[str], void: str) -> None:
        with self.http:
            try:
                while time.monotonic() < self.ends_at:
                    self.step(customer, invoices, void)
            except (httpx.HTTPError, AssertionError) as error:
                self.told.broken.append(repr(error))

    def step(self, customer: str, invoices: list[str], void: str) -> None:
        roll = self.chance.random()
        if roll < 0.5 or not self.mine:
            self.pay(customer, invoices, void)
        elif roll < 0.65:
            self.reverse("reverse")
        elif roll < 0.8:
            self.reverse("charge-back")
        elif roll < 0.9:
            self.ask("apply", f"/api/payments/{self.one_of_mine()}/apply", {})
        else:
            path = f"/api/customers/{customer}/apply-credit"
            self.ask("apply credit", path, {"currency": "USD"})

    def pay(self, customer: str, invoices: list[str], void: str) -> None:
        minor = self.chance.randrange(1, 5_000)
        amount = {"amount": Money.of(minor, "USD").amount, "currency": "USD"}
        target: dict[str, Any] = self.chance.choice(
            (
                {"customer_id": customer},
                {"invoice_id": self.chance.choice(invoices)},
                {"invoice_id": void},  # the customer's credit
                {"allocations": [{"invoice_id": self.chance.choice(invoices), "amount": amount}]},
            )
        )
        key = f"{self.number}-{self.keys}"
        made = self.ask("pay", "/api/payments", {"amount": amount, **target}, key)
        assert made is not None, "arrived money is never refused"
        self.mine.append(made["id"])
        with self.told.lock:
            self.told.paid[key] = (made["id"], minor)

    def reverse(self, how: str) -> None:
        payment_id = self.one_of_mine()
        if self.ask(how, f"/api/payments/{payment_id}/{how}", {"reason": "bounced"}) is not None:
            with self.told.lock:
                assert payment_id not in self.told.reversed, "reversed twice"
                self.told.reversed[payment_id] = how

    def one_of_mine(self) -> str:
        return self.chance.choice(self.mine[-20:])

    def ask(
        self, what: str, path: str, body: dict[str, Any], key: str | None = None
    ) -> dict[str, Any] | None:
        """The answer; None when it was refused as it may be. What is busy is asked again under the same key."""
        self.keys += 1
        headers = {"Idempotency-Key": key or f"{self.number}-{what}-{self.keys}"}
        while True:
            answer = self.http.post(path, json=body, headers=headers)
            if answer.status_code in RETRIED and "Retry-After" in answer.headers:
                with self.told.lock:
                    self.told.retries += 1
                time.sleep(0.05)
                continue
            if answer.status_code in (200, 201):
                self.told.note(what)
                if self.chance.random() < 0.1:  # its reply was lost, say
                    again = self.http.post(path, json=body, headers=headers)
                    assert (again.status_code, again.content) == (
                        answer.status_code,
                        answer.content,
                    )
                    self.told.note("asked again")
                found: dict[str, Any] = answer.json()
                return found
            code = answer.json()["type"].rpartition("/")[2]
            if answer.status_code != 422 or code not in REFUSED:
                self.told.broken.append(f"{what}: {answer.status_code} {answer.text}")
                self.ends_at = 0
            self.told.note(code)
            return None


@contextlib.contextmanager
def serving(database: Database, home: Path) -> Iterator[tuple[str, list[int]]]:
    """(URL, what it counted once it has ended) of a server process."""
    command = [sys.executable, "-m", "tests.soak.serving", database.admin_url, str(home)]
    counted: list[int] = []
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), counted
    finally:
        process.stdin.close()
        counted.append(int(process.stdout.read() or -1))
        assert process.wait(30) == 0
        process.stdout.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_no_update_is_lost_and_the_books_balance(
    database: Database, tmp_path: Path, processes: int
) -> None:
    told = Told()
    with Books(database) as books, contextlib.ExitStack() as stack:
        served = [stack.enter_context(serving(database, tmp_path)) for _ in range(processes)]
        service = Service(books, served[0][0], tmp_path)
        tenant_id = service.new_tenant()
        with Client(service, tenant_id, "administrator") as client:
            customer = client.customer()
            invoices = [client.sent(customer, "1000.00") for _ in range(INVOICES)]
            void = client.sent(customer, "1.00")
            client.made(f"/api/invoices/{void}/void", {"reason": "a slip"})
            _pay_from_many(client, told, [url for url, _ in served], customer, invoices, void)
        stack.close()
        unit = unit_of(books, tenant_id)
        _assert_every_answer_is_stored(unit, told)
        _assert_balanced(unit)
        assert books.projections.catch_up() >= 0
        _assert_read_models_agree(books, tenant_id, unit, UUID(customer))
        assert_log_is_whole(database)
    conflicts = sum(count for _, counted in served for count in counted)
    asked = told.answers.total()
    print(
        f"\n{processes} processes, {CLIENTS} clients: {asked / SECONDS:.0f} commands/s, "
        f"decided again {conflicts} times, {told.retries} retried by clients; {dict(told.answers)}"
    )
    if processes == 2:
        assert conflicts > 0, "the two never met"


def _pay_from_many(
    client: Client, told: Told, urls: list[str], customer: str, invoices: list[str], void: str
) -> None:
    ends_at = time.monotonic() + SECONDS
    payers = [Payer(client, urls[n % len(urls)], told, n, ends_at) for n in range(CLIENTS)]
    threads = [
        threading.Thread(target=payer.run, args=(customer, invoices, void)) for payer in payers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 60)
        assert not thread.is_alive(), "a request was never answered"
    assert told.broken == []
    assert all(told.answers[what] for what in ("pay", "reverse", "charge-back", "apply credit"))


def _assert_every_answer_is_stored(unit: MemoryUnit, told: Told) -> None:
    stored = {
        stream_id: state for stream_id, kind, state in invariants.states(unit) if kind == "payment"
    }
    assert set(stored) == {UUID(payment_id) for payment_id, _ in told.paid.values()}
    assert len(told.paid) == len(stored)
    for payment_id, minor in told.paid.values():
        payment = stored[UUID(payment_id)]
        assert payment.amount_minor == minor
        how = told.reversed.get(payment_id)
        expected = {None: "received", "reverse": "reversed", "charge-back": "charged_back"}[how]
        assert payment.status == expected


def _assert_balanced(unit: MemoryUnit) -> None:
    for _, kind, state in invariants.states(unit):
        if kind == "invoice":
            invariants.assert_invoice_balances(state)
        elif kind == "customer":
            invariants.assert_customer_is_sound(state)
        elif kind == "payment":
            invariants.assert_payment_is_spread(state)
    invariants.assert_money_balances(unit)
    invariants.assert_payments_are_on_their_invoices(unit)


def _assert_read_models_agree(
    books: Books, tenant_id: UUID, unit: MemoryUnit, customer_id: UUID
) -> None:
    customer = unit.state("customer", customer_id)
    open_minor = sum(
        state.open.total for _, kind, state in invariants.states(unit) if kind == "invoice"
    )
    with books.reading(tenant_id) as connection:
        (row,) = connection.execute(
            "SELECT open_minor FROM customer_balances WHERE customer_id = %s", (customer_id,)
        ).fetchall()
        (credit,) = connection.execute(
            "SELECT credit FROM customers WHERE customer_id = %s", (customer_id,)
        ).fetchall()
        paid = connection.execute(
            "SELECT coalesce(sum(amount_minor), 0) FROM payments WHERE status = 'received'"
        ).fetchall()
    assert row == (open_minor,)
    assert json.loads(credit[0]) == customer.credit
    standing = sum(
        state.amount_minor
        for _, kind, state in invariants.states(unit)
        if kind == "payment" and state.status == "received"
    )
    assert paid == [(standing,)]
