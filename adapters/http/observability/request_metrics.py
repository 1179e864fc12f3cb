"""Counts of what the API answered, for `/metrics`: by method, route and status, with times in buckets."""

from collections.abc import Iterator
from typing import Final

import msgspec

BOUNDS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the buckets, in seconds; slower ones are counted in the sum only."""


class Histogram(msgspec.Struct):
    """Answers of one kind: how many, their seconds in all, and how many within each bound."""

    buckets: list[int]
    count: int = 0
    seconds: float = 0.0


class RequestMetrics:
    """Counts answers. Belongs to one event loop."""

    def __init__(self) -> None:
        self._histograms: dict[tuple[str, str, int], Histogram] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one answer. `route` is the path's template, so that ids make no series of their own."""
        key = (method, route, status)
        histogram = self._histograms.get(key)
        if histogram is None:
            histogram = self._histograms[key] = Histogram([0] * len(BOUNDS_SECONDS))
        histogram.count += 1
        histogram.seconds += seconds
        for index, bound in enumerate(BOUNDS_SECONDS):
            if seconds <= bound:
                histogram.buckets[index] += 1
                break

    def lines(self) -> Iterator[str]:
        """The counts in Prometheus' text format."""
        name = "duebook_http_request_seconds"
        yield f"# HELP {name} Time from request to answer."
        yield f"# TYPE {name} histogram"
        for (method, route, status), histogram in sorted(self._histograms.items()):
            labels = f'method="{_label(method)}",route="{_label(route)}",status="{status}"'
            within = 0
            for bound, number in zip(BOUNDS_SECONDS, histogram.buckets, strict=True):
                within += number
                yield f'{name}_bucket{{{labels},le="{bound}"}} {within}'
            yield f'{name}_bucket{{{labels},le="+Inf"}} {histogram.count}'
            yield f"{name}_sum{{{labels}}} {histogram.seconds:.6f}"
            yield f"{name}_count{{{labels}}} {histogram.count}"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
