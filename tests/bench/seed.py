"""Many sent invoices at once, through the ledger's own decisions and the store's own append.

`python -m tests.bench.seed COUNT` fills the installation that the environment names and prints what it did, as JSON.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import msgspec

from adapters.postgres.connection import Database
from adapters.settings import Settings
from adapters.store.append import Origin, Row, Snapshot, append, pack_row
from adapters.store.snapshots import Loaded, snapshot_of
from adapters.wiring import Books, open_books
from commands.dunning_plans import SavePlan, activate_plan, save_plan
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.tenants import ConfigureTenant, CreateTenant, configure_tenant, create_tenant
from commands.unit_of_work import Unit
from ledger.calendars import calendar_named
from ledger.customer import Registered
from ledger.event_registry import Event, encode
from ledger.ids import derived_id
from ledger.invoice import issuing
from ledger.streams import STREAMS
from ledger.tax import Line, price_lines
from ledger.tenant import Tenant
from projections.engine import postgres_binary
from projections.engine.postgres_binary import field

ISSUED_ON = date(2024, 1, 2)
DUE_ON = date(2024, 2, 1)
CHUNK = 5_000


class Seeded(msgspec.Struct):
    """What was seeded, and how long it took."""

    tenant_id: UUID
    seconds: float


def new_tenant(books: Books, name: str = "bench") -> UUID:
    """A tenant with 2% once and 1% a month, whose clock starts on the due date."""
    tenant_id = uuid4()
    create = CreateTenant(name, "BRL", "America/Sao_Paulo", clock_starts_on=DUE_ON)
    books.run(tenant_id, "bench", lambda unit: create_tenant(unit, create))
    policy = AddFeePolicy(late_fee="2%", mora="1%/month")
    books.run(tenant_id, "bench", lambda unit: add_fee_policy(unit, policy))
    return tenant_id


def begin_dunning(
    books: Books, tenant_id: UUID, plan: SavePlan, *, now: datetime | None = None
) -> None:
    """Saves a plan and activates it, for a creditor who says who it is."""
    creditor = ConfigureTenant(
        creditor_name="Bench", creditor_address="Rua A, 1", creditor_tax_number="11222333000181"
    )
    commands: list[Callable[[Unit], object]] = [
        lambda unit: configure_tenant(unit, creditor),
        lambda unit: save_plan(unit, plan),
        lambda unit: activate_plan(unit, plan.key),
    ]
    for command in commands:
        books.run(tenant_id, "bench", command, now=now)


def seed_invoices(books: Books, tenant_id: UUID, count: int, customers: int = 1_000) -> list[UUID]:
    """`count` sent invoices due on DUE_ON, over `customers` customers; returns their ids."""
    tenant = books.tenants.state(tenant_id)
    who = [derived_id(ISSUED_ON, tenant_id, "customer", str(n)) for n in range(customers)]
    registered: list[tuple[UUID, str, list[tuple[Event, date]]]] = [
        (customer_id, "customer", [(Registered(reference=f"C{n}"), ISSUED_ON)])
        for n, customer_id in enumerate(who)
    ]
    append_streams(books.database, tenant_id, registered)
    ids: list[UUID] = []
    for first in range(0, count, CHUNK):
        chunk = []
        for n in range(first, min(count, first + CHUNK)):
            invoice_id = derived_id(ISSUED_ON, tenant_id, "invoice", str(n))
            ids.append(invoice_id)
            chunk.append((invoice_id, "invoice", sent_invoice(tenant, who[n % customers], n)))
        append_streams(books.database, tenant_id, chunk)
    return ids


def sent_invoice(
    tenant: Tenant, customer_id: UUID, n: int, *, imported: bool = True
) -> list[tuple[Event, date]]:
    lines = (Line("Service", "1", f"{100 + n % 900}.{n % 100:02}"),)
    priced = price_lines(lines, "BRL")
    drafted = issuing.draft(customer_id, "BRL", DUE_ON, lines, priced, "")
    invoice = STREAMS["invoice"].evolve(None, drafted, ISSUED_ON)
    sent = issuing.send(
        invoice,
        f"B-{n:08}",
        ISSUED_ON,
        tenant.policy,
        calendar_named("weekends"),
        imported=imported,
    )
    return [(drafted, ISSUED_ON), (sent.event, sent.effective_on)]


def append_streams(
    database: Database, tenant_id: UUID, streams: list[tuple[UUID, str, list[tuple[Event, date]]]]
) -> None:
    origin = Origin.of("bench", uuid4(), "", None)
    rows: list[Row] = []
    snapshots: list[Snapshot] = []
    for stream_id, kind, events in streams:
        loaded = Loaded(kind, 0, 0, None)
        for event, on in events:
            loaded.version += 1
            loaded.state = STREAMS[kind].evolve(loaded.state, event, on)
            tag = field(event.TAG.encode())
            rows.append(
                pack_row(
                    tenant_id.bytes, stream_id.bytes, loaded.version, tag, on, origin, encode(event)
                )
            )
        snapshots.append(snapshot_of(tenant_id.bytes, stream_id.bytes, loaded))
    with database.writer.connection() as connection:
        postgres_binary.register(connection)
        append(connection, rows, snapshots, datetime.now(UTC))


def seed_apart(settings: Settings, module: str, count: int) -> Seeded:
    """Seeds in another process, so that the memory it takes is not counted as what is measured.

    module  that seeds when it is run, and prints what it did, as this one does
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DUEBOOK_")}
    environment["DUEBOOK_HOME"] = str(settings.home)
    environment["DUEBOOK_MASTER_KEY_FILE"] = str(settings.master_key_file)
    if settings.database_url is not None:
        environment["DUEBOOK_DATABASE_URL"] = settings.database_url
    command = [sys.executable, "-m", module, str(count)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Seeded)


def main() -> None:
    with open_books(Settings.from_environment()) as books:
        tenant_id = new_tenant(books)
        began = time.perf_counter()
        seed_invoices(books, tenant_id, int(sys.argv[1]))
        seeded = Seeded(tenant_id, time.perf_counter() - began)
    sys.stdout.buffer.write(msgspec.json.encode(seeded))


if __name__ == "__main__":
    main()
