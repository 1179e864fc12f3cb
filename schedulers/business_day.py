"""Running one business day of one tenant: open, each step in chunks, close.

Nothing here is done twice: a day's stream says which steps are completed, a step's checkpoint says which chunks are,
and both move in the transactions that append the events. A killed run resumes where it stopped.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import UUID

import msgspec

from ledger.business_day import STEPS, BusinessDay, Step, Tally
from ledger.errors import Rejected
from schedulers.business_day_steps import decide_with
from schedulers.chunks import ChunkSize
from schedulers.ports import ClockStore, Lease, Prepared, Run, StaleChunk

Progress = Callable[[Step, Tally], None]


class EarlierDayOpen(Rejected):
    """Days are run in order, and an earlier one has not been closed."""


class BeforeClockStart(Rejected):
    """The day lies before the tenant's clock starts."""


class DayNotCome(Rejected):
    """The day has not come in the tenant's zone."""


class DayResult(msgspec.Struct, frozen=True):
    """What a day posted in all, by step. `ran` is false when it had been closed before."""

    day: date
    ran: bool
    steps: dict[str, Tally]


def run_day(
    store: ClockStore,
    run: Run,
    *,
    in_turn: bool = True,
    progress: Progress | None = None,
    pause: Callable[[str], None] | None = None,
) -> DayResult:
    """Runs what is left of a day. Raises Fenced when the lease is lost.

    in_turn   the day follows the last closed one; an import runs its own days of the past, out of turn
    pause     called with the name of each point between two transactions; tests stop the run there
    """
    stop_at = pause or (lambda point: None)
    business_day = store.business_day(run.tenant_id, run.day)
    if business_day is not None and business_day.status == "closed":
        return DayResult(run.day, False, dict(business_day.steps))
    if business_day is None:
        stop_at("before opening")
        store.open_day(run)
    for step in STEPS:
        if business_day is None or step not in business_day.steps:
            stop_at(f"before {step}")
            _run_step(store, run, step, progress, stop_at)
    stop_at("before closing")
    store.close_day(run, in_turn=in_turn)
    closed: BusinessDay | None = store.business_day(run.tenant_id, run.day)
    assert closed is not None
    return DayResult(run.day, True, dict(closed.steps))


def _run_step(
    store: ClockStore,
    run: Run,
    step: Step,
    progress: Progress | None,
    stop_at: Callable[[str], None],
) -> None:
    """Reads and decides a chunk while the one before it is committed."""
    decide = decide_with(step, store.reference_rates(run.tenant_id))
    size = ChunkSize()
    checkpoint = store.begin(run, step)
    if checkpoint.done:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="duebook-clock-reader") as reader:
        reading = reader.submit(store.prepare, run, step, decide, checkpoint.cursor, size.streams)
        while True:
            chunk: Prepared = reading.result()
            if not chunk.is_last:
                reading = reader.submit(
                    store.prepare, run, step, decide, chunk.cursor, size.streams
                )
            stop_at(f"before a chunk of {step}")
            try:
                checkpoint = store.commit(run, step, checkpoint, chunk)
            except StaleChunk:
                checkpoint = store.commit_locked(run, step, decide, checkpoint, chunk)
            if progress is not None:
                progress(step, checkpoint.tally)
            if chunk.is_last:
                return
            size.after(store.waiting())


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
