"""A first start killed at any moment: the next one always succeeds, and what was acknowledged stays."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from adapters.postgres.connection import open_database
from adapters.settings import Settings

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

OPEN = """
from adapters.postgres.connection import open_database
from adapters.settings import Settings
with open_database(Settings.from_environment()) as database:
    print("open", flush=True)
    input()
"""


@pytest.mark.parametrize("seed", range(6))
def test_starts_killed_at_random_moments(temporary_home: Path, seed: int) -> None:
    moments = random.Random(seed)
    settings = Settings.from_environment({"DUEBOOK_HOME": str(temporary_home)})
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", OPEN],
            env={"DUEBOOK_HOME": str(temporary_home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(0.1, 1.5))
        process.kill()
        process.communicate()
    with open_database(settings) as database, database.writer.connection() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)


def test_acknowledged_rows_survive_kills_of_the_server(temporary_home: Path) -> None:
    moments = random.Random(1)
    settings = Settings.from_environment({"DUEBOOK_HOME": str(temporary_home)})
    acknowledged = 0
    with open_database(settings) as database:
        server = database.embedded
        assert server is not None
        with psycopg.connect(server.admin_url) as connection:
            connection.execute("CREATE TABLE counted (number integer PRIMARY KEY)")
        for _ in range(10):
            pid = server.postmaster_pid
            assert pid is not None
            postmaster = psutil.Process(pid)
            deadline = time.monotonic() + moments.uniform(0.05, 0.5)
            with psycopg.connect(server.admin_url, autocommit=True) as connection:
                while time.monotonic() < deadline:
                    connection.execute("INSERT INTO counted (number) VALUES (%s)", (acknowledged,))
                    acknowledged += 1
                os.kill(pid, signal.SIGKILL)
            psutil.wait_procs([postmaster], timeout=10)
            server.ensure_running()
            with psycopg.connect(server.admin_url) as connection:
                row = connection.execute("SELECT count(*), max(number) FROM counted").fetchone()
            assert row == (acknowledged, acknowledged - 1)
