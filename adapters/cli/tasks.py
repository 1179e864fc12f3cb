"""`duebook tasks list|done`: what waits for a person."""

import argparse
from typing import Any, get_args

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant, identifier
from adapters.cli.printing import print_json, print_line, print_table
from adapters.cli.reporting import catch_up
from adapters.cli.tenant_creation import ACTOR
from adapters.settings import Settings
from adapters.wiring import open_books
from commands.tasks import FinishTask, TaskView, finish_task
from ledger.task import State
from projections.pagination import Page
from projections.tasks.listing import TaskFilters, TaskRow, list_tasks

PAGE = 500


def add(commands: Any) -> None:
    family = add_family(commands, "tasks", "what waits for a person")
    listing = add_command(family, "list", _list, "list a tenant's tasks, the oldest first")
    listing.add_argument(
        "--state", choices=get_args(State), default="open", help="in this state (default: open)"
    )
    add_tenant(listing)
    add_json(listing)
    done = add_command(family, "done", _done, "say that a task is done")
    done.add_argument("task_id", type=identifier, metavar="TASK_ID", help="as listed")
    done.add_argument("--note", default="", help="what came of it")
    add_tenant(done)
    add_json(done)


def _list(arguments: argparse.Namespace) -> int:
    filters = TaskFilters(arguments.state)
    rows: list[TaskRow] = []
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        catch_up(books)
        cursor: str | None = None
        with books.reading(tenant_id) as connection:
            while True:
                page = list_tasks(connection, tenant_id, filters, cursor=cursor, limit=PAGE)
                rows += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
        rows = msgspec.json.decode(
            books.cipher.decrypted(tenant_id, msgspec.json.encode(rows)), type=list[TaskRow]
        )
    if arguments.json:
        print_json(Page(rows))
        return 0
    print_table(
        ("task_id", "opened", "due", "kind", "text"),
        [(row.task_id, row.opened_on, row.due_on or "", row.kind, row.text) for row in rows],
    )
    return 0


def _done(arguments: argparse.Namespace) -> int:
    command = FinishTask(arguments.note)
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        answer = books.run(
            tenant_id, ACTOR, lambda unit: finish_task(unit, arguments.task_id, command)
        )
        view = msgspec.json.decode(books.cipher.decrypted(tenant_id, answer.body), type=TaskView)
    if arguments.json:
        print_json(view)
    else:
        print_line(f"task {view.task_id} is {view.state}")
    return 0
