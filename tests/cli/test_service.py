"""`duebook up|serve|worker`: they run until told to stop, and leave nothing behind."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from adapters.postgres.connection import Database
from tests.cli.conftest import Cli
from tests.cli.running import PROGRAM, Result, program_environment, run_program


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


class Service:
    """A running `duebook`, with what it has printed so far."""

    def __init__(self, settings: dict[str, str], arguments: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [PROGRAM, *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=program_environment(settings),
            )

    def wait_for(self, text: str, seconds: float = 60) -> str:
        """What was printed, once it holds the text."""
        deadline = time.monotonic() + seconds
        while text not in (printed := self.log.read_text()):
            assert self.process.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.02)
        return printed

    def stop(self, number: int = signal.SIGTERM) -> Result:
        self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        return Result(status, self.log.read_text(), "")


@contextlib.contextmanager
def running(settings: dict[str, str], arguments: list[str], log: Path) -> Iterator[Service]:
    service = Service(settings, arguments, log)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


@pytest.fixture
def listening(settings: dict[str, str]) -> dict[str, str]:
    """Settings with a free port."""
    return settings | {"DUEBOOK_PORT": str(free_port())}


def days_ago(days: int) -> str:
    return str((datetime.now(UTC) - timedelta(days=days)).date())


def demo_lines(printed: str) -> dict[str, str]:
    """TENANT_ID and API_KEY as they can be copied."""
    return dict(
        line.removeprefix("export ").split("=", 1)
        for line in printed.splitlines()
        if line.startswith("export ")
    )


def get(settings: dict[str, str], path: str, demo: dict[str, str] | None = None) -> tuple[int, str]:
    headers = {"X-Tenant-Id": demo["TENANT_ID"], "X-Api-Key": demo["API_KEY"]} if demo else {}
    request = urllib.request.Request(
        f"http://127.0.0.1:{settings['DUEBOOK_PORT']}{path}", headers=headers
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read().decode()


def test_up_serves_with_a_demo_tenant_that_stays_the_same(
    listening: dict[str, str], tmp_path: Path
) -> None:
    seen = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with running(listening, ["up", "--demo"], tmp_path / "up.log") as service:
            demo = demo_lines(service.wait_for("export API_KEY="))
            assert get(listening, "/health/ready")[0] == 200
            status, tenant = get(listening, "/api/tenant", demo)
            assert (status, json.loads(tenant)["name"]) == (200, "demo")
            stopped = service.stop(number)
            assert stopped.status == 0
            assert "Traceback" not in stopped.out
        seen.append(demo)
    assert seen[0] == seen[1]
    kept = Path(listening["DUEBOOK_HOME"]) / "demo.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == {
        "tenant_id": seen[0]["TENANT_ID"],
        "api_key": seen[0]["API_KEY"],
    }


def test_a_lost_or_revoked_demo_key_is_replaced(
    cli: Cli, listening: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "up.log"
    with running(listening, ["up", "--demo"], log) as service:
        first = demo_lines(service.wait_for("export API_KEY="))
    Path(listening["DUEBOOK_HOME"], "demo.json").unlink()
    with running(listening, ["up", "--demo"], log) as service:
        second = demo_lines(service.wait_for("export API_KEY="))
    assert second["TENANT_ID"] == first["TENANT_ID"]
    assert second["API_KEY"] != first["API_KEY"]
    for key in cli("key", "list", "--tenant", "demo", "--json").json["items"]:
        cli("key", "revoke", key["key_id"], "--tenant", "demo")
    with running(listening, ["up", "--demo"], log) as service:
        third = demo_lines(service.wait_for("export API_KEY="))
        assert get(listening, "/api/tenant", third)[0] == 200
    assert third["API_KEY"] not in (first["API_KEY"], second["API_KEY"])


def test_up_keeps_read_models_and_days_up_to_date(
    cli: Cli, acme: str, database: Database, listening: dict[str, str], tmp_path: Path
) -> None:
    cli("tenant", "configure", "acme", "--clock-starts-on", days_ago(20))
    with running(listening, ["up"], tmp_path / "up.log") as service:
        printed = service.wait_for("Duebook is ready at")
        assert "API_KEY" not in printed
        deadline = time.monotonic() + 60
        while json.loads(cli("doctor", "--json").out)["findings"][-1]["ok"] is False:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert service.stop().status == 0


def test_a_port_in_use_is_one_clear_line(listening: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(listening["DUEBOOK_PORT"])))
        taken.listen()
        done = run_program(listening, ["serve"])
    assert done.status == 1
    last = done.err.splitlines()[-1]
    assert last.startswith(f"duebook: cannot listen on 127.0.0.1 port {listening['DUEBOOK_PORT']}")
    assert "DUEBOOK_PORT" in last
    assert "Traceback" not in done.err


def test_serve_takes_requests_and_leaves_the_clock_alone(
    cli: Cli, acme: str, listening: dict[str, str], tmp_path: Path
) -> None:
    cli("tenant", "configure", "acme", "--clock-starts-on", days_ago(20))
    with running(listening, ["serve"], tmp_path / "serve.log") as service:
        service.wait_for("Duebook is ready at")
        assert get(listening, "/health/live")[0] == 200
        assert service.stop().status == 0
    assert cli("day", "show", "--tenant", "acme").status == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_runs_days_and_stops_when_told(
    cli: Cli, acme: str, settings: dict[str, str], tmp_path: Path, number: int
) -> None:
    cli("tenant", "configure", "acme", "--clock-starts-on", days_ago(20))
    with running(settings, ["worker"], tmp_path / "worker.log") as service:
        service.wait_for("the worker is running")
        deadline = time.monotonic() + 60
        while cli("day", "show", "--tenant", "acme", "--date", days_ago(10)).status != 0:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        stopped = service.stop(number)
    assert (stopped.status, "Traceback" in stopped.out) == (0, False)


def test_a_signal_that_another_thread_receives_stops_it_too() -> None:
    """Its handler runs in the main thread, which nothing has woken."""
    script = """
import os, signal, threading
from adapters.cli.service import _stopped_by_signals, _wait_for_signals

threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
with _stopped_by_signals():
    _wait_for_signals()
print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30)
    assert done.stdout == b"stopped\n"


def test_the_embedded_database_serves_two_programs_and_stops_with_the_last(
    temporary_home: Path, tmp_path: Path
) -> None:
    settings = {"DUEBOOK_HOME": str(temporary_home), "DUEBOOK_PORT": str(free_port())}
    with running(settings, ["up", "--demo"], tmp_path / "up.log") as service:
        service.wait_for("export API_KEY=")
        beside = run_program(settings, ["tenant", "list", "--json"])
        assert [one["name"] for one in beside.json["items"]] == ["demo"]
        pid = int((temporary_home / "postgres/data/postmaster.pid").read_text().split()[0])
        assert service.stop().status == 0
    assert psutil_gone(pid)


def test_a_killed_embedded_server_is_started_again_and_the_service_goes_on(
    temporary_home: Path, tmp_path: Path
) -> None:
    settings = {"DUEBOOK_HOME": str(temporary_home), "DUEBOOK_PORT": str(free_port())}
    with running(settings, ["up", "--demo"], tmp_path / "up.log") as service:
        demo = demo_lines(service.wait_for("export API_KEY="))
        pid = int((temporary_home / "postgres/data/postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while True:
            try:
                status, _ = get(settings, "/api/tenant", demo)
                if status == 200 and psutil_gone(pid):
                    break
            except OSError:  # the service answers 503 until the server is back
                pass
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert service.stop().status == 0


def psutil_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
