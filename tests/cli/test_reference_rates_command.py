"""`duebook rate`: facts set one by one or from a file, and listed."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli

# The ECB's main refinancing rate on the first day of each half-year, and the Basiszinssatz.
FACTS = """name,from_on,rate
ecb,2024-07-01,4.25%/year
ecb,2024-01-01,4.50%/year
basiszinssatz,2024-01-01,3.62%/year
basiszinssatz,2021-01-01,-0.88%/year
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(FACTS)
    return path


def listed(cli: Cli) -> list[list[str]]:
    items = cli("rate", "list", "--tenant", "acme", "--json").json["items"]
    return [[item["name"], item["from_on"], item["rate"]] for item in items]


def test_a_rate_is_set_and_listed(cli: Cli, acme: str) -> None:
    arguments = ("--tenant", "acme", "--name", "basiszinssatz", "--from-on", "2021-01-01")
    for _ in range(2):
        done = cli("rate", "set", *arguments, "--rate=-0.88%/year")
        assert (done.status, done.out) == (0, "basiszinssatz is -0.88%/year from 2021-01-01 on\n")
    refused = cli("rate", "set", *arguments, "--rate=0.88%/year")
    assert (refused.status, refused.out) == (1, "")
    assert "a fact is never changed" in refused.err
    assert listed(cli) == [["basiszinssatz", "2021-01-01", "-0.88%/year"]]
    assert cli("rate", "list", "--tenant", "acme").out.splitlines()[1].split() == listed(cli)[0]


def test_a_file_is_recorded_once(cli: Cli, acme: str, file: Path) -> None:
    assert cli("rate", "import", file, "--tenant", "acme").out == "added 4, unchanged 0, failed 0\n"
    again = cli("rate", "import", file, "--tenant", "acme", "--json")
    assert (again.status, again.json) == (0, {"added": 0, "unchanged": 4, "failed": []})
    assert listed(cli) == [
        ["basiszinssatz", "2021-01-01", "-0.88%/year"],
        ["basiszinssatz", "2024-01-01", "3.62%/year"],
        ["ecb", "2024-01-01", "4.5%/year"],
        ["ecb", "2024-07-01", "4.25%/year"],
    ]


def test_bad_lines_are_named_and_nothing_is_recorded(cli: Cli, acme: str, file: Path) -> None:
    bad = ["ecb,1 July 2025,2%/year", "ecb,2025-01-01", "ecb,2025-01-01,3.15%", 'ecb,"']
    file.write_text(FACTS + "\n".join(bad))
    done = cli("rate", "import", file, "--tenant", "acme")
    assert (done.status, done.out) == (1, "added 0, unchanged 0, failed 4\n")
    told = done.err.splitlines()
    for line, reason in zip(
        range(6, 10), ("is not a date", "has 2 fields", "write 4.50%/year", "a quote"), strict=True
    ):
        assert told[line - 6].startswith(f"{file}, line {line}: ")
        assert reason in told[line - 6]
    assert listed(cli) == []


def test_columns_are_found_by_name(cli: Cli, acme: str, file: Path) -> None:
    file.write_text("rate,name,from_on\n0,ecb,2016-03-16\n")
    assert cli("rate", "import", file, "--tenant", "acme").status == 0
    assert listed(cli) == [["ecb", "2016-03-16", "0%/year"]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "name,from_on,rate"),
        ("name,from,rate\n", "name,from_on,rate"),
        ("ecb,2024-01-01,4.50%/year\n", "name,from_on,rate"),
        ("name,from_on,rate\n" + "ecb,2024-01-01,4.50%/year\n" * 1001, "more than 1000 lines"),
    ],
)
def test_another_file_is_refused(cli: Cli, acme: str, file: Path, text: str, told: str) -> None:
    file.write_text(text)
    done = cli("rate", "import", file, "--tenant", "acme")
    assert (done.status, done.out) == (1, "")
    assert told in done.err
    assert listed(cli) == []
