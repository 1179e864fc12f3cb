"""Text from outside is data in every output."""

import ast
import csv
import io
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.cli import printing
from adapters.cli.printing import (
    guarded,
    print_csv,
    print_fields,
    print_json,
    print_line,
    print_table,
)
from adapters.cli.progress import Progress, working


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "-", "+55 11"]
)
def test_formulas_are_disarmed(text: str) -> None:
    assert guarded(text) == "'" + text


@pytest.mark.parametrize("text", ["", "-5.00", "5.00", "-12", "Ana", "1+1", "2013-01-31", "'x"])
def test_everything_else_is_left_as_it_is(text: str) -> None:
    assert guarded(text) == text


def test_csv_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["a,b", 'say "x"', "line\nbreak", None, 5, "=cmd|' /C calc'!A0"]]
    print_csv(["1", "2", "3", "4", "5", "6"], rows)
    read = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert read[1] == ["a,b", 'say "x"', "line\nbreak", "", "5", "'=cmd|' /C calc'!A0"]


def test_a_table_is_plain_and_aligned_where_nobody_looks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("name", "amount"), [("Ana", "5.00"), ("[b]Bo", "-12.50"), ("x", None)], title="T")
    assert capsys.readouterr().out == (
        "T\n" + "name   amount\n" + "Ana      5.00\n" + "[b]Bo  -12.50\n" + "x\n"
    )


def test_no_escape_sequence_reaches_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [("\x1b[31mred\x07\n",)])
    print_fields([("name", "\x9b31mred")])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\x9b" not in shown


def test_a_table_on_a_terminal_shows_brackets_as_they_are() -> None:
    code = (
        "from adapters.cli.printing import print_table\n"
        "print_table(('name', 'amount'), [('[bold]Ana[/bold]', '5.00'), ('\\x1b[2J', '1')])"
    )
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=follower, check=False, timeout=30
        )
        shown = os.read(leader, 100_000).decode()
    finally:
        os.close(leader)
        os.close(follower)
    assert done.returncode == 0
    assert "[bold]Ana[/bold]" in shown
    assert "\x1b[2J" not in shown
    assert "5.00" in shown


def test_progress_is_told_after_a_second_and_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 100.5, 101.5, 102.0, 107.0, 107.5, 113.0])
    monkeypatch.setattr("adapters.cli.progress.time.monotonic", lambda: next(times))
    with Progress() as tell:
        for done in (10, 2_000, 3_000, 9_000):
            tell("replaying", done, 10_000)
        for done in (1, 5):
            tell("reading", done, 0)
    assert capsys.readouterr().err.splitlines() == [
        "duebook: replaying: 2,000 of 10,000",
        "duebook: replaying: 9,000 of 10,000",
        "duebook: reading: 5",
    ]


def test_progress_on_a_terminal_is_a_bar() -> None:
    code = (
        "import time\n"
        "from adapters.cli.progress import Progress\n"
        "with Progress() as tell:\n"
        "    time.sleep(1.1)\n"
        "    tell('replaying', 5, 10)\n"
        "    time.sleep(0.3)\n"
    )
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stderr=follower, check=False, timeout=30
        )
        shown = os.read(leader, 100_000).decode()
    finally:
        os.close(leader)
        os.close(follower)
    assert done.returncode == 0
    assert "replaying" in shown
    assert "5/10" in shown


def test_work_that_cannot_be_counted_is_told_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with working("reading"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("adapters.cli.progress.BEFORE_FIRST_SECONDS", 0.01)
    with working("reading"):
        time.sleep(0.2)
    assert capsys.readouterr().err == "duebook: reading\n"


@pytest.mark.parametrize("on_terminal", [False, True])
def test_a_title_from_outside_is_data(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, on_terminal: bool
) -> None:
    """A customer's name once steered the terminal, and `[/oops]` ended in a traceback."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: on_terminal)
    print_table(("a",), [("wide" * 12,)], title="[/oops] \x1b]0;owned\x07 \x9b31m")
    out = capsys.readouterr().out
    assert "[/oops]" in out
    assert "\x1b]" not in out
    assert not set(out) & {"\x07", "\x9b"}


def test_lines_json_and_csv_hold_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("a\x1b[2Jb\nc")
    print_json({"name": "d\x9b31m\x7f"})
    print_csv(("name",), [("e\x1b[1m",)])
    line, data, *_, cell = capsys.readouterr().out.splitlines()
    assert line == "a\ufffd[2Jb\ufffdc"
    assert json.loads(data) == {"name": "d\x9b31m\x7f"}
    assert "\x9b" not in data
    assert cell == "e\ufffd[1m"


def test_nothing_is_printed_past_it() -> None:
    """Every line of the command line goes through one module."""
    for file in sorted(Path(printing.__file__).parent.glob("*.py")):
        if file.name != "printing.py":
            calls = [
                node
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            ]
            assert not [node.lineno for node in calls if node.func.id == "print"], file.name
