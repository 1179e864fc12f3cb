"""What a forked worker does: run a tenant's nights, pay from many threads, or refund. Each may be under a doom."""

import base64
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from psycopg_pool import ConnectionPool

from adapters.payouts.files import FilePayout
from adapters.payouts.http import HttpPayout
from adapters.postgres.connection import Pool
from adapters.store import lease as lease_module
from adapters.store.application import LedgerApplication
from adapters.store.clock import PostgresClock
from adapters.store.clock_guard import ClockGuard
from adapters.store.encryption import PersonalDataCipher
from adapters.store.inbox import Inbox
from adapters.store.payouts import PostgresPayouts
from adapters.store.writer import Request, Writer
from commands.payments import ReceivePayment, receive_payment
from commands.refunds import (
    ConfirmRefund,
    FailRefund,
    RefundView,
    RequestRefund,
    confirm_refund,
    fail_refund,
    request_refund,
)
from commands.unit_of_work import Unit, load
from ledger.money import Money
from schedulers import chunks
from schedulers.business_day import run_day
from schedulers.catch_up import tick
from schedulers.ports import Run
from schedulers.refund_payouts import Payout, pay_out
from tests.conftest import MASTER_KEY
from tests.schedulers.nights import TENANT, day
from tests.soak.doom import (
    Doom,
    DoomedConnection,
    DoomedTransport,
    Place,
    doom_copies,
    doom_files,
)

PAID_AT = datetime(2026, 1, 20, 15, tzinfo=UTC)


@contextmanager
def _pool(url: str, doom: Doom) -> Iterator[Pool]:
    DoomedConnection.doom = doom
    doom_copies(doom)
    with ConnectionPool(
        url, connection_class=DoomedConnection, min_size=1, max_size=4, timeout=10
    ) as pool:
        yield pool  # type: ignore[misc]


@contextmanager
def _writer(pool: Pool) -> Iterator[Writer]:
    cipher = PersonalDataCipher(pool, MASTER_KEY)
    writer = Writer(LedgerApplication(pool), pool, cipher, ClockGuard(pool))
    writer.start()
    try:
        yield writer
    finally:
        writer.close()


def _doom(place: Place | None, n: int, strike: str) -> Doom:
    return Doom(place, n, signal.Signals[strike])


def _small_chunks(streams: int) -> None:
    chunks.FEWEST = chunks.FIRST = chunks.MOST = streams


def nights(
    url: str,
    count: int,
    payments: dict[str, list[str]],
    place: Place | None = None,
    n: int = 0,
    strike: str = "SIGKILL",
) -> dict[str, int]:
    """Runs the tenant's first `count` nights, and after each the payments that came on that day.

    payments   by the number of the night: invoice ids, each paid 10.00 under a key of its own
    """
    doom = _doom(place, n, strike)
    _small_chunks(60)
    with _pool(url, doom) as pool, _writer(pool) as writer:
        clock = PostgresClock(pool)
        lease = clock.acquire("worker")
        for number in range(count):
            run = Run(TENANT, day(number), lease)
            run_day(clock, run, pause=lambda point: doom.at("pause"))
            for invoice_id in payments.get(str(number), []):
                _pay(writer, UUID(invoice_id), f"{number} {invoice_id}", number)
        clock.release(lease)
    return doom.passed


def _pay(writer: Writer, invoice_id: UUID, key: str, number: int) -> None:
    command = ReceivePayment(Money("10.00", "BRL"), invoice_id=invoice_id, received_on=day(number))
    writer.run(
        Request(
            tenant_id=TENANT,
            actor="test",
            handler=lambda unit: receive_payment(unit, command),
            key=key,
            now=PAID_AT + timedelta(days=number),
        )
    )


def ticks(url: str, nights: int, place: Place, n: int, lease_seconds: int) -> dict[str, Any]:
    """Runs what is due as the alarm does, three times over; stands still once in the first."""
    doom = _doom(place, n, "SIGSTOP")
    _small_chunks(60 if place != "in copy" else 1_000)
    lease_module.LEASE_SECONDS = lease_seconds  # type: ignore[misc]
    now = datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(days=nights - 1)
    with _pool(url, doom) as pool:
        clock = PostgresClock(pool)
        if place == "pause":
            return {"ran": [_paused_tick(clock, doom, nights)]}
        return {"ran": [tick(clock, "paused", now) for _ in range(3)]}


def _paused_tick(clock: PostgresClock, doom: Doom, nights: int) -> str:
    """One night after another with pause points, which a tick has none of."""
    lease = clock.acquire("paused")
    try:
        for number in range(nights):
            run_day(clock, Run(TENANT, day(number), lease), pause=lambda _: doom.at("pause"))
    except Exception as error:
        return type(error).__name__
    return "finished"


def payers(
    url: str,
    invoices: list[str],
    told: str,
    threads: int,
    each: int,
    place: Place | None = None,
    n: int = 0,
    strike: str = "SIGKILL",
) -> dict[str, int]:
    """`threads` pay 1.00 with keys as fast as they are answered, each `each` times.

    told   a file to which a line is added before each command (`asked`, key, invoice) and after each answer
           (`answered`, key, tenant_seq, replayed, body)
    """
    doom = _doom(place, n, strike)
    log = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def pay(writer: Writer, thread: int) -> None:
        for number in range(each):
            key = f"{thread}-{number}"
            invoice_id = invoices[(thread * 7 + number) % len(invoices)]
            os.write(log, f"asked {key} {invoice_id}\n".encode())
            answer = writer.run(paying(UUID(invoice_id), key))
            body = base64.b64encode(answer.body).decode()
            line = f"answered {key} {answer.tenant_seq} {int(answer.replayed)} {body}\n"
            os.write(log, line.encode())

    with _pool(url, doom) as pool, _writer(pool) as writer:
        working = [threading.Thread(target=pay, args=(writer, k)) for k in range(threads)]
        for thread in working:
            thread.start()
        for thread in working:
            thread.join()
    return doom.passed


def paying(invoice_id: UUID, key: str) -> Request:
    """A request that pays 1.00 on an invoice."""
    command = ReceivePayment(Money("1.00", "BRL"), invoice_id=invoice_id, received_on=day(0))
    return Request(
        tenant_id=TENANT,
        actor="test",
        handler=lambda unit: receive_payment(unit, command),
        key=key,
        request_hash=key.encode(),
        prefetch_streams=(invoice_id,),
        prefetch_new=("payment",),
        now=PAID_AT,
    )


def refunds(
    url: str,
    tenant_id: str,
    customer_id: str,
    wanted: dict[str, str],
    now: str,
    folder: str = "",
    peer: str = "",
    place: Place | None = None,
    n: int = 0,
    strike: str = "SIGKILL",
) -> dict[str, int]:
    """Refunds from their request to their end, as often as it is run: asked for with keys, handed over, settled.

    wanted   by idempotency key, what becomes of each of 1.00: `confirm`, `fail`, or `refuse` by the provider
    folder   where files go, or else `peer`, the URL of a provider
    """
    doom = _doom(place, n, strike)
    moment = datetime.fromisoformat(now)
    with _pool(url, doom) as pool, _writer(pool) as writer:
        made = {
            key: _asked(writer, UUID(tenant_id), UUID(customer_id), key, end, moment)
            for key, end in wanted.items()
        }
        store = PostgresPayouts(pool, writer, PersonalDataCipher(pool, MASTER_KEY), lambda: moment)
        with _payout(folder, peer, doom) as payout:
            pay_out(store, payout, lambda: moment, pause=lambda point: doom.at("pause"))
        for key, refund_id in made.items():
            doom.at("pause")
            _settled(writer, UUID(tenant_id), refund_id, key, wanted[key], moment)
    return doom.passed


@contextmanager
def _payout(folder: str, peer: str, doom: Doom) -> Iterator[Payout]:
    if folder:
        doom_files(doom)
        yield FilePayout(Path(folder))
        return
    with HttpPayout(peer) as payout:
        client = payout._client
        client._transport = DoomedTransport(doom, client._transport)
        yield payout


def _asked(
    writer: Writer, tenant_id: UUID, customer_id: UUID, key: str, end: str, moment: datetime
) -> UUID:
    command = RequestRefund(customer_id, "asked", Money("1.00", "EUR"), "", f"account to {end}")
    request = Request(
        tenant_id=tenant_id,
        actor="test",
        handler=lambda unit: request_refund(unit, command),
        key=key,
        request_hash=key.encode(),
        prefetch_new=("refund",),
        now=moment,
    )
    return msgspec.json.decode(writer.run(request).body, type=RefundView).id


def accepting(
    url: str,
    tenant_id: str,
    customer_id: str,
    keys: list[str],
    told: str,
    place: Place | None = None,
    n: int = 0,
    strike: str = "SIGKILL",
) -> dict[str, int]:
    """Payments of 1.00 accepted into the inbox and carried out, as often as it is run.

    told   a file to which each key is added once it was accepted
    """
    doom = _doom(place, n, strike)
    log = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    body = msgspec.json.encode(ReceivePayment(Money("1.00", "EUR"), UUID(customer_id)))
    with _pool(url, doom) as pool, _writer(pool) as writer:
        inbox = Inbox(pool, writer, PersonalDataCipher(pool, MASTER_KEY))
        for key in keys:
            inbox.enqueue(
                UUID(tenant_id),
                key,
                "receive_payment",
                b"hash",
                body,
                actor="test",
                correlation_id="",
            )
            os.write(log, f"{key}\n".encode())
        inbox.execute()
    return doom.passed


def _settled(
    writer: Writer, tenant_id: UUID, refund_id: UUID, key: str, end: str, moment: datetime
) -> None:
    """Confirms it or has it fail, once it is sent."""

    def settle(unit: Unit) -> Any:
        if load(unit, "refund", refund_id).status != "sent":
            return None
        if end == "confirm":
            return confirm_refund(unit, refund_id, ConfirmRefund("po-1"))
        return fail_refund(unit, refund_id, FailRefund("came back"))

    writer.run(Request(tenant_id=tenant_id, actor="test", handler=settle, now=moment))
