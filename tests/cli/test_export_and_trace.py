"""`duebook export events` and `duebook trace`."""

import json
import re
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from adapters.cli.main import main
from tests.cli.conftest import Cli
from tests.cli.running import PROGRAM, program_environment

FIELDS = [
    "tenant_seq",
    "stream",
    "stream_id",
    "version",
    "tag",
    "recorded_at",
    "effective_on",
    "actor",
    "command_id",
    "correlation_id",
    "causation_id",
    "data",
]
HEADER = "customer_ref,invoice_number,issued_on,due_on,amount,currency,customer_name\n"


def write_rows(path: Path, count: int, name: str = "Ana Lima") -> str:
    rows = [f"C-{n},A-{n},2013-01-02,2013-02-01,10.00,USD,{name}\n" for n in range(count)]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def correlation_id(cli: Cli, acme: str, tmp_path: Path) -> str:
    """Of an import of three rows."""
    done = cli("import", write_rows(tmp_path / "rows.csv", 3), "--tenant", "acme")
    found = re.search(r"correlation id (\S+)", done.out)
    assert found is not None
    return found[1]


def test_events_are_exported_one_object_a_line(cli: Cli, acme: str, correlation_id: str) -> None:
    done = cli("export", "events", "--format", "jsonl", "--tenant", acme)
    events = [json.loads(line) for line in done.out.splitlines()]
    assert all(list(event) == FIELDS for event in events)
    assert [event["tenant_seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["tag"] == "tenant.created.v1"
    assert {event["stream"] for event in events} == {"tenant", "customer", "invoice"}
    last = events[-1]
    assert (last["tag"], last["version"], last["actor"]) == ("invoice.sent.v1", 2, "import")
    assert last["correlation_id"] == correlation_id
    assert last["causation_id"] is None
    assert last["effective_on"] == "2013-01-02"
    assert last["recorded_at"].endswith("Z")


def test_personal_texts_stay_encrypted_unless_asked_for(
    cli: Cli, acme: str, correlation_id: str
) -> None:
    encrypted = cli("export", "events", "--tenant", "acme").out
    assert "Ana Lima" not in encrypted
    assert "encrypted:1:" in encrypted
    opened = cli("export", "events", "--tenant", "acme", "--decrypt").out
    assert opened.count('"Ana Lima"') == 3
    assert "encrypted:1:" not in opened
    assert all(json.loads(line) for line in opened.splitlines())


def test_what_a_name_holds_breaks_no_line(cli: Cli, acme: str, tmp_path: Path) -> None:
    name = '"Ana ""the"" \\ Lima\u2028=1+1"'
    cli("import", write_rows(tmp_path / "rows.csv", 1, name), "--tenant", "acme")
    opened = cli("export", "events", "--tenant", "acme", "--decrypt").out
    events = [json.loads(line) for line in opened.split("\n")[:-1]]
    (registered,) = [one for one in events if one["tag"] == "customer.registered.v1"]
    assert registered["data"]["person"]["name"] == 'Ana "the" \\ Lima\u2028=1+1'


def test_a_tenant_exports_only_its_own(cli: Cli, acme: str, correlation_id: str) -> None:
    cli("tenant", "create", "other", "--currency", "USD", "--timezone", "UTC")
    events = cli("export", "events", "--tenant", "other").out.splitlines()
    assert [json.loads(line)["tag"] for line in events] == [
        "tenant.created.v1",
        "tenant.key_created.v1",
    ]


def test_an_export_takes_the_same_memory_at_any_length(
    cli: Cli, acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("import", write_rows(tmp_path / "rows.csv", 6_000), "--tenant", "acme")
    sink = (tmp_path / "out.jsonl").open("w")
    with sink, monkeypatch.context() as patch:
        patch.setattr("sys.stdout", sink)
        tracemalloc.start()
        try:
            assert main(["export", "events", "--tenant", "acme"]) == 0
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    written = (tmp_path / "out.jsonl").stat().st_size
    assert written > 10_000_000
    assert peak_bytes < 30_000_000


def test_a_reader_that_leaves_is_no_traceback(
    cli: Cli, acme: str, tmp_path: Path, settings: dict[str, str]
) -> None:
    cli("import", write_rows(tmp_path / "rows.csv", 500), "--tenant", "acme")
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"{PROGRAM} export events --tenant acme | head -n 1; exit ${{PIPESTATUS[0]}}",
        ],
        env=program_environment(settings),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 1


def test_a_correlation_id_leads_to_its_events(cli: Cli, acme: str, correlation_id: str) -> None:
    traced = cli("trace", correlation_id, "--json").json
    assert traced["correlation_id"] == correlation_id
    (tenant,) = traced["tenants"]
    assert tenant["tenant_id"] == acme
    assert len(tenant["events"]) == 9
    assert list(tenant["events"][0]) == FIELDS
    shown = cli("trace", correlation_id, "--tenant", "acme").out
    assert f"tenant {acme}" in shown
    assert "customer.registered.v1" in shown
    cli("tenant", "create", "other", "--currency", "USD", "--timezone", "UTC")
    elsewhere = cli("trace", correlation_id, "--tenant", "other")
    assert (elsewhere.status, "no event carries" in elsewhere.err) == (1, True)
