"""Books with agreements, for the tests of commands."""

from datetime import date
from typing import Any
from uuid import UUID

from commands.agreements.break_even import break_even, chain_of
from commands.agreements.lifecycle import (
    ActivateAgreement,
    ApproveAgreement,
    LoseAgreement,
    RenegotiateAgreement,
    RequestAgreement,
    activate_agreement,
    approve_agreement,
    lose_agreement,
    renegotiate_agreement,
    request_agreement,
)
from commands.agreements.view import AgreementView, agreement_view
from ledger.agreement.state import Agreement
from ledger.invoice.state import Invoice
from ledger.money import Money
from tests.commands.books import Books

FIRST = date(2024, 3, 31)


def brl(amount: str) -> Money:
    return Money(amount, "BRL")


class Lending(Books):
    """`key:1` asks and does, `key:2` decides. Instalments are equal, three, by the end of the month."""

    def request(self, **terms: Any) -> UUID:
        given = {"customer_id": self.customer_id, "first_due_on": FIRST, "count": 3, **terms}
        given.setdefault("schedule", "equal")
        given.setdefault("kind", "payment_plan" if "invoice_ids" in given else "loan")
        if given["kind"] == "loan":
            given.setdefault("principal", brl("1000.00"))
        view: AgreementView = self.run(request_agreement, RequestAgreement(**given))
        return view.id

    def approve(self, agreement_id: UUID) -> None:
        self.actor = "key:2"
        self.run(approve_agreement, agreement_id, ApproveAgreement())
        self.actor = "key:1"

    def activate(self, agreement_id: UUID) -> AgreementView:
        view: AgreementView = self.run(activate_agreement, agreement_id, ActivateAgreement())
        return view

    def lend(self, **terms: Any) -> AgreementView:
        """An agreement in force."""
        agreement_id = self.request(**terms)
        self.approve(agreement_id)
        return self.activate(agreement_id)

    def renegotiate(self, agreement_id: UUID, **terms: Any) -> AgreementView:
        given = {"schedule": "equal", "count": 3, "first_due_on": FIRST, "reason": "lost her job"}
        command = RenegotiateAgreement(**{**given, **terms})
        view: AgreementView = self.run(renegotiate_agreement, agreement_id, command)
        return view

    def lose(self, agreement_id: UUID, reason: str = "bankrupt") -> AgreementView:
        view: AgreementView = self.run(lose_agreement, agreement_id, LoseAgreement(reason))
        return view

    def agreement(self, agreement_id: UUID) -> Agreement:
        found: Agreement = self.state("agreement", agreement_id)
        return found

    def shown(self, agreement_id: UUID) -> AgreementView:
        """As it is read."""
        agreement = self.agreement(agreement_id)
        chain = chain_of(agreement_id, agreement, self.agreement)
        ids = [part.invoice_id for _, one in chain for part in one.instalments]
        invoices = {one: self.of_invoice(one) for one in ids}
        reached = break_even(agreement, invoices.values(), self.now)
        return agreement_view(agreement_id, agreement, invoices, self.now.date(), reached)

    def status(self, agreement_id: UUID) -> str:
        return self.agreement(agreement_id).status

    def instalments(self, agreement_id: UUID) -> list[Invoice]:
        parts = self.agreement(agreement_id).instalments
        return [self.of_invoice(part.invoice_id) for part in parts]
