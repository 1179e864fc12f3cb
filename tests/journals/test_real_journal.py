"""The journal of the real invoices, with fine and interest, in the hands of beancount and hledger."""

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, cli, settings
from tests.importing import real
from tests.journals.programs import assert_both_agree, beancount_balances

__all__ = ["cli", "settings"]


@pytest.mark.timeout(600)
def test_beancount_and_hledger_have_what_the_trial_balance_says(cli: Cli, tmp_path: Path) -> None:
    made = cli("tenant", "create", "books", "--currency", "USD", "--timezone", "UTC")
    assert made.status == 0
    assert cli("tenant", "configure", "books", "--late-fee", "2%", "--mora", "1%/month").status == 0
    done = cli("import", str(real.file()), "--tenant", "books", "--run-clock", *real.OPTIONS)
    assert done.status == 0, done.err
    files = {form: tmp_path / f"books.{form}" for form in ("beancount", "hledger", "csv")}
    for form, file in files.items():
        exported = cli("export", "journal", "--format", form, "--tenant", "books")
        assert exported.status == 0, exported.err
        file.write_text(exported.out)

    report = cli("report", "trial-balance", "--tenant", "books", "--json").json
    balances = assert_both_agree(files["beancount"], files["hledger"], report)

    assert report.get("parked", 0) == 0
    debts = real.debts()
    settled = sum(debt.cents for debt in debts)
    open_cents = sum(debt.charged(real.LAST_ON).open_total for debt in debts)
    assert balances["Assets:Cash", "USD"] == Decimal(settled) / 100
    assert balances["Income:Revenue", "USD"] == -Decimal(settled) / 100
    receivable = sum(
        amount for (name, _), amount in balances.items() if name.startswith("Assets:Receivable")
    )
    assert receivable == Decimal(open_cents) / 100
    assert ("Liabilities:CustomerCredit", "USD") not in balances

    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text())))
    by_row: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        key = (row["name"], row["currency"])
        amount = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
        by_row[key] = by_row.get(key, Decimal(0)) + amount
    assert {key: amount for key, amount in by_row.items() if amount} == balances

    day = "2013-06-30"
    exported = cli("export", "journal", "--format", "beancount", "--tenant", "books", "--to", day)
    files["beancount"].write_text(exported.out)
    then = cli("report", "trial-balance", "--tenant", "books", "--as-of", day, "--json").json
    cash = next(one for one in then["currencies"][0]["accounts"] if one["account"] == "cash")
    paid = sum(debt.cents for debt in debts if debt.settled_on <= date(2013, 6, 30))
    assert cash["balance"] == f"{paid // 100}.{paid % 100:02}"
    assert beancount_balances(files["beancount"])["Assets:Cash", "USD"] == Decimal(cash["balance"])
