"""Gapless numbers in the store: each series is a row that says which number comes next.

Series are locked before the log head, and in one order, so that two senders never wait for each other crosswise.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from adapters.store.append import StaleSnapshots

SELECT_SERIES = """
SELECT next_number, last_issued_on FROM number_series
 WHERE tenant_id = %s AND kind = %s AND series = %s
"""
ADVANCE_SERIES = """
UPDATE number_series SET next_number = %s, last_issued_on = %s
 WHERE tenant_id = %s AND kind = %s AND series = %s AND next_number = %s AND last_issued_on = %s
"""
START_SERIES = """
INSERT INTO number_series (tenant_id, kind, series, next_number, last_issued_on)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, kind, series) DO NOTHING
"""
LOCK_SERIES = """
SELECT next_number FROM number_series WHERE tenant_id = %s AND kind = %s AND series = %s FOR UPDATE
"""

SeriesKey = tuple[UUID, str, str]
"""(tenant, kind of document, series)"""


class Series(msgspec.Struct):
    """A number series as a group sees it; `stored` is the next number and the last day in its row, if it has one."""

    stored: tuple[int, date] | None
    next_number: int
    last_issued_on: date


def read(connection: psycopg.Connection[Any], key: SeriesKey) -> Series:
    """A series as stored; one that begins at 1 when it has no row."""
    row = connection.execute(SELECT_SERIES, key).fetchone()
    return Series(None, 1, date.min) if row is None else Series((row[0], row[1]), row[0], row[1])


def lock(connection: psycopg.Connection[Any], keys: Iterable[SeriesKey]) -> None:
    """Locks series until the transaction ends."""
    for key in sorted(keys):
        connection.execute(LOCK_SERIES, key)


def advance(cursor: psycopg.Cursor[Any], series: Mapping[SeriesKey, Series]) -> None:
    """Writes how far each series has come. Raises StaleSnapshots when another process took a number meanwhile."""
    for key in sorted(series):
        one = series[key]
        reached = (one.next_number, one.last_issued_on)
        if reached == one.stored:
            continue
        if one.stored is not None:
            cursor.execute(ADVANCE_SERIES, (*reached, *key, *one.stored))
        else:
            cursor.execute(START_SERIES, (*key, *reached))
        if cursor.rowcount != 1:
            raise StaleSnapshots(f"series {key[2]} has moved on")
