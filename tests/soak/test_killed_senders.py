"""`kill -9` of two workers that send mail, again and again: each message is delivered once, or nobody knows.

A message of which nobody knows was delivered once or not at all; there are no more of them than connections times
kills, and none is sent again automatically.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.messages.roster import Roster
from adapters.postgres.connection import Database
from adapters.settings import Settings
from adapters.store.outbox import PostgresOutbox
from adapters.wiring import Books
from commands.senders import SaveSender, save_sender
from schedulers.outbox import Outbox
from tests.bench.mail import queue_messages, running_sink
from tests.bench.seed import new_tenant
from tests.conftest import MASTER_KEY

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

MESSAGES = int(os.environ.get("SOAK_MAILS", "1000"))
KILLS = int(os.environ.get("SOAK_MAIL_KILLS", "4"))
CONNECTIONS = 4
WORKERS = 2
COUNT = """
SELECT state, count(*) FROM messages WHERE tenant_id = %s GROUP BY state
"""
EXPIRE_LEASES = "UPDATE message_leases SET until = '2000-01-01'"
"""The minute for which a killed worker's leases last goes by."""


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with Books(database) as opened:
        yield opened


def test_each_mail_leaves_once_whatever_is_killed(books: Books, tmp_path: Path) -> None:
    tenant_id = new_tenant(books)
    told = tmp_path / "delivered"
    with running_sink(str(told)) as port:
        save = SaveSender(
            "main",
            "127.0.0.1",
            port,
            "billing@shop.example",
            security="none",
            connections=CONNECTIONS,
            pause_ms=0,
        )
        books.run(tenant_id, "test", lambda unit: save_sender(unit, save))
        queue_messages(books, tenant_id, MESSAGES)
        environment = _environment(books, tmp_path)
        _kill(books, told, environment)
        _finish(books, environment)
        _look_later(books, tmp_path)
    delivered = Counter(told.read_text().split())
    assert max(delivered.values()) == 1, [one for one, count in delivered.items() if count > 1]
    states = _states(books, tenant_id)
    assert set(states) <= {"sent", "unknown"}
    assert sum(states.values()) == MESSAGES
    unknown = states.get("unknown", 0)
    assert unknown <= CONNECTIONS * KILLS
    assert states["sent"] <= len(delivered) <= MESSAGES
    print(f"{KILLS} kills, {len(delivered)} delivered, {unknown} unknown")


def _kill(books: Books, told: Path, environment: dict[str, str]) -> None:
    """Kills a worker each time that a share of the mails has arrived; another takes its place."""
    chance = random.Random(7)
    workers = [_worker(environment) for _ in range(WORKERS)]
    for kill in range(1, KILLS + 1):
        _wait_for(told, MESSAGES * kill // (KILLS + 2))
        time.sleep(chance.random() * 0.05)
        victim = workers.pop(0)
        assert victim.poll() is None, "a worker that has ended cannot be killed"
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        with books.database.writer.connection() as connection:
            connection.execute(EXPIRE_LEASES)
        workers.append(_worker(environment))
    for worker in workers:
        assert worker.wait() == 0


def _finish(books: Books, environment: dict[str, str]) -> None:
    with books.database.writer.connection() as connection:
        connection.execute(EXPIRE_LEASES)
    assert _worker(environment).wait() == 0


def _look_later(books: Books, home: Path) -> None:
    """A quarter of an hour later, attempts that were left without an outcome are found; none is made again."""
    settings = Settings(
        home=home, master_key_file=home / "key", public_url="", private_addresses="allow"
    )
    roster = Roster(books.database.writer, books.secrets, settings)

    def later() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=20)

    store = PostgresOutbox(books.database.writer, books.writer, books.cipher, books.links, later)
    done = Outbox(store, roster.of, later).send_waiting()
    assert done.taken == 0, done


def _states(books: Books, tenant_id: UUID) -> dict[str, int]:
    books.projections.catch_up()
    with books.database.writer.connection() as connection:
        return dict(connection.execute(COUNT, (tenant_id,)).fetchall())


def _worker(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.mail"], env=environment, stdout=subprocess.DEVNULL
    )


def _environment(books: Books, home: Path) -> dict[str, Any]:
    key = home / "master.key"
    key.write_bytes(MASTER_KEY)
    key.chmod(0o600)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DUEBOOK_")}
    return environment | {
        "DUEBOOK_HOME": str(home),
        "DUEBOOK_MASTER_KEY_FILE": str(key),
        "DUEBOOK_DATABASE_URL": books.database.admin_url,
        "DUEBOOK_PRIVATE_ADDRESSES": "allow",
    }


def _wait_for(told: Path, mails: int) -> None:
    deadline = time.monotonic() + 120
    while not told.exists() or told.read_text().count("\n") < mails:
        assert time.monotonic() < deadline, "mails stopped arriving"
        time.sleep(0.005)
