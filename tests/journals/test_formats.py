"""Journals written out: hostile text stays text, every currency keeps its digits, and both programs accept them."""

import csv
import io
import random
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from beancount import loader

from adapters.cli.journals import written
from adapters.journals import beancount, hledger
from ledger.chart_of_accounts import CHART
from ledger.journal.entry import JournalEntry, Posting
from projections.journal.entries import PostedEntry
from tests.cli.conftest import Cli, cli, settings
from tests.journals.programs import (
    assert_both_agree,
    bean_check,
    beancount_balances,
    hledger_balances,
    hledger_check,
)
from tests.journals.programs import hledger as run_hledger

__all__ = ["cli", "settings"]

HOSTILE = [
    'quote " and \\ backslash \\"',
    "semicolon ; comment | payee",
    'line\nbreak\r\n2024-01-01 * "forged"\n  Assets:Cash  1.00 USD',
    "\n\n2024-01-01 close Assets:Cash",
    "tab\t\x00nul \x1b[31m red \x85 next \u2028 line \u2029",
    "; include /etc/passwd",
    "! pending * cleared (code) {lot} @ price",
    "#tag ^link @payee [2024-01-01] date:2020-01-01, type:X",
    '=HYPERLINK("http://example.org")',
    "日本語 ção \N{GRINNING FACE} \u202e right",
    'include "/etc/passwd"',
    "\\",
    '"',
    "a" * 500,
]


def posted(number: str, currency: str = "USD", minor: int = 1234) -> PostedEntry:
    postings = (Posting("receivable_principal", minor), Posting("revenue", -minor))
    entry = JournalEntry(date(2024, 2, 28), currency, "invoice sent", postings)
    return PostedEntry(date(2024, 3, 1), entry, 7, "invoice.sent.v1", UUID(int=3), number)


@pytest.mark.parametrize("form", [beancount, hledger], ids=["beancount", "hledger"])
def test_hostile_text_stays_text(form: Any, tmp_path: Path) -> None:
    """Whatever the title and the numbers hold, there are as many transactions as entries, and no other amounts."""
    file = tmp_path / "books"
    entries = [posted(text) for text in HOSTILE]
    file.write_text("".join(written(form, "\n".join(HOSTILE), CHART, entries)))
    total = Decimal(1234 * len(HOSTILE)) / 100
    expected = {
        ("Assets:Receivable:Principal", "USD"): total,
        ("Income:Revenue", "USD"): -total,
    }
    if form is beancount:
        bean_check(file)
        assert beancount_balances(file) == expected
        found, _, _ = loader.load_file(str(file))
        narrations = [one.narration for one in found if type(one).__name__ == "Transaction"]
        assert len(narrations) == len(HOSTILE)
        assert narrations[0] == f"invoice sent {HOSTILE[0]}"
        assert narrations[9] == f"invoice sent {HOSTILE[9]}"
    else:
        hledger_check(file)
        assert hledger_balances(file) == expected
        rows = list(csv.DictReader(io.StringIO(run_hledger(file, "print", "-O", "csv"))))
        assert len(rows) == 2 * len(HOSTILE)
        assert {row["description"].startswith("invoice sent ") for row in rows} == {True}
        assert {row["date"] for row in rows} == {"2024-03-01"}


def test_an_entry_for_beancount() -> None:
    text = "".join(written(beancount, "Acme", {"revenue": "Income:Sales"}, []))
    assert text == 'option "title" "Acme"\n1900-01-01 open Income:Sales\n'
    assert beancount.transaction(posted('A"1'), CHART) == (
        "\n"
        '2024-03-01 * "invoice sent A\\"1"\n'
        "  effective: 2024-02-28\n"
        '  event: "invoice.sent.v1"\n'
        '  stream: "00000000-0000-0000-0000-000000000003"\n'
        "  seq: 7\n"
        "  Assets:Receivable:Principal  12.34 USD\n"
        "  Income:Revenue  -12.34 USD\n"
    )


def test_an_entry_for_hledger() -> None:
    assert hledger.commodity("CLF") == "commodity 1000.0000 CLF\n"
    assert hledger.commodity("JPY") == "commodity 1000. JPY\n"
    assert hledger.transaction(posted("A;1|2"), CHART) == (
        "\n"
        "2024-03-01 * invoice sent A,1/2\n"
        "    ; effective:2024-02-28, event:invoice.sent.v1, stream:00000000-0000-0000-0000-000000000003, seq:7\n"
        "    Assets:Receivable:Principal  12.34 USD\n"
        "    Income:Revenue  -12.34 USD\n"
    )


@pytest.fixture
def rows_of_a_currency() -> str:
    header = (
        "customer_ref,invoice_number,issued_on,due_on,amount,currency,settled_on,settled_amount\n"
    )
    return (
        header + "C-1,=A;1,2024-01-02,2024-02-01,12345,CURRENCY,2024-02-11,12345\n"
        'C-1,"A ""2"" | b",2024-01-02,2024-02-20,99,CURRENCY,,\n'
        "C-2,A-3,2024-01-05,2024-02-01,100,CURRENCY,2024-03-01,2000\n"
    )


@pytest.mark.parametrize("currency", ["JPY", "BHD", "CLF", "EUR"])
def test_every_currency_keeps_its_digits(
    cli: Cli, tmp_path: Path, rows_of_a_currency: str, currency: str
) -> None:
    """Import, fee and interest, a payment, the trial balance and both exports, in 0, 2, 3 and 4 decimals."""
    rows = tmp_path / "rows.csv"
    rows.write_text(rows_of_a_currency.replace("CURRENCY", currency))
    assert cli("tenant", "create", "acme", "--currency", currency, "--timezone", "UTC").status == 0
    assert cli("tenant", "configure", "acme", "--late-fee", "2%", "--mora", "1%/month").status == 0
    done = cli("import", str(rows), "--tenant", "acme", "--run-clock")
    assert done.status == 0, done.err
    agreed(cli, tmp_path)


def agreed(cli: Cli, folder: Path) -> dict[tuple[str, str], Decimal]:
    """Both programs' balances of the tenant acme's journal, which are the trial balance's."""
    files = {}
    for form in ("beancount", "hledger"):
        exported = cli("export", "journal", "--format", form, "--tenant", "acme")
        assert exported.status == 0, exported.err
        files[form] = folder / f"books.{form}"
        files[form].write_text(exported.out)
    report = cli("report", "trial-balance", "--tenant", "acme", "--json").json
    return assert_both_agree(files["beancount"], files["hledger"], report)


@pytest.mark.parametrize("seed", range(3))
def test_any_text_stays_text(seed: int, tmp_path: Path) -> None:
    """Numbers drawn from the characters that mean something to one program or the other, and some of all others."""
    rng = random.Random(seed)
    meaning = (
        "\";|\\\n\r\t\0\v\f\x1c\x85\u2028\u2029\u00a0()[]{}<>*!#^@=:,.-+%&~?/ 0123456789ABCab'`$€"
    )
    texts = [
        "".join(
            rng.choice(meaning) if rng.random() < 0.9 else chr(rng.choice((233, 0x4E00, 0x1F600)))
            for _ in range(rng.randrange(1, 40))
        )
        for _ in range(300)
    ]
    entries = [posted(text) for text in texts]
    minor = Decimal(1234 * len(texts)) / 100
    expected = {("Assets:Receivable:Principal", "USD"): minor, ("Income:Revenue", "USD"): -minor}
    for form, check, balances in (
        (beancount, bean_check, beancount_balances),
        (hledger, hledger_check, hledger_balances),
    ):
        file = tmp_path / form.__name__
        with file.open("w", newline="") as stream:
            stream.writelines(written(form, texts[0], CHART, entries))
        check(file)
        assert balances(file) == expected
        assert file.read_bytes().count(b"2024-03-01 * invoice") + file.read_bytes().count(
            b'2024-03-01 * "invoice'
        ) == len(texts)
