"""Reading answers: bodies, positions, whole lists."""

from typing import Any

import httpx

from tests.http.conftest import Client


def body_of(answer: httpx.Response, status: int = 200) -> Any:
    """The body of an answer that was expected."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["Duebook-Position"]) > 0
    return answer.json()


def position_of(client: Client) -> str:
    """How far the tenant's log has come."""
    return client.get("/api/tenant").headers["Duebook-Position"]


def pages_of(client: Client, path: str, limit: int, **params: Any) -> list[Any]:
    """Every item of a list, read in pages."""
    found: list[Any] = []
    wanted = {"limit": limit, **params}
    while True:
        page = body_of(client.get(path, params=wanted))
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        wanted["cursor"] = page["next_cursor"]
