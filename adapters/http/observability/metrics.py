"""What `/metrics` shows an operator, in Prometheus' text format: the requests' metrics and gauges of the ledger."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adapters.http.observability.request_metrics import RequestMetrics
from adapters.wiring import Books
from projections.catalog import CATALOG
from projections.engine import tracking


def metrics(books: Books, request_metrics: RequestMetrics) -> bytes:
    """The text, ending in a line break. Reads the database."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LedgerCollector(books))
    return generate_latest(request_metrics.registry) + generate_latest(registry)


class LedgerCollector(Collector):
    """Gauges of the log, the writer and the read models, read when they are collected."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def collect(self) -> Iterable[Metric]:
        """Raises psycopg's errors when the database does not answer."""
        with self._books.database.writer.connection() as connection:
            lags = tracking.lag(connection, CATALOG)
        yield _gauge("duebook_log_position", "Events in the log.", max(lag.end for lag in lags))
        waiting = self._books.writer.waiting()
        yield _gauge("duebook_commands_waiting", "Commands asked for and not answered.", waiting)
        free_bytes = self._books.database.free_bytes()
        if free_bytes is not None:
            yield _gauge(
                "duebook_disk_free_bytes", "Free space on the database's disk.", free_bytes
            )
        yield _by_projection(
            "duebook_projection_lag_events",
            "Events that a read model has not applied.",
            ((lag.projection, lag.behind) for lag in lags),
        )
        yield _by_projection(
            "duebook_parked_streams",
            "Streams whose events a read model could not apply.",
            ((lag.projection, lag.parked) for lag in lags),
        )


def _gauge(name: str, about: str, value: int) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def _by_projection(name: str, about: str, values: Iterator[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=["projection"])
    for projection, value in values:
        family.add_metric([projection], value)
    return family
