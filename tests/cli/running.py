"""Running `duebook` in a test: in this process, or as a program of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from adapters.postgres.connection import Database

PROGRAM = Path(sys.executable).with_name("duebook")


class Result(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(database: Database, home: Path) -> dict[str, str]:
    """The settings under which `duebook` uses a test's database."""
    home.mkdir(exist_ok=True)
    key = home / "master.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(database.master_key)
    return {
        "DUEBOOK_HOME": str(home),
        "DUEBOOK_DATABASE_URL": database.admin_url,
        "DUEBOOK_POOL_SIZE": "4",
    }


def run_program(
    settings: dict[str, str], arguments: Sequence[str], stdin: bytes = b"", seconds: float = 60
) -> Result:
    """`duebook` as a program of its own."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        env=program_environment(settings),
        timeout=seconds,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def program_environment(settings: dict[str, str]) -> dict[str, str]:
    """This process's environment with no other settings of Duebook than these."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("DUEBOOK_")}
    return rest | settings
