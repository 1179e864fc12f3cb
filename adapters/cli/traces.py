"""`duebook trace`: everything that one request, import or run caused."""

import argparse
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli.parsing import add_command, add_json
from adapters.cli.printing import print_json, print_table
from adapters.settings import Settings
from adapters.store.reading import EventView, correlated
from adapters.wiring import Books, open_books
from ledger.errors import NotFound


class NothingTraced(NotFound):
    """No event carries the correlation id."""


class Traced(msgspec.Struct, frozen=True):
    tenant_id: UUID
    events: list[EventView]


def add(commands: Any) -> None:
    trace = add_command(
        commands,
        "trace",
        _trace,
        "list every event that carries a correlation id, in every tenant's books",
    )
    trace.add_argument(
        "correlation_id", metavar="CORRELATION_ID", help="as X-Correlation-Id gave it"
    )
    trace.add_argument(
        "--tenant", metavar="T", help="look in one tenant's books only, by id or name"
    )
    add_json(trace)


def _trace(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        found = [
            traced
            for tenant_id in _tenants(books, arguments.tenant)
            if (traced := _traced(books, tenant_id, arguments.correlation_id)).events
        ]
    if not found:
        raise NothingTraced(f"no event carries the correlation id {arguments.correlation_id!r}")
    if arguments.json:
        print_json({"correlation_id": arguments.correlation_id, "tenants": found})
        return 0
    for traced in found:
        print_table(
            ("seq", "recorded", "effective", "what", "stream id", "version", "actor"),
            [
                (
                    event.tenant_seq,
                    event.recorded_at.isoformat(timespec="milliseconds"),
                    event.effective_on,
                    event.tag,
                    event.stream_id,
                    event.version,
                    event.actor,
                )
                for event in traced.events
            ],
            title=f"tenant {traced.tenant_id}",
        )
    return 0


def _tenants(books: Books, wanted: str | None) -> list[UUID]:
    if wanted is not None:
        return [books.tenants.id_of(wanted)]
    return [tenant_id for tenant_id, _ in books.tenants.all()]


def _traced(books: Books, tenant_id: UUID, correlation_id: str) -> Traced:
    with books.reading(tenant_id) as connection:
        events = correlated(connection, tenant_id, correlation_id)
    return Traced(tenant_id, events)
