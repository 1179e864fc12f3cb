"""PostgreSQL's binary formats, packed by hand where rows come by the hundred thousand.

A row of COPY is a field count and, for each field, its length and bytes (-1 for NULL); an array is a header and,
for each element, its length and bytes. See the PostgreSQL documentation: COPY, "Binary Format".
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"

_EPOCH_DAY = date(2000, 1, 1).toordinal()
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LENGTH = struct.Struct(">i")
_UUID_LENGTH = _LENGTH.pack(16)
_NULL = _LENGTH.pack(-1)
_ARRAY = struct.Struct(">iiIii")
_INT4 = struct.Struct(">ii")

UUID_OID, BYTEA_OID, INT4_OID, BOOL_OID, DATE_OID, TEXT_OID = 2950, 17, 23, 16, 1082, 25


def days(day: date) -> int:
    """A date as PostgreSQL counts it: days since 2000-01-01."""
    return day.toordinal() - _EPOCH_DAY


def microseconds(instant: datetime) -> int:
    """An instant as PostgreSQL counts it: microseconds since 2000-01-01 UTC."""
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


class Array:
    """An array parameter, already in binary form."""

    __slots__ = ("data", "oid")

    def __init__(self, oid: int, data: bytes) -> None:
        self.oid = oid
        self.data = data


def uuids(values: Sequence[bytes]) -> Array:
    """uuid[] of 16-byte strings."""
    body = b"".join([_UUID_LENGTH + value for value in values])
    return Array(2951, _ARRAY.pack(1, 0, UUID_OID, len(values), 1) + body)


def byteas(values: Sequence[bytes]) -> Array:
    """bytea[]."""
    pack = _LENGTH.pack
    body = b"".join([pack(len(value)) + value for value in values])
    return Array(1001, _ARRAY.pack(1, 0, BYTEA_OID, len(values), 1) + body)


def int4s(values: Sequence[int]) -> Array:
    """int4[]."""
    pack = _INT4.pack
    body = b"".join([pack(4, value) for value in values])
    return Array(1007, _ARRAY.pack(1, 0, INT4_OID, len(values), 1) + body)


def bools(values: Sequence[bool]) -> Array:
    """bool[]."""
    yes, no = b"\0\0\0\x01\x01", b"\0\0\0\x01\x00"
    body = b"".join([yes if value else no for value in values])
    return Array(1000, _ARRAY.pack(1, 0, BOOL_OID, len(values), 1) + body)


def dates(values: Sequence[date | None]) -> Array:
    """date[], None for NULL."""
    pack = _INT4.pack
    body = b"".join([_NULL if value is None else pack(4, days(value)) for value in values])
    return Array(1182, _ARRAY.pack(1, 1, DATE_OID, len(values), 1) + body)


def nullable_uuids(values: Sequence[bytes | None]) -> Array:
    """uuid[] of 16-byte strings, None for NULL."""
    body = b"".join([_NULL if value is None else _UUID_LENGTH + value for value in values])
    return Array(2951, _ARRAY.pack(1, 1, UUID_OID, len(values), 1) + body)


def texts(values: Iterable[str]) -> Array:
    """text[]."""
    pack = _LENGTH.pack
    encoded = [value.encode() for value in values]
    body = b"".join([pack(len(value)) + value for value in encoded])
    return Array(1009, _ARRAY.pack(1, 0, TEXT_OID, len(encoded), 1) + body)


def field(value: bytes | None) -> bytes:
    """One field of a COPY row."""
    return _NULL if value is None else _LENGTH.pack(len(value)) + value


def uuid_field(value: bytes | None) -> bytes:
    """One uuid field of a COPY row, from its 16 bytes."""
    return _NULL if value is None else _UUID_LENGTH + value


def int4_field(value: int) -> bytes:
    """One int4 or date field of a COPY row."""
    return _INT4.pack(4, value)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj.data

    def get_key(self, obj: Array, format: Any) -> Any:
        return (Array, obj.oid)

    def upgrade(self, obj: Array, format: Any) -> Dumper:
        dumper = type(self)(Array)
        dumper.oid = obj.oid
        return dumper


def register(connection: psycopg.Connection[Any]) -> None:
    """Lets a connection take `Array` parameters."""
    connection.adapters.register_dumper(Array, _ArrayDumper)
