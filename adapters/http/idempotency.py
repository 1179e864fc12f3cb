"""Idempotency over HTTP: the key that a client sends, and the hash that tells its request from another one.

The store keeps the answer under the key (`adapters.store.group_commit`).
"""

import re
from hashlib import sha256

from adapters.http.middleware import RequestContext
from adapters.http.problem_details import Malformed

_KEY = re.compile(rb"[\x20-\x7e]{1,200}")


def idempotency_key(context: RequestContext, *, required: bool) -> str | None:
    """The request's Idempotency-Key: 1 to 200 printable ASCII characters. Raises Malformed."""
    given = context.idempotency_key
    if given is None:
        if required:
            raise Malformed(
                "send the header Idempotency-Key: a new value for each new request, "
                "the same one when you repeat it",
                field="Idempotency-Key",
            )
        return None
    if not _KEY.fullmatch(given):
        raise Malformed(
            "Idempotency-Key must be 1 to 200 printable ASCII characters", field="Idempotency-Key"
        )
    return given.decode("ascii")


def request_hash(method: str, path: str, body: bytes) -> bytes:
    """SHA-256 of what tells a repeated request from another one: its method, path and body."""
    return sha256(f"{method} {path}\n".encode() + body).digest()
