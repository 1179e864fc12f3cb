"""The programs that read exported journals: do they accept one, and what do they make of it."""

import csv
import io
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from beancount import loader
from beancount.core import realization

Balances = dict[tuple[str, str], Decimal]
"""By account's name and currency; what is zero is left out."""


def bean_check(file: Path) -> None:
    """Passes when beancount finds nothing wrong."""
    program = Path(sys.executable).with_name("bean-check")
    done = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def beancount_balances(file: Path) -> Balances:
    """What beancount itself has on each account."""
    entries, errors, _ = loader.load_file(str(file))
    assert errors == []
    found: Balances = {}
    for account in realization.iter_children(realization.realize(entries)):
        for position in account.balance:
            found[account.account, position.units.currency] = position.units.number
    return {key: amount for key, amount in found.items() if amount}


def hledger(file: Path, *arguments: str) -> str:
    """What hledger answers over a journal. Where it is missing a run under CI fails, and another one skips."""
    program = shutil.which("hledger")
    if program is None:
        told = "hledger is not installed: apt-get install hledger"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    done = subprocess.run(
        [program, "-f", file, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def hledger_check(file: Path) -> None:
    """Passes when hledger finds nothing wrong, declarations included."""
    hledger(file, "check")
    hledger(file, "check", "--strict")


def hledger_balances(file: Path) -> Balances:
    """What hledger itself has on each account."""
    text = hledger(file, "balance", "--flat", "--no-total", "--layout", "bare", "-O", "csv")
    rows = csv.DictReader(io.StringIO(text))
    found = {(row["account"], row["commodity"]): Decimal(row["balance"]) for row in rows}
    return {key: amount for key, amount in found.items() if amount}


def balances_of(report: dict[str, object]) -> Balances:
    """The balances of `report trial-balance --json`. Its totals must be equal."""
    found: Balances = {}
    currencies = report["currencies"]
    assert isinstance(currencies, list)
    for currency in currencies:
        assert currency["debit"] == currency["credit"]
        assert sum(Decimal(one["debit"]) for one in currency["accounts"]) == Decimal(
            currency["debit"]
        )
        for one in currency["accounts"]:
            assert Decimal(one["balance"]) == Decimal(one["debit"]) - Decimal(one["credit"])
            found[one["name"], currency["currency"]] = Decimal(one["balance"])
    return {key: amount for key, amount in found.items() if amount}


def assert_both_agree(beancount: Path, ledger: Path, report: dict[str, object]) -> Balances:
    """Both programs accept their journals, and have on every account what the trial balance says, to the cent."""
    bean_check(beancount)
    hledger_check(ledger)
    expected = balances_of(report)
    assert expected
    assert beancount_balances(beancount) == expected
    assert hledger_balances(ledger) == expected
    return expected
