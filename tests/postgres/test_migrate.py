"""Migrations: once, again, at the same moment, and never in another form."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from adapters.postgres import migrate as migrations
from adapters.postgres.errors import MigrationRefused, OtherMasterKey, ServerTooOld
from adapters.postgres.migrate import Migration, migrate, read_migrations, read_shards
from tests.conftest import MASTER_KEY, Engine

Admin = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def empty_url(engine: Engine) -> Iterator[str]:
    with engine.empty_url() as url:
        yield url


@pytest.fixture
def admin(empty_url: str) -> Iterator[Admin]:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        yield connection


def all_files() -> list[str]:
    return [f"duebook/{file.name}" for file in read_migrations("control")] + [
        f"duebook_s1/{file.name}" for file in read_migrations("shard")
    ]


def changed(file: Migration, sql: str) -> Migration:
    return file._replace(sql=sql, checksum="another")


@pytest.mark.both_engines
def test_second_run_does_nothing_and_is_quick(admin: Admin) -> None:
    assert migrate(admin, MASTER_KEY) == all_files()
    started = time.perf_counter()
    assert migrate(admin, MASTER_KEY) == []
    assert time.perf_counter() - started < 0.1
    assert [shard.schema for shard in read_shards(admin)] == ["duebook_s1"]


def test_tables_belong_to_the_owner(admin: Admin) -> None:
    migrate(admin, MASTER_KEY)
    owners = admin.execute(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('duebook', 'duebook_s1')"
    ).fetchall()
    assert owners == [("duebook_owner",)]


def test_every_table_has_a_primary_key_and_none_a_sequence(admin: Admin) -> None:
    migrate(admin, MASTER_KEY)
    without_key = admin.execute(
        """
        SELECT c.relname
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('duebook', 'duebook_s1')
          AND (c.relkind = 'S'
               OR c.relkind = 'r'
               AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
        """
    ).fetchall()
    assert without_key == []


@pytest.mark.both_engines
def test_runs_at_the_same_moment_apply_each_file_once(empty_url: str) -> None:
    gate = threading.Barrier(6)
    applied: list[str] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with psycopg.connect(empty_url, autocommit=True) as connection:
                gate.wait()
                applied.extend(migrate(connection, MASTER_KEY))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(applied) == sorted(all_files())


def test_changed_file_is_refused(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(admin, MASTER_KEY)
    first, *rest = read_migrations("shard")

    def with_a_change(kind: str) -> tuple[Migration, ...]:
        return (changed(first, "SELECT 1"), *rest) if kind == "shard" else read_migrations(kind)

    monkeypatch.setattr(migrations, "read_migrations", with_a_change)
    with pytest.raises(MigrationRefused, match=f"{first.name} was changed after"):
        migrate(admin, MASTER_KEY)


def test_database_of_a_later_release_is_refused(admin: Admin) -> None:
    migrate(admin, MASTER_KEY)
    admin.execute(
        """
        INSERT INTO duebook.schema_migrations (number, name, checksum, applied_at)
        VALUES (9999, '9999_later', 'x', '2030-01-01 00:00:00+00')
        """
    )
    with pytest.raises(MigrationRefused, match="9999_later, which this release does not know"):
        migrate(admin, MASTER_KEY)


def test_failing_file_leaves_nothing_and_is_tried_again(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = read_migrations("control")[-1].number + 1
    real = read_migrations("control")

    def with_one_more(sql: str) -> None:
        more = Migration(number, "half", sql, "checksum")
        monkeypatch.setattr(
            migrations,
            "read_migrations",
            lambda kind: (*real, more) if kind == "control" else read_migrations(kind),
        )

    with_one_more("CREATE TABLE half (id integer PRIMARY KEY); SELECT 1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(admin, MASTER_KEY)
    assert admin.execute("SELECT to_regclass('duebook.half')").fetchone() == (None,)
    with_one_more("CREATE TABLE half (id integer PRIMARY KEY)")
    assert "duebook/half" in migrate(admin, MASTER_KEY)


def test_another_master_key_is_refused(admin: Admin) -> None:
    migrate(admin, MASTER_KEY)
    other = bytes(32)
    with pytest.raises(OtherMasterKey, match="duebook_writer on this server belongs to"):
        migrate(admin, other)
    with pytest.raises(OtherMasterKey, match="this database was made with another master key"):
        migrate(admin, other, derived=())


def test_old_server_is_refused(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 99)
    with pytest.raises(ServerTooOld, match=r"PostgreSQL 18 is too old: Duebook needs 99 or later"):
        migrate(admin, MASTER_KEY)


def test_numbers_are_four_digits_and_follow_one_another() -> None:
    for kind in ("control", "shard"):
        files = read_migrations(kind)
        numbers = [file.number for file in files]
        assert numbers == list(range(1, len(numbers) + 1))
        assert all(file.name == f"{file.number:04}_{file.name[5:]}" for file in files)
