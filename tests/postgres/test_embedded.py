"""The embedded server: shared, killed, crashed in the making, and closed to everybody else."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from adapters.postgres import embedded_server
from adapters.postgres.embedded_server import EmbeddedPostgres
from adapters.postgres.errors import EmbeddedPostgresError
from adapters.postgres.tuning import server_parameters

SMALL = {"shared_buffers": "64MB"}
Server = Callable[..., EmbeddedPostgres]

# A process that uses the server under argv[1] until its stdin closes.
USER = """
import sys
from pathlib import Path
from adapters.postgres.embedded_server import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.postmaster_pid, flush=True)
    sys.stdin.read()
"""


def user_of(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(server: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(server.admin_url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]


def keep(server: EmbeddedPostgres, text: str) -> None:
    with psycopg.connect(server.admin_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
        connection.execute("INSERT INTO kept (text) VALUES (%s)", (text,))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_runs_with_our_settings_and_on_its_socket_only(private_server: Server) -> None:
    server = private_server()
    assert answer(server, "SHOW listen_addresses") == ""
    assert answer(server, "SHOW fsync") == "on"
    assert answer(server, "SHOW synchronous_commit") == "on"
    assert answer(server, "SHOW data_checksums") == "on"
    assert answer(server, "SHOW max_wal_size") == "8GB"
    assert answer(server, "SHOW jit") == "off"
    assert answer(server, "SHOW server_encoding") == "UTF8"
    assert server.postmaster_pid is not None
    assert psutil.Process(server.postmaster_pid).net_connections("inet") == []


def test_last_user_stops_it_and_the_data_stays(temporary_home: Path) -> None:
    first = EmbeddedPostgres(temporary_home, parameters=SMALL)
    second = EmbeddedPostgres(temporary_home, parameters=SMALL)
    first.start()
    second.start()
    keep(first, "a")
    pid = first.postmaster_pid
    assert pid == second.postmaster_pid
    first.release()
    assert second.postmaster_pid == pid
    assert answer(second, "SELECT text FROM kept") == "a"
    second.release()
    assert second.postmaster_pid is None
    with EmbeddedPostgres(temporary_home, parameters=SMALL) as third:
        assert answer(third, "SELECT text FROM kept") == "a"


def test_starting_and_releasing_twice_count_once(temporary_home: Path) -> None:
    server = EmbeddedPostgres(temporary_home, parameters=SMALL)
    server.start()
    server.start()
    server.release()
    assert server.postmaster_pid is None
    server.release()
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        server.ensure_running()


def test_processes_started_at_once_share_one_server(temporary_home: Path) -> None:
    users = [user_of(temporary_home) for _ in range(4)]
    pids = set()
    for user in users:
        assert user.stdout is not None
        pids.add(user.stdout.readline())
    assert len(pids) == 1
    pid = int(pids.pop())
    for user in users:
        assert psutil.pid_exists(pid)
        user.communicate(timeout=30)
        assert user.returncode == 0
    wait_until(lambda: not psutil.pid_exists(pid))


def test_killed_user_leaves_a_server_that_is_used_again(temporary_home: Path) -> None:
    user = user_of(temporary_home)
    assert user.stdout is not None
    pid = int(user.stdout.readline())
    user.kill()
    user.communicate()
    with EmbeddedPostgres(temporary_home) as server:
        assert server.postmaster_pid == pid
        assert answer(server, "SELECT 1") == 1
    assert server.postmaster_pid is None


def test_killed_server_recovers_at_the_next_start(temporary_home: Path) -> None:
    with EmbeddedPostgres(temporary_home, parameters=SMALL) as server:
        keep(server, "acknowledged")
        pid = server.postmaster_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.postmaster_pid is None)
        assert (server.data / "postmaster.pid").exists()
        with EmbeddedPostgres(temporary_home, parameters=SMALL) as again:
            assert again.postmaster_pid not in (None, pid)
            assert answer(again, "SELECT text FROM kept") == "acknowledged"


def test_killed_server_is_started_again_by_its_user(temporary_home: Path) -> None:
    with EmbeddedPostgres(temporary_home, parameters=SMALL) as server:
        keep(server, "acknowledged")
        assert server.postmaster_pid is not None
        os.kill(server.postmaster_pid, signal.SIGKILL)
        wait_until(lambda: server.postmaster_pid is None)
        server.ensure_running()
        assert answer(server, "SELECT text FROM kept") == "acknowledged"
        server.ensure_running()
    assert server.postmaster_pid is None


def test_pid_file_naming_another_process_is_stale(temporary_home: Path) -> None:
    with EmbeddedPostgres(temporary_home, parameters=SMALL) as server:
        keep(server, "a")
        lines = (server.data / "postmaster.pid").read_text().splitlines()
        owner = (server.data / "postmaster.pid").stat()
    # A process of the server's own user: PostgreSQL by itself would take it for a rival.
    other = subprocess.Popen(["sleep", "60"], user=owner.st_uid)
    try:
        for pid in (other.pid, 4_000_000):
            stale = server.data / "postmaster.pid"
            stale.write_text("\n".join([str(pid), *lines[1:]]) + "\n")
            os.chown(stale, owner.st_uid, owner.st_gid)
            with EmbeddedPostgres(temporary_home, parameters=SMALL) as again:
                assert answer(again, "SELECT text FROM kept") == "a"
    finally:
        other.kill()
        other.wait()


def test_half_made_cluster_is_made_anew(temporary_home: Path) -> None:
    draft = temporary_home / "postgres" / "data.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(temporary_home, parameters=SMALL) as server:
        assert answer(server, "SELECT 1") == 1
    assert not draft.exists()


def test_folders_are_owner_only_and_a_password_is_required(private_server: Server) -> None:
    server = private_server()
    owner = server.data.stat().st_uid
    for folder in (server.data, server.log.parent, server.folder / "run"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == owner
    assert stat.S_IMODE((server.folder / "superuser.password").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.folder.stat().st_mode) & 0o066 == 0
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.url("postgres", password=password))


def test_password_reaches_no_log_and_no_command_line(private_server: Server) -> None:
    server = private_server()
    password = (server.folder / "superuser.password").read_text().strip()
    assert len(password) >= 40
    assert password not in server.log.read_text()
    assert server.postmaster_pid is not None
    assert password not in " ".join(psutil.Process(server.postmaster_pid).cmdline())
    assert not (server.folder / "initdb.password").exists()


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="duebook-tests-"))
    (folder / "inner").mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_below_an_owner_only_folder_root_grants_the_search_bit_only(
    closed_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = closed_folder / "inner" / "var"
    with EmbeddedPostgres(home, parameters=SMALL) as server:
        pid = server.postmaster_pid
        assert pid is not None
        assert psutil.Process(pid).uids().real == server.data.stat().st_uid != 0
        assert stat.S_IMODE(closed_folder.stat().st_mode) == 0o701
        assert stat.S_IMODE((closed_folder / "inner").stat().st_mode) == 0o701
    said = capfd.readouterr().err.splitlines()
    assert [str(closed_folder) in line for line in said] == [True, True]
    with EmbeddedPostgres(home, parameters=SMALL):
        assert capfd.readouterr().err == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_runs_for_an_ordinary_user() -> None:
    nobody = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="duebook-tests-"))
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    program = (
        "import os, pathlib\n"
        "from adapters.postgres.embedded_server import EmbeddedPostgres\n"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        f"with EmbeddedPostgres(pathlib.Path({str(folder)!r}) / 'var') as server:\n"
        "    print(oct(server.folder.stat().st_mode & 0o777), server.data.stat().st_uid)\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == ["0o700", str(nobody.pw_uid)], done.stderr
    finally:
        shutil.rmtree(folder)


def test_long_path_puts_the_socket_into_the_temporary_folder(temporary_home: Path) -> None:
    home = temporary_home / ("long" * 12) / ("path" * 12)
    with EmbeddedPostgres(home, parameters=SMALL) as server:
        assert answer(server, "SELECT 1") == 1
        folder = Path(str(answer(server, "SHOW unix_socket_directories")))
        assert folder.parent == Path(tempfile.gettempdir())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


def test_foreign_socket_folder_is_refused(temporary_home: Path) -> None:
    home = temporary_home / ("long" * 12) / ("path" * 12)
    with EmbeddedPostgres(home, parameters=SMALL) as server:
        folder = Path(str(answer(server, "SHOW unix_socket_directories")))
    folder.chmod(0o777)
    os.chown(folder, 12345, 12345)
    try:
        with pytest.raises(EmbeddedPostgresError, match="only the server's user may enter"):
            EmbeddedPostgres(home, parameters=SMALL).start()
    finally:
        folder.rmdir()


def test_paths_with_blanks_quotes_and_commas(temporary_home: Path) -> None:
    home = temporary_home / """it's, "a" $HOME `x`; é"""
    with EmbeddedPostgres(home, parameters=SMALL) as server:
        assert answer(server, "SELECT 1") == 1
        folder = Path(str(answer(server, "SHOW unix_socket_directories")))
    if folder.parent == Path(tempfile.gettempdir()):
        folder.rmdir()


def test_unusable_home_is_one_clear_line(temporary_home: Path) -> None:
    temporary_home.write_text("a file")
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres(temporary_home).start()
    assert str(temporary_home) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_server_that_cannot_start_names_its_log(temporary_home: Path) -> None:
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres(temporary_home, parameters={"shared_buffers": "much"}).start()
    assert "server.log" in str(caught.value)
    assert 'invalid value for parameter "shared_buffers"' in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cluster_of_another_version_and_lost_password_are_refused(temporary_home: Path) -> None:
    with EmbeddedPostgres(temporary_home, parameters=SMALL) as server:
        pass
    version = server.data / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 16"):
        server.start()
    version.write_text("18\n")
    (server.folder / "superuser.password").unlink()
    with pytest.raises(EmbeddedPostgresError, match=r"superuser\.password is missing"):
        server.start()


def test_memory_settings_follow_the_machine() -> None:
    gigabyte = 1024**3
    assert server_parameters(1 * gigabyte)["shared_buffers"] == "256MB"
    assert server_parameters(64 * gigabyte)["shared_buffers"] == "1024MB"
    assert server_parameters(32 * 1024**2)["shared_buffers"] == "16MB"


def test_its_log_is_bounded_while_it_runs(
    private_server: Callable[..., EmbeddedPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_server, "LOG_BYTES", 10_000)
    server = private_server()
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        for number in range(300):
            with contextlib.suppress(psycopg.Error):
                connection.execute(f"SELECT no_such_column_{number:03d}".encode())
        assert server.log.stat().st_size > 10_000
        server.bound_log()
        assert server.log.stat().st_size < 1_000
        kept = server.log.with_suffix(".log.1").read_text()
        assert "no_such_column_299" in kept
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT told_after_that")
    assert "told_after_that" in server.log.read_text()
    server.bound_log()
    assert server.log.with_suffix(".log.1").read_text() == kept
    assert server.free_bytes() > 0
