"""Credit paid back: set aside at once, handed over, confirmed; or failed, and given back whatever came between."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.credit import lots_of
from commands.payments import ReceivePayment, receive_as
from commands.refunds import (
    BY_HAND,
    ConfirmRefund,
    FailRefund,
    NothingToRefund,
    OverRefunded,
    RefundAmountUnclear,
    RefundView,
    RequestRefund,
    begin_payout,
    confirm_refund,
    fail_refund,
    payout_attempt_failed,
    payout_refused,
    payout_sent,
    release_refund,
    request_refund,
)
from commands.tenants import ConfigureTenant, configure_tenant
from commands.unit_of_work import AlreadyExists, Unknown
from ledger.customer import CreditPart, CreditReserved, CreditReturned, Customer
from ledger.encrypted import LooksEncrypted
from ledger.invoice.preconditions import ReasonMissing
from ledger.money import Money, UnknownCurrency
from ledger.refund import (
    MAX_ATTEMPTS,
    OutcomeOutdated,
    PayoutNotDue,
    PayoutUnderWay,
    Refund,
    RefundClosed,
    RefundNotSent,
    Requested,
)
from tests.commands.books import Books

MINUTE = timedelta(minutes=1)


class Dispatcher(Books):
    """Books with words for refunds."""

    def request(self, amount: str | None = None, **fields: Any) -> UUID:
        money = Money(amount, "BRL") if amount is not None else None
        command = RequestRefund(
            **{"customer_id": self.customer_id, "reason": "asked for it", "amount": money, **fields}
        )
        view: RefundView = self.run(request_refund, command)
        return view.id

    def begin(self, refund_id: UUID) -> int:
        found: int = self.run(begin_payout, refund_id).attempt
        return found

    def send(self, refund_id: UUID) -> RefundView:
        view: RefundView = self.run(payout_sent, refund_id, self.begin(refund_id), "file", "x.json")
        return view

    def confirm(self, refund_id: UUID, reference: str = "") -> RefundView:
        view: RefundView = self.run(confirm_refund, refund_id, ConfirmRefund(reference))
        return view

    def fail(self, refund_id: UUID, reason: str = "account closed") -> RefundView:
        view: RefundView = self.run(fail_refund, refund_id, FailRefund(reason))
        return view

    def refund(self, refund_id: UUID) -> Refund:
        found: Refund = self.state("refund", refund_id)
        return found

    @property
    def shortfall(self) -> dict[str, int]:
        customer: Customer = self.state("customer", self.customer_id)
        return customer.shortfall

    def assert_balanced(self) -> None:
        """Money that arrived and stands is on an invoice, is credit, or was refunded; less what was spent of money
        that was reversed."""
        held = -self.shortfall.get("BRL", 0)
        for stream_id, (kind, _) in self.snapshots.items():
            state = self.state(kind, stream_id)
            match kind:
                case "payment":
                    held -= state.left_minor
                case "invoice":
                    held += state.paid.total
                case "customer":
                    held += sum(state.credit.values())
                case "refund" if state.status != "compensated":
                    held += state.amount_minor
        assert held == 0


@pytest.fixture
def desk() -> Dispatcher:
    return Dispatcher()


def parts_of(desk: Dispatcher, refund_id: UUID) -> list[CreditPart]:
    return list(desk.refund(refund_id).parts)


class TestRequested:
    def test_credit_is_set_aside_of_the_oldest_first(self, desk: Dispatcher) -> None:
        first = desk.pay("30.00", customer_id=desk.customer_id)
        second = desk.pay("20.00", customer_id=desk.customer_id)
        refund_id = desk.request("45.00", destination="PT50 0002 0123")
        assert parts_of(desk, refund_id) == [
            CreditPart(first.id, 3_000),
            CreditPart(second.id, 1_500),
        ]
        assert desk.credit() == {"BRL": 500}
        reserved = [e for e in desk.events("customer") if isinstance(e, CreditReserved)]
        assert reserved == [CreditReserved("BRL", refund_id, desk.refund(refund_id).parts)]
        refund = desk.refund(refund_id)
        assert (refund.status, refund.automatic) == ("requested", False)
        assert refund.destination.startswith("encrypted:1:")
        assert refund.reason.startswith("encrypted:1:")
        desk.assert_balanced()

    def test_all_of_it_when_no_amount_is_said(self, desk: Dispatcher) -> None:
        desk.pay("30.00", customer_id=desk.customer_id)
        desk.pay("7", "JPY", customer_id=desk.customer_id)
        refund_id = desk.request(currency="JPY")
        assert desk.refund(refund_id).amount_minor == 7
        assert desk.credit() == {"BRL": 3_000}

    def test_it_cannot_be_used_twice(self, desk: Dispatcher) -> None:
        desk.pay("30.00", customer_id=desk.customer_id)
        desk.request("20.00")
        with pytest.raises(OverRefunded) as refused:
            desk.request("10.01")
        assert refused.value.field == "amount"
        desk.request("10.00")
        with pytest.raises(NothingToRefund):
            desk.request("0.01")
        assert lots_of(desk.state("customer", desk.customer_id), "BRL") == []
        desk.assert_balanced()

    def test_refusals(self, desk: Dispatcher) -> None:
        desk.pay("30.00", customer_id=desk.customer_id)
        before = len(desk.log)
        with pytest.raises(RefundAmountUnclear):
            desk.request()
        with pytest.raises(RefundAmountUnclear):
            desk.request("1.00", currency="EUR")
        with pytest.raises(UnknownCurrency):
            desk.request(currency="XXX")
        with pytest.raises(NothingToRefund):
            desk.request(currency="EUR")
        with pytest.raises(ReasonMissing):
            desk.request("1.00", reason=" ")
        with pytest.raises(Unknown):
            desk.request("1.00", customer_id=UUID(int=404))
        assert len(desk.log) == before

    def test_a_key_whose_record_is_gone_pays_nothing_twice(self, desk: Dispatcher) -> None:
        desk.pay("30.00", customer_id=desk.customer_id)
        desk.request("10.00")
        desk.commands -= 1
        with pytest.raises(AlreadyExists):
            desk.request("10.00")


class TestByItself:
    @pytest.fixture(autouse=True)
    def threshold(self, desk: Dispatcher) -> None:
        desk.run(configure_tenant, ConfigureTenant(refund_excess_above=Money("10.00", "BRL")))

    def requested(self, desk: Dispatcher) -> list[Requested]:
        return [event for event in desk.events("refund") if isinstance(event, Requested)]

    @pytest.mark.parametrize(("paid", "refunded"), [("110.00", []), ("110.01", [1_001])])
    def test_an_excess_above_the_threshold(
        self, desk: Dispatcher, paid: str, refunded: list[int]
    ) -> None:
        payment = desk.pay(paid, invoice_id=desk.invoice("100.00"))
        found = self.requested(desk)
        assert [event.amount_minor for event in found] == refunded
        for event in found:
            assert event.automatic
            assert event.parts == (CreditPart(payment.id, 1_001),)
            assert desk.credit() == {}
        desk.assert_balanced()

    def test_only_what_this_payment_left_over(self, desk: Dispatcher) -> None:
        desk.pay("5.00", customer_id=desk.customer_id)
        payment = desk.pay("120.00", invoice_id=desk.invoice("100.00"))
        (event,) = self.requested(desk)
        assert event.parts == (CreditPart(payment.id, 2_000),)
        assert desk.credit() == {"BRL": 500}

    def test_not_in_another_currency_nor_of_what_was_no_excess(self, desk: Dispatcher) -> None:
        desk.pay("500.00", "EUR", invoice_id=desk.invoice("100.00", currency="EUR"))
        desk.pay("500.00", customer_id=desk.customer_id, received_on=None)
        assert self.requested(desk) == []

    def test_not_what_may_have_been_paid_twice(self, desk: Dispatcher) -> None:
        first, second = desk.invoice("100.00"), desk.invoice("50.00")
        desk.pay("100.00", invoice_id=first, reference="TED 17")
        desk.pay("100.00", invoice_id=second, reference="TED 17")
        assert self.requested(desk) == []
        assert desk.credit() == {"BRL": 5_000}

    def test_not_of_an_import(self, desk: Dispatcher) -> None:
        command = ReceivePayment(Money("150.00", "BRL"), invoice_id=desk.invoice("100.00"))
        desk.run(receive_as, UUID(int=77), command, desk.now.date())
        assert self.requested(desk) == []
        assert desk.credit() == {"BRL": 5_000}

    def test_what_open_invoices_take_first_is_not_refunded(self, desk: Dispatcher) -> None:
        desk.run(configure_tenant, ConfigureTenant(apply_credit="automatic"))
        named, _ = desk.invoice("100.00"), desk.invoice("35.00")
        desk.pay("140.00", invoice_id=named)
        assert self.requested(desk) == []
        assert desk.credit() == {"BRL": 500}
        desk.on(date(2024, 3, 2))
        third = desk.invoice("100.00")
        assert desk.of_invoice(third).open.total == 9_500
        desk.on(date(2024, 3, 3))
        desk.pay("140.00", invoice_id=third)
        assert [event.amount_minor for event in self.requested(desk)] == [4_500]
        desk.assert_balanced()


class TestHandedOver:
    @pytest.fixture
    def refund_id(self, desk: Dispatcher) -> UUID:
        desk.pay("30.00", customer_id=desk.customer_id)
        return desk.request("30.00")

    def test_sent_and_confirmed(self, desk: Dispatcher, refund_id: UUID) -> None:
        with pytest.raises(RefundNotSent):
            desk.confirm(refund_id)
        sent = desk.send(refund_id)
        assert (sent.status, sent.waits_for, sent.provider) == ("sent", "confirmation", "file")
        confirmed = desk.confirm(refund_id, "po-4711")
        assert (confirmed.status, confirmed.waits_for) == ("confirmed", "")
        assert confirmed.reference == "po-4711"
        with pytest.raises(RefundClosed):
            desk.confirm(refund_id)
        with pytest.raises(RefundClosed):
            desk.fail(refund_id)
        assert desk.credit() == {}
        desk.assert_balanced()

    def test_a_reference_is_kept_in_the_clear_and_bounded(
        self, desk: Dispatcher, refund_id: UUID
    ) -> None:
        desk.send(refund_id)
        with pytest.raises(LooksEncrypted):
            desk.confirm(refund_id, "encrypted:1:x")

    def test_an_attempt_is_claimed_by_one(self, desk: Dispatcher, refund_id: UUID) -> None:
        attempt = desk.begin(refund_id)
        with pytest.raises(PayoutNotDue):
            desk.begin(refund_id)
        for interfere in (desk.confirm, desk.fail):
            with pytest.raises(PayoutUnderWay):
                interfere(refund_id)
        desk.run(_no_connection, refund_id, attempt)
        with pytest.raises(OutcomeOutdated):
            desk.run(payout_sent, refund_id, attempt, "file", "")

    def test_an_outcome_that_comes_too_late_changes_nothing(
        self, desk: Dispatcher, refund_id: UUID
    ) -> None:
        first = desk.begin(refund_id)
        desk.now += MINUTE
        second = desk.begin(refund_id)
        for late in (
            (payout_refused, refund_id, first, "unknown account"),
            (payout_sent, refund_id, first, "http", ""),
        ):
            with pytest.raises(OutcomeOutdated):
                desk.run(*late)
        desk.run(payout_sent, refund_id, second, "http", "")
        with pytest.raises(OutcomeOutdated):
            desk.run(payout_refused, refund_id, second, "unknown account")
        assert desk.credit() == {}

    def test_refused_at_once_it_is_compensated(self, desk: Dispatcher, refund_id: UUID) -> None:
        view = desk.run(payout_refused, refund_id, desk.begin(refund_id), "unknown account")
        assert view.status == "compensated"
        assert view.failed_because.startswith("encrypted:1:")
        assert desk.credit() == {"BRL": 3_000}
        desk.assert_balanced()

    @pytest.mark.parametrize("recorded", [True, False])
    def test_refused_when_an_attempt_before_is_in_doubt_it_is_not(
        self, desk: Dispatcher, refund_id: UUID, recorded: bool
    ) -> None:
        first = desk.begin(refund_id)
        if recorded:
            desk.run(_in_doubt, refund_id, first)
        desk.now += MINUTE
        view = desk.run(payout_refused, refund_id, desk.begin(refund_id), "unknown account")
        assert view.status == "requested"
        assert "ask there" in view.last_error
        assert desk.credit() == {}

    def test_refused_after_attempts_that_reached_nobody_it_is(
        self, desk: Dispatcher, refund_id: UUID
    ) -> None:
        desk.run(_no_connection, refund_id, desk.begin(refund_id))
        desk.now += MINUTE
        view = desk.run(payout_refused, refund_id, desk.begin(refund_id), "unknown account")
        assert view.status == "compensated"

    def test_tried_too_often_it_waits_for_a_person(self, desk: Dispatcher, refund_id: UUID) -> None:
        for _ in range(MAX_ATTEMPTS):
            view = desk.run(_in_doubt, refund_id, desk.begin(refund_id))
            desk.now += 600 * MINUTE
        assert (view.status, view.waits_for) == ("requested", "person")
        with pytest.raises(PayoutNotDue):
            desk.begin(refund_id)
        assert desk.credit() == {}
        assert desk.run(release_refund, refund_id).waits_for == "payout"
        assert desk.send(refund_id).status == "sent"

    def test_a_person_may_know_that_it_was_paid_out(
        self, desk: Dispatcher, refund_id: UUID
    ) -> None:
        desk.run(_in_doubt, refund_id, desk.begin(refund_id))
        view = desk.confirm(refund_id, "po-1")
        assert (view.status, view.provider, view.reference) == ("confirmed", BY_HAND, "po-1")

    def test_a_person_may_know_that_it_was_not(self, desk: Dispatcher, refund_id: UUID) -> None:
        desk.run(_in_doubt, refund_id, desk.begin(refund_id))
        assert desk.fail(refund_id).status == "compensated"
        assert desk.credit() == {"BRL": 3_000}

    def test_called_off_before_it_was_handed_over(self, desk: Dispatcher, refund_id: UUID) -> None:
        with pytest.raises(ReasonMissing):
            desk.fail(refund_id, " ")
        desk.fail(refund_id)
        with pytest.raises(PayoutNotDue):
            desk.begin(refund_id)
        assert desk.credit() == {"BRL": 3_000}
        returned = [e for e in desk.events("customer") if isinstance(e, CreditReturned)]
        assert [(e.refund_id, sum(p.amount_minor for p in e.parts)) for e in returned] == [
            (refund_id, 3_000)
        ]
        desk.assert_balanced()


def _no_connection(unit: Any, refund_id: UUID, attempt: int) -> RefundView:
    return payout_attempt_failed(unit, refund_id, attempt, "no connection", unknown=False)


def _in_doubt(unit: Any, refund_id: UUID, attempt: int) -> RefundView:
    return payout_attempt_failed(unit, refund_id, attempt, "no answer", unknown=True)


class TestOfAPaymentThatIsTakenBack:
    """The reversal finds the credit reserved and leaves a shortfall; what becomes of it depends on the refund."""

    def test_while_the_refund_is_under_way_and_fails(self, desk: Dispatcher) -> None:
        payment = desk.pay("30.00", customer_id=desk.customer_id)
        refund_id = desk.request("20.00")
        desk.send(refund_id)
        desk.reverse(payment.id)
        assert (desk.credit(), desk.shortfall) == ({}, {"BRL": 2_000})
        desk.assert_balanced()
        desk.fail(refund_id)
        assert (desk.credit(), desk.shortfall) == ({}, {})
        assert isinstance(desk.events("customer")[-1], CreditReturned)
        desk.assert_balanced()

    def test_while_the_refund_is_under_way_and_is_confirmed(self, desk: Dispatcher) -> None:
        payment = desk.pay("30.00", customer_id=desk.customer_id)
        refund_id = desk.request("20.00")
        desk.reverse(payment.id)
        desk.send(refund_id)
        desk.confirm(refund_id)
        assert (desk.credit(), desk.shortfall) == ({}, {"BRL": 2_000})
        desk.assert_balanced()
        desk.pay("25.00", customer_id=desk.customer_id)
        assert (desk.credit(), desk.shortfall) == ({"BRL": 500}, {})
        desk.assert_balanced()

    def test_after_the_refund_failed(self, desk: Dispatcher) -> None:
        payment = desk.pay("30.00", customer_id=desk.customer_id)
        desk.fail(desk.request("20.00"))
        desk.reverse(payment.id)
        assert (desk.credit(), desk.shortfall) == ({}, {})
        desk.assert_balanced()

    def test_when_other_credit_has_made_up_for_the_shortfall_meanwhile(
        self, desk: Dispatcher
    ) -> None:
        payment = desk.pay("30.00", customer_id=desk.customer_id)
        refund_id = desk.request("30.00")
        desk.reverse(payment.id)
        desk.pay("40.00", customer_id=desk.customer_id)
        assert (desk.credit(), desk.shortfall) == ({"BRL": 1_000}, {})
        desk.fail(refund_id)
        assert (desk.credit(), desk.shortfall) == ({"BRL": 4_000}, {})
        desk.assert_balanced()

    def test_of_two_payments_only_one_is_reversed(self, desk: Dispatcher) -> None:
        first = desk.pay("30.00", customer_id=desk.customer_id)
        second = desk.pay("20.00", customer_id=desk.customer_id)
        refund_id = desk.request("40.00")
        desk.reverse(second.id)
        assert (desk.credit(), desk.shortfall) == ({}, {"BRL": 1_000})
        desk.fail(refund_id)
        assert (desk.credit(), desk.shortfall) == ({"BRL": 3_000}, {})
        desk.assert_balanced()
        desk.reverse(first.id)
        assert (desk.credit(), desk.shortfall) == ({}, {})
        desk.assert_balanced()


def test_credit_given_back_is_applied_where_the_tenant_has_it_so(desk: Dispatcher) -> None:
    desk.run(configure_tenant, ConfigureTenant(apply_credit="automatic"))
    desk.pay("30.00", customer_id=desk.customer_id)
    refund_id = desk.request("30.00")
    invoice_id = desk.invoice("12.00")
    assert desk.of_invoice(invoice_id).status == "sent"
    desk.fail(refund_id)
    assert desk.of_invoice(invoice_id).status == "paid"
    assert desk.credit() == {"BRL": 1_800}
    desk.assert_balanced()
