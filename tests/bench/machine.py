"""What the figures were measured on."""

import os
import platform
from datetime import UTC, datetime

import psutil

from adapters.postgres.connection import open_database
from adapters.settings import Settings
from tests.bench.sizes import Size


def measure(settings: Settings, size: Size) -> dict[str, float | str]:
    """Every `machine.` fact."""
    with open_database(settings) as database, database.writer.connection() as connection:
        version = connection.info.parameter_status("server_version") or "unknown"
        durable = connection.execute("SHOW fsync").fetchone()
    assert durable is not None
    return {
        "machine.cores": float(len(os.sched_getaffinity(0))),
        "machine.memory_gb": round(psutil.virtual_memory().total / 1024**3, 1),
        "machine.python": platform.python_version(),
        "machine.postgresql": version,
        "machine.fsync": durable[0],
        "machine.measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
