"""A clock's store in memory, for the tests of what the clock decides by itself. Only here: the rest is PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

import msgspec

from ledger.business_day import BusinessDay, Step, Tally
from ledger.dunning.choice import Plans
from ledger.dunning.plan import DunningPlan
from ledger.reference_rates import Table
from ledger.tenant import Settings, Tenant
from schedulers.ports import (
    START,
    Checkpoint,
    ClockTaken,
    Cursor,
    Decide,
    DecideDebtor,
    Fenced,
    Lease,
    Run,
    StaleChunk,
)


class FakeChunk(NamedTuple):
    cursor: Cursor
    tally: Tally
    is_last: bool


class FakeClockStore:
    """Counts streams instead of holding them: each step of each day has `due` of them.

    calls     what was asked of the store, in order
    limits    how large each chunk was asked to be
    stale     the numbers of the commits (from 0) that find a stream moved
    waits     how many commands wait, one number for each look
    broken    tenants whose days fail; fenced_at, the call at which the lease turns out lost
    """

    def __init__(self, tenants: dict[UUID, Settings] | None = None, due: int = 0) -> None:
        self.tenants = tenants or {}
        self.rates: dict[UUID, Table] = {}
        self.plans: dict[UUID, DunningPlan] = {}
        self.due = due
        self.calls: list[str] = []
        self.limits: list[int] = []
        self.stale: set[int] = set()
        self.waits: list[int] = []
        self.broken: set[UUID] = set()
        self.fenced_at = ""
        self.holder = ""
        self.fence = 0
        self.closed: dict[UUID, date] = {}
        self.days: dict[tuple[UUID, date], BusinessDay] = {}
        self.points: dict[tuple[UUID, date, Step], Checkpoint] = {}
        self._commits = 0

    def settings(self, tenant_id: UUID) -> Settings:
        return self.tenants[tenant_id]

    def reference_rates(self, tenant_id: UUID) -> Table:
        return self.rates.get(tenant_id, {})

    def dunning_plans(self, tenant_id: UUID) -> Plans:
        plan = self.plans.get(tenant_id)
        tenant = Tenant("Fake", self.tenants[tenant_id])
        return Plans(tenant, {plan.key: plan} if plan is not None else {})

    def templates(self, tenant_id: UUID, keys: Iterable[str]) -> dict[str, int]:
        return {}

    def clock_states(self) -> list[tuple[UUID, Settings, date | None]]:
        return [(one, settings, self.closed.get(one)) for one, settings in self.tenants.items()]

    def acquire(self, holder: str) -> Lease:
        if self.holder:
            raise ClockTaken(f"{self.holder} has the clock")
        self.calls.append("acquire")
        self.fence += 1
        self.holder = holder
        return Lease(holder, self.fence)

    def release(self, lease: Lease) -> None:
        self.calls.append("release")
        self.holder = ""

    def business_day(self, tenant_id: UUID, day: date) -> BusinessDay | None:
        return self.days.get((tenant_id, day))

    def last_closed(self, tenant_id: UUID) -> date | None:
        return self.closed.get(tenant_id)

    def open_day(self, run: Run) -> None:
        self._called("open", run)
        self.days[run.tenant_id, run.day] = BusinessDay(run.day)

    def begin(self, run: Run, step: Step) -> Checkpoint:
        self._called(f"begin {step}", run)
        return self.points.get((run.tenant_id, run.day, step), START)

    def begin_again(self, run: Run, step: Step) -> Checkpoint:
        self._called(f"begin {step} again", run)
        return START

    def prepare(self, run: Run, step: Step, decide: Decide, after: Cursor, limit: int) -> FakeChunk:
        self.limits.append(limit)
        reached = min(self.due, after.after_id.int + limit)
        looked_at = reached - after.after_id.int
        return FakeChunk(
            Cursor(after.after_on, UUID(int=reached)), Tally(looked_at), looked_at < limit
        )

    def commit(self, run: Run, step: Step, before: Checkpoint, chunk: FakeChunk) -> Checkpoint:
        self._called(f"commit {step}", run)
        self._commits += 1
        if self._commits - 1 in self.stale:
            raise StaleChunk("moved on")
        return self._written(run, step, before, chunk)

    def commit_locked(
        self, run: Run, step: Step, decide: Decide, before: Checkpoint, chunk: FakeChunk
    ) -> Checkpoint:
        self._called(f"commit {step} locked", run)
        return self._written(run, step, before, chunk)

    def prepare_debtors(
        self, run: Run, step: Step, decide: DecideDebtor, after: Cursor, limit: int
    ) -> FakeChunk:
        return self.prepare(run, step, lambda invoice, day: (), after, limit)

    def commit_debtors_locked(
        self, run: Run, step: Step, decide: DecideDebtor, before: Checkpoint, chunk: FakeChunk
    ) -> Checkpoint:
        return self.commit_locked(run, step, lambda invoice, day: (), before, chunk)

    def close_day(self, run: Run, *, in_turn: bool) -> None:
        self._called("close" if in_turn else "close out of turn", run)
        key = (run.tenant_id, run.day)
        self.days[key] = msgspec.structs.replace(self.days[key], status="closed")
        if in_turn:
            self.closed[run.tenant_id] = run.day

    def waiting(self) -> int:
        return self.waits.pop(0) if self.waits else 0

    def _written(self, run: Run, step: Step, before: Checkpoint, chunk: FakeChunk) -> Checkpoint:
        after = Checkpoint(chunk.cursor, chunk.is_last, before.tally + chunk.tally)
        self.points[run.tenant_id, run.day, step] = after
        if chunk.is_last:
            key = (run.tenant_id, run.day)
            steps = {**self.days[key].steps, step: after.tally}
            self.days[key] = msgspec.structs.replace(self.days[key], steps=steps)
        return after

    def _called(self, what: str, run: Run) -> None:
        self.calls.append(what)
        if what == self.fenced_at:
            raise Fenced(f"{run.lease.holder} has lost the clock")
        if run.tenant_id in self.broken:
            raise RuntimeError("this tenant's books are broken")


def names(calls: Sequence[str]) -> list[str]:
    """The calls without the lease's."""
    return [call for call in calls if call not in ("acquire", "release")]
