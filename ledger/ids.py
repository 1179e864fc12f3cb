"""Computed ids: the same facts give the same id, so that work repeated changes nothing.

Ids are UUIDs of version 8 (RFC 9562, section 5.8). A dated id holds the day as Unix
milliseconds in its first 48 bits, so that ids sort by date beside UUIDv7, then 74 bits of
SHA-256; an undated id holds 122 bits of SHA-256.

By the birthday bound, among n dated ids *of one day* two collide with a chance below n² / 2^75:
for a million ids a day, under 3 in 10^11. Among n undated ids it is below n² / 2^123.

A part is text or a UUID, and is hashed after its length and kind: ("ab", "c") and ("a", "bc")
differ, and so do a UUID and its text.
"""

from datetime import date
from hashlib import sha256
from uuid import UUID

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY_MS = 86_400_000
_UUID_KIND = 1 << 31
_UUID_PREFIX = (_UUID_KIND | 16).to_bytes(4, "big")

_VERSION_AND_VARIANT = (8 << 76) | (2 << 62)
_DATED_HASH_BITS = (0xFFF << 64) | ((1 << 62) - 1)
_SORTING_BITS = (((1 << 48) - 1) << 80) | (0xFFF << 64)
_HASH_BITS = ((1 << 128) - 1) & ~((0xF << 76) | (3 << 62))


def derived_id(day: date, *parts: str | UUID) -> UUID:
    """The id of what the parts name on that day: a dunning step, a message, a posting.

    Days before 1970 sort together, first; their ids still differ by day.
    """
    ordinal = day.toordinal()
    days = ordinal - _EPOCH_ORDINAL
    milliseconds = days * _DAY_MS if days > 0 else 0
    hashed = _hash(b"dated" + ordinal.to_bytes(4, "big"), parts) & _DATED_HASH_BITS
    return UUID(int=(milliseconds << 80) | _VERSION_AND_VARIANT | hashed)


def stable_id(*parts: str | UUID) -> UUID:
    """The id of what the parts name, with no date: a stream that (tenant, key) created."""
    return UUID(int=_VERSION_AND_VARIANT | (_hash(b"undated", parts) & _HASH_BITS))


def id_beside(other: UUID, *parts: str | UUID) -> UUID:
    """The id of what the parts name, with the first 60 bits of another id, its version left out. What is written in the
    order of the others is then written in the order of its own ids, and touches the pages of an index one after
    another; ids at random would each touch another page.

    62 bits of SHA-256 tell apart what has the first bits in common.
    """
    return UUID(int=other.int & _SORTING_BITS | stable_id(*parts).int & ~_SORTING_BITS)


def _hash(kind: bytes, parts: tuple[str | UUID, ...]) -> int:
    pieces = [kind]
    for part in parts:
        if isinstance(part, UUID):
            pieces += (_UUID_PREFIX, part.bytes)
        else:
            text = part.encode()
            assert len(text) < _UUID_KIND, "a part fits its length prefix"
            pieces += (len(text).to_bytes(4, "big"), text)
    return int.from_bytes(sha256(b"".join(pieces)).digest()[:16], "big")
