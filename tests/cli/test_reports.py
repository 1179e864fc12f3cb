"""`duebook report aging|dashboard|statement|explain`."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from adapters.postgres.connection import Database, owner_connection
from tests.cli.conftest import Cli
from tests.daylight import TODAY

HEADER = "customer_ref,invoice_number,issued_on,due_on,amount,currency,customer_name,settled_on\n"


@pytest.fixture
def books(cli: Cli, acme: str, tmp_path: Path) -> str:
    """Two customers and two currencies. C-1 pays A-1 ten days late; A-2 and E-1 stay open."""
    file = tmp_path / "rows.csv"
    file.write_text(
        HEADER + "C-1,A-1,2024-01-02,2024-02-01,500.00,USD,=Ana Lima,2024-02-11\n"
        "C-1,A-2,2024-01-02,2024-02-20,100.00,USD,=Ana Lima,\n"
        "C-2,E-1,2024-01-05,2024-03-01,80.00,EUR,Bo,\n"
    )
    cli("tenant", "configure", "acme", "--late-fee", "2%", "--mora", "1%/month")
    assert cli("import", str(file), "--tenant", "acme", "--run-clock").status == 0
    return acme


def buckets(report: dict[str, object], currency: str) -> dict[str, tuple[int, str]]:
    currencies = report["currencies"]
    assert isinstance(currencies, list)
    (found,) = [one for one in currencies if one["currency"] == currency]
    parts = {one["bucket"]: (one["count"], one["amount"]) for one in found["buckets"]}
    return parts | {"total": (found["total"]["count"], found["total"]["amount"])}


def test_aging_has_the_shape_of_the_contract(cli: Cli, books: str) -> None:
    done = cli("report", "aging", "--tenant", "acme", "--as-of", "2024-02-10", "--json")
    assert done.status == 0
    report = done.json
    assert list(report) == ["as_of", "known_at", "currencies"]
    assert report["as_of"] == "2024-02-10"
    assert datetime.fromisoformat(report["known_at"]).tzinfo is not None
    assert [one["currency"] for one in report["currencies"]] == ["EUR", "USD"]
    assert list(report["currencies"][0]) == ["currency", "buckets", "total"]
    names = [one["bucket"] for one in report["currencies"][0]["buckets"]]
    assert names == ["current", "1-30", "31-60", "61-90", "90+"]
    assert buckets(report, "USD") == {
        "current": (1, "100.00"),
        "1-30": (1, "511.50"),
        "31-60": (0, "0.00"),
        "61-90": (0, "0.00"),
        "90+": (0, "0.00"),
        "total": (2, "611.50"),
    }
    after = cli("report", "aging", "--tenant", "acme", "--as-of", "2024-02-11", "--json").json
    assert buckets(after, "USD")["1-30"] == (1, "11.67")


def test_a_trial_balance_has_equal_totals(cli: Cli, books: str) -> None:
    asked = ("report", "trial-balance", "--tenant", "acme", "--as-of", "2024-02-11")
    (dollars,) = [
        one for one in cli(*asked, "--json").json["currencies"] if one["currency"] == "USD"
    ]
    assert list(dollars) == ["currency", "accounts", "debit", "credit"]
    assert dollars["accounts"][0] == {
        "account": "cash",
        "name": "Assets:Cash",
        "debit": "500.00",
        "credit": "0.00",
        "balance": "500.00",
    }
    assert {one["account"]: one["balance"] for one in dollars["accounts"]} == {
        "cash": "500.00",
        "receivable_principal": "111.67",
        "receivable_late_fee": "0.00",
        "receivable_mora": "0.00",
        "customer_credit": "0.00",
        "revenue": "-600.00",
        "late_fee_income": "-10.00",
        "mora_income": "-1.67",
    }
    assert dollars["debit"] == dollars["credit"] == "1611.67"
    cli("tenant", "configure", "acme", "--chart", "cash=Assets:Bank:Checking")
    text = cli(*asked).out.splitlines()
    assert text[0] == "posted to 2024-02-11"
    assert text[1].split() == ["currency", "account", "debit", "credit", "balance"]
    assert ["USD", "Assets:Bank:Checking", "500.00", "0.00", "500.00"] in [
        line.split() for line in text
    ]
    rows = list(csv.reader(io.StringIO(cli(*asked, "--csv").out)))
    assert ["USD", "total", "1611.67", "1611.67", ""] in rows


def test_a_journal_can_be_exported_in_part(cli: Cli, books: str) -> None:
    asked = ("export", "journal", "--tenant", "acme", "--format", "csv")
    whole = list(csv.DictReader(io.StringIO(cli(*asked).out)))
    assert {row["posted_on"] for row in whole} > {"2024-01-02", "2024-02-11"}
    part = cli(*asked, "--from", "2024-02-10", "--to", "2024-02-11").out
    rows = list(csv.DictReader(io.StringIO(part)))
    assert {row["posted_on"] for row in rows} == {"2024-02-10", "2024-02-11"}
    assert {row["event"] for row in rows} == {
        "invoice.mora_posted.v1",
        "invoice.payment_received.v1",
        "payment.received.v1",
    }
    assert "Ana" not in cli(*asked).out


def test_an_export_says_what_it_leaves_out(
    cli: Cli, books: str, settings: dict[str, str], database: Database
) -> None:
    with owner_connection(database) as connection:
        connection.execute("UPDATE events SET data = '[]' WHERE tag = 'payment.received.v1'")
    done = cli("export", "journal", "--tenant", "acme", "--format", "beancount")
    assert done.status == 1
    assert "1 streams cannot be read" in done.err
    assert "invoice sent A-1" in done.out


def test_aging_of_today_is_fresh_without_a_worker(cli: Cli, books: str) -> None:
    today = str(TODAY)
    now = cli("report", "aging", "--tenant", "acme", "--json").json
    same = cli("report", "aging", "--tenant", "acme", "--as-of", today, "--json").json
    assert now["as_of"] == same["as_of"] == today
    assert now["currencies"] == same["currencies"]
    assert buckets(now, "USD")["90+"] == (2, "111.67")


def test_what_was_not_known_is_not_told(cli: Cli, books: str) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    before = cli(
        "report",
        "aging",
        "--tenant",
        "acme",
        "--as-of",
        "2024-02-10",
        "--known-at",
        yesterday,
        "--json",
    )
    assert before.json["currencies"] == []


def test_aging_for_people_and_spreadsheets(cli: Cli, books: str) -> None:
    shown = cli("report", "aging", "--tenant", "acme", "--as-of", "2024-02-10").out.splitlines()
    assert shown[0] == "open on 2024-02-10"
    assert shown[-1].split() == ["USD", "total", "2", "611.50"]
    rows = list(
        csv.reader(
            io.StringIO(
                cli("report", "aging", "--tenant", "acme", "--as-of", "2024-02-10", "--csv").out
            )
        )
    )
    assert rows[0] == ["currency", "days past due", "invoices", "open"]
    assert rows[-1] == ["USD", "total", "2", "611.50"]


def test_dashboard(cli: Cli, books: str) -> None:
    report = cli("report", "dashboard", "--tenant", "acme", "--as-of", "2024-02-15", "--json").json
    assert report["as_of"] == "2024-02-15"
    dollars = report["currencies"][1]
    assert dollars["currency"] == "USD"
    assert dollars["outstanding"] == {"count": 2, "amount": "111.67"}
    assert dollars["overdue"] == {"count": 1, "amount": "11.67"}
    assert dollars["paid_this_month"] == {"count": 1, "amount": "500.00"}
    today = cli("report", "dashboard", "--tenant", "acme", "--json").json
    assert today["currencies"][1]["paid_this_month"] == {"count": 0, "amount": "0.00"}
    assert "paid this month" in cli("report", "dashboard", "--tenant", "acme").out
    rows = cli("report", "dashboard", "--tenant", "acme", "--csv").out.splitlines()
    assert rows[0] == "currency,what,count,amount,open"


def test_a_statement_adds_up(cli: Cli, books: str) -> None:
    report = cli(
        "report",
        "statement",
        "--tenant",
        "acme",
        "--customer",
        "C-1",
        "--as-of",
        "2024-02-11",
        "--json",
    ).json
    (dollars,) = report["currencies"]
    assert (dollars["opening"], dollars["closing"]) == ("0.00", "111.67")
    assert (dollars["invoiced"], dollars["charges"], dollars["payments"]) == (
        "600.00",
        "11.67",
        "-500.00",
    )
    assert [entry["kind"] for entry in dollars["entries"]] == [
        "invoice",
        "invoice",
        "late_fee",
        "interest",
        "payment",
    ]
    by_id = cli(
        "report",
        "statement",
        "--tenant",
        "acme",
        "--customer",
        report["customer_id"],
        "--from",
        "2024-02-01",
    )
    assert by_id.status == 0
    assert by_id.out.splitlines()[0].startswith("=Ana Lima, statement from 2024-02-01 to ")
    assert "opening balance" in by_id.out
    rows = cli("report", "statement", "--tenant", "acme", "--customer", "C-1", "--csv").out
    assert rows.splitlines()[0] == "date,what,number,currency,amount,balance"


def test_no_such_customer_or_invoice(cli: Cli, books: str) -> None:
    nobody = str(UUID(int=5))
    for who in ("C-9", nobody):
        done = cli("report", "statement", "--tenant", "acme", "--customer", who)
        assert (done.status, done.err) == (1, f"duebook: there is no customer '{who}'\n")
        done = cli("report", "explain", "--tenant", "acme", who)
        assert (done.status, done.err) == (1, f"duebook: there is no invoice '{who}'\n")
    early = cli("report", "explain", "--tenant", "acme", "A-1", "--as-of", "2023-01-01")
    assert (early.status, "there is no invoice" in early.err) == (1, True)


def test_an_invoice_is_explained_to_the_cent(cli: Cli, books: str) -> None:
    report = cli(
        "report",
        "explain",
        "--tenant",
        "acme",
        "A-1",
        "--as-of",
        "2024-02-12",
        "--json",
    ).json
    assert report["number"] == "A-1"
    assert report["open"] == {"amount": "11.67", "currency": "USD"}
    parts = {one["component"]: one for one in report["components"]}
    sides = ("charged", "paid", "open")
    assert {
        name: [parts[name][side] for side in sides] for name in ("late_fee", "mora", "principal")
    } == {
        name: [{"amount": amount, "currency": "USD"} for amount in amounts]
        for name, amounts in {
            "late_fee": ("10.00", "10.00", "0.00"),
            "mora": ("1.67", "1.67", "0.00"),
            "principal": ("500.00", "488.33", "11.67"),
        }.items()
    }
    assert "2% once of 500.00" in parts["late_fee"]["rule"]
    shown = cli(
        "report",
        "explain",
        "--tenant",
        "acme",
        report["invoice_id"],
        "--as-of",
        "2024-02-12",
    )
    assert shown.status == 0
    assert "A-1, overdue" in shown.out
    assert "2024-02-02" in shown.out
    rows = list(
        csv.reader(io.StringIO(cli("report", "explain", "--tenant", "acme", "A-1", "--csv").out))
    )
    assert rows[0][0] == "component"
    assert any(row[2] == "invoice.late_fee_charged.v1" for row in rows)


@pytest.mark.parametrize(
    "arguments",
    [
        ["aging", "--as-of", "30/06/2013"],
        ["aging", "--known-at", "yesterday"],
        ["aging", "--json", "--csv"],
        ["statement"],
        ["explain"],
        ["trial"],
    ],
)
def test_wrong_use(cli: Cli, acme: str, arguments: list[str]) -> None:
    assert cli("report", *arguments, "--tenant", "acme").status == 2


def test_a_report_is_the_tenants_own(cli: Cli, books: str) -> None:
    cli("tenant", "create", "other", "--currency", "USD", "--timezone", "UTC")
    assert cli("report", "aging", "--tenant", "other", "--json").json["currencies"] == []
    assert cli("report", "explain", "--tenant", "other", "A-1").status == 1
    assert cli("report", "statement", "--tenant", "other", "--customer", "C-1").status == 1


def test_a_quote_says_what_settles_an_invoice(cli: Cli, books: str, tmp_path: Path) -> None:
    file = tmp_path / "later.csv"
    due_on = TODAY + timedelta(days=20)
    due_on -= timedelta(days=due_on.weekday())  # a Monday, so that the next day is late
    file.write_text(HEADER + f"C-1,A-9,2024-01-02,{due_on},500.00,USD,Ana Lima,\n")
    assert cli("import", str(file), "--tenant", "acme").status == 0
    asked = ("report", "pay-off", "A-9", "--tenant", "acme")
    found = cli(*asked, "--on", str(due_on + timedelta(days=10)), "--json").json
    assert (found["number"], found["status"]) == ("A-9", "overdue")
    assert found["components"]["late_fee"] == {"amount": "10.00", "currency": "USD"}
    assert found["total"] == {"amount": "511.67", "currency": "USD"}
    shown = cli(*asked)
    assert shown.status == 0
    assert "A-9, sent" in shown.out
    assert f"10.17 USD on {due_on + timedelta(days=1)}, then 0.17 a day" in shown.out
    assert cli("report", "explain", "A-9", "--tenant", "acme", "--json").json["status"] == "sent"
    past = cli(*asked, "--on", "2024-01-01")
    assert (past.status, past.out) == (1, "")
    assert "2024-01-01 is over" in past.err
    nobody = cli("report", "pay-off", "A-99", "--tenant", "acme")
    assert (nobody.status, nobody.err) == (1, "duebook: there is no invoice 'A-99'\n")


def test_a_report_of_what_lies_ahead_is_refused(cli: Cli, books: str) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=2)).date()
    for report in (
        ("aging",),
        ("dashboard",),
        ("trial-balance",),
        ("statement", "--customer", "C-1"),
        ("explain", "A-2"),
    ):
        for option, value in (("as_of", str(ahead)), ("known_at", f"{ahead}T00:00:00Z")):
            given = f"--{option.replace('_', '-')}"
            refused = cli("report", *report, "--tenant", "acme", given, value)
            assert (refused.status, refused.out) == (1, "")
            assert f"{option} {ahead}" in refused.err
            assert "has not come" in refused.err


def test_a_period_ends_no_earlier_than_it_begins(cli: Cli, books: str) -> None:
    period = ("--from", "2024-03-01")
    for command in (
        ("report", "statement", "--customer", "C-1", "--as-of", "2024-02-01"),
        ("export", "journal", "--format", "csv", "--to", "2024-02-01"),
    ):
        refused = cli(*command, *period, "--tenant", "acme")
        assert (refused.status, refused.out) == (1, "")
        assert "begins on 2024-03-01 and ends before" in refused.err
