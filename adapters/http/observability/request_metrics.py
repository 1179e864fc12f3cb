"""Metrics of requests and connections: answers by method, route and status with their times, and what was refused."""

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class RequestMetrics:
    """Counts answers. Belongs to one application.

    registry  what is counted, with this process's memory, processor time and descriptors
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._seconds = Histogram(
            "duebook_http_request_seconds",
            "Time from request to answer.",
            ["method", "route", "status"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "duebook_http_connections_refused",
            "Connections closed by a limit before a request came through.",
            ["reason"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one answer. `route` is the path's template, so that ids make no series of their own."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._seconds.labels(method, route, str(status))
        child.observe(seconds)

    def count_refused(self, reason: str) -> None:
        """Counts a connection that a limit closed; `reason` is the problem's code."""
        self._refused.labels(reason).inc()
