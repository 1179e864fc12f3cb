"""What other processes took of the machine while a family was measured: without it, a low figure says little."""

import os
import time
from typing import Any

import psutil

from adapters.postgres.embedded_server import EmbeddedPostgres

BUSY = ("user", "nice", "system", "irq", "softirq", "steal")


class Elsewhere:
    """Counts, from when it is made, the processor time that neither this process, nor what it has run, nor the server
    and what it has run have taken. The server must be running throughout."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        assert server.postmaster_pid is not None
        self._server = psutil.Process(server.postmaster_pid)
        self._began = time.monotonic(), self._seconds()

    def cores(self) -> float:
        """How many cores others have kept busy, on average."""
        at, seconds = self._began
        taken = self._seconds() - seconds
        return max(0.0, taken) / (time.monotonic() - at)

    def _seconds(self) -> float:
        machine = psutil.cpu_times()
        everybody: float = sum(getattr(machine, name, 0.0) for name in BUSY)
        mine = os.times()
        ours = mine.user + mine.system + mine.children_user + mine.children_system
        theirs = [self._server.cpu_times(), *(p.cpu_times() for p in self._server.children())]
        return everybody - ours - sum(map(_taken, theirs))


def _taken(times: Any) -> float:
    """What a process and the children it has waited for have taken, in seconds."""
    return float(times.user + times.system + times.children_user + times.children_system)
