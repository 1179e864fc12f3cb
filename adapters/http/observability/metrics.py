"""What `/metrics` tells an operator, in Prometheus' text format, and the token that opens it.

The numbers are of all tenants together, so no tenant's key opens them: a token of its own does, kept in a file that
only the service's user can read. A scraper sends it as `Authorization: Bearer ...` (Prometheus: `credentials_file`).
Being on the same machine proves nothing: behind a reverse proxy every request is.
"""

import hmac
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psutil

from adapters.http.problem_details import NoValidKey
from adapters.wiring import Books
from projections.catalog import CATALOG
from projections.engine import tracking

TOKEN_FILE = "metrics.token"


class MetricsToken:
    """The token, read from its file, which is made at the first start. Without a folder nothing opens."""

    def __init__(self, home: Path | None) -> None:
        self._token = _kept(home / TOKEN_FILE).encode() if home is not None else b""

    def check(self, authorization: bytes) -> None:
        """Raises NoValidKey unless the header holds the token."""
        if not self._token or not hmac.compare_digest(authorization, b"Bearer " + self._token):
            raise NoValidKey(f"send Authorization: Bearer with the token in {TOKEN_FILE}")


def metrics(books: Books, request_metrics: list[str]) -> str:
    """The text, ending in a line break. Reads the database."""
    return "\n".join([*request_metrics, *_gauges(books)]) + "\n"


def _gauges(books: Books) -> Iterator[str]:
    with books.database.writer.connection() as connection:
        lags = tracking.lag(connection, CATALOG)
    end = max(lag.end for lag in lags)
    yield from _gauge("duebook_log_position", "Events in the log.", [("", end)])
    yield from _gauge(
        "duebook_commands_waiting",
        "Commands asked for and not answered.",
        [("", books.writer.waiting())],
    )
    yield from _gauge(
        "duebook_projection_lag_events",
        "Events that a read model has not taken in.",
        [(f'{{projection="{lag.projection}"}}', lag.behind) for lag in lags],
    )
    yield from _gauge(
        "duebook_parked_streams",
        "Streams whose events a read model could not take in.",
        [(f'{{projection="{lag.projection}"}}', lag.parked) for lag in lags],
    )
    memory = psutil.Process(os.getpid()).memory_info().rss
    yield from _gauge("process_resident_memory_bytes", "Memory of this process.", [("", memory)])


def _gauge(name: str, about: str, values: list[tuple[str, int]]) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} gauge"
    for labels, value in values:
        yield f"{name}{labels} {value}"


def _kept(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = ""
    if token:
        return token
    token = secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token + "\n")
    return token
