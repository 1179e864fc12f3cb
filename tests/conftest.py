"""One real PostgreSQL for the whole session, and a fresh migrated database for each test.

database          an open adapters.postgres.Database of its own for the test
module_database   one shared by a module's tests
fresh_database    a function that opens further ones: `with fresh_database() as database`
private_server    a function that starts a server of the test's own, to kill: `private_server()`
temporary_home    a short folder outside pytest's owner-only ones, removed afterwards

A test marked `both_engines` that uses `database` or `engine` also runs on Debian's PostgreSQL 15.
"""

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from adapters.postgres.connection import Database, connect_database
from adapters.postgres.embedded_server import EmbeddedPostgres

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
MASTER_KEY = bytes(range(32))
TEMPLATE = "duebook_template"
# Tests survive no power cut. Everything else is as in production.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "256MB",
    "max_connections": "200",
}
FOLDER_PREFIX = "duebook-tests-"

# Tests that were started in the background ignore Ctrl-C, and so would the programs that they start and stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Engine:
    """A running server with a migrated template, from which databases are copied in milliseconds."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.master_key = MASTER_KEY
        self._admin = psycopg.connect(server.admin_url, autocommit=True)
        self._admin.execute(SQL("CREATE DATABASE {}").format(Identifier(TEMPLATE)))
        connect_database(server.url(TEMPLATE), MASTER_KEY, pool_size=1).close()

    def close(self) -> None:
        self._admin.close()

    @contextlib.contextmanager
    def empty_url(self) -> Iterator[str]:
        """The administrator's URL of a database that was never migrated."""
        with self._created("template0") as name:
            yield self.server.url(name)

    @contextlib.contextmanager
    def fresh(self, pool_size: int = 20) -> Iterator[Database]:
        """A migrated database, open; dropped afterwards."""
        with self._created(TEMPLATE) as name:
            url = make_conninfo(self.server.url(name))
            with connect_database(url, MASTER_KEY, pool_size=pool_size) as database:
                yield database

    @contextlib.contextmanager
    def _created(self, template: str) -> Iterator[str]:
        name = f"test_{secrets.token_hex(6)}"
        for attempt in range(100):
            try:
                self._admin.execute(
                    SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                        Identifier(name), Identifier(template)
                    )
                )
                break
            except psycopg.errors.ObjectInUse:  # a closed connection is not quite gone yet
                if attempt == 99:
                    raise
                time.sleep(0.02)
        try:
            yield name
        finally:
            self._admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextlib.contextmanager
def _temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _memory_disk() -> Path | None:
    """Where a database is copied in 10 ms rather than in 300, if the machine has room for it."""
    folder = Path("/dev/shm")
    if folder.is_dir() and shutil.disk_usage(folder).free > 4 * 1024**3:
        return folder
    return None


@pytest.fixture(scope="session")
def engine_of() -> Iterator[Callable[[str], Engine]]:
    """Engines by name, each started when first asked for: `embedded`, `debian15`."""
    with contextlib.ExitStack() as stack:
        engines: dict[str, Engine] = {}

        def engine_of(name: str) -> Engine:
            if name not in engines:
                programs = {"embedded": None, "debian15": DEBIAN_15}[name]
                home = stack.enter_context(_temporary_folder(_memory_disk())) / "var"
                server = EmbeddedPostgres(home, parameters=FAST, programs=programs)
                stack.enter_context(server)
                engines[name] = Engine(server)
                stack.callback(engines[name].close)
            return engines[name]

        yield engine_of


@pytest.fixture
def engine(request: pytest.FixtureRequest, engine_of: Callable[[str], Engine]) -> Engine:
    name = getattr(request, "param", "embedded")
    if name == "debian15" and not (DEBIAN_15 / "postgres").exists():
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL 15 is not installed in {DEBIAN_15}")
        pytest.skip(f"PostgreSQL 15 is not installed in {DEBIAN_15}")
    return engine_of(name)


@pytest.fixture
def database(engine: Engine) -> Iterator[Database]:
    with engine.fresh() as database:
        yield database


@pytest.fixture
def fresh_database(engine: Engine) -> Callable[[], contextlib.AbstractContextManager[Database]]:
    return engine.fresh


@pytest.fixture(scope="module")
def module_database(engine_of: Callable[[str], Engine]) -> Iterator[Database]:
    with engine_of("embedded").fresh() as database:
        yield database


@pytest.fixture
def temporary_home() -> Iterator[Path]:
    with _temporary_folder() as folder:
        yield folder / "var"


@pytest.fixture
def private_server() -> Iterator[Callable[..., EmbeddedPostgres]]:
    """Start a server that belongs to the test alone; durable unless parameters say otherwise."""
    with contextlib.ExitStack() as stack:

        def private_server(parameters: dict[str, str] | None = None) -> EmbeddedPostgres:
            home = stack.enter_context(_temporary_folder()) / "var"
            chosen = {"shared_buffers": "128MB"} | (parameters or {})
            return stack.enter_context(EmbeddedPostgres(home, parameters=chosen))

        yield private_server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_engines") is not None:
        metafunc.parametrize("engine", ["embedded", "debian15"], indirect=True)
