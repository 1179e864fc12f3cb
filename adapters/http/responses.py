"""Answers that are JSON already: bytes with a status and a few headers, sent as they are."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response
from litestar.types import Receive, Scope, Send

PRIVATE: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Answers hold what a person owes: nobody on the way keeps them or guesses at their type."""


class JsonResponse(Response[bytes]):
    """JSON bytes on their way out. It is its own ASGI response: there is nothing left to render."""

    def to_asgi_response(self, *_: Any, **__: Any) -> "JsonResponse":  # type: ignore[override]
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self.content
        headers = [
            (b"content-type", (self.media_type or "application/json").encode()),
            (b"content-length", str(len(body)).encode()),
            *PRIVATE,
        ]
        headers += [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send(
            {"type": "http.response.start", "status": self.status_code or 200, "headers": headers}
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})


def json_response(
    body: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response[bytes]:
    """JSON bytes as an answer. Header names are written in lower case."""
    return JsonResponse(body, status_code=status, headers=headers, media_type=media_type)
