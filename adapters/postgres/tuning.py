"""Settings of the embedded server that fit the machine: memory, write-ahead log, planner, logging."""

import os
from pathlib import Path

import psutil

MEGABYTE = 1024 * 1024


def server_parameters(memory_bytes: int | None = None) -> dict[str, str]:
    """PostgreSQL settings for a machine with so much memory (default: this one, or its container's limit)."""
    memory = (memory_bytes or _memory_bytes()) // MEGABYTE
    return {
        "shared_buffers": f"{_between(16, memory // 4, 1024)}MB",
        "effective_cache_size": f"{max(64, memory // 2)}MB",
        "work_mem": f"{_between(4, memory // 256, 32)}MB",
        "maintenance_work_mem": f"{_between(16, memory // 16, 256)}MB",
        "dynamic_shared_memory_type": "posix" if _shared_memory_is_ample() else "mmap",
        "max_connections": "100",
        # An acknowledged event is on disk.
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        # After a checkpoint each page that is touched is written whole. A night touches pages everywhere: compressing
        # them, which this build does by pglz alone, takes more of its time than writing them as they are.
        "max_wal_size": "8GB",
        "min_wal_size": "256MB",
        "wal_compression": "off",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "password_encryption": "scram-sha-256",
        # Statements and the rows in messages' details may hold what a debtor wrote: they stay out of the log.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] ",
    }


def _between(lowest: int, value: int, highest: int) -> int:
    return max(lowest, min(value, highest))


def _memory_bytes() -> int:
    memory = psutil.virtual_memory().total
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = Path(name).read_text().strip()
        except OSError:
            continue  # not in such a container
        if limit.isdigit():
            memory = min(memory, int(limit))
    return memory


def _shared_memory_is_ample() -> bool:
    """Containers often have 64 MB of it, which parallel queries exhaust."""
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return True  # not Linux: posix shared memory is no file system there
    return found.f_bavail * found.f_frsize >= 256 * MEGABYTE
