"""The senders of a tenant that are active: its own mail servers, or files for one that has set up none or that is in
test mode.
"""

from collections.abc import Sequence
from uuid import UUID

from adapters.messages.files import FOLDER, FileSender
from adapters.messages.smtp.dkim import DkimKey
from adapters.messages.smtp.sender import SmtpSender
from adapters.postgres.connection import Pool
from adapters.settings import Settings
from adapters.store import snapshots
from adapters.store.sender_secrets import SenderSecrets
from ledger.sender import MailSender
from schedulers.delivery import Sender

SELECT_SENDERS = """
SELECT stream_id, fold_version, state FROM snapshots
 WHERE stream = 'sender' AND tenant_id = %s
 ORDER BY stream_id
"""


class Roster:
    """Looks senders up, as they are now."""

    def __init__(self, pool: Pool, secrets: SenderSecrets, settings: Settings) -> None:
        self._pool = pool
        self._secrets = secrets
        self._allow_private = settings.private_addresses == "allow"
        self._files = FileSender(settings.home / FOLDER)

    def of(self, tenant_id: UUID) -> Sequence[Sender]:
        """Senders that messages may leave through now; none while all of a tenant's own are paused."""
        found = self._stored(tenant_id)
        if not found or self._is_test(tenant_id):
            return [self._files]
        return [
            self._smtp(tenant_id, sender_id, sender)
            for sender_id, sender in found
            if sender.state == "active"
        ]

    def every(self, tenant_id: UUID) -> Sequence[Sender]:
        """A tenant's own senders, those that are paused among them."""
        return [
            self._smtp(tenant_id, sender_id, sender)
            for sender_id, sender in self._stored(tenant_id)
        ]

    def _is_test(self, tenant_id: UUID) -> bool:
        with self._pool.connection() as connection:
            return snapshots.tenant(connection, tenant_id).settings.test_mode

    def _stored(self, tenant_id: UUID) -> list[tuple[UUID, MailSender]]:
        with self._pool.connection() as connection:
            rows = connection.execute(SELECT_SENDERS, (tenant_id,)).fetchall()
            return [
                (
                    sender_id,
                    snapshots.state_of(
                        connection, "sender", tenant_id, sender_id, fold_version, data
                    ),
                )
                for sender_id, fold_version, data in rows
            ]

    def _smtp(self, tenant_id: UUID, sender_id: UUID, sender: MailSender) -> Sender:
        smtp = sender.smtp
        domain = smtp.from_address.rpartition("@")[2]
        key = self._secret(tenant_id, smtp.dkim_secret_id)
        return SmtpSender(
            sender_id,
            sender.key,
            smtp,
            self._secret(tenant_id, smtp.secret_id),
            dkim=DkimKey(domain, smtp.dkim_selector, key) if key else None,
            allow_private=self._allow_private,
        )

    def _secret(self, tenant_id: UUID, secret_id: UUID | None) -> str:
        return self._secrets.read(tenant_id, secret_id) if secret_id is not None else ""
