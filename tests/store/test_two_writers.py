"""Two processes on the same streams: what one decided on what the other has changed is decided again."""

import threading
from collections.abc import Callable
from concurrent.futures import wait
from datetime import date
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from adapters.postgres.connection import Database
from adapters.store.writer import Request
from adapters.wiring import Books
from commands.adjustments import CreditInvoice, credit_invoice
from commands.customers import RegisterCustomer, register_customer
from commands.invoices import SendInvoice, send_invoice
from commands.tenants import ConfigureTenant, CreateTenant, configure_tenant, create_tenant
from commands.unit_of_work import AlreadyExists, NumberBeforeSeries, Unit
from ledger.customer import Changed, Person, Registered
from ledger.event_registry import New
from tests.daylight import ZONE
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, rows


class Overtaken:
    """A handler that lets another writer commit after its first decision, before its own commit."""

    def __init__(self, handler: Callable[[Unit], Any], overtake: Callable[[], Any]) -> None:
        self._handler, self._overtake = handler, overtake
        self.runs = 0

    def __call__(self, unit: Unit) -> Any:
        self.runs += 1
        view = self._handler(unit)
        if self.runs == 1:
            self._overtake()
        return view


@pytest.fixture
def other(asking: Asking, other_books: Books) -> Asking:
    return Asking(other_books, asking.tenant_id)


def test_no_payment_is_lost(asking: Asking, other: Asking, database: Database) -> None:
    customer = asking.customer()
    invoice = asking.invoice(customer, "100.00")
    late = Overtaken(asking.paying(invoice, "70.00"), lambda: other.pay(invoice, "60.00"))

    view = asking.ask(late)

    assert late.runs == 2, "the first decision was stale"
    assert view["allocations"][0]["amount"]["amount"] == "40.00"
    assert asking.state("invoice", invoice).status == "paid"
    assert asking.state("customer", customer).credit == {"BRL": 3000}
    assert_log_is_whole(database)


def test_what_is_no_longer_right_is_refused_at_the_second_look(
    asking: Asking, other: Asking, database: Database
) -> None:
    draft = asking.draft(asking.customer())

    def sending(unit: Unit) -> Any:
        return send_invoice(unit, draft, SendInvoice())

    with pytest.raises(Exception, match="only a draft can be changed or sent"):
        asking.ask(Overtaken(sending, lambda: other.ask(sending)))

    assert rows(database, "SELECT count(*) FROM events WHERE tag = 'invoice.sent.v1'") == [(1,)]
    assert asking.invoice(asking.customer()) is not None
    assert rows(database, "SELECT next_number FROM number_series") == [(3,)]
    assert_log_is_whole(database)


@pytest.mark.parametrize("sent_before", [0, 1])
def test_two_senders_take_two_numbers(
    asking: Asking, other: Asking, database: Database, sent_before: int
) -> None:
    """Also where both would begin the series."""
    customer = asking.customer()
    for _ in range(sent_before):
        asking.invoice(customer)
    mine, theirs = asking.draft(customer), asking.draft(customer)
    late = Overtaken(
        lambda unit: send_invoice(unit, mine, SendInvoice()),
        lambda: other.ask(lambda unit: send_invoice(unit, theirs, SendInvoice())),
    )

    asking.ask(late)

    assert late.runs == 2
    assert asking.state("invoice", theirs).number == f"INV-{sent_before + 1:06}"
    assert asking.state("invoice", mine).number == f"INV-{sent_before + 2:06}"
    assert_log_is_whole(database)


def test_two_senders_take_two_numbers_also_where_they_are_written_apart(
    asking: Asking, other: Asking, database: Database
) -> None:
    """With the year in the number, its text is no guard: the series itself is."""
    customer = asking.customer()
    settings = ConfigureTenant(number_format="{year}/{n}")
    asking.ask(lambda unit: configure_tenant(unit, settings))
    first, mine, theirs = (asking.draft(customer) for _ in range(3))
    last_year = SendInvoice(issued_on=date(asking.today().year - 1, 12, 31))
    asking.ask(lambda unit: send_invoice(unit, first, last_year))
    late = Overtaken(
        lambda unit: send_invoice(unit, mine, SendInvoice()),
        lambda: other.ask(lambda unit: send_invoice(unit, theirs, last_year)),
    )

    asking.ask(late)

    assert late.runs == 2
    year = asking.today().year
    numbers = [asking.state("invoice", one).number for one in (theirs, mine)]
    assert numbers == [f"{year - 1}/2", f"{year}/3"]
    assert rows(database, "SELECT next_number FROM number_series") == [(4,)]


def test_a_series_that_begins_again_meanwhile_is_noticed(
    asking: Asking, other: Asking, database: Database
) -> None:
    """After it began again its next number is the one that was read, but its day is another."""
    customer = asking.customer()
    settings = ConfigureTenant(number_format="{year}/{n}", number_restarts="yearly")
    asking.ask(lambda unit: configure_tenant(unit, settings))
    first, mine, theirs = (asking.draft(customer) for _ in range(3))
    last_year = SendInvoice(issued_on=date(asking.today().year - 1, 12, 31))
    asking.ask(lambda unit: send_invoice(unit, first, last_year))
    late = Overtaken(
        lambda unit: send_invoice(unit, mine, last_year),
        lambda: other.ask(lambda unit: send_invoice(unit, theirs, SendInvoice())),
    )

    with pytest.raises(NumberBeforeSeries):
        asking.ask(late)

    assert asking.state("invoice", theirs).number == f"{asking.today().year}/1"
    assert asking.state("invoice", mine).status == "draft"
    assert rows(database, "SELECT next_number, last_issued_on FROM number_series") == [
        (2, asking.today())
    ]
    assert_log_is_whole(database)


def test_a_number_is_given_to_one_document(
    asking: Asking, other: Asking, database: Database
) -> None:
    """Also where an invoice and a credit note are written alike, and two processes give the number out."""
    customer = asking.customer()
    settings = ConfigureTenant(series="A", credit_note_series="A1", number_format="{series}{n}")
    sent = asking.invoice(customer)
    asking.ask(lambda unit: configure_tenant(unit, settings))
    for _ in range(10):
        asking.invoice(customer)
    draft = asking.draft(customer)
    late = Overtaken(
        lambda unit: send_invoice(unit, draft, SendInvoice()),
        lambda: other.ask(lambda unit: credit_invoice(unit, sent, CreditInvoice("too much"))),
    )

    asking.ask(late)

    assert late.runs == 2
    assert asking.state("invoice", draft).number == "A12"  # A11 is the first credit note of A1
    held = rows(database, "SELECT name FROM unique_names WHERE name = 'A11'")
    assert held == [("A11",)]
    assert_log_is_whole(database)


def test_a_name_is_given_once(asking: Asking, other: Asking, database: Database) -> None:
    command = RegisterCustomer(name="Maria", reference="C-1")
    late = Overtaken(
        lambda unit: register_customer(unit, command),
        lambda: other.customer(reference="C-1"),
    )

    with pytest.raises(AlreadyExists, match="C-1"):
        asking.ask(late)

    assert late.runs == 2
    assert rows(database, "SELECT count(*) FROM customer_keys") == [(1,)]
    assert_log_is_whole(database)


def test_a_tenants_name_is_given_once(
    asking: Asking, other_books: Books, database: Database
) -> None:
    mine = Asking(asking.books, uuid4())
    late = Overtaken(
        lambda unit: create_tenant(unit, CreateTenant("second", "BRL", ZONE)),
        lambda: Asking.new_tenant(other_books, "second", fees=False),
    )

    with pytest.raises(AlreadyExists, match="second"):
        mine.ask(late)

    assert rows(database, "SELECT count(*) FROM duebook.tenants") == [(2,)]
    assert_log_is_whole(database)


def test_a_key_is_used_once(asking: Asking, other: Asking, database: Database) -> None:
    invoice = asking.invoice(asking.customer(), "100.00")
    paying = asking.paying(invoice, "60.00")
    stored = []
    late = Overtaken(paying, lambda: stored.append(other.ask(paying, key="k", request_hash=b"h")))

    answer = asking.books.writer.run(asking.request(late, key="k", request_hash=b"h"))

    assert late.runs == 1, "the record answers; nothing is decided again"
    assert answer.replayed
    assert msgspec.json.decode(answer.body) == stored[0]
    assert asking.state("invoice", invoice).open.total == 4000
    assert_log_is_whole(database)


def test_two_first_encryptions_use_one_key(
    asking: Asking, other: Asking, database: Database
) -> None:
    """A customer that came without personal data is given the first of it by two writers at once."""
    customer = uuid4()
    day = date(2026, 1, 2)
    asking.ask(lambda unit: unit.append("customer", customer, [New(Registered("C-1"), day)]))

    def noting(note: str) -> Callable[[Unit], Any]:
        return lambda unit: unit.append(
            "customer", customer, [New(Changed(Person(notes=unit.encrypt(customer, note))), day)]
        )

    late = Overtaken(noting("second"), lambda: other.ask(noting("first")))
    asking.ask(late)

    cipher = asking.books.cipher
    notes = [
        cipher.decrypted(asking.tenant_id, bytes(data)).decode()
        for (data,) in rows(
            database, "SELECT data FROM events WHERE tag = 'customer.changed.v1' ORDER BY version"
        )
    ]
    assert late.runs == 2
    assert ["first" in notes[0], "second" in notes[1]] == [True, True]
    assert_log_is_whole(database)


def test_two_writers_in_full_flight(asking: Asking, other: Asking, database: Database) -> None:
    """Sixteen threads at two writers pay and send at once, in two tenants: nothing lost, no gap, no deadlock."""
    second = Asking.new_tenant(asking.books, "second")
    sides = [asking, other, second, Asking(other.books, second.tenant_id)]
    customers = {asking.tenant_id: asking.customer(), second.tenant_id: second.customer()}
    shared = {
        tenant.tenant_id: [tenant.invoice(customers[tenant.tenant_id], "50.00") for _ in range(3)]
        for tenant in (asking, second)
    }
    requests: list[list[Request]] = []
    for thread in range(16):
        side = sides[thread % 4]
        mine: list[Request] = []
        for n in range(8):
            draft = side.draft(customers[side.tenant_id])
            send = SendInvoice()
            mine.append(
                side.request(lambda unit, draft=draft, send=send: send_invoice(unit, draft, send))
            )
            invoice = shared[side.tenant_id][(thread + n) % 3]
            mine.append(side.request(side.paying(invoice, "1.00"), key=f"{thread}-{n}"))
        requests.append(mine)
    failures: list[Exception] = []

    def work(thread: int) -> None:
        writer = sides[thread % 4].books.writer
        for request in requests[thread]:
            try:
                writer.run(request)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert failures == []
    assert_log_is_whole(database)
    for tenant in (asking, second):
        paid = [tenant.state("invoice", each).paid.total for each in shared[tenant.tenant_id]]
        assert sum(paid) == 8 * 8 * 100
        numbers = rows(
            database,
            "SELECT name FROM unique_names WHERE tenant_id = %s AND kind = 'document_number'",
            tenant.tenant_id,
        )
        assert sorted(name for (name,) in numbers) == [f"INV-{n:06}" for n in range(1, 3 + 64 + 1)]


def test_writers_that_meet_at_one_invoice_all_pay(asking: Asking, other: Asking) -> None:
    """Sixteen clients pay one invoice at once, at two writers: the books balance, the excess is credit."""
    customer = asking.customer()
    invoice = asking.invoice(customer, "100.00")
    requests = [asking.request(asking.paying(invoice, "10.00"), key=f"k{n}") for n in range(16)]
    sides = (asking.books.writer, other.books.writer)

    futures = [sides[n % 2].submit(request) for n, request in enumerate(requests)]
    wait(futures, timeout=30)

    assert [future.exception() for future in futures] == [None] * 16
    state = asking.state("invoice", invoice)
    assert (state.status, state.paid.total, state.open.total) == ("paid", 10000, 0)
    assert asking.state("customer", customer).credit == {"BRL": 6000}
