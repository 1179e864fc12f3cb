"""`duebook import`: bad rows are named by line, the others go in, and nothing is half written."""

import json
import signal
import subprocess
import time
from datetime import date
from pathlib import Path
from uuid import UUID

import msgspec
import psutil
import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from commands.customers import RegisterCustomer, register_customer
from commands.invoices import (
    DraftInvoice,
    InvoiceView,
    SendInvoice,
    draft_invoice,
    send_invoice,
)
from commands.unit_of_work import Unit
from ledger.tax import Line
from tests.cli.conftest import Cli
from tests.cli.running import PROGRAM, program_environment, run_program

HEADER = (
    "customer_ref,invoice_number,issued_on,due_on,amount,currency,customer_name,"
    "settled_on,settled_amount,disputed\n"
)


def row(number: str, **changes: str) -> str:
    cells = {
        "customer_ref": "C-1",
        "invoice_number": number,
        "issued_on": "2013-01-02",
        "due_on": "2013-02-01",
        "amount": "100.00",
        "currency": "USD",
        "customer_name": "Ana Lima",
        "settled_on": "",
        "settled_amount": "",
        "disputed": "",
    }
    return ",".join((cells | changes).values()) + "\n"


@pytest.fixture
def write(tmp_path: Path) -> "Write":
    return Write(tmp_path / "invoices.csv")


class Write:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *lines: str, header: str = HEADER) -> str:
        self.path.write_text(header + "".join(lines), encoding="utf-8")
        return str(self.path)


def events(cli: Cli, *options: str) -> list[dict[str, object]]:
    exported = cli("export", "events", "--tenant", "acme", *options)
    assert exported.status == 0
    return [json.loads(line) for line in exported.out.splitlines()]


def test_good_rows_go_in_and_the_same_file_again_adds_nothing(
    cli: Cli, acme: str, write: Write
) -> None:
    file = write(row("A-1"), row("A-2", settled_on="2013-01-20"), row("A-3", disputed="yes"))
    first = cli("import", file, "--tenant", "acme", "--json")
    assert (first.status, first.json) == (0, {"added": 3, "unchanged": 0, "failed": []})
    length = len(events(cli))
    again = cli("import", file, "--tenant", acme, "--json")
    assert (again.status, again.json) == (0, {"added": 0, "unchanged": 3, "failed": []})
    assert len(events(cli)) == length


def test_history_has_its_dates_and_contacts_nobody(cli: Cli, acme: str, write: Write) -> None:
    cli("import", write(row("A-1", settled_on="2013-01-20")), "--tenant", "acme")
    by_tag = {str(event["tag"]): event for event in events(cli)}
    assert by_tag["invoice.drafted.v1"]["effective_on"] == "2013-01-02"
    assert by_tag["invoice.sent.v1"]["effective_on"] == "2013-01-02"
    assert by_tag["invoice.payment_received.v1"]["effective_on"] == "2013-01-20"
    assert by_tag["payment.received.v1"]["effective_on"] == "2013-01-20"
    sent = by_tag["invoice.sent.v1"]["data"]
    assert isinstance(sent, dict)
    assert sent["imported"] is True
    assert sent["number"] == "A-1"
    assert not [tag for tag in by_tag if tag.startswith(("message", "dunning"))]


def test_every_bad_row_is_told_and_leaves_nothing_behind(cli: Cli, acme: str, write: Write) -> None:
    file = write(
        row("GOOD-1"),
        row("B-3", due_on="2013-01-01", customer_ref="C-3"),
        row("B-4", amount="-1.00", customer_ref="C-4"),
        row("B-5", amount="1.001", customer_ref="C-5"),
        row("B-6", currency="ZZZ", customer_ref="C-6"),
        row("B-7", issued_on="2013-02-30", customer_ref="C-7"),
        row("GOOD-1", amount="7.00", customer_ref="C-8"),
        row("GOOD-1"),
        "C-10,B-10\n",
        'C-11,"B-11\n',
        row("GOOD-2", customer_ref="C-12"),
    )
    done = cli("import", file, "--tenant", "acme", "--json")
    assert done.status == 1
    assert done.json["added"] == 2
    assert done.json["unchanged"] == 1
    failed = {one["line"]: one["reason"] for one in done.json["failed"]}
    assert list(failed) == [3, 4, 5, 6, 7, 8, 10, 11]
    assert "before it was issued" in failed[3]
    assert "not above zero" in failed[4]
    assert "more decimals than USD" in failed[5]
    assert "not a currency in use" in failed[6]
    assert "not a date" in failed[7]
    assert "stands on line 2 with other content" in failed[8]
    assert "has 2 fields, the header 10" in failed[10]
    assert "quote" in failed[11]
    customers = [one for one in events(cli) if one["tag"] == "customer.registered.v1"]
    references = sorted(one["data"]["reference"] for one in customers)  # type: ignore[index]
    assert references == ["C-1", "C-12"]
    again = cli("import", file, "--tenant", "acme", "--json").json
    assert (again["added"], again["unchanged"]) == (0, 3)
    assert again["failed"] == done.json["failed"]


def test_people_read_the_same_on_stderr(cli: Cli, acme: str, write: Write) -> None:
    file = write(row("A-1"), row("A-2", amount="x"))
    done = cli("import", file, "--tenant", "acme")
    assert done.status == 1
    assert f"{file}, line 3: amount: 'x' is not an amount in USD" in done.err
    assert "added 1, unchanged 0, failed 1" in done.out


def test_what_the_books_hold_is_not_overwritten(cli: Cli, acme: str, write: Write) -> None:
    cli("import", write(row("A-1"), row("A-2", settled_on="2013-01-20")), "--tenant", "acme")
    for changes, reason in (
        ({"amount": "100.01"}, "amount is 100.00 there, 100.01 here"),
        ({"due_on": "2013-02-02"}, "due_on is 2013-02-01 there, 2013-02-02 here"),
        ({"issued_on": "2013-01-03"}, "issued_on is 2013-01-02 there, 2013-01-03 here"),
        ({"currency": "EUR"}, "currency is USD there, EUR here"),
        ({"customer_ref": "C-2"}, "another customer's"),
        ({"disputed": "yes"}, "disputed is no there, yes here"),
        ({"settled_on": "2013-01-20"}, "settled_on is none there, 2013-01-20 here"),
    ):
        done = cli("import", write(row("A-1", **changes)), "--tenant", "acme", "--json")
        assert done.status == 1
        (failed,) = done.json["failed"]
        assert failed["line"] == 2
        assert reason in failed["reason"]
    changed = write(row("A-2", settled_on="2013-01-20", settled_amount="99.00"))
    (failed,) = cli("import", changed, "--tenant", "acme", "--json").json["failed"]
    assert "settled_amount is 100.00 there, 99.00 here" in failed["reason"]
    renamed = write(row("A-1", customer_name="Ana Maria Lima"))
    assert cli("import", renamed, "--tenant", "acme", "--json").json["unchanged"] == 1


def test_what_came_of_an_invoice_later_does_not_make_the_file_another_one(
    cli: Cli, acme: str, write: Write
) -> None:
    file = write(row("A-1", settled_on="2013-01-20", settled_amount="40.00"))
    assert cli("import", file, "--tenant", "acme", "--run-clock", "--json").json["added"] == 1
    assert cli("day", "catch-up", "--tenant", "acme", "--date", "2013-02-05").status == 0
    assert any(event["tag"] == "invoice.became_overdue.v1" for event in events(cli))
    assert cli("import", file, "--tenant", "acme", "--json").json["unchanged"] == 1


def test_an_excess_becomes_credit_and_a_prepayment_keeps_its_date(
    cli: Cli, acme: str, write: Write
) -> None:
    file = write(
        row("A-1", settled_on="2013-01-20", settled_amount="130.00"),
        row("A-2", settled_on="2012-12-24"),
    )
    assert cli("import", file, "--tenant", "acme", "--run-clock", "--json").status == 0
    credit = [event for event in events(cli) if event["tag"] == "customer.credit_added.v1"]
    assert [event["data"]["amount_minor"] for event in credit] == [3000]  # type: ignore[index]
    received = [event for event in events(cli) if event["tag"] == "payment.received.v1"]
    assert sorted(str(event["effective_on"]) for event in received) == ["2012-12-24", "2013-01-20"]


def test_a_disputed_row_is_a_dispute_until_it_was_settled(
    cli: Cli, acme: str, write: Write
) -> None:
    file = write(
        row("A-1", disputed="yes"),
        row("A-2", disputed="yes", settled_on="2013-02-20"),
        row("A-3", disputed="yes", settled_on="2012-12-24"),
        row("A-4", settled_on="2013-01-20"),
    )
    assert cli("import", file, "--tenant", "acme", "--json").json["added"] == 4
    told = [event for event in events(cli, "--decrypt") if "dispute" in str(event["tag"])]
    assert [(event["tag"], event["effective_on"]) for event in told] == [
        ("invoice.disputed.v1", "2013-01-02"),
        ("invoice.disputed.v1", "2013-01-02"),
        ("invoice.disputed.v1", "2013-01-02"),
        ("invoice.dispute_resolved.v1", "2013-01-02"),  # a prepayment, booked on the issue date
        ("invoice.dispute_resolved.v1", "2013-02-20"),
    ]
    raised, *_, resolved = (event["data"] for event in told)
    assert raised == {
        "amount_minor": 10000,
        "reason": "Disputed in the system it was imported from.",
    }
    assert resolved == {"outcome": "rejected", "reason": "It was settled."}
    again = cli("import", file, "--tenant", "acme", "--json").json
    assert (again["added"], again["unchanged"]) == (0, 4)
    other = cli("import", write(row("A-1")), "--tenant", "acme", "--json").json
    assert "disputed is yes there, no here" in other["failed"][0]["reason"]


def test_interest_on_a_disputed_row_is_held_where_the_tenant_has_it_so(
    cli: Cli, acme: str, write: Write
) -> None:
    """Ten days late: the fine and the interest of a dispute that was paid in the end were owed all along."""
    settings = ("--late-fee", "2%", "--mora", "1%/month", "--dispute-holds-interest", "yes")
    cli("tenant", "configure", "acme", *settings)
    late = {"settled_on": "2013-02-11", "settled_amount": "102.33"}
    file = write(row("A-1", disputed="yes", **late), row("A-2", **late), row("A-3", disputed="yes"))
    assert cli("import", file, "--tenant", "acme", "--run-clock", "--json").json["added"] == 3
    lines = cli("report", "statement", "--tenant", "acme", "--customer", "C-1", "--json").json
    entries = [entry for one in lines["currencies"] for entry in one["entries"]]
    charged = {
        number: sum(
            int(entry["amount"].replace(".", ""))
            for entry in entries
            if entry["number"] == number and entry["kind"] in ("late_fee", "interest", "adjustment")
        )
        for number in ("A-1", "A-2", "A-3")
    }
    assert charged == {"A-1": 233, "A-2": 233, "A-3": 0}


def test_a_number_that_was_given_out_here_is_refused(
    cli: Cli, acme: str, database: Database, write: Write
) -> None:
    with Books(database) as books:
        number = send_one(books, UUID(acme))
    done = cli("import", write(row(number), row("A-2")), "--tenant", "acme", "--json")
    assert done.json["added"] == 1
    (failed,) = done.json["failed"]
    assert failed == {"line": 2, "reason": f"the number {number} belongs to a document made here"}


def test_numbers_are_each_tenants_own(cli: Cli, acme: str, write: Write) -> None:
    cli("tenant", "create", "other", "--currency", "USD", "--timezone", "UTC")
    for tenant in ("acme", "other"):
        done = cli("import", write(row("A-1")), "--tenant", tenant, "--json")
        assert done.json["added"] == 1


def test_invoices_of_a_customer_that_is_there_become_its_own(
    cli: Cli, acme: str, database: Database, write: Write
) -> None:
    with Books(database) as books:
        send_one(books, UUID(acme), reference="C-1")
    cli("import", write(row("A-1"), row("A-2", customer_ref="C-2")), "--tenant", "acme")
    assert cli("import", write(row("A-1")), "--tenant", "acme", "--json").json["unchanged"] == 1
    registered = [event for event in events(cli) if event["tag"] == "customer.registered.v1"]
    assert len(registered) == 2
    drafted = [event for event in events(cli) if event["tag"] == "invoice.drafted.v1"]
    owners = [event["data"]["customer_id"] for event in drafted]  # type: ignore[index]
    assert owners[0] == owners[1] == registered[0]["stream_id"]


def test_two_imports_of_one_file_at_once_add_it_once(
    cli: Cli, acme: str, settings: dict[str, str], write: Write
) -> None:
    total = 300
    file = write(*(row(f"A-{n}", settled_on="2013-01-20") for n in range(total)))
    both = [
        subprocess.Popen(
            [PROGRAM, "import", file, "--tenant", "acme", "--json"],
            env=program_environment(settings),
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [answer["added"] + answer["unchanged"] for answer in answers] == [total, total]
    assert [answer["failed"] for answer in answers] == [[], []]
    tags = [event["tag"] for event in events(cli)]
    assert tags.count("invoice.sent.v1") == total
    assert tags.count("payment.received.v1") == total


def send_one(books: Books, tenant_id: UUID, reference: str = "") -> str:
    """Sends an invoice to a new customer; returns its number."""

    def handler(unit: Unit) -> InvoiceView:
        customer = register_customer(unit, RegisterCustomer(name="Bo", reference=reference))
        line = Line(description="x", quantity="1", unit_price="10.00")
        drafted = draft_invoice(
            unit, DraftInvoice(customer_id=customer.id, due_on=date(2999, 1, 1), lines=(line,))
        )
        return send_invoice(unit, drafted.id, SendInvoice())

    answer = books.run(tenant_id, "test", handler)
    return msgspec.json.decode(answer.body, type=InvoiceView).number


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"a,b\n1,2\n", "lacks columns customer_ref, invoice_number"),
        (HEADER.replace(",", ";").encode(), "separated by commas"),
        (HEADER.replace("due_on", "amount").encode(), "2 columns named 'amount'"),
        (("\ufeff" + HEADER).encode("utf-16-le"), "UTF-16"),
        (b"x" * 2_000_000, "longer than 1,048,576 bytes"),
        (b'customer_ref,"open\n', "quote"),
        (b"caf\xe9,b\n", "not UTF-8"),
    ],
)
def test_a_header_that_cannot_be_read_is_told_of_its_line(
    cli: Cli, acme: str, tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    done = cli("import", str(file), "--tenant", "acme", "--json")
    assert done.status == 1
    assert (done.json["added"], done.json["unchanged"]) == (0, 0)
    (failed,) = done.json["failed"]
    assert failed["line"] == 1
    assert reason in failed["reason"]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(
    cli: Cli, acme: str, tmp_path: Path
) -> None:
    file = tmp_path / "windows.csv"
    file.write_bytes(("\ufeff" + HEADER + row("A-1")).replace("\n", "\r\n").encode())
    assert cli("import", str(file), "--tenant", "acme", "--json").json["added"] == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--column", "amuont=Total"), "did you mean amount"),
        (("--column", "amount"), "not name=Header"),
        (("--column", "amount=a", "--column", "amount=b"), "given twice"),
        (("--date-format", "%d/%m"), "does not tell year, month and day"),
        (("--nonsense",), "unrecognized arguments"),
    ],
)
def test_wrong_use(cli: Cli, options: tuple[str, ...], told: str) -> None:
    done = cli("import", "x.csv", "--tenant", "acme", *options)
    assert done.status == 2
    assert told in done.err


def test_refusals_in_one_line(cli: Cli, acme: str, write: Write, tmp_path: Path) -> None:
    missing = cli("import", str(tmp_path / "missing.csv"), "--tenant", "acme")
    assert missing.status == 1
    assert missing.err.startswith("duebook: No such file or directory")
    unknown = cli("import", write(row("A-1")), "--tenant", "nobody")
    assert unknown.status == 1
    assert unknown.err == "duebook: there is no tenant 'nobody'; see: duebook tenant list\n"
    currency = cli("import", write(row("A-1")), "--tenant", "acme", "--currency", "XAU")
    assert currency.status == 1
    assert "not a currency of debts" in currency.err
    header = cli("import", write(row("A-1")), "--tenant", "acme", "--column", "amount=Total")
    assert header.status == 1
    assert "line 1: the file has no column 'Total' for amount" in header.err


def test_columns_left_out_are_told(cli: Cli, acme: str, write: Write) -> None:
    header = HEADER.replace("settled_on", "setled_on").replace("disputed", "Region")
    done = cli("import", write(row("A-1"), header=header), "--tenant", "acme")
    assert done.status == 0
    assert "the column 'setled_on' is left out; is it settled_on?" in done.err
    assert "columns left out: Region" in done.err


def test_an_interrupted_import_is_finished_by_the_next(
    cli: Cli, acme: str, database: Database, settings: dict[str, str], write: Write
) -> None:
    total = 1_500
    file = write(
        *(row(f"A-{n}", settled_on="2013-01-20", customer_ref=f"C-{n % 50}") for n in range(total))
    )
    killed = False
    process = subprocess.Popen(
        [PROGRAM, "import", file, "--tenant", acme], env=program_environment(settings)
    )
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if log_end(database) > 4_000:  # all invoices are sent, some are paid
            process.kill()
            killed = True
        time.sleep(0.005)
    assert process.wait() != 0
    assert killed
    done = cli("import", file, "--tenant", "acme", "--json")
    assert done.status == 0
    assert done.json["added"] + done.json["unchanged"] == total
    assert 0 < done.json["unchanged"] < total
    tags = [event["tag"] for event in events(cli)]
    for tag in ("invoice.drafted.v1", "invoice.sent.v1", "payment.received.v1"):
        assert tags.count(tag) == total
    assert tags.count("invoice.payment_received.v1") == total


def log_end(database: Database) -> int:
    with database.writer.connection() as connection:
        row = connection.execute("SELECT position FROM log_head").fetchone()
    assert row is not None
    return int(row[0])


def test_stdin_and_a_line_of_fifty_megabytes(cli: Cli, acme: str, settings: dict[str, str]) -> None:
    _fed_a_long_line(settings, acme, 50 << 20)


@pytest.mark.soak
def test_a_line_of_a_gigabyte(cli: Cli, acme: str, settings: dict[str, str]) -> None:
    _fed_a_long_line(settings, acme, 1 << 30)


def _fed_a_long_line(settings: dict[str, str], tenant: str, line_bytes: int) -> None:
    """Feeds a header, a good row, a line without end and another good row; memory is watched on the way."""
    process = subprocess.Popen(
        [PROGRAM, "import", "-", "--tenant", tenant, "--json"],
        env=program_environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    watched = psutil.Process(process.pid)
    peak_bytes = 0
    process.stdin.write((HEADER + row("A-1")).encode())
    block = b"9" * (1 << 20)
    for _ in range(line_bytes // len(block)):
        process.stdin.write(block)
        peak_bytes = max(peak_bytes, watched.memory_info().rss)
    out, err = process.communicate(("\n" + row("A-2")).encode(), timeout=60)
    assert process.returncode == 1, err.decode()
    assert json.loads(out) == {
        "added": 2,
        "unchanged": 0,
        "failed": [{"line": 3, "reason": "the line is longer than 1,048,576 bytes"}],
    }
    assert peak_bytes < 150 << 20


def test_the_program_reads_a_pipe(acme: str, settings: dict[str, str]) -> None:
    done = run_program(settings, ["import", "-", "--tenant", acme], (HEADER + row("A-1")).encode())
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("added 1, unchanged 0, failed 0\n")


def test_ctrl_c_is_told_in_a_line(
    cli: Cli, acme: str, database: Database, settings: dict[str, str]
) -> None:
    before = sessions(database)
    process = subprocess.Popen(
        [PROGRAM, "import", "-", "--tenant", acme],
        env=program_environment(settings),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write((HEADER + row("A-1")).encode())
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while sessions(database) < before + 2:  # both its pools: it has opened the books and reads
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    told = err.decode().splitlines()
    assert told[-1] == "duebook: interrupted"
    assert "Traceback" not in err.decode()
    assert len(events(cli)) == 2  # the tenant and its key: nothing was written before all was read


def sessions(database: Database) -> int:
    with database.writer.connection() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename LIKE 'duebook%'"
        ).fetchone()
    assert row is not None
    return int(row[0])
