"""What people and the runner of payouts ask for of refunds: the rules of a journey."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from commands.credit_application import ApplyCredit, apply_credit
from commands.refunds import (
    ConfirmRefund,
    FailRefund,
    RequestRefund,
    begin_payout,
    confirm_refund,
    fail_refund,
    payout_attempt_failed,
    payout_refused,
    payout_sent,
    request_refund,
)
from ledger.money import Money
from ledger.refund import Refund
from tests.commands.journey import IS_OPEN, NOBODY, Journey, back, maybe_share, picks

currencies = st.sampled_from(("BRL", "BRL", "KWD", "EUR"))


class Refunding(Journey):
    """Applies and refunds credit, hands refunds over, confirms them and lets them fail."""

    @rule(who=picks, currency=currencies, share=maybe_share)
    def refund(self, who: int, currency: str, share: int | None) -> None:
        customer_id = self.customers[who % 2]
        whole = self.books.credit(customer_id).get(currency, 0)
        amount = None if share is None else Money.of(max(1, whole * share // 1000), currency)
        command = RequestRefund(customer_id, "asked for it", amount, currency)
        self.ask(request_refund, command)

    @rule(who=picks, currency=currencies, pick=st.none() | picks, days=back)
    def apply_all_credit(self, who: int, currency: str, pick: int | None, days: int) -> None:
        invoice_id = None if pick is None else self.invoice(pick, *IS_OPEN)
        command = ApplyCredit(currency, invoice_id, effective_on=self.earlier(days))
        self.ask(apply_credit, self.customers[who % 2], command)

    @precondition(lambda self: self.refunds())
    @rule(pick=picks, outcome=st.sampled_from(("sent", "failed", "unknown", "refused")))
    def hand_over(self, pick: int, outcome: str) -> None:
        refund_id = self.one_refund(pick)
        self.books.now += timedelta(hours=1)
        begun = self.ask(begin_payout, refund_id)
        attempt = begun.attempt if begun is not None else 1
        if outcome == "sent":
            self.ask(payout_sent, refund_id, attempt, "bank", "R-1")
        elif outcome == "refused":
            self.ask(payout_refused, refund_id, attempt, "no such account")
        else:
            unknown = outcome == "unknown"
            self.ask(self._attempt_failed, refund_id, attempt, unknown)

    @staticmethod
    def _attempt_failed(unit: Any, refund_id: UUID, attempt: int, unknown: bool) -> Any:
        return payout_attempt_failed(unit, refund_id, attempt, "no answer", unknown=unknown)

    @precondition(lambda self: self.refunds())
    @rule(pick=picks, fails=st.booleans())
    def settle(self, pick: int, fails: bool) -> None:
        if fails:
            self.ask(fail_refund, self.one_refund(pick), FailRefund("came back"))
        else:
            self.ask(confirm_refund, self.one_refund(pick), ConfirmRefund())

    def refunds(self) -> list[UUID]:
        return [
            stream_id for stream_id, (kind, _) in self.books.snapshots.items() if kind == "refund"
        ]

    def one_refund(self, pick: int) -> UUID:
        """Mostly one that is under way."""
        found = self.refunds()
        states: dict[UUID, Refund] = {one: self.books.state("refund", one) for one in found}
        running = [one for one in found if states[one].status in ("requested", "sent")]
        chosen = running if pick and running else found
        return chosen[pick % len(chosen)] if chosen else NOBODY
