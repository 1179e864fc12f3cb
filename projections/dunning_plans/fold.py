"""The read model `dunning_plans`: a row per plan that was saved or activated, as it is now."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import msgspec

from ledger.dunning import plan as e
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable

TABLE = RowTable(
    "dunning_plans",
    "plan_id",
    plan_version="integer",
    active_from="date",
    key="text",
    rules="text",
)


class Folded(msgspec.Struct, gc=False):
    """A plan's row while it is folded; the fields are the columns. `rules` is JSON."""

    tenant_id: bytes
    plan_id: bytes
    version: int = 0
    tenant_seq: int = 0
    plan_version: int = 0
    active_from: date | None = None
    key: str = ""
    rules: str = "{}"


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no plan has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> Iterable[Part]:
    """A plan adds to no sums."""
    return ()


def _created(row: Folded, event: e.Created, on: date) -> None:
    row.key = event.key
    row.plan_version = 1
    row.rules = _encoded(event.rules)


def _changed(row: Folded, event: e.Changed, on: date) -> None:
    row.plan_version += 1
    row.rules = _encoded(event.rules)


def _activated(row: Folded, event: e.Activated, on: date) -> None:
    row.active_from = on


def _deactivated(row: Folded, event: e.Deactivated, on: date) -> None:
    row.active_from = None


def _encoded(rules: e.PlanRules) -> str:
    return msgspec.json.encode(rules).decode()


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Created: _created,
    e.Changed: _changed,
    e.Activated: _activated,
    e.Deactivated: _deactivated,
}

DUNNING_PLANS = Projection(
    name="dunning_plans",
    version=1,
    streams=("dunning_plan",),
    table=TABLE,
    sums=(),
    row=Folded,
    fold=fold,
    parts=parts,
)
