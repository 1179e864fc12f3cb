"""Reading the log: pages by position for the runner, pages by stream for a rebuild, one stream for a release.

A page is bounded by a number of events and by the bytes of their data, so that reading takes the same memory at any
length of the log. Ids are their 16 bytes; `data` is the event's JSON.
"""

from datetime import date
from typing import Any

import psycopg

import ledger.streams  # noqa: F401  registers every event's tag
from projections.tables import StreamKey

Logged = tuple[int, bytes, bytes, int, int, str, date, bytes]
"""(position, tenant, stream, version, tenant_seq, tag, effective_on, data)"""

Streams = dict[StreamKey, list[Logged]]
"""Events by stream, each stream's in the order of their versions."""

PAGE_EVENTS = 10_000
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
STREAM_PAGE = """
SELECT position, uuid_send(tenant_id), uuid_send(stream_id), version, tenant_seq, tag, effective_on, data
  FROM (SELECT position, tenant_id, stream_id, version, tenant_seq, tag, effective_on, data,
               sum(octet_length(data))
                   OVER (ORDER BY tenant_id, stream_id, version ROWS UNBOUNDED PRECEDING)
               - octet_length(data) AS bytes_before
          FROM (SELECT position, tenant_id, stream_id, version, tenant_seq, tag, effective_on,
                       CASE WHEN tag >= %(first_tag)s AND tag < %(past_tags)s
                            THEN data ELSE ''::bytea END AS data
                  FROM events
                 WHERE (tenant_id, stream_id, version) > (%(tenant)s::uuid, %(stream)s::uuid, %(version)s)
                   AND position <= %(upto)s
                 ORDER BY tenant_id, stream_id, version
                 LIMIT %(most)s) AS scanned) AS page
 WHERE bytes_before < %(bytes)s
 ORDER BY tenant_id, stream_id, version
"""

STREAM = """
SELECT position, uuid_send(tenant_id), uuid_send(stream_id), version, tenant_seq, tag, effective_on, data
  FROM events
 WHERE tenant_id = %s AND stream_id = %s AND position <= %s
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


def stream_page(
    cursor: psycopg.Cursor[Any],
    kind: str | None,
    after: tuple[bytes, bytes, int],
    upto: int,
) -> list[Logged]:
    """The events after a (tenant, stream, version), by stream, up to a position.

    Those of other kinds of stream than `kind` come without data; with None, all come with it.
    """
    tenant, stream, version = after
    values = {
        "tenant": tenant.hex(),
        "stream": stream.hex(),
        "version": version,
        "first_tag": f"{kind}." if kind is not None else "",
        "past_tags": f"{kind}/" if kind is not None else "~",
        "upto": upto,
        "most": PAGE_EVENTS,
        "bytes": PAGE_BYTES,
    }
    return cursor.execute(STREAM_PAGE, values, binary=True).fetchall()


def stream(cursor: psycopg.Cursor[Any], key: StreamKey, upto: int) -> list[Logged]:
    """The events of one stream up to a position, by version."""
    tenant, stream_id = key
    return cursor.execute(STREAM, (tenant.hex(), stream_id.hex(), upto), binary=True).fetchall()
