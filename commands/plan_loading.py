"""Loading a dunning plan by its key."""

from commands.unit_of_work import Unit
from ledger.dunning.plan import DEFAULT_KEY, SHIPPED_PLAN, DunningPlan, stream_id
from ledger.errors import NotFound, quoted


class UnknownPlan(NotFound):
    """The tenant has no dunning plan of that key."""


def find_plan(unit: Unit, key: str) -> DunningPlan | None:
    """The plan as it was stored; None when it never was."""
    found: DunningPlan | None = unit.find("dunning_plan", stream_id(unit.tenant_id, key))
    return found


def load_plan(unit: Unit, key: str) -> DunningPlan:
    """A plan by its key; `default` is the shipped one until it is changed. Raises UnknownPlan."""
    found = find_plan(unit, key)
    if found is None and key == DEFAULT_KEY:
        return SHIPPED_PLAN
    if found is None:
        raise UnknownPlan(f"there is no dunning plan {quoted(key)}; make it first")
    return found
