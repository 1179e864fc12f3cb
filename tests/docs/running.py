"""Running a page's `sh` blocks one after another in one shell, and comparing what they print.

What differs from run to run is put in one form on both sides: ids, keys, instants, dates from 2026 on (examples with
fixed dates use 2024), seconds at a line's end, runs of spaces. In an expected output `...` stands for anything.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.docs.blocks import ROOT
from tests.docs.examples import Example

BIN = ROOT / ".venv" / "bin"
START_SECONDS = 60.0
PAGE_SECONDS = 110.0

_CHANGING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\bdbk_[A-Za-z0-9_-]+"), "<key>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<hex>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[:\d.]*(Z|\+00:00)?"), "<instant>"),
    (re.compile(r"20(2[6-9]|[3-9]\d)-\d\d-\d\d"), "<date>"),
    (re.compile(r"(?<= )\d+\.\d$", re.MULTILINE), "<seconds>"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<service>"),
    (re.compile(r"[ \t]+"), " "),
)
_PROGRESS = re.compile(
    r"duebook: ([^\n]*: [\d,]+( of [\d,]+)?|reading the books|examining the installation|exporting)\n"
)


class Ran(NamedTuple):
    """What a block printed, and its exit status."""

    printed: str
    status: int


def run(page: Sequence[Example], folder: Path, environment: dict[str, str]) -> list[Ran]:
    """Runs blocks in one shell; functions and variables of one are there in the next."""
    script = folder / "page.sh"
    parts = []
    for number, example in enumerate(page):
        parts.append(f"{{\n{example.text}}} >printed.{number} 2>&1\necho $? >status.{number}\n")
    script.write_text("\n".join(parts))
    subprocess.run(
        ["bash", str(script)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=PAGE_SECONDS,
    )
    return [
        Ran(
            (folder / f"printed.{number}").read_text(),
            int((folder / f"status.{number}").read_text()),
        )
        for number in range(len(page))
    ]


def differs(expected: str, printed: str) -> str:
    """How an output differs from the page's; empty when it does not."""
    wanted, found = plain(expected), plain(_PROGRESS.sub("", printed))
    pattern = ".*?".join(re.escape(part) for part in wanted.split("..."))
    if re.fullmatch(pattern, found, re.DOTALL):
        return ""
    return f"the page says:\n{wanted}\n\nit printed:\n{printed}"


def plain(text: str) -> str:
    """A text with what changes from run to run in one form, and without spaces at line ends."""
    for pattern, form in _CHANGING:
        text = pattern.sub(form, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment_of(home: Path, port: int) -> dict[str, str]:
    """The environment of a reader's terminal, with this repository's `duebook` in its path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUEBOOK_")}
    return kept | {
        "DUEBOOK_HOME": str(home),
        "DUEBOOK_PORT": str(port),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
    }


@contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """`duebook up --demo` with a home of its own, on a free port; yields the environment that reaches it."""
    environment = environment_of(folder / "var", free_port())
    log = folder / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(BIN / "duebook"), "up", "--demo"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, log)
        yield environment
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)
    assert status == 0, f"duebook up ended with {status}:\n{log.read_text()}"


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "Duebook is ready at" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"duebook up did not start:\n{log.read_text()}")
        time.sleep(0.05)
