"""Listing tasks, the oldest first."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.task import Kind, State
from projections.pagination import Page, checked, decoded, filters_of, page_of

LIST = """
SELECT task_id, kind, state, text, about, customer_id, due_on, opened_on, note
  FROM tasks
 WHERE tenant_id = %(tenant_id)s
   AND (%(state)s::text IS NULL OR state = %(state)s)
   AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
   AND (%(after_on)s::date IS NULL OR (opened_on, task_id) > (%(after_on)s, %(after_id)s::uuid))
 ORDER BY opened_on, task_id
 LIMIT %(limit)s
"""


class TaskFilters(msgspec.Struct, frozen=True):
    """Which tasks."""

    state: State | None = None
    customer_id: UUID | None = None


class TaskRow(msgspec.Struct, frozen=True):
    """A task in a list."""

    task_id: UUID
    kind: Kind
    state: State
    text: str
    about: UUID | None
    customer_id: UUID | None
    due_on: date | None
    opened_on: date
    note: str


def list_tasks(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: TaskFilters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[TaskRow]:
    """A page of a tenant's tasks, oldest first. Raises MalformedCursor, MalformedFilter, LimitOutOfRange."""
    after_on, after_id = decoded(cursor, date, UUID)
    values = filters_of(filters or TaskFilters()) | {
        "tenant_id": tenant_id,
        "after_on": after_on,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    with connection.cursor(row_factory=class_row(TaskRow)) as rows:
        found = rows.execute(LIST, values, prepare=False).fetchall()
    return page_of(found[:limit], limit, len(found), lambda last: (last.opened_on, last.task_id))
