"""`duebook day`: run, dry run, show, catch up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.cli import clock_lease
from adapters.postgres.connection import Database
from adapters.wiring import Books
from tests.cli.conftest import Cli

ROWS = """customer_ref,invoice_number,issued_on,due_on,amount,currency
C-1,A-1,2024-01-02,2024-02-01,500.00,USD
C-2,A-2,2024-01-02,2024-02-05,100.00,USD
"""


@pytest.fixture
def late(cli: Cli, acme: str, tmp_path: Path) -> str:
    """A tenant with two invoices due on 1 and 5 February 2024, its clock beginning on 31 January."""
    cli("tenant", "configure", "acme", "--late-fee", "2%", "--mora", "1%/month")
    cli("tenant", "configure", "acme", "--clock-starts-on", "2024-01-31")
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    assert cli("import", str(file), "--tenant", "acme").status == 0
    return acme


def steps(day: dict[str, object]) -> dict[str, tuple[int, dict[str, str]]]:
    assert isinstance(day["steps"], list)
    return {step["step"]: (step["posted"], step["amounts"]) for step in day["steps"]}


def log_end(database: Database) -> int:
    with database.writer.connection() as connection:
        row = connection.execute("SELECT position FROM log_head").fetchone()
    assert row is not None
    return int(row[0])


def test_catching_up_runs_each_missed_day_once(cli: Cli, late: str, database: Database) -> None:
    done = cli("day", "catch-up", "--tenant", "acme", "--date", "2024-02-03", "--json")
    assert done.status == 0
    days = done.json["days"]
    assert [day["date"] for day in days] == [
        "2024-01-31",
        "2024-02-01",
        "2024-02-02",
        "2024-02-03",
    ]
    assert steps(days[1]) == {"overdue": (0, {}), "mora": (0, {})}
    assert steps(days[2]) == {"overdue": (2, {"USD": "10.00"}), "mora": (1, {"USD": "0.17"})}
    assert steps(days[3]) == {"overdue": (0, {}), "mora": (1, {"USD": "0.16"})}
    end = log_end(database)
    again = cli("day", "catch-up", "--tenant", "acme", "--date", "2024-02-03", "--json")
    assert (again.status, again.json) == (0, {"days": []})
    assert (
        cli("day", "catch-up", "--tenant", "acme", "--date", "2024-02-03").out == "no day is due\n"
    )
    assert log_end(database) == end


def test_a_day_is_run_in_turn_and_only_once(cli: Cli, late: str, database: Database) -> None:
    early = cli("day", "run", "--tenant", "acme", "--date", "2024-01-30")
    assert (early.status, "the clock of this tenant starts on" in early.err) == (1, True)
    skipping = cli("day", "run", "--tenant", "acme", "--date", "2024-02-02")
    assert (skipping.status, "catch up first" in skipping.err) == (1, True)
    far = (datetime.now(UTC) + timedelta(days=3)).date()
    future = cli("day", "run", "--tenant", "acme", "--date", str(far))
    assert (future.status, "has not come" in future.err) == (1, True)
    ran = cli("day", "run", "--tenant", "acme", "--date", "2024-01-31", "--json").json["days"]
    assert [(day["date"], day["ran"]) for day in ran] == [("2024-01-31", True)]
    end = log_end(database)
    again = cli("day", "run", "--tenant", "acme", "--date", "2024-01-31")
    assert "closed before" in again.out
    assert log_end(database) == end


def test_a_dry_run_tells_what_would_be_posted_and_writes_nothing(
    cli: Cli, late: str, database: Database
) -> None:
    end = log_end(database)
    done = cli("day", "run", "--tenant", "acme", "--date", "2024-02-03", "--dry-run", "--json")
    assert done.status == 0
    assert done.json["date"] == "2024-02-03"
    told = [(one["invoice_numbers"], one["kind"], one["date"]) for one in done.json["items"]]
    assert told == [
        (["A-1"], "late_fee", "2024-02-02"),
        (["A-1"], "mora", "2024-02-02"),
        (["A-1"], "mora", "2024-02-03"),
    ]
    assert done.json["items"][0]["amount"] == {"amount": "10.00", "currency": "USD"}
    shown = cli("day", "run", "--tenant", "acme", "--date", "2024-02-03", "--dry-run").out
    assert "1 late_fee: 10.00 USD" in shown
    assert "2 mora: 0.33 USD" in shown
    assert log_end(database) == end
    cli("day", "catch-up", "--tenant", "acme", "--date", "2024-02-03")
    after = cli("day", "run", "--tenant", "acme", "--date", "2024-02-03", "--dry-run", "--json")
    assert after.json["items"] == []


def test_a_day_is_shown(cli: Cli, late: str) -> None:
    nothing = cli("day", "show", "--tenant", "acme")
    assert (nothing.status, nothing.err) == (1, "duebook: no day was closed yet\n")
    cli("day", "catch-up", "--tenant", "acme", "--date", "2024-02-02")
    last = cli("day", "show", "--tenant", "acme", "--json").json["days"][0]
    assert (last["date"], last["status"]) == ("2024-02-02", "closed")
    assert steps(last)["overdue"] == (2, {"USD": "10.00"})
    other = cli("day", "show", "--tenant", "acme", "--date", "2024-02-09")
    assert (other.status, other.err) == (1, "duebook: the day 2024-02-09 was not run\n")
    table = cli("day", "show", "--tenant", "acme", "--date", "2024-02-02").out
    assert "10.00 USD" in table


def test_another_runner_is_waited_for_and_then_named(
    cli: Cli, late: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Books(database) as books, clock_lease.held_clock(books):
        monkeypatch.setattr(clock_lease, "WAIT_SECONDS", 0.0)
        done = cli("day", "run", "--tenant", "acme", "--date", "2024-01-31")
    assert done.status == 1
    assert "has the clock" in done.err
    assert cli("day", "run", "--tenant", "acme", "--date", "2024-01-31").status == 0
