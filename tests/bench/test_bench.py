"""`make bench` runs: each family gives the figures it is listed with, and the documentation names the same."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from adapters.postgres.connection import Database
from adapters.settings import Settings
from tests.bench import __main__ as bench
from tests.bench import report
from tests.bench.family import MEASURES, measured
from tests.bench.figures import FIGURES, USUAL, figures_of
from tests.bench.measuring import interleaved, times_faster
from tests.bench.sizes import QUICK

AGREED = {
    "clock.write_per_s",
    "clock.caught_up_per_s",
    "clock.peak_mb",
    "rebuild.events_per_s",
    "rebuild.peak_mb",
    "append.copy_vs_library",
    "append.copy_vs_raw",
    "api.commands_per_s",
    "api.p99_ms",
    "api.commands_per_s_64",
}


@pytest.fixture
def settings(database: Database, temporary_home: Path) -> Settings:
    """Of the test's own database, as another process would be given them."""
    temporary_home.mkdir()
    (temporary_home / "master.key").write_bytes(database.master_key)
    environment = {
        "DUEBOOK_HOME": str(temporary_home),
        "DUEBOOK_DATABASE_URL": database.admin_url,
    }
    return Settings.from_environment(environment)


@pytest.mark.parametrize("family", MEASURES)
def test_each_family_gives_its_figures(family: str, settings: Settings) -> None:
    figures = measured(family, settings, QUICK)

    may_be_nothing = {"clock.growth_mb", "proofs.overdrawn_orders"}
    assert all(value for key, value in figures.items() if key not in may_be_nothing), figures


def test_a_run_writes_one_flat_object_and_names_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench.json"
    monkeypatch.setitem(MEASURES, "unheard-of", MEASURES["machine"])  # unknown in its own process

    status = bench.main(["--quick", "--only", "unheard-of", "--out", str(out)])

    assert status == 1
    assert "failed: unheard-of" in capfd.readouterr().out
    figures = json.loads(out.read_text())
    assert set(figures) == {*figures_of("machine"), "machine.elsewhere_cores"}
    assert figures["machine.fsync"] == "on"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_shows_every_figure_with_its_target_and_ratio(width: int) -> None:
    figures = {figure.key: 2.0 if figure.unit == "times" else 1_500.0 for figure in FIGURES}
    printed_to = StringIO()

    Console(width=width, file=printed_to).print(report.table(figures, wide=width >= report.WIDE))

    printed = printed_to.getvalue()
    assert [f.key for f in FIGURES if f.family != "machine" and f.key not in printed] == []
    row = next(line for line in printed.splitlines() if "clock.write_per_s" in line)
    assert row.split()[:5] == ["clock.write_per_s", "1,500", "invoices/s", "30,000", "0.05"]


def test_the_agreed_figures_are_listed() -> None:
    keys = [figure.key for figure in FIGURES]

    assert len(keys) == len(set(keys))
    assert set(keys) >= AGREED
    assert {figure.family for figure in FIGURES} == set(MEASURES)


def test_the_documentation_names_the_same_figures() -> None:
    text = report.PAGE.read_text()
    run = text[text.index(report.BEGIN) : text.index(report.END)]
    rows = [line.strip("| ").split(" | ") for line in run.splitlines() if line.startswith("| `")]

    assert [(row[0].strip("`"), row[-1]) for row in rows] == [(f.key, f.what) for f in USUAL]


def test_the_contenders_take_turns_at_going_first() -> None:
    order: list[str] = []

    def contender(name: str) -> float:
        order.append(name)
        return {"a": 1.0, "b": 2.0}[name]

    taken = interleaved(2, {"a": lambda: contender("a"), "b": lambda: contender("b")})

    assert order == ["a", "b", "b", "a"]
    assert times_faster(taken["a"], taken["b"]) == 2.0
