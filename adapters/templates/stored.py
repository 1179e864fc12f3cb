"""The templates of tenants: read from their snapshots, compiled once for each version and language."""

from typing import Any
from uuid import UUID

import psycopg
from cachetools import LRUCache

from adapters.postgres.connection import Pool
from adapters.store import snapshots
from adapters.templates.mail import MailTemplate, compiled, shipped, shipped_language
from ledger.message import Kind
from ledger.template import Template, chosen_language, stream_id

KEPT = 500

SELECT_TEMPLATES = """
SELECT stream_id, fold_version, state FROM snapshots
 WHERE stream = 'template' AND tenant_id = %s
 ORDER BY stream_id
"""


class Templates:
    """Compiled templates of all tenants. Safe for use from several threads: what two compile at once is the same."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: LRUCache[tuple[UUID, str, int, str], tuple[MailTemplate, str]] = LRUCache(KEPT)

    def of(
        self, tenant_id: UUID, kind: Kind, key: str, version: int, language: str
    ) -> tuple[MailTemplate, str]:
        """A template by its key and version, and the language in which its amounts are written; the one that is shipped
        for the kind of message when there is no key."""
        if not key:
            chosen = shipped_language(language)
            return shipped(chosen, kind), _same_language(language, chosen)
        known = (tenant_id, key, version, language)
        found = self._kept.get(known)
        if found is None:
            found = self._kept[known] = self._compiled(tenant_id, key, version, language)
        return found

    def _compiled(
        self, tenant_id: UUID, key: str, version: int, language: str
    ) -> tuple[MailTemplate, str]:
        with self._pool.connection() as connection:
            read = snapshots.read(connection, tenant_id, "template", stream_id(tenant_id, key))
        assert read is not None, f"tenant {tenant_id} has no template {key}"
        template: Template = read[1]
        said = template.versions[version - 1]
        chosen = chosen_language(said, language)
        return compiled(said.texts[chosen]), _same_language(language, chosen)


def _same_language(wanted: str, chosen: str) -> str:
    """How amounts and dates are written: as the customer's country does, if the text is in its language."""
    return wanted if wanted.partition("-")[0].lower() == chosen.partition("-")[0] else chosen


def list_templates(connection: psycopg.Connection[Any], tenant_id: UUID) -> list[Template]:
    """Every template of a tenant, by key."""
    rows = connection.execute(SELECT_TEMPLATES, (tenant_id,)).fetchall()
    found: list[Template] = [
        snapshots.state_of(connection, "template", tenant_id, stream, fold_version, data)
        for stream, fold_version, data in rows
    ]
    return sorted(found, key=lambda template: template.key)
