"""A log of the clock's mix, quickly: invoices drafted, sent and overdue, then interest night by night."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from uuid import UUID, uuid4

from adapters.postgres.connection import Database
from adapters.store.append import Origin, Row, append, pack_row
from ledger.calendars import Calendar
from ledger.customer import Registered
from ledger.event_registry import Event, encode
from ledger.ids import derived_id, stable_id
from ledger.invoice import events as e
from ledger.payment import Allocated, Received
from ledger.policy import FeePolicy
from ledger.rates import Rate
from projections.engine import postgres_binary

FIRST_DAY = date(2024, 1, 1)
CHUNK = 5_000
POLICY = FeePolicy(late_fee=Rate(1, 50), mora=Rate(1, 100, "month"))
_ORIGIN = Origin.of("clock", stable_id("bulk", "command"), "", None)
_CLOCK = datetime(2024, 1, 1, tzinfo=UTC)


def fill(database: Database, events: int, invoices: int) -> int:
    """Appends that many events over that many invoices of a new tenant, in log order. Returns the log's end."""
    rows = islice(_log(uuid4().bytes, invoices), events)
    position = 0
    while chunk := list(islice(rows, CHUNK)):
        with database.writer.connection() as connection, connection.transaction():
            postgres_binary.register(connection)
            appended = append(connection, chunk, (), _CLOCK)
        position = appended.first_position + len(chunk) - 1
    return position


def _log(tenant: bytes, invoices: int) -> Iterator[Row]:
    ids = [derived_id(FIRST_DAY, "invoice", str(n)).bytes for n in range(invoices)]
    customers = [stable_id("customer", str(n)) for n in range(max(1, invoices // 20))]
    yield from _written(
        tenant, [(c.bytes, Registered(f"C{n}")) for n, c in enumerate(customers)], 1, FIRST_DAY
    )
    drafted = ((ids[n], _drafted(n, customers)) for n in range(invoices))
    yield from _written(tenant, drafted, 1, FIRST_DAY)
    yield from _written(tenant, ((ids[n], _sent(n)) for n in range(invoices)), 2, FIRST_DAY)
    ids.sort()
    paid = (
        (stable_id("payment", str(n)).bytes, _payment(n, customers)) for n in range(invoices // 50)
    )
    yield from _written(tenant, paid, 1, FIRST_DAY)
    day = FIRST_DAY + timedelta(days=30)
    yield from _written(tenant, ((one, e.BecameOverdue()) for one in ids), 3, day)
    yield from _written(tenant, ((one, e.LateFeeCharged(1_000, 50_000)) for one in ids), 4, day)
    version = 5
    while True:
        posted = e.MoraPosted(17 if version % 3 else 16, day)
        yield from _written(tenant, ((one, posted) for one in ids), version, day)
        day += timedelta(days=1)
        version += 1


def _written(
    tenant: bytes, events: Iterable[tuple[bytes, Event]], version: int, on: date
) -> Iterator[Row]:
    for stream_id, event in events:
        tag = postgres_binary.field(event.TAG.encode())
        yield pack_row(tenant, stream_id, version, tag, on, _ORIGIN, encode(event))


def _drafted(n: int, customers: list[UUID]) -> e.Drafted:
    line = e.InvoiceLine("Service", "1", "500.00", 50_000, 0, 50_000)
    due_on = FIRST_DAY + timedelta(days=n % 30)
    return e.Drafted(customers[n % len(customers)], "BRL", due_on, (line,), 50_000, 0, 50_000)


def _sent(n: int) -> e.Sent:
    due_on = FIRST_DAY + timedelta(days=n % 30)
    return e.Sent(
        number=f"INV-{n:06}",
        issued_on=FIRST_DAY,
        due_on=due_on,
        payable_until=due_on,
        late_on=due_on + timedelta(days=1),
        policy=POLICY,
        calendar=Calendar("none", "1"),
        mora_base_minor=50_000,
    )


def _payment(n: int, customers: list[UUID]) -> Received:
    customer_id = customers[n % len(customers)]
    part = Allocated(stable_id("invoice", str(n)), 100)
    return Received(customer_id, "BRL", 100, FIRST_DAY, (part,))
