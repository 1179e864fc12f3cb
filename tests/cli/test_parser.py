"""Every command says what it does, and is refused as a command line should be."""

import argparse
import os
import subprocess
from collections.abc import Iterator

import pytest

from adapters.cli.main import main, parser
from tests.cli.running import PROGRAM, program_environment


def commands(
    under: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    for action in under._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield (*path, name), child
                yield from commands(child, (*path, name))


ALL = list(commands(parser()))


@pytest.mark.parametrize("path", [path for path, _ in ALL], ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: duebook {' '.join(path)}")
    sentence = " ".join(shown.split("\n\n")[1].split())
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert len(sentence) > 20


@pytest.mark.parametrize(
    ("path", "found"), ALL, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_option_is_explained(path: tuple[str, ...], found: argparse.ArgumentParser) -> None:
    for action in found._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, f"{' '.join(path)} {action.dest}"


def test_the_commands_of_the_contract_are_there() -> None:
    there = {" ".join(path) for path, _ in ALL}
    assert there >= {
        "up",
        "serve",
        "worker",
        "migrate",
        "doctor",
        "tenant create",
        "tenant configure",
        "import",
        "agreement list",
        "agreement show",
        "day run",
        "day show",
        "day catch-up",
        "report pay-off",
        "export events",
        "key create",
        "key list",
        "key revoke",
        "trace",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["tenant"],
        ["tenant", "create"],
        ["day", "run"],
        ["import"],
        ["--nonsense"],
    ],
)
def test_wrong_use_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "duebook" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("duebook ")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        (
            "DUEBOOK_HOEM",
            "x",
            "DUEBOOK_HOEM is not a setting of Duebook; did you mean DUEBOOK_HOME?",
        ),
        ("DUEBOOK_PORT", "no", "DUEBOOK_PORT must be a whole number"),
        ("DUEBOOK_DATABASE_URL", "mysql://x", "DUEBOOK_DATABASE_URL must look like"),
        (
            "DUEBOOK_DATABASE_URL",
            "postgresql://nobody:secret@127.0.0.1:1/none",
            "DUEBOOK_DATABASE_URL: no connection to 127.0.0.1:1",
        ),
    ],
)
def test_wrong_settings_are_one_line(
    variable: str,
    value: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in os.environ if name.startswith("DUEBOOK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, value)
    assert main(["tenant", "list"]) == 1
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith(f"duebook: {told}")
    assert written.err.count("\n") == 1
    assert "secret" not in written.err


def test_help_survives_a_reader_that_leaves(tmp_path: object) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {PROGRAM} --help | true; exit ${{PIPESTATUS[0]}}"],
        env=program_environment({}),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
