"""Request bodies: JSON decoded straight into a command's struct, or refused with the field at fault."""

import re
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.types import Receive

from adapters.http.middleware import context_of
from adapters.http.problem_details import (
    MAX_BODY_BYTES,
    BodyTooLarge,
    ClientGone,
    Malformed,
    UnsupportedMediaType,
)
from adapters.http.query_parameters import malformed

S = TypeVar("S")

_JSON = re.compile(rb"\s*application/(?:[a-z0-9.-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
# PostgreSQL's text holds no zero character: an escape for one, after an even number of backslashes.
_ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


async def read_body(request: Request[Any, Any, Any], into: type[S]) -> S:
    """The body as a struct; no body at all reads as `{}`.

    Raises Malformed, UnsupportedMediaType, BodyTooLarge, ClientGone.
    """
    context = context_of(request.scope)
    if context.content_encoding and context.content_encoding.lower() != b"identity":
        raise UnsupportedMediaType("send the body as it is, without Content-Encoding")
    length = context.content_length
    if length.isdigit() and int(length[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    raw = context.body = await _received(request.receive)
    content_type = context.content_type
    if raw and content_type and not _JSON.fullmatch(content_type):
        raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
    return decode(raw, into)


async def _received(receive: Receive) -> bytes:
    """The body's bytes, at most MAX_BODY_BYTES. Raises BodyTooLarge, ClientGone."""
    parts: list[bytes] = []
    total_bytes = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone("the connection was closed before the body had come")
        parts.append(message["body"])
        total_bytes += len(parts[-1])
        if total_bytes > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes; send less at once")


def decode(raw: bytes, into: type[S]) -> S:
    """JSON as a struct. Raises Malformed."""
    if b"\\u0000" in raw and _ZERO.search(raw):
        raise Malformed("a text holds a zero character, which cannot be stored")
    try:
        return _decoder(into).decode(raw or b"{}")
    except msgspec.ValidationError as error:
        raise malformed(error) from None
    except msgspec.DecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    except (UnicodeDecodeError, RecursionError):
        raise Malformed("the body is not JSON: it must be UTF-8, and not nested so deep") from None


def _decoder(into: type[S]) -> msgspec.json.Decoder[S]:
    decoder = _decoders.get(into)
    if decoder is None:
        decoder = _decoders[into] = msgspec.json.Decoder(into)
    return decoder
