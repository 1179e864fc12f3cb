"""Running one business day of one tenant: open, each step in chunks, close.

Nothing here is done twice: a day's stream says which steps are completed, a step's checkpoint says which chunks are,
and both move in the transactions that append the events. A killed run resumes where it stopped.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from uuid import UUID

import msgspec

from ledger.business_day import STEPS, Step, Tally
from ledger.errors import Rejected
from schedulers.business_day_steps import decide_with
from schedulers.chunks import ChunkSize
from schedulers.dunning import decide_debtor_with
from schedulers.ports import (
    Checkpoint,
    ClockStore,
    Cursor,
    Lease,
    Prepared,
    Run,
    StaleChunk,
)

Progress = Callable[[Step, Tally], None]


class EarlierDayOpen(Rejected):
    """Days are run in order, and an earlier one has not been closed."""


class BeforeClockStart(Rejected):
    """The day lies before the tenant's clock starts."""


class DayNotCome(Rejected):
    """The day has not come in the tenant's zone."""


class StepNotInTurn(Rejected):
    """A step of a day is run after the one before it."""


class NoContactNow(Rejected):
    """Customers are contacted on the day of today alone, from their hour on, under an active dunning plan."""


class DayResult(msgspec.Struct, frozen=True):
    """What a day posted in all, by step.

    ran     false when it had been closed before, or is not closed yet
    closed  false when the local time of its next step has not come

    A day of the past, or one on which no dunning plan was active, has no dunning step.
    """

    day: date
    ran: bool
    steps: dict[str, Tally]
    closed: bool = True


def run_day(
    store: ClockStore,
    run: Run,
    *,
    today: date | None = None,
    in_turn: bool = True,
    may_begin: Callable[[Step], bool] = lambda step: True,
    progress: Progress | None = None,
    pause: Callable[[str], None] | None = None,
) -> DayResult:
    """Runs what is left of a day. Raises Fenced when the lease is lost.

    today     the business date in the tenant's zone: customers are contacted on that day alone, so that of nights that
              were missed only the highest step is taken, once; without it, nobody is contacted
    in_turn   the day follows the last closed one; an import runs its own days of the past, out of turn
    may_begin whether a step's local time has come; a run stops before one whose has not
    pause     called with the name of each point between two transactions; tests stop the run there
    """
    stop_at = pause or (lambda point: None)
    business_day = store.business_day(run.tenant_id, run.day)
    if business_day is not None and business_day.status == "closed":
        return DayResult(run.day, False, dict(business_day.steps))
    if business_day is None:
        stop_at("before opening")
        store.open_day(run)
    contacts = in_turn and run.day == today
    for step in STEPS:
        if business_day is not None and step in business_day.steps:
            continue
        if step == "dunning" and not (
            contacts and store.dunning_plans(run.tenant_id).is_any_active
        ):
            continue
        if not may_begin(step):
            return _so_far(store, run, ran=False, closed=False)
        stop_at(f"before {step}")
        _run_step(store, run, step, progress, stop_at)
    stop_at("before closing")
    store.close_day(run, in_turn=in_turn)
    return _so_far(store, run, ran=True, closed=True)


def run_step(
    store: ClockStore,
    run: Run,
    step: Step,
    *,
    today: date,
    may_begin: Callable[[Step], bool] = lambda step: True,
    progress: Progress | None = None,
    pause: Callable[[str], None] | None = None,
) -> DayResult:
    """Runs one step of a day by hand; one that was completed looks at everything again, and does what is new since.
    What it did before it never does twice. The day stays open or closed as it is.

    Raises StepNotInTurn, NoContactNow, Fenced.
    """
    stop_at = pause or (lambda point: None)
    business_day = store.business_day(run.tenant_id, run.day)
    completed = business_day.steps if business_day is not None else {}
    before = STEPS[: STEPS.index(step)]
    for earlier in before:
        if earlier not in completed:
            raise StepNotInTurn(f"the step {earlier} of {run.day} has not been run; run it first")
    if step == "dunning":
        _require_contacts(store, run, today, may_begin)
    if business_day is None:
        stop_at("before opening")
        store.open_day(run)
    stop_at(f"before {step}")
    done = _run_step(store, run, step, progress, stop_at, again=step in completed)
    closed = business_day is not None and business_day.status == "closed"
    return DayResult(run.day, True, {step: done}, closed)


def _require_contacts(
    store: ClockStore, run: Run, today: date, may_begin: Callable[[Step], bool]
) -> None:
    if run.day != today:
        raise NoContactNow(f"customers are contacted on the day of today alone, {today}")
    if not store.dunning_plans(run.tenant_id).is_any_active:
        raise NoContactNow("no dunning plan is active; activate the tenant's plan first")
    if not may_begin("dunning"):
        raise NoContactNow("customers are not contacted yet at this hour; try again later")


def _so_far(store: ClockStore, run: Run, *, ran: bool, closed: bool) -> DayResult:
    business_day = store.business_day(run.tenant_id, run.day)
    assert business_day is not None
    return DayResult(run.day, ran, dict(business_day.steps), closed)


def _run_step(
    store: ClockStore,
    run: Run,
    step: Step,
    progress: Progress | None,
    stop_at: Callable[[str], None],
    *,
    again: bool = False,
) -> Tally:
    """Reads and decides a chunk while the one before it is committed. A step that was completed does nothing, or is
    begun `again`; one that was interrupted goes on where it stopped."""
    prepare, commit_locked = _bound(store, run, step)
    size = ChunkSize()
    checkpoint = store.begin(run, step)
    if checkpoint.done and again:
        checkpoint = store.begin_again(run, step)
    if checkpoint.done:
        return checkpoint.tally
    with ThreadPoolExecutor(1, thread_name_prefix="duebook-clock-reader") as reader:
        reading = reader.submit(prepare, checkpoint.cursor, size.streams)
        while True:
            chunk: Prepared = reading.result()
            if not chunk.is_last:
                reading = reader.submit(prepare, chunk.cursor, size.streams)
            stop_at(f"before a chunk of {step}")
            try:
                checkpoint = store.commit(run, step, checkpoint, chunk)
            except StaleChunk:
                checkpoint = commit_locked(checkpoint, chunk)
            if progress is not None:
                progress(step, checkpoint.tally)
            if chunk.is_last:
                return checkpoint.tally
            size.after(store.waiting())


Prepare = Callable[[Cursor, int], Prepared]
CommitLocked = Callable[[Checkpoint, Prepared], Checkpoint]


def _bound(store: ClockStore, run: Run, step: Step) -> tuple[Prepare, CommitLocked]:
    """How chunks of a step are read and decided: by customer for dunning, else invoice by invoice."""
    if step == "dunning":
        plans = store.dunning_plans(run.tenant_id)
        templates = store.templates(run.tenant_id, plans.templates)
        by_debtor = decide_debtor_with(run.tenant_id, plans, templates)
        return (
            partial(store.prepare_debtors, run, step, by_debtor),
            partial(store.commit_debtors_locked, run, step, by_debtor),
        )
    decide = decide_with(step, store.reference_rates(run.tenant_id))
    return (
        partial(store.prepare, run, step, decide),
        partial(store.commit_locked, run, step, decide),
    )


def require_runnable(store: ClockStore, tenant_id: UUID, day: date, today: date) -> None:
    """Whether a day may be run now, in turn. Raises DayNotCome, BeforeClockStart, EarlierDayOpen."""
    starts_on = store.settings(tenant_id).clock_starts_on
    if day > today:
        raise DayNotCome(f"{day} has not come; today is {today}. Use a dry run to look ahead")
    if day < starts_on:
        raise BeforeClockStart(
            f"the clock of this tenant starts on {starts_on}; {day} is never run"
        )
    closed = store.last_closed(tenant_id)
    expected = next_day(closed, starts_on)
    if day > expected:
        raise EarlierDayOpen(
            f"{expected} has not been closed; catch up first: duebook day catch-up"
        )


def next_day(last_closed: date | None, starts_on: date) -> date:
    """The day that is to be run next."""
    if last_closed is None or last_closed < starts_on:
        return starts_on
    return date.fromordinal(last_closed.toordinal() + 1)


__all__ = [
    "BeforeClockStart",
    "DayNotCome",
    "DayResult",
    "EarlierDayOpen",
    "Lease",
    "next_day",
    "require_runnable",
    "run_day",
]
