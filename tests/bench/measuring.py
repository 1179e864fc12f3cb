"""Time, rates and memory."""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

MEGABYTE = 1024 * 1024
_STATUS = Path("/proc/self/status")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(
    rounds: int, contenders: Mapping[str, Callable[[], float]]
) -> dict[str, list[float]]:
    """Each contender's seconds in each round. They take turns, and the round begins with another one each time, so
    that what else the machine does falls on all alike. A contender does its own untimed preparation."""
    names = list(contenders)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(rounds):
        shift = round_ % len(names)
        for name in names[shift:] + names[:shift]:
            taken[name].append(contenders[name]())
    return taken


def rate(count: int, taken: Sequence[float]) -> float:
    """Count per second, by the median of the repetitions."""
    return count / median(taken)


def times_faster(one: Sequence[float], other: Sequence[float]) -> float:
    """How many times as fast `one` was: the median over rounds, each round compared with itself."""
    return median(theirs / ours for ours, theirs in zip(one, other, strict=True))


def peak_mb() -> float:
    """The most memory this process has had resident since it began, in MB.

    Linux hands the peak reported by getrusage down from the process that started this one, so its own is read.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MEGABYTE
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE
