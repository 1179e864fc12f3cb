"""Personal data: never in clear where it is stored, and unreadable once its key is gone."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from adapters.postgres.connection import Database, owner_connection
from adapters.store import encryption as encryption_module
from adapters.store.encryption import PersonalDataCipher, pseudonym
from adapters.wiring import Books
from commands.customers import (
    ChangeCustomer,
    RegisterCustomer,
    change_customer,
    register_as,
    register_customer,
)
from commands.invoices import (
    ChangeInvoice,
    CloseInvoice,
    DraftInvoice,
    cancel_invoice,
    change_invoice,
    draft_invoice,
    void_invoice,
)
from commands.payments import ReceivePayment, receive_payment
from commands.reversals import ReversePayment, reverse_payment
from ledger.encrypted import LooksEncrypted
from ledger.money import Money
from ledger.tax import Line
from tests.store.asking import Asking
from tests.store.forcing import rows, until

# One telling word for every text about a person that a command takes. Umlauts and quotes must survive as well.
TEXTS = {
    field: f'Zq{field.title().replace("_", "")} "Ünï" \\ <b>'
    for field in (
        "name",
        "tax_number",
        "email",
        "phone",
        "address",
        "notes",
        "changed_name",
        "description",
        "invoice_notes",
        "redrafted_description",
        "reference",
        "reversal_reason",
        "due_date_reason",
        "void_reason",
        "cancel_reason",
    )
}
PERSONAL = ("name", "tax_number", "email", "phone", "address", "notes")


@pytest.fixture
def customer(asking: Asking) -> UUID:
    """A customer about whom everything was said that can be."""
    ask = asking.ask
    register = RegisterCustomer(**{field: TEXTS[field] for field in PERSONAL}, reference="C-1")
    customer = UUID(ask(lambda unit: register_customer(unit, register), key="register")["id"])
    change = ChangeCustomer(name=TEXTS["changed_name"])
    ask(lambda unit: change_customer(unit, customer, change), key="change")
    due_on = asking.today() + timedelta(days=5)

    def drafting(description: str, notes: str) -> Any:
        lines = (Line(description, "1", "100.00"),)
        return lambda unit: draft_invoice(unit, DraftInvoice(customer, due_on, lines, notes=notes))

    draft = drafting(TEXTS["description"], TEXTS["invoice_notes"])
    redrafted = UUID(ask(draft, key="draft")["id"])
    lines = (Line(TEXTS["redrafted_description"], "1", "90.00"),)
    redraft = ChangeInvoice(lines=lines)
    ask(lambda unit: change_invoice(unit, redrafted, redraft), key="redraft")
    void = CloseInvoice(TEXTS["void_reason"])
    ask(lambda unit: void_invoice(unit, redrafted, void), key="void")
    sent = asking.invoice(customer)
    moved = ChangeInvoice(due_on=due_on + timedelta(days=30), reason=TEXTS["due_date_reason"])
    ask(lambda unit: change_invoice(unit, sent, moved), key="move")
    pay = ReceivePayment(Money("10.00", "BRL"), invoice_id=sent, reference=TEXTS["reference"])
    paid = UUID(ask(lambda unit: receive_payment(unit, pay), key="pay")["id"])
    back = ReversePayment(TEXTS["reversal_reason"])
    ask(lambda unit: reverse_payment(unit, paid, back), key="reverse")
    cancel = CloseInvoice(TEXTS["cancel_reason"])
    ask(lambda unit: cancel_invoice(unit, sent, cancel), key="cancel")
    return customer


def dumps(database: Database) -> dict[str, bytes]:
    """Every table of the ledger as COPY writes it, bytea as its own bytes."""
    found = {}
    with owner_connection(database) as owner:
        owner.execute("RESET ROLE")
        tables = owner.execute(
            """SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
                WHERE table_schema IN ('duebook', 'duebook_s1') AND table_type = 'BASE TABLE'"""
        ).fetchall()
        for (table,) in tables:
            with owner.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)".encode()) as copy:
                found[table] = b"".join(bytes(block) for block in copy)
    return found


def test_no_personal_text_stands_in_clear_in_any_table(
    asking: Asking, database: Database, customer: UUID
) -> None:
    asking.books.projections.catch_up()

    found = dumps(database)

    assert {"duebook_s1.events", "duebook_s1.snapshots", "duebook_s1.command_records"} <= set(found)
    for table, dump in found.items():
        for field, text in TEXTS.items():
            word = text.split()[0].encode()
            assert word not in dump, f"{field} in {table}"
        assert "Ünï".encode() not in dump, table
    # The search finds what is there.
    assert b"C-1" in found["duebook_s1.events"]
    assert b"encrypted:1:" + customer.hex.encode() in found["duebook_s1.events"]


def test_every_text_can_be_opened(asking: Asking, database: Database, customer: UUID) -> None:
    cipher = asking.books.cipher
    log = b"".join(data for (data,) in rows(database, "SELECT data FROM events"))
    opened = cipher.decrypted(asking.tenant_id, b"[" + log.replace(b"}{", b"},{") + b"]")

    told = set(_texts(msgspec.json.decode(opened)))

    assert set(TEXTS.values()) <= told
    assert not [text for text in told if "encrypted:" in text or "erased-" in text]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for part in value for text in _texts(part)] if isinstance(value, list) else []


def test_each_encryption_of_a_text_is_another(asking: Asking, database: Database) -> None:
    """Equal texts must not be told from their ciphertext, nor a nonce ever be used twice."""
    for _ in range(5):
        asking.customer("Maria")
    customer = asking.customer("Maria")
    change = ChangeCustomer(name="Maria")
    for _ in range(5):
        asking.ask(lambda unit: change_customer(unit, customer, change))
    found = rows(database, "SELECT data FROM events WHERE tag LIKE 'customer.%%'")
    encrypted = [msgspec.json.decode(data)["person"]["name"].split(":")[3] for (data,) in found]
    nonces = {text[:16] for text in encrypted}
    assert len(nonces) == len(set(encrypted)) == 11


def test_a_destroyed_key_leaves_a_stable_pseudonym(
    asking: Asking, database: Database, customer: UUID
) -> None:
    other = asking.customer("Bruno")
    body = next(
        bytes(data)
        for (data,) in rows(database, "SELECT data FROM events WHERE tag = 'customer.changed.v1'")
    )
    with database.writer.connection() as connection:
        connection.execute("DELETE FROM customer_keys WHERE customer_id = %s", (customer,))

    looks = []
    for _ in range(2):
        fresh = PersonalDataCipher(database.writer, database.master_key)  # as after a restart
        looks.append(fresh.decrypted(asking.tenant_id, body))
    asking.books.cipher.forget((asking.tenant_id, customer))
    looks.append(asking.books.cipher.decrypted(asking.tenant_id, body))

    assert len(set(looks)) == 1
    person = msgspec.json.decode(looks[0])["person"]
    name = pseudonym((asking.tenant_id, customer))
    assert name.startswith("erased-")
    assert person == dict.fromkeys(PERSONAL, name)
    assert pseudonym((asking.tenant_id, other)) != name
    assert (
        asking.books.cipher.opened_text(
            asking.tenant_id, asking.state("customer", other).person.name
        )
        == "Bruno"
    )
    # The books go on: the erased person's streams fold, and the snapshots are what they were.
    assert asking.state("customer", customer).reference == "C-1"


def test_a_token_of_another_tenant_opens_nothing(
    asking: Asking, books: Books, customer: UUID
) -> None:
    second = Asking.new_tenant(books, "second", fees=False)
    token = asking.state("customer", customer).person.name
    assert books.cipher.opened_text(asking.tenant_id, token) == TEXTS["changed_name"]

    assert books.cipher.opened_text(second.tenant_id, token).startswith("erased-")
    body = msgspec.json.encode({"name": token})
    assert b"erased-" in books.cipher.decrypted(second.tenant_id, body)

    # Not even when the second tenant has a customer of that very id, with a key of its own.
    register = RegisterCustomer(name="Bruno")
    second.ask(lambda unit: register_as(unit, customer, register))
    theirs = second.state("customer", customer).person.name
    assert books.cipher.opened_text(second.tenant_id, theirs) == "Bruno"
    assert books.cipher.opened_text(second.tenant_id, token).startswith("erased-")
    assert books.cipher.opened_text(asking.tenant_id, theirs).startswith("erased-")


def test_an_altered_token_opens_nothing(asking: Asking, books: Books) -> None:
    customer = asking.customer("Maria")
    another = asking.customer("Bruno")
    token = asking.state("customer", customer).person.name
    prefix, data = token[: len("encrypted:1:") + 33], token[len("encrypted:1:") + 33 :]
    for n in range(0, len(data) - 2, 7):
        other = "A" if data[n] != "A" else "B"
        altered = prefix + data[:n] + other + data[n + 1 :]
        assert books.cipher.opened_text(asking.tenant_id, altered).startswith("erased-"), n
    for broken in (data[:4], data[:20], data[:-4], data + "AAAA", "A", "=="):
        opened = books.cipher.opened_text(asking.tenant_id, prefix + broken)
        assert "Maria" not in opened
    swapped = token.replace(customer.hex, another.hex)
    assert books.cipher.opened_text(asking.tenant_id, swapped).startswith("erased-")


def test_a_key_row_moved_to_another_customer_or_tenant_opens_nothing(
    asking: Asking, database: Database
) -> None:
    """A wrapped key is bound to its owner: copying the row does not help."""
    customer, another = asking.customer("Maria"), asking.customer("Bruno")
    with owner_connection(database) as owner:
        owner.execute(
            """UPDATE customer_keys SET wrapped_key =
                      (SELECT wrapped_key FROM customer_keys WHERE customer_id = %s)
                WHERE customer_id = %s""",
            (customer, another),
        )
    fresh = PersonalDataCipher(database.writer, database.master_key)
    token = asking.state("customer", customer).person.name.replace(customer.hex, another.hex)
    with pytest.raises(InvalidTag):
        assert fresh.opened_text(asking.tenant_id, token) != "Maria"


def test_what_looks_encrypted_is_refused_in_the_clear_and_harmless_when_encrypted(
    asking: Asking, books: Books
) -> None:
    victim = asking.state("customer", asking.customer("Maria")).person.name
    with pytest.raises(LooksEncrypted):
        asking.customer("Bruno", reference=victim)
    trickster = asking.customer(victim)
    # It is shown as it was typed: what was opened is not opened again.
    token = asking.state("customer", trickster).person.name
    assert books.cipher.opened_text(asking.tenant_id, token) == victim


def test_a_wrong_master_key_opens_nothing(asking: Asking, database: Database) -> None:
    token = asking.state("customer", asking.customer("Maria")).person.name
    wrong = PersonalDataCipher(database.writer, bytes(32))
    with pytest.raises(InvalidTag):
        assert wrong.opened_text(asking.tenant_id, token) != "Maria"


def test_nothing_is_encrypted_under_a_key_that_another_process_destroyed(
    asking: Asking, database: Database
) -> None:
    """Else nobody could ever open it: the customer's new texts get a key that is stored."""
    customer = asking.customer("Maria")
    with database.writer.connection() as connection:
        connection.execute("DELETE FROM customer_keys")

    change = ChangeCustomer(name="Ana")
    asking.ask(lambda unit: change_customer(unit, customer, change))

    fresh = PersonalDataCipher(database.writer, database.master_key)
    token = asking.state("customer", customer).person.name
    assert fresh.opened_text(asking.tenant_id, token) == "Ana"


def test_a_key_that_another_process_destroyed_is_soon_forgotten(
    asking: Asking, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encryption_module, "KEPT_SECONDS", 0.2)
    customer = asking.customer("Maria")
    token = asking.state("customer", customer).person.name
    cipher = asking.books.cipher
    assert cipher.opened_text(asking.tenant_id, token) == "Maria"
    with database.writer.connection() as connection:
        connection.execute("DELETE FROM customer_keys")

    until(lambda: cipher.opened_text(asking.tenant_id, token).startswith("erased-"), 2)
    assert cipher.decrypted_at_once(asking.tenant_id, token.encode()) is None
