"""The journal of whole books: whatever is asked, the accounts hold what invoices, payments and customers say."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.adjustments import (
    ChargeFee,
    CreditInvoice,
    WaiveComponent,
    WriteOffInvoice,
    charge_fee,
    credit_invoice,
    waive,
    write_off,
)
from commands.credit_application import ApplyPayment, apply_payment
from commands.invoices import ChangeInvoice, change_invoice
from commands.reversals import ChargeBackPayment, charge_back_payment
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.agreement.events import Activated
from ledger.customer import CreditPart, CreditReserved
from ledger.errors import LedgerError
from ledger.event_registry import New
from ledger.money import Money
from ledger.refund import Requested
from ledger.waterfall import COMPONENTS
from tests.commands.lending import Lending, brl
from tests.ledger.bookkeeping import Bookkeeper, assert_agree, journal

FIRST_DAY = date(2024, 3, 1)


def assert_books_agree(books: Lending) -> Bookkeeper:
    """The accounts of the journal hold what the folded states say; what was lent is out of the cash."""
    kept = journal(books.log)
    balances = kept.balances.copy()
    for event in books.events("agreement"):
        if isinstance(event, Activated):
            balances["BRL", "cash"] += event.disbursed_minor
    states = [
        (kind, books.state(kind, stream_id)) for stream_id, (kind, _) in books.snapshots.items()
    ]
    assert_agree(balances, states)
    assert sum(kept.balances.values()) == 0
    return kept


class Life:
    """Random commands over a few customers, invoices, payments and agreements; the same seed, the same commands."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.books = Lending(mora_base=self.choose.choice(("outstanding", "original")))
        self.today = FIRST_DAY
        self.books.on(self.today)
        apply_credit = self.choose.choice(("by_hand", "automatic"))
        self.books.run(configure_tenant, ConfigureTenant(apply_credit=apply_credit))
        self.customers = [self.books.customer_id, self.books.customer("Jo", "J")]
        self.done = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        """One thing is asked for; what a rule refuses is passed over."""
        happenings: tuple[Callable[[], Any], ...] = (
            self._invoice,
            self._pay,
            self._pay,
            self._pay,
            self._change_offers,
            self._change_offers,
            self._adjust,
            self._adjust,
            self._forgive,
            self._extend,
            self._agree,
            self._pass,
        )
        try:
            self.choose.choice(happenings)()
        except LedgerError:
            return
        self.done += 1

    def _pass(self) -> None:
        first = self.today + timedelta(days=1)
        self.today += timedelta(days=self.choose.choice((1, 3, 20)))
        self.books.run_clock(first, self.today)
        self.books.on(self.today)

    def _invoice(self) -> None:
        due_on = self.today + timedelta(days=self.choose.randint(0, 25))
        self.books.invoice(self._amount(), due_on, customer_id=self.choose.choice(self.customers))

    def _pay(self) -> None:
        on = self.today - timedelta(days=self.choose.choice((0, 0, 2, 15)))
        amount = self._amount()
        if self.choose.random() < 0.5:
            self.books.pay(amount, invoice_id=self._one("invoice"), received_on=on)
        else:
            customer_id = self.choose.choice(self.customers)
            self.books.pay(amount, customer_id=customer_id, received_on=on)

    def _change_offers(self) -> None:
        payment_id = self._one("payment")
        kind = self.choose.choice(("reverse", "charge back", "apply"))
        if kind == "reverse":
            self.books.reverse(payment_id)
        elif kind == "apply":
            self.books.run(apply_payment, payment_id, ApplyPayment())
        else:
            on = self.today - timedelta(days=self.choose.choice((0, 0, 4)))
            command = ChargeBackPayment("recalled", charged_back_on=on)
            self.books.run(charge_back_payment, payment_id, command)

    def _adjust(self) -> None:
        invoice_id = self._one("invoice")
        some = self.choose.choice((None, brl(self._amount())))
        kind = self.choose.choice(("fee", "waive", "credit"))
        if kind == "fee":
            fee = ChargeFee(some or Money("5.00", "BRL"), "returned by the bank")
            self.books.run(charge_fee, invoice_id, fee)
        elif kind == "waive":
            waived = WaiveComponent(self.choose.choice(COMPONENTS), "goodwill", some)
            self.books.run(waive, invoice_id, waived)
        else:
            self.books.run(credit_invoice, invoice_id, CreditInvoice("not delivered", some))

    def _forgive(self) -> None:
        invoice_id = self._one("invoice")
        some = self.choose.choice((None, brl(self._amount())))
        kind = self.choose.choice(("void", "cancel", "write off"))
        if kind == "void":
            self.books.void(invoice_id)
        elif kind == "cancel":
            self.books.cancel(invoice_id)
        else:
            self.books.run(write_off, invoice_id, WriteOffInvoice("hopeless", some))

    def _extend(self) -> None:
        due_on = self.today + timedelta(days=self.choose.randint(0, 40))
        command = ChangeInvoice(due_on=due_on, reason="agreed by phone")
        self.books.run(change_invoice, self._one("invoice"), command)

    def _agree(self) -> None:
        kind = self.choose.choice(("loan", "plan", "renegotiate", "lose"))
        terms: dict[str, Any] = {
            "first_due_on": self.today + timedelta(days=self.choose.randint(1, 30)),
            "schedule": self.choose.choice(("equal", "price", "sac")),
            "rate": self.choose.choice(("0%/month", "2%/month")),
            "discount": self.choose.choice((None, brl("3.00"))),
        }
        if terms["schedule"] == "equal":
            terms["rate"] = "0%/month"
        if kind == "loan":
            self.books.lend(principal=brl(self._amount()), **terms)
        elif kind == "plan":
            self.books.lend(invoice_ids=(self._one("invoice"),), **terms)
        elif kind == "renegotiate":
            self.books.renegotiate(self._one("agreement"), **terms)
        else:
            self.books.lose(self._one("agreement"))

    def _one(self, kind: str) -> UUID:
        found = [stream_id for stream_id, (one, _) in self.books.snapshots.items() if one == kind]
        return self.choose.choice(found) if found else UUID(int=0)

    def _amount(self) -> str:
        return self.choose.choice(("0.01", "9.99", "100.00", "333.33", "1234.56"))


@pytest.mark.parametrize("seed", range(40))
def test_the_accounts_hold_what_the_books_say(seed: int) -> None:
    life = Life(seed)
    for _ in range(8):
        life.run(8)
        assert_books_agree(life.books)
    assert life.done > 10


def test_random_lives_see_every_kind_of_entry() -> None:
    says: set[str] = set()
    for seed in range(40):
        life = Life(seed)
        life.run(48)
        says.update(entry.says for entry in journal(life.books.log).entries)
    assert says >= {
        "invoice sent",
        "instalment sent",
        "interest earned",
        "late fee",
        "interest for late payment",
        "fee",
        "payment received",
        "payment applied",
        "credit applied",
        "payment returned",
        "payment reversed",
        "recalculated",
        "waived",
        "written off",
        "cancelled",
        "voided",
        "renegotiated",
        "credit note",
        "agreement activated",
    }


def test_a_loan_from_its_disbursement_to_its_last_instalment() -> None:
    """1,000.00 lent at 2% a month in three level instalments: the interest is income as it falls due, and only then."""
    books = Lending()
    view = books.lend(schedule="price", rate="2%/month")
    kept = assert_books_agree(books)
    interest_minor = sum(part.interest_minor for part in books.agreement(view.id).instalments)
    assert interest_minor > 0
    assert kept.balances["BRL", "loans_receivable"] == 1000_00 + interest_minor
    assert kept.balances["BRL", "cash"] == -1000_00
    earned = [entry for entry in kept.entries if entry.says == "interest earned"]
    assert [entry.on for entry in earned] == [part.due_on for part in view.instalments]
    assert kept.balances["BRL", "unearned_interest"] == 0
    assert kept.balances["BRL", "interest_income"] == -interest_minor
    assert kept.balances["BRL", "revenue"] == 0


def test_a_credit_note_gives_nothing_back_that_was_waived() -> None:
    books = Lending()
    invoice_id = books.invoice("100.00")
    books.run(waive, invoice_id, WaiveComponent("principal", "goodwill", brl("10.00")))
    books.run(credit_invoice, invoice_id, CreditInvoice("not delivered"))
    assert books.of_invoice(invoice_id).open.total == 0
    assert books.credit() == {}
    assert_books_agree(books)


def test_credit_that_was_refunded_and_reversed_is_a_debit_balance() -> None:
    books = Lending()
    spent = books.pay("100.00", customer_id=books.customer_id)
    kept = books.pay("50.00", customer_id=books.customer_id)
    refunded = Requested(books.customer_id, "BRL", 100_00, (CreditPart(spent.id, 100_00),))
    reserved = CreditReserved("BRL", UUID(int=5), refunded.parts)
    books.append("refund", UUID(int=5), [New(refunded, FIRST_DAY)])
    books.append("customer", books.customer_id, [New(reserved, FIRST_DAY)])
    assert assert_books_agree(books).balances["BRL", "refunds_payable"] == -100_00
    books.reverse(spent.id)
    balances = assert_books_agree(books).balances
    assert balances["BRL", "customer_credit"] == 50_00
    assert balances["BRL", "cash"] == kept.amount.minor
    books.pay("70.00", customer_id=books.customer_id)
    assert assert_books_agree(books).balances["BRL", "customer_credit"] == -20_00
    assert books.credit() == {"BRL": 20_00}
