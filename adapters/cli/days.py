"""`duebook day run|show|catch-up`: a tenant's business days by hand."""

import argparse
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli.clock_lease import held_clock
from adapters.cli.parsing import add_command, add_family, add_json, add_tenant, day
from adapters.cli.previews import print_items
from adapters.cli.printing import print_json, print_line, print_table
from adapters.cli.progress import Progress
from adapters.messages.rehearsing import FOLDER, capture
from adapters.settings import Settings
from adapters.store.debtors import open_cases
from adapters.wiring import Books, open_books
from ledger.business_day import STEPS, Step, Tally
from ledger.errors import NotFound
from ledger.money import format_minor
from ledger.time_zones import business_date
from schedulers.business_day import DayResult, require_runnable, run_day, run_step
from schedulers.business_day_steps import contacts_may_begin
from schedulers.catch_up import catch_up, due_days
from schedulers.forecast import require_foreseeable
from schedulers.ports import Run
from schedulers.preview import PreviewItem, preview

ACTOR = "cli"


class DayNotRun(NotFound):
    """The tenant's books know no such business day."""


class StepRow(msgspec.Struct, frozen=True):
    """What a step of a day did: streams looked at, events posted, amounts posted by currency."""

    step: str
    looked_at: int
    posted: int
    amounts: dict[str, str]


class DayRow(msgspec.Struct, frozen=True):
    """A business day. `ran` says whether this command ran it or found it closed; None when it only looked."""

    date: date
    status: str
    steps: list[StepRow]
    ran: bool | None = None


def add(commands: Any) -> None:
    family = add_family(commands, "day", "run, show and catch up business days")
    run = add_command(
        family,
        "run",
        _run,
        "run a business day: overdue, late fees, interest and dunning; one that is closed is left as it is",
    )
    _add_date(run, "the day to run (default: today, or tomorrow for a dry run)")
    run.add_argument(
        "--step",
        choices=STEPS,
        help="run this step alone, again if it was run before: what is new is done, nothing twice",
    )
    run.add_argument(
        "--test-mode",
        action="store_true",
        help="write the mails that the day would send to DUEBOOK_HOME/test-mode, and nothing else",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be charged and whom it would contact, and write nothing",
    )
    show = add_command(family, "show", _show, "show what a business day posted, step by step")
    _add_date(show, "the day to show (default: the last that was closed)")
    catching_up = add_command(
        family, "catch-up", _catch_up, "run every missed business day, one date at a time"
    )
    _add_date(catching_up, "the last day to run (default: the last that is due by now)")


def _add_date(parser: argparse.ArgumentParser, sentence: str) -> None:
    add_tenant(parser)
    parser.add_argument("--date", type=day, metavar="D", help=sentence)
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    with open_books(settings) as books, Progress() as progress:
        tenant_id = books.tenants.id_of(arguments.tenant)
        today = today_of(books, tenant_id)
        if arguments.dry_run:
            return _dry_run(
                books, tenant_id, arguments.date or today + timedelta(days=1), arguments
            )
        wanted = arguments.date or today
        if arguments.test_mode:
            return _test_mode(books, settings, tenant_id, wanted, arguments)
        require_runnable(books.clock, tenant_id, wanted, today)
        result = run_by_hand(books, tenant_id, wanted, today, arguments.step, progress)
    tell_days([day_row(result)], arguments.json)
    return 0


def run_by_hand(
    books: Books,
    tenant_id: UUID,
    wanted: date,
    today: date,
    step: Step | None,
    progress: Progress,
) -> DayResult:
    """Runs a day, or one step of it."""
    settings = books.clock.settings(tenant_id)
    may_begin = contacts_may_begin(settings, wanted, datetime.now(UTC))
    telling = _telling(progress, wanted)
    with held_clock(books) as lease:
        run = Run(tenant_id, wanted, lease, actor=ACTOR)
        if step is None:
            return run_day(books.clock, run, today=today, may_begin=may_begin, progress=telling)
        return run_step(books.clock, run, step, today=today, may_begin=may_begin, progress=telling)


def _dry_run(books: Books, tenant_id: UUID, wanted: date, arguments: argparse.Namespace) -> int:
    today = today_of(books, tenant_id)
    require_foreseeable(wanted, today)
    answer = msgspec.json.encode(
        {"date": wanted, "items": foreseen(books, tenant_id, wanted, today)}
    )
    opened = books.cipher.decrypted(tenant_id, answer)
    if arguments.json:
        print_json(opened)
        return 0
    items = msgspec.convert(msgspec.json.decode(opened)["items"], list[PreviewItem])
    print_items(items, title=f"what the night of {wanted} would do, nothing written")
    return 0


def _test_mode(
    books: Books, settings: Settings, tenant_id: UUID, wanted: date, arguments: argparse.Namespace
) -> int:
    """Everything that the day would do, its mails written to files, and nothing of it done."""
    today = today_of(books, tenant_id)
    require_foreseeable(wanted, today)
    items = foreseen(books, tenant_id, wanted, today)
    folder = settings.home / FOLDER
    captured = list(capture(books, tenant_id, wanted, folder, datetime.now(UTC)))
    if arguments.json:
        answer = {"date": wanted, "items": items, "folder": str(folder), "captured": captured}
        print_json(books.cipher.decrypted(tenant_id, msgspec.json.encode(answer)))
    else:
        opened = books.cipher.decrypted(tenant_id, msgspec.json.encode(items))
        print_items(
            msgspec.json.decode(opened, type=list[PreviewItem]),
            title=f"what the day of {wanted} would do, nothing done",
        )
        for one in captured:
            print_line(f"{folder / one.file}" if one.file else f"{one.message_id}: {one.error}")
    return 1 if any(one.error for one in captured) else 0


def foreseen(books: Books, tenant_id: UUID, wanted: date, today: date) -> list[PreviewItem]:
    """What the night of a day would do; personal texts are encrypted."""
    plans = books.clock.dunning_plans(tenant_id)
    cases = open_cases(books.database.writer, tenant_id)
    return list(preview(cases, plans, wanted, today))


def _show(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        wanted = arguments.date or books.clock.last_closed(tenant_id)
        found = books.clock.business_day(tenant_id, wanted) if wanted is not None else None
    if found is None:
        raise DayNotRun(f"the day {wanted} was not run" if wanted else "no day was closed yet")
    tell_days([DayRow(found.day, found.status, _steps(found.steps))], arguments.json)
    return 0


def _catch_up(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books, Progress() as progress:
        tenant_id = books.tenants.id_of(arguments.tenant)
        through = arguments.date or _last_due(books, tenant_id)
        rows: list[DayRow] = []
        if through is not None:
            today = today_of(books, tenant_id)
            through = min(through, today)
            with held_clock(books) as lease:
                for result in catch_up(
                    books.clock, tenant_id, lease, through, today=today, actor=ACTOR
                ):
                    rows.append(day_row(result))
                    progress("days", len(rows), len(rows) + (through - result.day).days)
    tell_days(rows, arguments.json)
    return 0


def _last_due(books: Books, tenant_id: UUID) -> date | None:
    settings = books.tenants.state(tenant_id).settings
    days = due_days(settings, books.clock.last_closed(tenant_id), datetime.now(UTC))
    return days[-1] if days else None


def today_of(books: Books, tenant_id: UUID) -> date:
    return business_date(datetime.now(UTC), books.tenants.state(tenant_id).settings.timezone)


def _telling(progress: Progress, wanted: date) -> Callable[[str, Tally], None]:
    return lambda step, tally: progress(f"{wanted} {step}", tally.looked_at, 0)


def day_row(result: DayResult) -> DayRow:
    status = "closed" if result.closed else "open"
    return DayRow(result.day, status, _steps(result.steps), result.ran)


def _steps(steps: dict[str, Tally]) -> list[StepRow]:
    return [
        StepRow(
            step=step,
            looked_at=steps[step].looked_at,
            posted=steps[step].posted,
            amounts={
                currency: format_minor(minor, currency)
                for currency, minor in sorted(steps[step].amounts.items())
            },
        )
        for step in STEPS
        if step in steps
    ]


def tell_days(rows: list[DayRow], as_json: bool) -> None:
    if as_json:
        print_json({"days": rows})
        return
    if not rows:
        print_line("no day is due")
        return
    print_table(
        ("date", "status", "step", "looked at", "posted", "amounts"),
        [
            (
                row.date,
                "closed before" if row.ran is False and row.status == "closed" else row.status,
                step.step,
                step.looked_at,
                step.posted,
                ", ".join(f"{amount} {currency}" for currency, amount in step.amounts.items()),
            )
            for row in rows
            for step in row.steps
        ],
    )
