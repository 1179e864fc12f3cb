"""Ids in paths: a UUID is written in its canonical form, and in no other that a parser would accept."""

from typing import Any
from uuid import UUID

from adapters.http.problem_details import NoSuchPath


def require_canonical_ids(scope: Any) -> None:
    """Refuses ids such as `urn:uuid:...`, `{...}` and those without hyphens. Raises NoSuchPath."""
    segments = scope["path"].lower().split("/")
    for value in scope["path_params"].values():
        if isinstance(value, UUID) and str(value) not in segments:
            raise NoSuchPath("an id in a path is written 8-4-4-4-12, such as " + str(value))
