"""`cli(...)` runs a command in this process over the test's own database."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.cli.main import main
from adapters.postgres.connection import Database
from tests.cli.running import Result, environment
from tests.daylight import ZONE

Cli = Callable[..., Result]


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> dict[str, str]:
    """The environment variables of the test's installation."""
    return environment(database, tmp_path / "home")


@pytest.fixture
def cli(
    settings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    for name in [name for name in os.environ if name.startswith("DUEBOOK_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return Result(status, written.out, written.err)

    return run


@pytest.fixture
def acme(cli: Cli) -> str:
    """The id of a tenant named acme: USD, weekends off; in a zone where it is day."""
    created = cli("tenant", "create", "acme", "--currency", "USD", "--timezone", ZONE, "--json")
    assert created.status == 0
    tenant_id: str = created.json["tenant_id"]
    return tenant_id
