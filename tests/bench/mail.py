"""Mails end to end: queued messages through two workers to a server on loopback, with every attempt and outcome an
event, beside what `aiosmtplib` alone reaches with a mail of the same size to the same server.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from aiosmtplib import SMTP

from adapters.settings import Settings
from adapters.wiring import Books, open_books
from commands.dunning_plans import SavePlan
from commands.senders import SaveSender, save_sender
from ledger.customer import Person, Registered
from ledger.dunning.plan import DEFAULT_KEY, Step
from ledger.event_registry import Event
from ledger.ids import derived_id
from ledger.message import Queued
from tests.bench.seed import append_streams, begin_dunning, new_tenant, sent_invoice
from tests.bench.sizes import Size

WORKERS = 2
CONNECTIONS = 32
QUEUED_ON = date(2024, 2, 1)
CHUNK = 1_000
MAIL_BYTES = 7_200
"""Of a shipped reminder about one invoice, both parts."""
INSERT_KEYS = """
INSERT INTO customer_keys (tenant_id, customer_id, wrapped_key)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bytea[])
"""


def measure(settings: Settings, size: Size) -> dict[str, float]:
    """Every `mail.` figure."""
    with open_books(settings) as books, running_sink() as port:
        tenant_id = new_tenant(books)
        save = SaveSender(
            "main",
            "127.0.0.1",
            port,
            "billing@shop.example",
            security="none",
            connections=CONNECTIONS,
            pause_ms=0,
        )
        books.run(tenant_id, "bench", lambda unit: save_sender(unit, save))
        queue_messages(books, tenant_id, size.mails)
        alone = asyncio.run(_alone(port, size.mails))
        began = time.perf_counter()
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.bench.mail"],
                env=worker_environment(settings),
                stdout=subprocess.PIPE,
            )
            for _ in range(WORKERS)
        ]
        rounds = [json.loads(worker.communicate()[0]) for worker in workers]
        assert sum(one["taken"] for one in rounds) == size.mails, rounds
        first, last = min(one["began"] for one in rounds), max(one["ended"] for one in rounds)
        print(
            f"{WORKERS} workers: {time.perf_counter() - began:.1f} s with their start",
            file=sys.stderr,
        )
    per_s = size.mails / (last - first)
    return {
        "mail.mails": float(size.mails),
        "mail.alone_per_s": alone,
        "mail.per_s": per_s,
        "mail.vs_alone": per_s / alone,
        "mail.peak_mb": max(one["peak_mb"] for one in rounds),
    }


def worker_environment(settings: Settings) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DUEBOOK_")}
    environment["DUEBOOK_HOME"] = str(settings.home)
    environment["DUEBOOK_MASTER_KEY_FILE"] = str(settings.master_key_file)
    environment["DUEBOOK_PRIVATE_ADDRESSES"] = "allow"
    if settings.database_url is not None:
        environment["DUEBOOK_DATABASE_URL"] = settings.database_url
    return environment


@contextmanager
def running_sink(told: str | None = None) -> Iterator[int]:
    """A server that takes every mail, in a process of its own; its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.mail_sink", *([told] if told else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sink:
        assert sink.stdout is not None
        yield int(sink.stdout.readline())


def queue_messages(books: Books, tenant_id: UUID, count: int) -> None:
    """`count` reminders that wait, each to a customer of its own with one open invoice, by a plan that contacts on any
    day."""
    plan = SavePlan(DEFAULT_KEY, "Any day", (Step("d1", 1),), calendar="none")
    begin_dunning(books, tenant_id, plan)
    tenant = books.tenants.state(tenant_id)
    cipher = books.cipher
    for first in range(0, count, CHUNK):
        streams: list[tuple[UUID, str, list[tuple[Event, date]]]] = []
        keys: list[tuple[UUID, bytes]] = []
        for n in range(first, min(count, first + CHUNK)):
            customer_id, invoice_id, message_id = (
                derived_id(QUEUED_ON, tenant_id, kind, str(n))
                for kind in ("customer", "invoice", "message")
            )
            owner = (tenant_id, customer_id)
            key, wrapped = cipher.new_key(owner)
            keys.append((customer_id, wrapped))
            person = Person(
                name=cipher.encrypt(key, owner, f"Customer {n}"),
                email=cipher.encrypt(key, owner, f"c{n}@d{n % 50}.example"),
            )
            queued = Queued(
                "dunning",
                "email",
                customer_id,
                "BRL",
                100,
                QUEUED_ON,
                (invoice_id,),
                plan=plan.key,
                step="d1",
            )
            streams += [
                (customer_id, "customer", [(Registered(person=person), QUEUED_ON)]),
                (invoice_id, "invoice", sent_invoice(tenant, customer_id, n, imported=False)),
                (message_id, "message", [(queued, QUEUED_ON)]),
            ]
        with books.database.writer.connection() as connection:
            connection.execute(
                INSERT_KEYS,
                ([tenant_id] * len(keys), [one for one, _ in keys], [one for _, one in keys]),
            )
        append_streams(books.database, tenant_id, streams)


async def _alone(port: int, count: int) -> float:
    """Mails a second of `aiosmtplib` alone."""
    mail = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * (MAIL_BYTES // 78)
    left = iter(range(count))

    async def send() -> None:
        async with SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            await client.ehlo()
            for n in left:
                await client.mail("billing@shop.example")
                await client.rcpt(f"c{n}@d.example")
                await client.data(mail)

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return count / (time.perf_counter() - began)


def work() -> dict[str, Any]:
    """One worker's round."""
    from adapters.messages.roster import Roster
    from schedulers.outbox import Outbox
    from tests.bench.measuring import peak_mb

    settings = Settings.from_environment()
    with open_books(settings) as books:
        roster = Roster(books.database.writer, books.secrets, settings)
        began = datetime.now(UTC).timestamp()
        done = Outbox(books.outbox, roster.of).send_waiting()
        ended = datetime.now(UTC).timestamp()
    return {"taken": done.taken, "began": began, "ended": ended, "peak_mb": peak_mb()}


if __name__ == "__main__":
    print(json.dumps(work()))
