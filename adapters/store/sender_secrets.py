"""Passwords and signing keys of senders: encrypted under the master key, in a table beside the log. No event holds one.

A secret's id is a keyed hash of it, so that the same one is kept once however often it is said.
"""

from uuid import UUID

from adapters.postgres.connection import Pool
from adapters.store.encryption import PersonalDataCipher

INSERT_SECRET = """
INSERT INTO sender_secrets (tenant_id, secret_id, encrypted) VALUES (%s, %s, %s)
ON CONFLICT (tenant_id, secret_id) DO NOTHING
"""
SELECT_SECRET = "SELECT encrypted FROM sender_secrets WHERE tenant_id = %s AND secret_id = %s"


class SenderSecrets:
    """The secrets of all tenants' senders."""

    def __init__(self, pool: Pool, cipher: PersonalDataCipher) -> None:
        self._pool = pool
        self._cipher = cipher

    def keep(self, tenant_id: UUID, secret: str) -> UUID:
        """Keeps a secret and answers its id."""
        secret_id = self._cipher.secret_id(tenant_id, secret)
        encrypted = self._cipher.encrypt_request(tenant_id, str(secret_id), secret.encode())
        with self._pool.connection() as connection:
            connection.execute(INSERT_SECRET, (tenant_id, secret_id, encrypted))
        return secret_id

    def read(self, tenant_id: UUID, secret_id: UUID) -> str:
        """A secret that was kept."""
        with self._pool.connection() as connection:
            row = connection.execute(SELECT_SECRET, (tenant_id, secret_id)).fetchone()
        if row is None:
            return ""
        return self._cipher.open_request(tenant_id, str(secret_id), bytes(row[0])).decode()
