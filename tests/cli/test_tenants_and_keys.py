"""Tenants and keys from the command line."""

from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from adapters.postgres.connection import Database
from tests.cli.conftest import Cli


def known_keys(database: Database) -> dict[bytes, bool]:
    """Hashes that open the door, and whether they were revoked."""
    with database.writer.connection() as connection:
        rows = connection.execute("SELECT key_hash, revoked_at FROM duebook.api_keys").fetchall()
    return {bytes(key_hash): revoked_at is not None for key_hash, revoked_at in rows}


def test_a_tenant_is_made_with_its_first_key_shown_once(cli: Cli, database: Database) -> None:
    created = cli(
        "tenant",
        "create",
        "Acme",
        "--currency",
        "BRL",
        "--timezone",
        "America/Sao_Paulo",
        "--calendar",
        "BR",
        "--json",
    )
    assert created.status == 0
    assert list(created.json) == ["tenant_id", "api_key"]
    key = created.json["api_key"]
    assert UUID(created.json["tenant_id"]).version == 4
    assert key.startswith("dbk_")
    assert len(key) == len("dbk_") + 43
    assert known_keys(database) == {sha256(key.encode()).digest(): False}
    (listed,) = cli("tenant", "list", "--json").json["items"]
    assert (listed["id"], listed["name"]) == (created.json["tenant_id"], "Acme")
    assert listed["calendar"] == "BR"


def test_people_can_copy_the_lines(cli: Cli) -> None:
    created = cli("tenant", "create", "x", "--currency", "EUR", "--timezone", "Europe/Berlin")
    lines = dict(line.split() for line in created.out.splitlines())
    assert set(lines) == {"tenant_id", "api_key"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"NAME": "acme"}, "there is a tenant named 'acme'"),
        ({"NAME": "  "}, "give the tenant a name"),
        ({"--currency": "XAU"}, "not a currency of debts"),
        ({"--timezone": "Sao Paulo"}, "'Sao Paulo' is not a time zone"),
        ({"--calendar": "Brazil"}, "'Brazil' is not a calendar"),
    ],
)
def test_what_makes_no_tenant(
    cli: Cli, acme: str, database: Database, changes: dict[str, str], told: str
) -> None:
    wanted = {"NAME": "new", "--currency": "BRL", "--timezone": "UTC", "--calendar": "BR"} | changes
    name = wanted.pop("NAME")
    done = cli("tenant", "create", name, *(part for pair in wanted.items() for part in pair))
    assert done.status == 1
    assert told in done.err
    assert done.out == ""
    assert len(cli("tenant", "list", "--json").json["items"]) == 1
    assert len(known_keys(database)) == 1


def test_configuring_says_what_changed_and_keeps_the_rest(cli: Cli, acme: str) -> None:
    first = cli("tenant", "configure", "acme", "--late-fee", "2%", "--mora", "1%/month")
    assert first.out.splitlines() == [
        "fee_policy.version: 0 -> 1",
        "fee_policy.late_fee: 0% -> 2%",
        "fee_policy.mora: 0% -> 1%/month",
    ]
    second = cli(
        "tenant", "configure", acme, "--grace-days", "3", "--calendar", "BR", "--json"
    ).json
    assert second["tenant_id"] == acme
    assert second["changed"] == [
        {"setting": "calendar", "before": "weekends", "after": "BR"},
        {"setting": "fee_policy.version", "before": "1", "after": "2"},
        {"setting": "fee_policy.grace_days", "before": "0", "after": "3"},
    ]
    assert cli("tenant", "configure", "acme", "--mora", "1.0%/month").out == "nothing changed\n"


def test_every_flag_reaches_its_setting(cli: Cli, acme: str) -> None:
    fact = ("--name", "ecb", "--from-on", "2024-01-01", "--rate", "4.50%/year")
    assert cli("rate", "set", "--tenant", "acme", *fact).status == 0
    flags = {
        "--currency": "EUR",
        "--timezone": "Europe/Berlin",
        "--calendar": "none",
        "--add-holiday": "2026-01-26=City",
        "--tax-rounding": "document",
        "--tax-rounding-mode": "half_up",
        "--series": "R",
        "--number-format": "{series}/{year}/{n}",
        "--number-restarts": "yearly",
        "--clock-starts-on": "2020-01-01",
        "--credit-note-series": "NC",
        "--apply-credit": "automatic",
        "--refund-excess-above": "20.00 EUR",
        "--dispute-holds-interest": "yes",
        "--duplicate-window-days": "3",
        "--close-books-through": "2020-01-31",
        "--chart": "cash=Assets:Bank:Main",
        "--late-fee": "0.5%",
        "--late-fee-minimum": "40.00 EUR",
        "--late-fee-cap": "2.0%",
        "--mora": "8.5%/year",
        "--mora-reference": "ecb",
        "--mora-base": "original",
        "--grace-days": "5",
        "--interest-from": "shifted",
        "--day-count": "365",
        "--accrual": "month_end",
        "--rounding": "truncate",
        "--small-balance-tolerance": "0.05 EUR",
        "--waterfall": "mora,late_fee,other_fees,principal",
    }
    arguments = [part for pair in flags.items() for part in pair]
    changed = cli("tenant", "configure", "acme", *arguments, "--json").json["changed"]
    after = {change["setting"]: change["after"] for change in changed}
    assert after == {
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "calendar": "none",
        "tax_rounding": "document",
        "rounding": "half_up",
        "series": "R",
        "number_format": "{series}/{year}/{n}",
        "clock_starts_on": "2020-01-01",
        "credit_note_series": "NC",
        "apply_credit": "automatic",
        "refund_excess_above": "20.00 EUR",
        "dispute_holds_interest": "yes",
        "duplicate_window_days": "3",
        "books_closed_through": "2020-01-31",
        "chart": "cash=Assets:Bank:Main",
        "additional_holidays": "2026-01-26=City",
        "additional_holidays_version": "1",
        "number_restarts": "yearly",
        "fee_policy.version": "1",
        "fee_policy.late_fee": "0.5%",
        "fee_policy.late_fee_minimum": "40.00 EUR",
        "fee_policy.late_fee_cap": "2%",
        "fee_policy.mora": "8.5%/year",
        "fee_policy.mora_reference": "ecb",
        "fee_policy.mora_base": "original",
        "fee_policy.grace_days": "5",
        "fee_policy.interest_from": "shifted",
        "fee_policy.day_count": "365",
        "fee_policy.accrual": "month_end",
        "fee_policy.rounding": "truncate",
        "fee_policy.small_balance_tolerance": "0.05 EUR",
        "fee_policy.waterfall": "mora,late_fee,other_fees,principal",
    }


def test_what_a_fee_policy_may_lack_is_taken_out_with_none(cli: Cli, acme: str) -> None:
    fact = ("--name", "ecb", "--from-on", "2024-01-01", "--rate", "4.50%/year")
    assert cli("rate", "set", "--tenant", "acme", *fact).status == 0
    before = {
        "late_fee_minimum": "40.00 EUR",
        "late_fee_cap": "2%",
        "mora_reference": "ecb",
        "small_balance_tolerance": "0.05 EUR",
    }
    for said in (before, dict.fromkeys(before, "none")):
        arguments = [
            part for name, text in said.items() for part in ("--" + name.replace("_", "-"), text)
        ]
        changed = cli("tenant", "configure", "acme", *arguments, "--json").json["changed"]
        after = {change["setting"]: change["after"] for change in changed}
        assert {f"fee_policy.{name}": text for name, text in said.items()}.items() <= after.items()


def test_names_of_accounts_are_added_and_given_up_one_by_one(cli: Cli, acme: str) -> None:
    charts = []
    for said in ("cash=Assets:Bank", "bad_debt=Expenses:Lost", "cash="):
        done = cli("tenant", "configure", "acme", "--chart", said, "--json").json
        charts.append(done["changed"][0]["after"])
    assert charts == [
        "cash=Assets:Bank",
        "cash=Assets:Bank,bad_debt=Expenses:Lost",
        "bad_debt=Expenses:Lost",
    ]


def test_holidays_are_added_removed_and_read_from_a_file(
    cli: Cli, acme: str, tmp_path: Path
) -> None:
    file = tmp_path / "holidays.csv"
    file.write_text('\ufeff2026-07-09,"Revolution, 1932"\n\n2026-01-26\n', encoding="utf-8")
    told = []
    for flags in (
        ("--add-holiday", "2026-01-25=City of São Paulo", "--add-holiday", "2026-02-03"),
        ("--remove-holiday", "2026-02-03", "--add-holiday", "2026-12-24"),
        ("--holidays", str(file), "--add-holiday", "2026-12-24"),
        ("--remove-holiday", "2026-12-24"),
    ):
        changed = cli("tenant", "configure", "acme", *flags, "--json").json["changed"]
        told.append([change["after"] for change in changed])
    assert told == [
        ["2026-01-25=City of São Paulo,2026-02-03", "1"],
        ["2026-01-25=City of São Paulo,2026-12-24", "2"],
        ["2026-01-26,2026-07-09=Revolution, 1932,2026-12-24", "3"],
        ["2026-01-26,2026-07-09=Revolution, 1932", "4"],
    ]
    file.write_text("")
    emptied = cli("tenant", "configure", "acme", "--holidays", str(file))
    assert "2026-07-09=Revolution, 1932 -> none" in emptied.out
    file.write_text("2026-01-26\n26.01.2027\n")
    wrong = cli("tenant", "configure", "acme", "--holidays", str(file))
    assert (wrong.status, "line 2: '26.01.2027' is not a date" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("flags", "status", "told"),
    [
        (["--add-holiday", "26.01.2026"], 2, "is not a date"),
        (["--add-holiday", "2206-01-26"], 1, "check the year"),
        (["--add-holiday", "2026-01-26", "--add-holiday", "2026-01-26=City"], 1, "named twice"),
        (["--remove-holiday", "2026-01-26"], 1, "is no additional holiday"),
        (["--holidays", "/nowhere.csv"], 2, "cannot be read"),
        (["--late-fee", "2"], 1, "'2' is not a rate"),
        (["--mora", "9999%"], 1, "above 1000%"),
        (["--mora", "8.5%"], 1, "write 1%/month, 8.5%/year or 0.033%/day"),
        (["--grace-days", "-1"], 1, "between 0 and 365"),
        (["--waterfall", "mora"], 1, "exactly once"),
        (["--late-fee-minimum", "40"], 1, "an amount and a currency"),
        (["--late-fee-cap", "2"], 1, "'2' is not a rate"),
        (["--small-balance-tolerance", "0.05"], 1, "an amount and a currency"),
        (["--mora", "8%/year", "--mora-reference", "ecb"], 1, "record it first"),
        (["--refund-excess-above", "40"], 1, "an amount and a currency"),
        (["--duplicate-window-days", "32"], 1, "between 0 and 31"),
        (["--close-books-through", "2024-02-28"], 1, "the last day of a month"),
        (["--close-books-through", "2999-12-31"], 1, "that is over"),
        (["--credit-note-series", "INV"], 1, "a series of their own"),
        (["--dispute-holds-interest", "maybe"], 2, "neither yes nor no"),
        (["--chart", "cash"], 2, "is not KEY=NAME"),
        (["--number-format", "INV"], 1, "must hold {n}"),
        (["--number-restarts", "yearly"], 1, "put {year} into number_format"),
        (["--calendar", "weekend"], 1, "did you mean"),
        (["--mora-base", "whole"], 2, "invalid choice"),
        (["--clock-starts-on", "soon"], 2, "is not a date"),
        ([], 2, "say what to change"),
    ],
)
def test_what_is_not_configured(
    cli: Cli, acme: str, flags: list[str], status: int, told: str
) -> None:
    done = (
        cli("tenant", "configure", "acme", "--calendar", "BR", *flags)
        if flags
        else cli("tenant", "configure", "acme")
    )
    assert done.status == status
    assert told in done.err
    (listed,) = cli("tenant", "list", "--json").json["items"]
    assert listed["calendar"] == "weekends"  # both change, or neither


def test_keys_are_made_listed_and_revoked(cli: Cli, acme: str, database: Database) -> None:
    made = cli("key", "create", "--tenant", "acme", "--name", "ERP", "--role", "operator", "--json")
    assert made.status == 0
    key_hash = sha256(made.json["api_key"].encode()).digest()
    assert known_keys(database)[key_hash] is False
    listed = cli("key", "list", "--tenant", "acme", "--json").json["items"]
    assert [(key["name"], key["role"], key["revoked"]) for key in listed] == [
        ("first", "administrator", False),
        ("ERP", "operator", False),
    ]
    assert made.json["api_key"] not in str(listed)
    for _ in range(2):
        revoked = cli("key", "revoke", made.json["key_id"], "--tenant", "acme", "--json")
        assert revoked.json["revoked"] is True
        assert known_keys(database)[key_hash] is True
    unknown = cli("key", "revoke", acme, "--tenant", "acme")
    assert (unknown.status, unknown.err) == (1, f"duebook: there is no key {acme}\n")


def test_a_key_is_of_its_own_tenant(cli: Cli, acme: str, database: Database) -> None:
    cli("tenant", "create", "other", "--currency", "USD", "--timezone", "UTC")
    made = cli("key", "create", "--tenant", "acme", "--name", "x", "--json").json
    assert cli("key", "revoke", made["key_id"], "--tenant", "other").status == 1
    assert not any(known_keys(database).values())
