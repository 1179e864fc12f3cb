"""What people ask for of agreements: the rules of a journey."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from commands.agreements.lifecycle import (
    ActivateAgreement,
    ApproveAgreement,
    LoseAgreement,
    RejectAgreement,
    RenegotiateAgreement,
    RequestAgreement,
    activate_agreement,
    approve_agreement,
    lose_agreement,
    reject_agreement,
    renegotiate_agreement,
    request_agreement,
)
from commands.agreements.view import AgreementView
from ledger.money import Money
from tests.commands.journey import IS_OPEN, NOBODY, Journey, picks

plans = st.fixed_dictionaries(
    {
        "schedule": st.sampled_from(("equal", "price", "sac")),
        "count": st.integers(1, 3),
        "rate": st.sampled_from(("0%/month", "2%/month")),
        "mora_base": st.sampled_from(("original", "outstanding")),
    }
)
days_ahead = st.sampled_from((0, 5, 29, -1))


class Lending(Journey):
    """Requests, approves, puts into force, renegotiates and loses agreements."""

    @precondition(lambda self: len(self.agreements) < 3)
    @rule(who=picks, plan=plans, days=days_ahead)
    def ask_for_a_loan(self, who: int, plan: dict[str, Any], days: int) -> None:
        self._request(who, days, kind="loan", principal=Money("1000.00", "BRL"), **plan)

    @precondition(lambda self: len(self.agreements) < 3)
    @rule(pick=picks, other=picks, plan=plans, days=days_ahead, share=st.sampled_from((0, 100)))
    def ask_for_a_plan(
        self, pick: int, other: int, plan: dict[str, Any], days: int, share: int
    ) -> None:
        ids = tuple({self.invoice(one, *IS_OPEN) for one in (pick, other)})
        if share:
            plan = {**plan, "discount": self.part(ids[0], share)}
        self._plan_over(ids, plan, days)

    @precondition(lambda self: len(self.agreements) < 3)
    @rule(pick=picks, plan=plans, days=st.sampled_from((5, 29)))
    def agree_at_once(self, pick: int, plan: dict[str, Any], days: int) -> None:
        """A plan over one invoice, asked for, approved and put into force on one day."""
        if plan["schedule"] == "equal":
            plan = {**plan, "rate": "0%/month"}
        before = len(self.agreements)
        self._plan_over((self.invoice(pick, *IS_OPEN),), plan, days)
        if len(self.agreements) > before:
            self.books.actor = "key:2"
            self.ask(approve_agreement, self.agreements[-1], ApproveAgreement())
            self.books.actor = "key:1"
            self._know(self.ask(activate_agreement, self.agreements[-1], ActivateAgreement()))

    def _plan_over(self, ids: tuple[UUID, ...], plan: dict[str, Any], days: int) -> None:
        invoice = self.books.of_invoice(ids[0])
        who = self.customers.index(invoice.customer_id)
        terms = {**plan, "currency": invoice.currency}
        self._request(who, days, kind="payment_plan", invoice_ids=ids, **terms)

    def _request(self, who: int, days: int, **terms: Any) -> None:
        first_due_on = self.today + timedelta(days=days)
        command = RequestAgreement(
            customer_id=self.customers[who % 2], first_due_on=first_due_on, **terms
        )
        view: AgreementView | None = self.ask(request_agreement, command)
        if view is not None:
            self.agreements.append(view.id)

    @precondition(lambda self: self.agreements)
    @rule(pick=picks, actor=st.sampled_from(("key:2", "key:2", "key:1")), rejects=st.booleans())
    def decide(self, pick: int, actor: str, rejects: bool) -> None:
        self.books.actor = actor
        if rejects and pick == 0:
            self.ask(reject_agreement, self.agreement(pick), RejectAgreement("too much"))
        else:
            self.ask(approve_agreement, self.agreement(pick), ApproveAgreement())
        self.books.actor = "key:1"

    @precondition(lambda self: self.agreements)
    @rule(pick=picks)
    def activate(self, pick: int) -> None:
        self._know(self.ask(activate_agreement, self.agreement(pick), ActivateAgreement()))

    @precondition(lambda self: 0 < len(self.agreements) < 5)
    @rule(pick=picks, plan=plans, days=days_ahead)
    def renegotiate(self, pick: int, plan: dict[str, Any], days: int) -> None:
        first_due_on = self.today + timedelta(days=days)
        command = RenegotiateAgreement(first_due_on=first_due_on, reason="lost her job", **plan)
        view = self.ask(renegotiate_agreement, self.agreement(pick), command)
        if view is not None:
            self.agreements.append(view.id)
        self._know(view)

    @precondition(lambda self: self.agreements)
    @rule(pick=picks)
    def lose(self, pick: int) -> None:
        if pick == 0:
            self.ask(lose_agreement, self.agreement(pick), LoseAgreement("left the country"))

    def agreement(self, pick: int) -> UUID:
        return self.agreements[pick % len(self.agreements)] if self.agreements else NOBODY

    def _know(self, view: AgreementView | None) -> None:
        """Instalments are invoices like others."""
        if view is not None:
            self.invoices += [part.invoice_id for part in view.instalments]
