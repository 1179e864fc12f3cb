"""The closed registry of event types: versioned tag to frozen struct, with upcasts for what is no longer written.

A stored event is a tag and JSON bytes. The tag is data, never a Python path: decoding looks it up here and
nowhere else, so no stored text can make the program import anything.

    @stored("invoice.voided.v1")
    class Voided(Event): ...

A tag whose shape had to change stays readable by an upcast to its successor:

    @upcast("invoice.voided.v1")
    def _(old: dict[str, Any]) -> tuple[str, dict[str, Any]]: ...
"""

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from ledger.errors import LedgerError


class UnknownEventType(LedgerError):
    """A stored event carries a tag this release does not know; it was written by a newer one, or not by Duebook."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of every event. Fields are facts; the envelope (who, when, which tenant) is kept outside."""

    TAG: ClassVar[str] = ""


class New(NamedTuple):
    """An event that was decided, with the business date on which it takes effect."""

    event: Event
    effective_on: date


E = TypeVar("E", bound=type[Event])
Upcast = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]

_decoders: dict[str, msgspec.json.Decoder[Event]] = {}
_types: dict[str, type[Event]] = {}
_upcasts: dict[str, Upcast] = {}
_encoder = msgspec.json.Encoder()


def stored(tag: str) -> Callable[[E], E]:
    """Registers an event struct under its tag, `stream.what_happened.vN`."""

    def register(struct: E) -> E:
        assert tag not in (*_types, *_upcasts), f"{tag} is registered twice"
        struct.TAG = tag
        _types[tag] = struct
        _decoders[tag] = msgspec.json.Decoder(struct)
        return struct

    return register


def upcast(tag: str) -> Callable[[Upcast], Upcast]:
    """Registers how the data of an old tag becomes that of a newer one."""

    def register(function: Upcast) -> Upcast:
        assert tag not in (*_types, *_upcasts), f"{tag} is registered twice"
        _upcasts[tag] = function
        return function

    return register


def tags() -> list[str]:
    """Every tag that can be read, the current and the old, in order."""
    return sorted([*_types, *_upcasts])


def encode(event: Event) -> bytes:
    """The JSON bytes to store for an event."""
    return _encoder.encode(event)


def decode(tag: str, data: bytes) -> Event:
    """The event stored under a tag. Raises UnknownEventType, or msgspec.ValidationError when the bytes do not fit."""
    decoder = _decoders.get(tag)
    if decoder is not None:
        return decoder.decode(data)
    return _decode_old(tag, msgspec.json.decode(data))


def _decode_old(tag: str, data: dict[str, Any]) -> Event:
    while tag in _upcasts:
        tag, data = _upcasts[tag](data)
    if tag not in _types:
        raise UnknownEventType(
            f"the event tag {tag!r} is unknown to this release; upgrade Duebook to read it"
        )
    return msgspec.convert(data, _types[tag])


def stream_of(tag: str) -> str:
    """The kind of stream a tag belongs to: `invoice` for `invoice.sent.v1`."""
    return tag.partition(".")[0]
