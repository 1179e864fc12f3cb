"""`duebook dunning plan list|show|results|add|activate|deactivate|simulate-invoice` and
`duebook dunning run|release|simulate`.
"""

import argparse
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli.days import day_row, run_by_hand, tell_days, today_of
from adapters.cli.parsing import add_command, add_family, add_json, add_tenant, day, identifier
from adapters.cli.previews import print_items
from adapters.cli.printing import print_fields, print_json, print_line, print_table
from adapters.cli.progress import Progress
from adapters.cli.reporting import catch_up
from adapters.cli.tenant_creation import ACTOR
from adapters.settings import Settings
from adapters.store.debtors import open_cases, sent_cases
from adapters.store.releasing import release_all
from adapters.wiring import Books, open_books
from commands.dunning_plans import (
    PlanView,
    SavePlan,
    activate_plan,
    deactivate_plan,
    plan_view,
    save_plan,
)
from commands.plan_loading import UnknownPlan
from ledger.dunning.plan import DunningPlan
from ledger.errors import Rejected, quoted
from ledger.money import Money, parse_loose_minor, positive_minor
from projections.dunning_plans.listing import list_plans
from projections.messages.results import StepResult, step_results
from schedulers.business_day import require_runnable
from schedulers.preview import PreviewItem, simulate, simulate_invoice
from schedulers.release import Chosen, ReleaseFilter, choose, starts

DEFAULT_TERM = timedelta(days=30)


class MalformedPlanFile(Rejected):
    """A file that should hold a dunning plan holds something else."""


def add(commands: Any) -> None:
    family = add_family(commands, "dunning", "dunning plans, and what they would do")
    plans = add_family(family, "plan", "list, show, add, activate and deactivate dunning plans")
    add_json(_of_tenant(add_command(plans, "list", _list, "list a tenant's dunning plans")))
    show = add_command(plans, "show", _show, "show a dunning plan, step by step")
    _of_plan(show)
    _of_plan(
        add_command(plans, "results", _results, "say what came of a plan's messages, step by step")
    )
    adding = add_command(
        plans, "add", _add, "add a dunning plan from a JSON file, or the next version of one"
    )
    adding.add_argument(
        "file", type=Path, metavar="FILE.json", help="a plan as `dunning plan show --json` shows it"
    )
    add_json(_of_tenant(adding))
    _of_plan(add_command(plans, "activate", _activate, "contact customers by a plan from today on"))
    _of_plan(add_command(plans, "deactivate", _deactivate, "contact nobody by a plan any more"))
    imagining = add_command(
        plans,
        "simulate-invoice",
        _simulate_invoice,
        "say what a plan would do about an invoice that nobody pays, and write nothing",
    )
    _of_tenant(imagining)
    imagining.add_argument("key", metavar="KEY", help="the plan's key, as listed")
    imagining.add_argument(
        "--due-on", type=day, required=True, metavar="D", help="the day on which it is due"
    )
    imagining.add_argument(
        "--issued-on",
        type=day,
        metavar="D",
        help="the day on which it is sent (default: 30 days before)",
    )
    imagining.add_argument("--amount", default="100", help="its total (default: 100)")
    imagining.add_argument("--currency", metavar="C", help="of the amount (default: the tenant's)")
    imagining.add_argument(
        "--json", action="store_true", help="answer in JSON, one line for each message or skip"
    )
    running = add_command(
        family,
        "run",
        _run_today,
        "run today's dunning again: contact who has not been contacted today and is to be",
    )
    add_json(_of_tenant(running))
    releasing = add_command(
        family,
        "release",
        _release,
        "release imported invoices for dunning: all, or those that are chosen",
    )
    _of_tenant(releasing)
    releasing.add_argument("--customer", type=identifier, metavar="ID", help="of this customer")
    releasing.add_argument("--due-from", type=day, metavar="D", help="due on this day or later")
    releasing.add_argument("--due-to", type=day, metavar="D", help="due on this day or earlier")
    releasing.add_argument("--currency", metavar="C", help="in this currency")
    releasing.add_argument("--reason", default="", help="why")
    releasing.add_argument(
        "--preview",
        action="store_true",
        help="release nothing; say what the next night that contacts customers would do",
    )
    add_json(releasing)
    simulating = add_command(
        family,
        "simulate",
        _simulate,
        "play the dunning plans over days as if each night had run, and write nothing",
    )
    _of_tenant(simulating)
    simulating.add_argument(
        "--plan",
        metavar="KEY",
        help="the plan to play for all debts (default: for each, the plan that it follows)",
    )
    simulating.add_argument(
        "--from", dest="first", type=day, required=True, metavar="D", help="the first day"
    )
    simulating.add_argument(
        "--to", dest="last", type=day, required=True, metavar="D", help="the last day"
    )
    simulating.add_argument(
        "--json", action="store_true", help="answer in JSON, one line for each message or skip"
    )


def _of_tenant(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    add_tenant(parser)
    return parser


def _of_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", help="the plan's key, as listed")
    add_json(_of_tenant(parser))


def _list(arguments: argparse.Namespace) -> int:
    views = [plan_view(plan) for plan in _plans(arguments)]
    if arguments.json:
        print_json({"items": views})
        return 0
    print_table(
        ("key", "version", "name", "active from", "steps"),
        [
            (
                view.key,
                view.version,
                view.name,
                view.active_from or "",
                ", ".join(step.key for step in view.steps),
            )
            for view in views
        ],
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    _print(plan_view(_named(_plans(arguments), arguments.key)), arguments.json)
    return 0


def _results(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        catch_up(books)
        _named(_stored_plans(books, tenant_id), arguments.key)
        with books.reading(tenant_id) as connection:
            found = step_results(connection, tenant_id, arguments.key)
    if arguments.json:
        print_json({"items": found})
        return 0
    columns = StepResult.__struct_fields__
    print_table(columns, [tuple(getattr(one, name) for name in columns) for one in found])
    return 0


def _add(arguments: argparse.Namespace) -> int:
    command = _read(arguments.file)
    _print(_run(arguments, lambda unit: save_plan(unit, command)), arguments.json)
    return 0


def _activate(arguments: argparse.Namespace) -> int:
    _print(_run(arguments, lambda unit: activate_plan(unit, arguments.key)), arguments.json)
    return 0


def _deactivate(arguments: argparse.Namespace) -> int:
    _print(_run(arguments, lambda unit: deactivate_plan(unit, arguments.key)), arguments.json)
    return 0


def _simulate(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        catch_up(books)
        plans = books.clock.dunning_plans(tenant_id)
        if arguments.plan:
            plans = plans.only(_named(_stored_plans(books, tenant_id), arguments.plan))
        cases = sent_cases(books.database.writer, tenant_id)
        found = simulate(cases, plans, arguments.first, arguments.last)
        if arguments.json:
            for item in found:
                print_json(books.cipher.decrypted(tenant_id, msgspec.json.encode(item)))
            return 0
        opened = [
            msgspec.json.decode(
                books.cipher.decrypted(tenant_id, msgspec.json.encode(item)), type=PreviewItem
            )
            for item in found
        ]
    print_items(sorted(opened, key=lambda item: item.date), "nothing was written")
    return 0


def _simulate_invoice(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        catch_up(books)
        tenant = books.tenants.state(tenant_id)
        plan = _named(_stored_plans(books, tenant_id), arguments.key)
    currency = arguments.currency or tenant.settings.currency
    amount = Money.of(parse_loose_minor(arguments.amount, currency), currency)
    positive_minor(amount)
    issued_on = arguments.issued_on or arguments.due_on - DEFAULT_TERM
    found = simulate_invoice(tenant, plan, amount, issued_on, arguments.due_on)
    if arguments.json:
        for item in found:
            print_json(item)
    else:
        print_items(found, "if nobody pays; nothing was written")
    return 0


def _run_today(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books, Progress() as progress:
        tenant_id = books.tenants.id_of(arguments.tenant)
        today = today_of(books, tenant_id)
        require_runnable(books.clock, tenant_id, today, today)
        result = run_by_hand(books, tenant_id, today, today, "dunning", progress)
    tell_days([day_row(result)], arguments.json)
    return 0


def _release(arguments: argparse.Namespace) -> int:
    said = ReleaseFilter(
        arguments.customer, arguments.due_from, arguments.due_to, arguments.currency
    )
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        today = today_of(books, tenant_id)
        chosen = choose(open_cases(books.database.writer, tenant_id), said, today)
        items: list[PreviewItem] = []
        if arguments.preview:
            plans = books.clock.dunning_plans(tenant_id)
            cases = open_cases(books.database.writer, tenant_id)
            found = list(starts(cases, said, plans, today))
            opened = books.cipher.decrypted(tenant_id, msgspec.json.encode(found))
            items = msgspec.json.decode(opened, type=list[PreviewItem])
        else:
            release_all(books.writer, tenant_id, chosen.invoice_ids, arguments.reason, actor=ACTOR)
    _tell_release(arguments, chosen, items)
    return 0


def _tell_release(arguments: argparse.Namespace, chosen: Chosen, items: list[PreviewItem]) -> None:
    count = len(chosen.invoice_ids)
    if arguments.json:
        print_json(
            {
                "invoices": count,
                "amounts": chosen.amounts,
                "released": not arguments.preview,
                "starts": items,
            }
        )
        return
    if arguments.preview:
        print_items(items, "what the next night that contacts customers would do")
    amounts = ", ".join(f"{one.amount} {one.currency}" for one in chosen.amounts)
    verb = "would be" if arguments.preview else "were"
    print_line(f"{count} invoices {verb} released" + (f": {amounts}" if amounts else ""))


def _plans(arguments: argparse.Namespace) -> list[DunningPlan]:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        catch_up(books)
        return _stored_plans(books, tenant_id)


def _stored_plans(books: Books, tenant_id: UUID) -> list[DunningPlan]:
    with books.reading(tenant_id) as connection:
        return list_plans(connection, tenant_id)


def _named(plans: list[DunningPlan], key: str) -> DunningPlan:
    for plan in plans:
        if plan.key == key:
            return plan
    raise UnknownPlan(f"there is no dunning plan {quoted(key)}")


def _run(arguments: argparse.Namespace, handler: Any) -> PlanView:
    with open_books(Settings.from_environment()) as books:
        answer = books.run(books.tenants.id_of(arguments.tenant), ACTOR, handler)
    return msgspec.json.decode(answer.body, type=PlanView)


def _read(path: Path) -> SavePlan:
    """A plan as it is shown; its version and since when it is active are passed over."""
    try:
        said = msgspec.json.decode(path.read_bytes())
        if isinstance(said, dict):
            for shown_only in ("version", "active_from"):
                said.pop(shown_only, None)
        return msgspec.convert(said, SavePlan)
    except OSError as error:
        raise MalformedPlanFile(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise MalformedPlanFile(f"{path} holds no dunning plan: {error}") from error


def _print(view: PlanView, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    caps = view.caps
    print_fields(
        [
            ("plan", f"{view.key}, version {view.version}: {view.name}"),
            ("active from", view.active_from or "inactive"),
            ("contact days", view.calendar),
            ("late entry", view.late_entry),
            ("a message for each", view.group_by),
            ("a customer at most", f"{caps.day} a day, {caps.week} a week"),
            ("days between contacts", caps.min_gap_days),
        ]
    )
    print_table(
        ("step", "days", "purpose", "window", "template", "requires"),
        [
            (
                step.key,
                step.offset,
                step.purpose,
                step.window,
                step.template,
                ", ".join(step.requires),
            )
            for step in view.steps
        ],
    )
