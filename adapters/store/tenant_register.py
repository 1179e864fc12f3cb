"""The tenants of an installation: their names and their settings."""

from uuid import UUID

from adapters.postgres.connection import Database, tenant_transaction
from adapters.store import snapshots
from commands.unit_of_work import Unknown
from ledger.tenant import Tenant

SELECT_TENANTS = "SELECT tenant_id, name FROM duebook.tenants ORDER BY name"


class TenantRegister:
    """Looks tenants up by name, by id, or all of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[tuple[UUID, str]]:
        """(id, name) of every tenant, by name."""
        with self._database.writer.connection() as connection:
            return connection.execute(SELECT_TENANTS).fetchall()

    def id_of(self, name_or_id: str) -> UUID:
        """The id of a tenant by its id or its name. Raises Unknown."""
        for tenant_id, name in self.all():
            if name_or_id in (name, str(tenant_id)):
                return tenant_id
        raise Unknown(f"there is no tenant {name_or_id!r}; see: duebook tenant list")

    def is_test(self, tenant_id: UUID) -> bool:
        """Whether a tenant is in test mode, in which nothing of it leaves. Raises Unknown."""
        return self.state(tenant_id).settings.test_mode

    def state(self, tenant_id: UUID) -> Tenant:
        """A tenant with its settings as they are now. Raises Unknown."""
        with tenant_transaction(self._database.api, tenant_id) as connection:
            found = snapshots.read(connection, tenant_id, "tenant", tenant_id)
        if found is None:
            raise Unknown(f"there is no tenant {tenant_id}")
        tenant: Tenant = found[1]
        return tenant
