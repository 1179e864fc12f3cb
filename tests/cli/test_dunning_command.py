"""`duebook dunning` and `duebook messages`: plans from files, what they would do, and messages as they are listed."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from commands.customers import RegisterCustomer, register_customer
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from ledger.tax import Line
from tests.cli.conftest import Cli
from tests.cli.test_import_command import log_end
from tests.daylight import TODAY

ROWS = """customer_ref,invoice_number,issued_on,due_on,amount,currency,settled_on
C-1,A-1,2024-01-02,2024-02-01,500.00,USD,2024-02-12
C-1,A-2,2024-01-02,2024-02-05,100.00,USD,2024-02-06
"""


@pytest.fixture
def imported(cli: Cli, acme: str, tmp_path: Path) -> str:
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    assert cli("import", str(file), "--tenant", "acme").status == 0
    return acme


def test_a_plan_is_shown_changed_and_activated(cli: Cli, acme: str, tmp_path: Path) -> None:
    shown = cli("dunning", "plan", "show", "default", "--tenant", "acme", "--json").json
    assert (shown["version"], shown["active_from"]) == (1, None)
    shown["steps"] = [step for step in shown["steps"] if step["key"] != "before"]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(shown))
    added = cli("dunning", "plan", "add", str(file), "--tenant", "acme", "--json").json
    assert (added["version"], len(added["steps"])) == (2, 4)
    again = cli("dunning", "plan", "add", str(file), "--tenant", "acme", "--json").json
    assert again["version"] == 2
    active = cli("dunning", "plan", "activate", "default", "--tenant", "acme", "--json").json
    assert active["active_from"] is not None
    listed = cli("dunning", "plan", "list", "--tenant", "acme")
    assert "due, d3, d7, d15" in listed.out
    inactive = cli("dunning", "plan", "deactivate", "default", "--tenant", "acme", "--json").json
    assert inactive["active_from"] is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "holds no dunning plan"),
        ("[]", "holds no dunning plan"),
        ('{"key": "a"}', "name"),
        ('{"key": "a", "name": "A", "steps": [{"key": "x", "ofset": 1}]}', "ofset"),
        ('{"key": "a", "name": "A", "steps": []}', "1 to 200 steps"),
    ],
)
def test_a_file_that_is_no_plan(cli: Cli, acme: str, tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    refused = cli("dunning", "plan", "add", str(file), "--tenant", "acme")
    assert refused.status == 1
    assert what in refused.err


def test_imports_are_released_with_a_preview(cli: Cli, acme: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    due = TODAY + timedelta(days=30)
    file.write_text(
        "customer_ref,invoice_number,issued_on,due_on,amount,currency\n"
        f"C-1,A-1,2024-01-02,2024-02-01,500.00,USD\nC-2,A-2,2024-01-02,{due},70.00,USD\n"
    )
    assert cli("import", str(file), "--tenant", "acme").status == 0
    some = ("dunning", "release", "--tenant", "acme", "--due-to", "2024-12-31")
    seen = cli(*some, "--preview", "--json").json
    assert (seen["invoices"], seen["released"]) == (1, False)
    assert seen["amounts"] == [{"amount": "500.00", "currency": "USD"}]
    assert [one["invoice_numbers"] for one in seen["starts"]] == [["A-1"]]
    assert "1 invoices would be released: 500.00 USD" in cli(*some, "--preview").out
    assert cli(*some, "--json").json["released"] is True
    assert "0 invoices were released" in cli(*some).out
    assert (
        "1 invoices were released: 70.00 USD" in cli("dunning", "release", "--tenant", "acme").out
    )


def test_steps_are_run_by_hand(cli: Cli, acme: str) -> None:
    assert cli("day", "catch-up", "--tenant", "acme").status == 0
    done = cli("day", "run", "--tenant", "acme", "--step", "overdue", "--json").json
    assert [one["step"] for one in done["days"][0]["steps"]] == ["overdue"]
    refused = cli("dunning", "run", "--tenant", "acme")
    assert (refused.status, "no dunning plan is active" in refused.err) == (1, True)


def test_a_simulation_writes_nothing(cli: Cli, imported: str, database: Database) -> None:
    end = log_end(database)
    span = ["--from", "2024-01-25", "--to", "2024-02-20"]
    done = cli("dunning", "simulate", "--tenant", "acme", *span, "--json")
    assert done.status == 0
    items = [json.loads(line) for line in done.out.splitlines()]
    sent = [
        (one["date"], one["step"], sorted(one["invoice_numbers"]))
        for one in items
        if one["kind"] == "message"
    ]
    assert sent == [
        ("2024-01-29", "before", ["A-1"]),
        ("2024-02-01", "due", ["A-1"]),
        ("2024-02-05", "d3", ["A-1", "A-2"]),
        ("2024-02-08", "d7", ["A-1"]),
    ]
    assert cli("dunning", "simulate", "--tenant", "acme", *span).out.count("cap_gap") > 0
    assert log_end(database) == end
    backwards = cli(
        "dunning", "simulate", "--tenant", "acme", "--from", "2024-02-20", "--to", "2024-02-19"
    )
    assert (backwards.status, "no span" in backwards.err) == (1, True)
    unknown = cli("dunning", "simulate", "--tenant", "acme", *span, "--plan", "nothing")
    assert (unknown.status, "no dunning plan 'nothing'" in unknown.err) == (1, True)


def test_what_a_plan_would_do_about_an_invoice(cli: Cli, acme: str, database: Database) -> None:
    end = log_end(database)
    asked = ("dunning", "plan", "simulate-invoice", "default", "--tenant", "acme")
    done = cli(*asked, "--due-on", "2026-03-12", "--amount", "1234.50", "--json")
    items = [json.loads(line) for line in done.out.splitlines()]
    sent = [(one["date"], one["step"]) for one in items if one["kind"] == "message"]
    assert sent == [
        ("2026-03-09", "before"),
        ("2026-03-12", "due"),
        ("2026-03-16", "d3"),
        ("2026-03-19", "d7"),
        ("2026-03-27", "d15"),
    ]
    assert {one["amount"]["amount"] for one in items} == {"1234.50"}
    assert "if nobody pays" in cli(*asked, "--due-on", "2026-03-12").out
    assert log_end(database) == end
    late = cli(*asked, "--due-on", "2026-03-12", "--issued-on", "2026-03-13")
    assert (late.status, "lies before the issue date" in late.err) == (1, True)
    for wrong in ("0", "-1", "much"):
        assert cli(*asked, "--due-on", "2026-03-12", f"--amount={wrong}").status == 1


def test_a_message_from_the_preview_to_the_file(
    cli: Cli, acme: str, database: Database, tmp_path: Path
) -> None:
    plan = {
        "key": "any",
        "name": "Any day",
        "steps": [{"key": "soon", "offset": -300}],
        "calendar": "none",
        "late_entry": "highest",
    }
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    assert cli("dunning", "plan", "add", str(file), "--tenant", "acme").status == 0
    assert cli("tenant", "configure", "acme", "--dunning-plan", "any").status == 0
    by_tag = ["--dunning-plan-by-tag", "old=any", "--dunning-plan-by-tag", "vip=any"]
    assert cli("tenant", "configure", "acme", *by_tag).status == 0
    removed = cli("tenant", "configure", "acme", "--dunning-plan-by-tag", "old=", "--json").json
    assert removed["changed"] == [
        {
            "setting": "dunning_plans_by_tag",
            "before": "old=any,vip=any",
            "after": "vip=any",
        }
    ]
    assert cli("dunning", "plan", "activate", "any", "--tenant", "acme").status == 0
    with Books(database) as books:

        def asked(handler: object) -> UUID:
            answer = books.run(UUID(acme), "test", handler)  # type: ignore[arg-type]
            return UUID(msgspec.json.decode(answer.body)["id"])

        register = RegisterCustomer("Ann Other", "C-9", email="ann@example.com", tags=("vip",))
        customer_id = asked(lambda unit: register_customer(unit, register))
        draft = DraftInvoice(customer_id, TODAY + timedelta(days=30), (Line("Work", "1", "80.00"),))
        invoice_id = asked(lambda unit: draft_invoice(unit, draft))
        asked(lambda unit: send_invoice(unit, invoice_id, SendInvoice(notify=False)))
    preview = cli("day", "run", "--tenant", "acme", "--dry-run", "--json").json["items"]
    (foreseen,) = [one for one in preview if one["kind"] == "message"]
    assert foreseen["recipient"] == "ann@example.com"
    assert foreseen["invoice_ids"] == [str(invoice_id)]
    assert (foreseen["plan"], foreseen["chosen_by"], foreseen["tag"]) == ("any", "tag", "vip")

    assert cli("day", "run", "--tenant", "acme").status == 0
    (queued,) = cli("messages", "list", "--tenant", "acme", "--json").json["items"]
    assert queued["state"] == "queued"
    for name in ("kind", "channel", "step", "customer_id", "invoice_ids", "amount"):
        wanted = "dunning" if name == "kind" else foreseen[name]
        assert queued[name] == wanted
    assert cli("messages", "send", "--json").json["taken"] == 1
    shown = cli("messages", "show", queued["message_id"], "--tenant", "acme")
    assert "sent" in shown.out
    (mail,) = (tmp_path / "home").rglob("*.eml")
    assert b"ann@example.com" in mail.read_bytes()
    (result,) = cli("dunning", "plan", "results", "any", "--tenant", "acme", "--json").json["items"]
    assert (result["step"], result["queued"], result["sent"]) == ("soon", 1, 1)
    assert "soon" in cli("dunning", "plan", "results", "any", "--tenant", "acme").out
    refused = cli("messages", "settle", queued["message_id"], "--as", "sent", "--tenant", "acme")
    assert (refused.status, "nothing to settle" in refused.err) == (1, True)
