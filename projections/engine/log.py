"""Reading the log: pages by position for the runner, all of it by stream for a rebuild, one stream for a release.

Reading takes the same memory at any length of the log: a page is bounded by a number of events and by the bytes of
their data. Ids are their 16 bytes; `data` is the event's JSON.
"""

from collections.abc import Generator, Sequence
from datetime import date
from itertools import islice
from typing import Any

import psycopg

import ledger.streams  # noqa: F401  registers every event's tag
from projections.engine.tables import StreamKey

Logged = tuple[int, bytes, bytes, int, int, str, date, bytes]
"""(position, tenant, stream, version, tenant_seq, tag, effective_on, data)"""

Streams = dict[StreamKey, list[Logged]]
"""Events by stream, each stream's in the order of their versions."""

SCAN_EVENTS = 200_000
PIECE_EVENTS = 500
LAST_VERSION = 2**31 - 1
LAST_POSITION = 2**63 - 1
PAGE_BYTES = 16 * 1024 * 1024

END = "SELECT position FROM log_head WHERE shard = 1"

PAGE = """
SELECT position, uuid_send(tenant_id), uuid_send(stream_id), version, tenant_seq, tag, effective_on, data
  FROM (SELECT position, tenant_id, stream_id, version, tenant_seq, tag, effective_on, data,
               sum(octet_length(data)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING)
               - octet_length(data) AS bytes_before
          FROM events
         WHERE position > %(after)s AND position <= %(upto)s
         ORDER BY position
         LIMIT %(most)s) AS page
 WHERE bytes_before < %(bytes)s
 ORDER BY position
"""

# Events of other kinds of stream come without their data: they only show how far the reading has come.
BY_STREAM = """
SELECT position, uuid_send(tenant_id), uuid_send(stream_id), version, tenant_seq, tag, effective_on,
       CASE WHEN %(kinds)s::text[] IS NULL OR split_part(tag, '.', 1) = ANY (%(kinds)s)
            THEN data ELSE ''::bytea END
  FROM events
 WHERE (tenant_id, stream_id, version) > (%(tenant)s::uuid, %(stream)s::uuid, %(version)s)
   AND position <= %(upto)s
 ORDER BY tenant_id, stream_id, version
 LIMIT %(most)s
"""

STREAM = """
SELECT position, uuid_send(tenant_id), uuid_send(stream_id), version, tenant_seq, tag, effective_on, data
  FROM events
 WHERE tenant_id = %s AND stream_id = %s AND version > %s AND version <= %s AND position <= %s
 ORDER BY version
"""


def end(cursor: psycopg.Cursor[Any]) -> int:
    """The position of the log's last event, 0 when it has none: the true end, which every writer moves."""
    row = cursor.execute(END).fetchone()
    assert row is not None, "the shard has no log head"
    return int(row[0])


def page(cursor: psycopg.Cursor[Any], after: int, upto: int, most: int) -> list[Logged]:
    """The events after one position up to another, as many as a page takes; at least one if there is one."""
    values = {"after": after, "upto": upto, "most": most, "bytes": PAGE_BYTES}
    return cursor.execute(PAGE, values, binary=True).fetchall()


def by_stream(
    connection: psycopg.Connection[Any], kinds: Sequence[str] | None, after: StreamKey, upto: int
) -> Generator[list[Logged], None, None]:
    """Every event of the streams after one, up to a position, in the order of streams and versions; many at a time.

    Those of other kinds of stream than `kinds` come without data; with None, all come with it. The connection is used
    for nothing else meanwhile. The server sends ahead while what came is worked on, in pieces that take the same
    memory at any length of the log, and holds no snapshot for long.
    """
    values = {
        "kinds": list(kinds) if kinds is not None else None,
        "upto": upto,
        "most": SCAN_EVENTS,
    }
    tenant, stream_id, version = (*after, LAST_VERSION)
    count = SCAN_EVENTS
    while count == SCAN_EVENTS:
        count = 0
        place = {"tenant": tenant.hex(), "stream": stream_id.hex(), "version": version}
        with connection.cursor() as cursor:
            rows = cursor.stream(BY_STREAM, values | place, binary=True, size=PIECE_EVENTS)
            while piece := list(islice(rows, PIECE_EVENTS)):
                count += len(piece)
                _, tenant, stream_id, version, _, _, _, _ = piece[-1]
                yield piece
        connection.rollback()


def stream(
    cursor: psycopg.Cursor[Any],
    key: StreamKey,
    after: int = 0,
    last: int = LAST_VERSION,
    upto: int = LAST_POSITION,
) -> list[Logged]:
    """The events of one stream after a version, up to a version and up to a position."""
    tenant, stream_id = key
    values = (tenant.hex(), stream_id.hex(), after, last, upto)
    return cursor.execute(STREAM, values, binary=True).fetchall()
