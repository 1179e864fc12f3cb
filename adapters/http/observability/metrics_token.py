"""The token that opens `/metrics`, in a file of the home folder that only the service's user can read.

The numbers are of all tenants together, so no tenant's key opens them. A scraper sends the token as
`Authorization: Bearer ...` (Prometheus: `credentials_file`). Being on the same machine proves nothing: behind a
reverse proxy every request is.
"""

import hmac
import os
import secrets
from pathlib import Path

from adapters.http.problem_details import NoValidKey

TOKEN_FILE = "metrics.token"


class MetricsToken:
    """The token, read from its file, which the first start makes. Without a folder nothing opens."""

    def __init__(self, home: Path | None) -> None:
        self._token = _kept(home / TOKEN_FILE).encode() if home is not None else b""

    def check(self, authorization: bytes) -> None:
        """Raises NoValidKey unless the header holds the token."""
        if not self._token or not hmac.compare_digest(authorization, b"Bearer " + self._token):
            raise NoValidKey(f"send Authorization: Bearer with the token in {TOKEN_FILE}")


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
