"""Random lives of agreements: whatever is paid, reversed, charged back, given up and renegotiated, in any order.

After each step the status of every agreement follows from its invoices, and no cent is lost.
"""

import random
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from commands.adjustments import WaiveComponent, WriteOffInvoice, waive, write_off
from commands.agreements.lifecycle import RejectAgreement, reject_agreement
from commands.reversals import ChargeBackPayment, charge_back_payment
from ledger.errors import Rejected
from ledger.invoice.state import NOTHING
from ledger.money import Money
from tests.commands.lending import Lending

STEPS = 60


class Life:
    """One customer's agreements over months."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.books = Lending()
        self.day = date(2024, 3, 1)
        self.agreements: list[UUID] = []
        self.payments: list[UUID] = []
        self.refused = 0
        while not any(self.books.agreement(one).instalments for one in self.agreements):
            self.lend()

    def step(self) -> None:
        happenings: list[tuple[Any, int]] = [
            (self.lend, 2),
            (self.plan, 2),
            (self.pay, 9),
            (self.reverse, 4),
            (self.charge_back, 2),
            (self.close_or_write_off, 1),
            (self.waive, 1),
            (self.renegotiate, 2),
            (self.lose, 1),
            (self.later, 5),
        ]
        functions, weights = zip(*happenings, strict=True)
        try:
            self.choose.choices(functions, weights)[0]()
        except Rejected:
            self.refused += 1

    def terms(self) -> dict[str, Any]:
        schedule = self.choose.choice(("equal", "price", "sac"))
        terms: dict[str, Any] = {
            "schedule": schedule,
            "rate": "0" if schedule == "equal" else "2%/month",
            "count": self.choose.randint(1, 4),
            "first_due_on": self.day + timedelta(days=self.choose.randint(0, 40)),
            "mora_base": self.choose.choice(("original", "outstanding")),
        }
        if self.choose.random() < 0.3:
            terms["down_payment"] = Money("10.00", "BRL")
        return terms

    def lend(self) -> None:
        amount = Money(self.choose.choice(("100.00", "1000.00", "333.33")), "BRL")
        self.put_into_force(principal=amount)

    def plan(self) -> None:
        due_on = self.day + timedelta(days=self.choose.randint(0, 20))
        ids = tuple(self.books.invoice("120.00", due_on) for _ in range(self.choose.randint(1, 3)))
        self.put_into_force(invoice_ids=ids)

    def put_into_force(self, **terms: Any) -> None:
        self.agreements.append(self.books.request(**self.terms(), **terms))
        if self.choose.random() < 0.1:
            self.books.actor = "key:2"
            self.books.run(reject_agreement, self.agreements[-1], RejectAgreement("no"))
            self.books.actor = "key:1"
            return
        self.books.approve(self.agreements[-1])
        self.books.activate(self.agreements[-1])

    def pay(self) -> None:
        received_on = self.day - timedelta(days=self.choose.choice((0, 0, 3, 20)))
        amount = self.choose.choice(("5.00", "100.00", "250.00", "900.00"))
        whose: dict[str, Any] = {"customer_id": self.books.customer_id}
        if self.choose.random() < 0.5:
            whose = {"invoice_id": self.instalment()}
        self.payments.append(self.books.pay(amount, received_on=received_on, **whose).id)

    def reverse(self) -> None:
        if self.payments:
            self.books.reverse(self.choose.choice(self.payments))

    def charge_back(self) -> None:
        if self.payments:
            payment_id = self.choose.choice(self.payments)
            self.books.run(charge_back_payment, payment_id, ChargeBackPayment("denied"))

    def close_or_write_off(self) -> None:
        self.books.run(write_off, self.instalment(), WriteOffInvoice("hopeless"))

    def waive(self) -> None:
        self.books.run(waive, self.instalment(), WaiveComponent("principal", "kindness"))

    def renegotiate(self) -> None:
        agreement_id = self.choose.choice(self.agreements)
        after = self.books.renegotiate(agreement_id, **self.terms())
        self.agreements.append(after.id)
        before = self.books.agreement(agreement_id)
        assert after.original.minor == before.original_minor
        closed = [
            one.forgiven_of.get("renegotiated", NOTHING).total
            for one in self.books.instalments(agreement_id)
        ]
        assert after.principal.minor == sum(closed)

    def lose(self) -> None:
        self.books.lose(self.choose.choice(self.agreements))

    def later(self) -> None:
        first = self.day + timedelta(days=1)
        self.day += timedelta(days=self.choose.choice((1, 7, 30)))
        self.books.on(self.day)
        if self.choose.random() < 0.7:
            self.books.run_clock(first, self.day)

    def instalment(self) -> UUID:
        in_force = [one for one in self.agreements if self.books.agreement(one).instalments]
        agreement = self.books.agreement(self.choose.choice(in_force))
        return self.choose.choice(agreement.instalments).invoice_id

    def assert_statuses_follow(self, ended: dict[UUID, str]) -> None:
        for agreement_id in self.agreements:
            agreement = self.books.agreement(agreement_id)
            if agreement_id in ended:
                assert agreement.status == ended[agreement_id], "an end is an end"
            if agreement.status in ("lost", "renegotiated", "rejected"):
                ended[agreement_id] = agreement.status
            if not agreement.instalments:
                continue
            invoices = self.books.instalments(agreement_id)
            if agreement.status in ("active", "paid"):
                paid = all(one.status == "paid" for one in invoices)
                assert (agreement.status == "paid") == paid
            parts = agreement.instalments
            assert sum(part.principal_minor for part in parts) == agreement.principal_minor
            assert sum(part.mora_base_minor for part in parts) == agreement.original_minor
            for part, invoice in zip(parts, invoices, strict=True):
                assert invoice.terms is not None
                assert invoice.charged.principal == part.principal_minor + part.interest_minor
                assert invoice.terms.mora_base_minor == part.mora_base_minor
                assert invoice.open == invoice.charged - invoice.paid - invoice.forgiven
                assert min(msgspec.structs.astuple(invoice.open)) >= 0


@pytest.mark.parametrize("seed", range(12))
def test_a_life(seed: int) -> None:
    life = Life(seed)
    ended: dict[UUID, str] = {}
    for _ in range(STEPS):
        life.step()
        life.assert_statuses_follow(ended)
    assert life.refused < STEPS / 2
    assert len(life.agreements) > 3
