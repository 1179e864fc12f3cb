"""Opening the database: the embedded one, an existing one, and one clear line for whatever is wrong."""

import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.master_key import MasterKeyError, derive_password
from adapters.postgres.connection import open_database
from adapters.postgres.errors import (
    DatabaseError,
    DatabaseMissing,
    LoginTooPowerful,
    MissingPrivilege,
    OtherMasterKey,
    Unreachable,
    WrongPassword,
    WrongUrl,
)
from adapters.settings import Settings
from tests.conftest import MASTER_KEY, Engine


@pytest.fixture
def url(engine: Engine) -> Iterator[str]:
    with engine.empty_url() as url:
        yield url


@pytest.fixture
def settings_for(temporary_home: Path) -> Callable[..., Settings]:
    temporary_home.mkdir()
    (temporary_home / "master.key").write_bytes(MASTER_KEY)

    def settings_for(url: str, **more: str) -> Settings:
        return Settings.from_environment(
            {"DUEBOOK_HOME": str(temporary_home), "DUEBOOK_DATABASE_URL": url, **more}
        )

    return settings_for


def with_login(url: str, user: str, password: str) -> str:
    place = conninfo_to_dict(url)
    return f"postgresql://{user}:{password}@/{place['dbname']}?host={place['host']}"


def refusal(settings: Settings, kind: type[DatabaseError], secret: str = "hunter2") -> str:
    with pytest.raises(kind) as caught:
        open_database(settings)
    message = str(caught.value)
    assert "\n" not in message
    assert secret not in message
    return message


def test_embedded_is_made_and_found_again(temporary_home: Path) -> None:
    settings = Settings.from_environment({"DUEBOOK_HOME": str(temporary_home)})
    with open_database(settings) as database:
        assert len(database.applied) >= 2
        assert database.schema == "duebook_s1"
        with database.writer.connection() as connection:
            assert connection.execute("SHOW search_path").fetchone() == ("duebook_s1",)
        with open_database(settings) as beside:
            assert beside.applied == ()
            assert beside.master_key == database.master_key
    key = settings.master_key_file
    assert len(key.read_bytes()) == 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert database.embedded is not None
    assert database.embedded.postmaster_pid is None
    log = database.embedded.log.read_text()
    for role in ("duebook_writer", "duebook_api"):
        assert derive_password(database.master_key, role) not in log
    key.unlink()
    with pytest.raises(MasterKeyError, match=r"is missing at .* restore it from its backup"):
        open_database(settings)
    assert not key.exists()
    assert database.embedded.postmaster_pid is None


def test_processes_that_open_a_new_home_at_once_agree(temporary_home: Path) -> None:
    program = (
        "from adapters.postgres.connection import open_database\n"
        "from adapters.settings import Settings\n"
        "with open_database(Settings.from_environment()) as database:\n"
        "    print(database.master_key.hex())\n"
        "    input()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={"DUEBOOK_HOME": str(temporary_home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    keys = {process.communicate("\n", timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert len(keys) == 1


@pytest.mark.both_engines
def test_existing_server(url: str, settings_for: Callable[..., Settings]) -> None:
    with open_database(settings_for(url)) as database:
        assert database.embedded is None
        assert database.applied
    with open_database(settings_for(url)) as database:
        assert database.applied == ()


def test_existing_server_needs_a_master_key(
    url: str, settings_for: Callable[..., Settings], temporary_home: Path
) -> None:
    key = temporary_home / "master.key"
    key.unlink()
    with pytest.raises(MasterKeyError, match=r"make one with: head -c 32 /dev/urandom"):
        open_database(settings_for(url))
    key.write_bytes(b"short")
    with pytest.raises(MasterKeyError, match="holds 5 bytes where it needs 32"):
        open_database(settings_for(url))
    elsewhere = temporary_home / "elsewhere.key"
    with pytest.raises(MasterKeyError, match="there is no master key"):
        open_database(settings_for(url, DUEBOOK_MASTER_KEY_FILE=str(elsewhere)), make_key=True)
    # `up` and `migrate` may make it, and another installation's roles are then respected.
    key.unlink()
    with pytest.raises(OtherMasterKey):
        open_database(settings_for(url), make_key=True)
    assert len(key.read_bytes()) == 32


def test_logins_managed_elsewhere(url: str, settings_for: Callable[..., Settings]) -> None:
    with open_database(settings_for(url)):
        pass
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'hunter2' IN ROLE duebook_api")
        admin.execute("GRANT USAGE ON SCHEMA duebook_s1 TO reader")
    try:
        with (
            open_database(
                settings_for(url, DUEBOOK_API_URL=with_login(url, "reader", "hunter2"))
            ) as database,
            database.api.connection() as connection,
        ):
            assert connection.execute("SELECT current_user").fetchone() == ("reader",)
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
        message = refusal(
            settings_for(url, DUEBOOK_WRITER_URL=with_login(url, "reader", "wrong-hunter2")),
            WrongPassword,
        )
        assert message.startswith("DUEBOOK_WRITER_URL: ")
    finally:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_a_login_that_row_security_does_not_bind_is_refused(
    url: str, settings_for: Callable[..., Settings]
) -> None:
    with open_database(settings_for(url)):
        pass
    message = refusal(settings_for(url, DUEBOOK_API_URL=url), LoginTooPowerful)
    assert "DUEBOOK_API_URL: " in message
    assert "is a superuser" in message
    message = refusal(settings_for(url, DUEBOOK_WRITER_URL=url), LoginTooPowerful)
    assert "DUEBOOK_WRITER_URL: " in message
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE ROLE seer LOGIN BYPASSRLS PASSWORD 'hunter2' IN ROLE duebook_api")
    try:
        login = with_login(url, "seer", "hunter2")
        message = refusal(settings_for(url, DUEBOOK_API_URL=login), LoginTooPowerful)
        assert "seer has BYPASSRLS" in message
    finally:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("DROP ROLE seer")


def test_unreadable_url(settings_for: Callable[..., Settings]) -> None:
    for wrong in ("postgresql://a:hunter2@[::1/x", "postgresql://a:hunter2@h/x?no_such_option=1"):
        assert "must look like postgresql://" in refusal(settings_for(wrong), WrongUrl)


def test_unreachable_server(settings_for: Callable[..., Settings]) -> None:
    with socket.socket() as taken:  # bound, not listening: nothing can answer on it
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        message = refusal(
            settings_for(f"postgresql://a:hunter2@127.0.0.1:{port}/duebook"), Unreachable
        )
    assert f"no connection to 127.0.0.1:{port}" in message


@pytest.mark.both_engines
def test_wrong_login(url: str, settings_for: Callable[..., Settings]) -> None:
    message = refusal(settings_for(with_login(url, "postgres", "hunter2")), WrongPassword)
    assert message.endswith("does not accept the login postgres")
    message = refusal(settings_for(with_login(url, "nobody_known", "hunter2")), WrongPassword)
    assert message.endswith("does not accept the login nobody_known")
    message = refusal(settings_for(with_login(url, "postgres", "")), WrongPassword)
    assert message.endswith("asks for a password of postgres")


@pytest.mark.both_engines
def test_missing_database(url: str, settings_for: Callable[..., Settings]) -> None:
    place = conninfo_to_dict(url)
    missing = with_login(url, "postgres", str(place["password"])).replace(
        str(place["dbname"]), "no_such_database"
    )
    message = refusal(settings_for(missing), DatabaseMissing, secret=str(place["password"]))
    assert "createdb no_such_database" in message


@pytest.fixture
def modest(url: str) -> Iterator[str]:
    """A login that may log in and nothing else."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE ROLE modest LOGIN PASSWORD 'hunter2'")
        yield with_login(url, "modest", "hunter2")
        admin.execute("DROP OWNED BY modest; DROP ROLE modest")


@pytest.mark.both_engines
def test_missing_privileges(url: str, modest: str, settings_for: Callable[..., Settings]) -> None:
    message = refusal(settings_for(modest), MissingPrivilege)
    assert "modest may not make Duebook's roles" in message
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("GRANT duebook_owner TO modest")
    message = refusal(settings_for(modest), MissingPrivilege)
    assert "modest may not make the schema duebook" in message
    with psycopg.connect(url, autocommit=True) as admin:
        dbname = conninfo_to_dict(url)["dbname"]
        admin.execute(f'GRANT CREATE ON DATABASE "{dbname}" TO modest')  # type: ignore[call-overload]
    # Enough: the roles are there, and a login that is no superuser migrates.
    with open_database(settings_for(modest)) as database:
        assert database.applied


def test_password_never_needs_to_be_in_the_clear(engine: Engine, url: str) -> None:
    with psycopg.connect(url) as admin:
        rows = admin.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname IN ('duebook_api', 'duebook_writer')"
        ).fetchall()
    assert len(rows) == 2
    assert all(row[0].startswith("SCRAM-SHA-256$") for row in rows)
    api = make_conninfo(
        url, user="duebook_api", password=derive_password(MASTER_KEY, "duebook_api")
    )
    psycopg.connect(api).close()
