"""Finding a tenant's templates."""

from commands.unit_of_work import Unit
from ledger.errors import NotFound, quoted
from ledger.template import Template, stream_id


class UnknownTemplate(NotFound):
    """The tenant has no template of that key."""


def find_template(unit: Unit, key: str) -> Template | None:
    """A template by its key; None when the tenant has none."""
    found: Template | None = unit.find("template", stream_id(unit.tenant_id, key))
    return found


def require_template(unit: Unit, key: str) -> None:
    """Raises UnknownTemplate."""
    if find_template(unit, key) is None:
        raise UnknownTemplate(f"there is no template {quoted(key)}; save it first")
