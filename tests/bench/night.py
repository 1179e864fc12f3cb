"""The night in which everybody becomes a debtor: invoices become overdue, get late fee and interest, and a reminder is
queued for each customer; until the read models are level. Then a night of interest alone, over the same invoices.

Each customer has one invoice, so that none shares a message. The read models follow in threads of the clock's process,
as `duebook worker` has them do.
"""

import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from adapters.settings import Settings
from adapters.wiring import Books, open_books
from commands.dunning_plans import SavePlan
from ledger.customer import Person, Registered
from ledger.dunning.plan import DEFAULT_KEY, Step
from ledger.event_registry import Event
from ledger.ids import derived_id
from schedulers.business_day import run_day
from schedulers.ports import Run
from tests.bench.measuring import MEGABYTE, peak_mb
from tests.bench.read_models import build_read_models, events_behind
from tests.bench.seed import (
    DUE_ON,
    ISSUED_ON,
    Seeded,
    append_streams,
    begin_dunning,
    new_tenant,
    seed_apart,
    sent_invoice,
)
from tests.bench.sizes import Size

NIGHT = DUE_ON + timedelta(days=1)
CHUNK = 2_500
ADDRESS = "encrypted:1:00000000000000000000000000000000:AAAA"
"""A placeholder for an encrypted address: no step of a night decrypts one."""


def measure(settings: Settings, size: Size) -> dict[str, float]:
    """Every `night.` figure."""
    seeded = seed_apart(settings, "tests.bench.night", size.debtors)
    with open_books(settings) as books:
        night = Night(books, seeded.tenant_id, size.debtors)
        night.run(DUE_ON)
        build_read_models(books)
        books.projections.start()
        overdue = night.run(NIGHT, before="dunning")
        dunning = night.run(NIGHT)
        queued_mb = peak_mb()
        interest = night.run(NIGHT + timedelta(days=1))
        count = float(size.debtors)
        level_s = overdue.level_s + dunning.level_s
        return {
            "night.debtors": count,
            "night.minutes": level_s / 60,
            "night.per_s": count / level_s,
            "night.overdue_per_s": count / overdue.written_s,
            "night.overdue_level_per_s": count / overdue.level_s,
            "night.dunning_per_s": count / dunning.written_s,
            "night.dunning_level_per_s": count / dunning.level_s,
            "night.interest_per_s": count / interest.written_s,
            "night.interest_level_per_s": count / interest.level_s,
            "night.overdue_vs_interest": interest.level_s / overdue.level_s,
            "night.dunning_vs_interest": interest.written_s / dunning.written_s,
            "night.peak_mb": queued_mb,
            "night.database_gb": _database_mb(books) / 1024,
        }


class Taken(NamedTuple):
    """Seconds until a night, or a part of it, was written, and until the read models were level."""

    written_s: float
    level_s: float


class Night:
    """Runs nights and waits until the read models are level."""

    def __init__(self, books: Books, tenant_id: UUID, debtors: int) -> None:
        self._books = books
        self._tenant_id = tenant_id
        self._debtors = debtors
        self._lease = books.clock.acquire("bench")

    def run(self, day: date, before: str = "") -> Taken:
        """Runs what is left of a day, up to a step that does not begin yet."""
        began = time.perf_counter()
        run = Run(self._tenant_id, day, self._lease, "clock")
        result = run_day(self._books.clock, run, today=day, may_begin=lambda step: step != before)
        written = time.perf_counter()
        if day == NIGHT:
            posted = {step: tally.posted for step, tally in result.steps.items()}
            expected = {"overdue": 2 * self._debtors, "mora": self._debtors}
            assert posted == expected | ({} if before else {"dunning": 3 * self._debtors}), result
        while day >= NIGHT and events_behind(self._books):
            time.sleep(0.02)
        ended = time.perf_counter()
        print(f"{day}: {written - began:.1f} s, level {ended - began:.1f} s", file=sys.stderr)
        return Taken(written - began, ended - began)


def _database_mb(books: Books) -> float:
    with books.database.writer.connection() as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return float(row[0]) / MEGABYTE


def seed_debtors(books: Books, count: int) -> UUID:
    """A tenant with `count` customers who owe an invoice each, due on DUE_ON, and a plan that reminds the day after."""
    tenant_id = new_tenant(books)
    plan = SavePlan(DEFAULT_KEY, "The day after", (Step("d1", 1),))
    begin_dunning(books, tenant_id, plan, now=datetime.combine(ISSUED_ON, datetime.min.time(), UTC))
    tenant = books.tenants.state(tenant_id)
    person = Person(name=ADDRESS, email=ADDRESS)
    for first in range(0, count, CHUNK):
        streams: list[tuple[UUID, str, list[tuple[Event, date]]]] = []
        for n in range(first, min(count, first + CHUNK)):
            customer_id = derived_id(ISSUED_ON, tenant_id, "customer", str(n))
            invoice_id = derived_id(ISSUED_ON, tenant_id, "invoice", str(n))
            streams += [
                (customer_id, "customer", [(Registered(person=person), ISSUED_ON)]),
                (invoice_id, "invoice", sent_invoice(tenant, customer_id, n, imported=False)),
            ]
        append_streams(books.database, tenant_id, streams)
    return tenant_id


def main() -> None:
    with open_books(Settings.from_environment()) as books:
        began = time.perf_counter()
        tenant_id = seed_debtors(books, int(sys.argv[1]))
        seeded = Seeded(tenant_id, time.perf_counter() - began)
    sys.stdout.buffer.write(msgspec.json.encode(seeded))


if __name__ == "__main__":
    main()
