"""The clock over many overdue invoices: the night they become overdue, then nights of interest, without and with
the read models following as `duebook worker` has them follow: in threads of the same process.
"""

import time
from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

from adapters.settings import Settings
from adapters.wiring import Books, open_books
from ledger.business_day import Step, Tally
from schedulers.business_day import DayResult, run_day
from schedulers.ports import Run
from tests.bench.measuring import peak_mb
from tests.bench.read_models import build_read_models, events_behind
from tests.bench.seed import DUE_ON, seed_apart
from tests.bench.sizes import Size

OVERDUE_NIGHT = DUE_ON + timedelta(days=1)


def measure(settings: Settings, size: Size) -> dict[str, float]:
    """Every `clock.` figure, and the seed's rate."""
    with open_books(settings) as books:
        seeded = seed_apart(settings, "tests.bench.seed", size.invoices)
        nights = Nights(books, seeded.tenant_id, size.invoices)
        figures = {
            "seed.invoices_per_s": size.invoices / seeded.seconds,
            "clock.invoices": float(size.invoices),
            "clock.overdue_per_s": nights.overdue(),
            "clock.write_per_s": nights.mora(size.nights),
            "clock.peak_mb": peak_mb(),
            "clock.growth_mb": peak_mb() - nights.early_peak_mb,
        }
        build_read_models(books)
        books.projections.start()
        figures["clock.caught_up_per_s"] = nights.mora(
            size.nights, until=lambda: events_behind(books) == 0
        )
        figures["clock.caught_up_peak_mb"] = peak_mb()
    return figures


class Nights:
    """The clock's nights, one after another."""

    def __init__(self, books: Books, tenant_id: UUID, invoices: int) -> None:
        self._books = books
        self._tenant_id = tenant_id
        self._lease = books.clock.acquire("bench")
        self._invoices = invoices
        self._day = OVERDUE_NIGHT
        self.early_peak_mb = 0.0

    def overdue(self) -> float:
        """The night in which all become overdue: invoices/s of that step. Interest follows, untimed."""
        self._run(DUE_ON)
        at: dict[str, float] = {}
        result = self._run(OVERDUE_NIGHT, at)
        assert result.steps["overdue"].posted == 2 * self._invoices, result
        return self._invoices / (at["before mora"] - at["before overdue"])

    def mora(self, nights: int, until: Callable[[], bool] = lambda: True) -> float:
        """Whole nights of interest, from opening a day to closing it, and what must be true after: invoices/s."""
        began = time.perf_counter()
        for _ in range(nights):
            self._day += timedelta(days=1)
            result = self._run(self._day)
            assert result.steps["mora"].posted == self._invoices, result
        while not until():
            time.sleep(0.01)
        return nights * self._invoices / (time.perf_counter() - began)

    def _run(self, day: date, at: dict[str, float] | None = None) -> DayResult:
        def arrived(point: str) -> None:
            if at is not None:
                at.setdefault(point, time.perf_counter())

        def progress(step: Step, tally: Tally) -> None:
            if not self.early_peak_mb and tally.looked_at * 10 >= self._invoices:
                self.early_peak_mb = peak_mb()

        run = Run(self._tenant_id, day, self._lease, "clock")
        return run_day(self._books.clock, run, progress=progress, pause=arrived)
