"""The read model `journal`: debits and credits of each account by the day they are posted on.

Its rows are what `ledger.journal` remembers of each stream; its sums are what each event adds. Entries themselves are
not kept: `projections.journal.entries` derives them from the log.

Interest is nine events of ten. Where a page brings a stream nothing else, its row is neither loaded nor written whole.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from typing import Any

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier

from ledger.event_registry import Event
from ledger.invoice.events import MoraPosted
from ledger.journal.entry import posted_on
from ledger.journal.facts import Facts, changes, evolve
from ledger.journal.posting import STREAMS, entries
from projections.engine.log import Logged, Streams
from projections.engine.postgres_binary import Array, array
from projections.engine.projection import Additions, Part, Projection, Totals
from projections.engine.tables import RowTable, SumTable
from projections.journal.closings import Closings, SettingsUnreadable, closings

_PASS = SQL("""
UPDATE {table} AS stream
   SET version = new.version, tenant_seq = new.tenant_seq
  FROM unnest(%s::integer[], %s::uuid[], %s::uuid[], %s::integer[], %s::integer[], %s::bigint[])
    AS new (place, tenant_id, stream_id, version_before, version, tenant_seq)
 WHERE stream.tenant_id = new.tenant_id
   AND stream.stream_id = new.stream_id
   AND stream.version = new.version_before
RETURNING new.place, stream.currency
""")

_decoder = msgspec.json.Decoder(MoraPosted)

TABLE = RowTable(
    "journal_streams",
    "stream_id",
    net_minor="bigint",
    tax_minor="bigint",
    amount_minor="bigint",
    is_sent="boolean",
    is_instalment="boolean",
    currency="text",
    forgiveness_kind="text",
)
TOTALS = SumTable(
    "journal_totals",
    {"currency": "text", "account": "text", "posted_on": "date"},
    ("debit_minor", "credit_minor"),
)


class Folded(msgspec.Struct, gc=False):
    """A stream's row while it is folded; the fields are the columns. Amounts are minor units of `currency`."""

    tenant_id: bytes
    stream_id: bytes
    version: int = 0
    tenant_seq: int = 0
    net_minor: int = 0
    tax_minor: int = 0
    amount_minor: int = 0
    is_sent: bool = False
    is_instalment: bool = False
    currency: str = ""
    forgiveness_kind: str = ""

    @property
    def facts(self) -> Facts:
        """What the ledger's journal knows of the stream."""
        return Facts(
            self.currency,
            self.is_sent,
            self.is_instalment,
            self.net_minor,
            self.tax_minor,
            self.amount_minor,
            self.forgiveness_kind,
        )


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event."""
    if changes(event):
        facts = evolve(row.facts, event)
        for name in Facts.__struct_fields__:
            setattr(row, name, getattr(facts, name))


def parts(
    row: Folded, event: Event, effective_on: date, tenant_seq: int, found: dict[bytes, Closings]
) -> Iterable[Part]:
    """What an event adds to its accounts' days. Raises Unbalanced, SettingsUnreadable."""
    tenant = row.tenant_id
    added: list[Part] = []
    for entry in entries(row, event, effective_on):
        day = posted_on(entry.on, found[tenant].before(tenant_seq))
        for posting in entry.postings:
            minor = posting.minor
            amounts = (minor, 0) if minor > 0 else (0, -minor)
            added.append(Part(0, (tenant, entry.currency, posting.account, day), amounts))
    return added


def post_interest(cursor: psycopg.Cursor[Any], suffix: str, streams: Streams) -> Streams:
    """Applies the streams to which a page brings nothing but interest; returns the others, to be folded.

    When one of them is not as it should be (it has no row, events are missing, one cannot be read), all are returned.
    """
    interest = {key: events for key, events in streams.items() if _is_interest(events)}
    if not interest:
        return streams
    found = closings(cursor, {tenant for tenant, _ in interest})
    with cursor.connection.transaction() as savepoint:
        passed = cursor.execute(_passing(suffix), _passes(interest), binary=True).fetchall()
        if len(passed) < len(interest):
            raise psycopg.Rollback(savepoint)
        try:
            days = _days(interest, passed, found)
        except (msgspec.DecodeError, SettingsUnreadable) as error:
            raise psycopg.Rollback(savepoint) from error
        if days is None:
            raise psycopg.Rollback(savepoint)
        totals = Totals(JOURNAL)
        for (tenant, currency, on, _), (minor, tenant_seq) in days.items():
            row = Folded(tenant, b"", currency=currency)
            totals.add(parts(row, MoraPosted(minor, on), on, tenant_seq, found))
        totals.write(cursor, suffix)
        return {key: events for key, events in streams.items() if key not in interest}
    return streams


_Day = tuple[bytes, str, date, date | None]
"""(tenant, currency, effective date, through which day the books were closed)"""


def _days(
    interest: Streams, passed: Sequence[tuple[int, str]], found: dict[bytes, Closings]
) -> dict[_Day, tuple[int, int]] | None:
    """(minor units, tenant_seq of one of the events) of the interest by what decides where it is posted.

    It debits one account and credits another, so that a sum is posted as its parts would be; not so where one is below
    zero, and then the answer is None. Raises what decoding raises, and SettingsUnreadable.
    """
    days: dict[_Day, tuple[int, int]] = {}
    places = list(interest.items())
    for place, currency in passed:
        (tenant, _), events = places[place]
        closed = found[tenant]
        for _, _, _, _, tenant_seq, _, on, data in events:
            minor = _decoder.decode(data).amount_minor
            if minor < 0:
                return None
            day = (tenant, currency, on, closed.before(tenant_seq))
            before = days.get(day)
            days[day] = (minor if before is None else minor + before[0], tenant_seq)
    return days


def _is_interest(events: list[Logged]) -> bool:
    if events[-1][3] - events[0][3] != len(events) - 1:
        return False
    return all(event[5] == MoraPosted.TAG for event in events)


def _passes(interest: Streams) -> tuple[Array, ...]:
    """The columns of `new` in the statement."""
    tenants, streams = zip(*interest, strict=True)
    return (
        array("integer", range(len(interest))),
        array("uuid", tenants),
        array("uuid", streams),
        array("integer", [events[0][3] - 1 for events in interest.values()]),
        array("integer", [events[-1][3] for events in interest.values()]),
        array("bigint", [events[-1][4] for events in interest.values()]),
    )


@cache
def _passing(suffix: str) -> bytes:
    return _PASS.format(table=Identifier(TABLE.name + suffix)).as_bytes()


JOURNAL = Projection(
    name="journal",
    version=2,
    streams=STREAMS,
    table=TABLE,
    sums=(TOTALS,),
    row=Folded,
    fold=fold,
    adds=Additions(closings, parts),
    shortcut=post_interest,
)
