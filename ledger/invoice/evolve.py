"""How each event changes an invoice. `evolve` never refuses and never replays: history is history."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.event_registry import Event
from ledger.invoice import events as e
from ledger.invoice.replay import closed_as
from ledger.invoice.state import (
    NO_SOURCE,
    NOTHING,
    CreditedLine,
    Dispute,
    Fee,
    Hold,
    Imputation,
    Invoice,
    Promise,
    SmallBalance,
    Status,
    StepTaken,
    Terms,
    lines_of,
    moved_principal,
)
from ledger.reference_rates import ReferenceRate
from ledger.waterfall import Split

_lines_encoder = msgspec.msgpack.Encoder()

FORGIVENESS_OF: dict[e.ImputationKind, e.ForgivenessKind] = {
    "waived": "waived",
    "credited": "credited",
    "interest_returned": "interest_returned",
    "written_off": "written_off",
    "cancelled": "cancelled",
    "void": "void",
    "renegotiated": "renegotiated",
}
"""The kind of forgiveness of each kind of imputation."""


def evolve(invoice: Invoice | None, event: Event, effective_on: date) -> Invoice:
    """The invoice after one more event."""
    if isinstance(event, e.MoraPosted):  # nine events of ten
        assert invoice is not None
        return _posted(invoice, event)
    if isinstance(event, e.Drafted):
        return _drafted(event)
    assert invoice is not None, f"{event.TAG} came before the invoice was drafted"
    change = _EVOLVES.get(type(event))
    assert change is not None, f"an invoice does not know {event.TAG}"
    return change(invoice, event, effective_on)


def _drafted(event: e.Drafted) -> Invoice:
    return Invoice(
        customer_id=event.customer_id,
        currency=event.currency,
        status="draft",
        due_on=event.due_on,
        net_minor=event.net_minor,
        tax_minor=event.tax_minor,
        total_minor=event.total_minor,
        lines=_raw(event.lines),
        notes=event.notes,
        instalment=event.instalment,
    )


def _redrafted(invoice: Invoice, event: e.Redrafted, on: date) -> Invoice:
    return replace(
        invoice,
        due_on=event.due_on,
        net_minor=event.net_minor,
        tax_minor=event.tax_minor,
        total_minor=event.total_minor,
        lines=_raw(event.lines),
        notes=event.notes,
    )


def _raw(lines: tuple[e.InvoiceLine, ...]) -> msgspec.Raw:
    return msgspec.Raw(_lines_encoder.encode(lines))


def _sent(invoice: Invoice, event: e.Sent, on: date) -> Invoice:
    principal = Split(principal=invoice.total_minor)
    terms = Terms(
        number=event.number,
        issued_on=event.issued_on,
        payable_until=event.payable_until,
        late_on=event.late_on,
        policy=event.policy,
        calendar=event.calendar,
        mora_base_minor=event.mora_base_minor,
    )
    return replace(
        invoice,
        status="sent",
        due_on=event.due_on,
        terms=terms,
        charged=principal,
        open=principal,
        hold=Hold(None, imported=True) if event.imported else None,
        dunning_from=event.sent_on or event.issued_on,
    )


def _due_date_moved(invoice: Invoice, event: e.DueDateMoved, on: date) -> Invoice:
    assert invoice.terms is not None
    if invoice.due_moved_on is not None and on < invoice.due_moved_on:
        return invoice  # a later move is known already, and counts
    terms = replace(
        invoice.terms,
        payable_until=event.payable_until,
        late_on=event.late_on,
        calendar=event.calendar,
    )
    return replace(invoice, due_on=event.due_on, terms=terms, due_moved_on=on)


# Charges.


def _became_overdue(invoice: Invoice, event: e.BecameOverdue, on: date) -> Invoice:
    return replace(invoice, status="overdue", overdue_on=on)


def _late_fee_charged(invoice: Invoice, event: e.LateFeeCharged, on: date) -> Invoice:
    fee = Split(late_fee=event.amount_minor)
    return replace(invoice, charged=invoice.charged + fee, open=invoice.open + fee)


def _fee_charged(invoice: Invoice, event: e.FeeCharged, on: date) -> Invoice:
    fee = Split(other_fees=event.amount_minor)
    return _settled(
        replace(
            invoice,
            charged=invoice.charged + fee,
            open=invoice.open + fee,
            fees=(*invoice.fees, Fee(on, event.amount_minor)),
        )
    )


def _posted(invoice: Invoice, event: e.MoraPosted) -> Invoice:
    mora = Split(0, 0, event.amount_minor)
    return replace(
        invoice,
        charged=invoice.charged + mora,
        open=invoice.open + mora,
        mora_through=event.through,
    )


def _reference_rate_applied(invoice: Invoice, event: e.ReferenceRateApplied, on: date) -> Invoice:
    return replace(invoice, rates=(*invoice.rates, ReferenceRate(on, event.rate)))


# Money.


def _payment_received(invoice: Invoice, event: e.PaymentReceived, on: date) -> Invoice:
    one = _money("payment", event.payment_id, event, on)
    return _imputed(invoice, replace(one, reallocated=event.reallocated))


def _credit_applied(invoice: Invoice, event: e.CreditApplied, on: date) -> Invoice:
    return _imputed(invoice, _money("credit", event.source_id, event, on))


def _charged_back(invoice: Invoice, event: e.PaymentChargedBack, on: date) -> Invoice:
    covered = e.Covered(paid=-event.split, recovered=-event.recovered)
    one = Imputation("charge_back", on, event.payment_id, event.amount_minor, covered=covered)
    return _imputed(invoice, one)


def _money(
    kind: e.ImputationKind, source_id: UUID, event: e.PaymentReceived | e.CreditApplied, on: date
) -> Imputation:
    covered = e.Covered(paid=event.split, recovered=event.recovered)
    return Imputation(kind, on, source_id, event.amount_minor, covered=covered)


def _offers_less(
    invoice: Invoice, event: e.PaymentReversed | e.PaymentReallocated, on: date
) -> Invoice:
    facts = list(invoice.imputations)
    before = facts[event.fact]
    less = e.Covered(paid=event.split, recovered=event.recovered)
    facts[event.fact] = replace(
        before, asked_minor=before.asked_minor - event.amount_minor, covered=before.covered - less
    )
    invoice = replace(invoice, imputations=tuple(facts))
    return _settled(_covered(invoice, [_Change(before.on, None, -less)]))


# Giving up.


def _gives_up(kind: e.ImputationKind) -> Callable[[Invoice, Any, date], Invoice]:
    def forgiven(invoice: Invoice, event: Any, on: date) -> Invoice:
        asked = event.forgiven if event.asked is None else event.asked
        covered = e.Covered(forgiven=event.forgiven)
        return _imputed(invoice, Imputation(kind, on, NO_SOURCE, 0, asked, covered))

    return forgiven


def _voided(invoice: Invoice, event: e.Voided, on: date) -> Invoice:
    return replace(_gives_up("void")(invoice, event, on), status="void")


def _renegotiated(invoice: Invoice, event: e.Renegotiated, on: date) -> Invoice:
    covered = e.Covered(forgiven=event.forgiven)
    one = Imputation("renegotiated", on, event.agreement_id, event.forgiven.total, covered=covered)
    return _imputed(invoice, one)


def _credited(invoice: Invoice, event: e.Credited, on: date) -> Invoice:
    lines = list(invoice.credited_lines) or [CreditedLine()] * len(lines_of(invoice))
    for line in event.lines:
        before = lines[line.line]
        lines[line.line] = CreditedLine(
            before.net_minor + line.net_minor, before.tax_minor + line.tax_minor
        )
    covered = e.Covered(paid=event.applied, forgiven=event.forgiven)
    one = Imputation("credited", on, event.credit_note_id, event.total_minor, covered=covered)
    return _imputed(replace(invoice, credited_lines=tuple(lines)), one)


def _small_balance_waived(invoice: Invoice, event: e.SmallBalanceWaived, on: date) -> Invoice:
    waived = e.SmallBalanceChange(on, NOTHING, event.forgiven)
    return _settled(covered_otherwise(invoice, (), (waived,)))


# What a late fact changes.


def _recalculated(invoice: Invoice, event: e.Recalculated, on: date) -> Invoice:
    change = Split(late_fee=event.late_fee_minor, mora=event.mora_minor)
    invoice = covered_otherwise(invoice, event.imputations, event.small_balances)
    return _settled(
        replace(
            invoice,
            charged=invoice.charged + change,
            open=invoice.open + change,
            mora_through=event.through,
            overdue_on=event.overdue_on,
        )
    )


def covered_otherwise(
    invoice: Invoice,
    imputations: Iterable[e.Reimputed],
    small_balances: Iterable[e.SmallBalanceChange],
) -> Invoice:
    """The invoice with facts that cover something else, and small balances that changed."""
    facts = list(invoice.imputations)
    changes: list[_Change] = []
    for one in imputations:
        before = facts[one.fact]
        facts[one.fact] = replace(before, covered=one.after)
        changes.append(
            _Change(before.on, FORGIVENESS_OF.get(before.kind), one.after - before.covered)
        )
    waived = {one.on: one for one in invoice.small_balances}
    for small in small_balances:
        waived[small.on] = SmallBalance(small.on, small.after)
        more = e.Covered(forgiven=small.after - small.before)
        changes.append(_Change(small.on, "small_balance", more))
    if not changes:
        return invoice
    left = (one for _, one in sorted(waived.items()) if one.forgiven != NOTHING)
    invoice = replace(invoice, imputations=tuple(facts), small_balances=tuple(left))
    return _covered(invoice, changes)


def _imputed(invoice: Invoice, one: Imputation) -> Invoice:
    invoice = replace(invoice, imputations=(*invoice.imputations, one))
    return _settled(_covered(invoice, [_Change(one.on, FORGIVENESS_OF.get(one.kind), one.covered)]))


class _Change(NamedTuple):
    """So much more is covered from a day on, and forgiven where its kind forgives."""

    on: date
    kind: e.ForgivenessKind | None
    more: e.Covered


def _covered(invoice: Invoice, changes: list[_Change]) -> Invoice:
    forgiven_of = invoice.forgiven_of
    paid = forgiven = recovered = NOTHING
    moved: dict[date, int] = {}
    for on, kind, more in changes:
        paid += more.paid
        forgiven += more.forgiven
        recovered += more.recovered
        if kind is not None:
            forgiven_of = _more(forgiven_of, kind, more.forgiven)
        principal_minor = more.paid.principal + more.forgiven.principal
        if principal_minor:
            moved[on] = moved.get(on, 0) - principal_minor
    return replace(
        invoice,
        paid=invoice.paid + paid + recovered,
        forgiven=invoice.forgiven + forgiven - recovered,
        forgiven_of=_more(forgiven_of, "written_off", -recovered),
        open=invoice.open - paid - forgiven,
        movements=moved_principal(invoice.movements, moved),
    )


def _more(
    forgiven_of: dict[e.ForgivenessKind, Split], kind: e.ForgivenessKind, change: Split
) -> dict[e.ForgivenessKind, Split]:
    if change == NOTHING:
        return forgiven_of
    after = {**forgiven_of, kind: forgiven_of.get(kind, NOTHING) + change}
    return {one: split for one, split in after.items() if split != NOTHING}


def _settled(invoice: Invoice) -> Invoice:
    """The status that follows from what is open: closed when nothing is, open again when something is."""
    if invoice.status in ("draft", "void"):
        return invoice
    status: Status
    if invoice.open.total:
        status = "sent" if invoice.overdue_on is None else "overdue"
    elif closed := closed_as(invoice.imputations):
        status = closed
    else:
        status = "paid" if invoice.written_off.total == 0 else "written_off"
    return invoice if status == invoice.status else replace(invoice, status=status)


# What people say of it: no amount changes.


def _disputed(invoice: Invoice, event: e.Disputed, on: date) -> Invoice:
    dispute = Dispute(on, event.amount_minor, event.holds_interest)
    return replace(invoice, disputes=(*invoice.disputes, dispute))


def _dispute_resolved(invoice: Invoice, event: e.DisputeResolved, on: date) -> Invoice:
    assert invoice.dispute is not None
    resolved = replace(invoice.dispute, until=on, outcome=event.outcome)
    counts = resolved.holds_interest and (event.outcome == "accepted" or event.keeps_hold)
    earlier = invoice.disputes[:-1]
    disputes = (*earlier, resolved) if counts else earlier
    return _let_go(replace(invoice, disputes=disputes), on)


def _promised(invoice: Invoice, event: e.Promised, on: date) -> Invoice:
    if invoice.promise is not None and on < invoice.promise.on:
        return invoice  # a later promise is known already, and counts
    return replace(invoice, promise=Promise(on, event.amount_minor, event.promised_on))


def _promise_judged(kept: bool) -> Callable[[Invoice, Any, date], Invoice]:
    def judged(invoice: Invoice, event: Any, on: date) -> Invoice:
        assert invoice.promise is not None
        after = replace(invoice.promise, kept=kept, paid_minor=event.paid_minor)
        return _let_go(replace(invoice, promise=after), on)

    return judged


def _held(invoice: Invoice, event: e.Held, on: date) -> Invoice:
    return replace(invoice, hold=Hold(event.until_on))


def _released(invoice: Invoice, event: e.Released, on: date) -> Invoice:
    return _let_go(replace(invoice, hold=None), on)


def _let_go(invoice: Invoice, on: date) -> Invoice:
    """What kept dunning from the invoice has ended; the latest end counts."""
    if invoice.dunning_from is not None and on <= invoice.dunning_from:
        return invoice
    return replace(invoice, dunning_from=on)


def _dunning_plan_chosen(invoice: Invoice, event: e.DunningPlanChosen, on: date) -> Invoice:
    return replace(invoice, dunning_plan=event.plan)


def _dunning_step_taken(invoice: Invoice, event: e.DunningStepTaken, on: date) -> Invoice:
    taken = StepTaken(event.plan, event.step, event.offset, on)
    return replace(invoice, dunned=(*invoice.dunned, taken))


_EVOLVES: dict[type[Event], Callable[[Invoice, Any, date], Invoice]] = {
    e.Redrafted: _redrafted,
    e.Sent: _sent,
    e.DueDateMoved: _due_date_moved,
    e.BecameOverdue: _became_overdue,
    e.LateFeeCharged: _late_fee_charged,
    e.FeeCharged: _fee_charged,
    e.ReferenceRateApplied: _reference_rate_applied,
    e.PaymentReceived: _payment_received,
    e.CreditApplied: _credit_applied,
    e.PaymentReversed: _offers_less,
    e.PaymentReallocated: _offers_less,
    e.PaymentChargedBack: _charged_back,
    e.Waived: _gives_up("waived"),
    e.InterestReturned: _gives_up("interest_returned"),
    e.Credited: _credited,
    e.WrittenOff: _gives_up("written_off"),
    e.Cancelled: _gives_up("cancelled"),
    e.Voided: _voided,
    e.Renegotiated: _renegotiated,
    e.SmallBalanceWaived: _small_balance_waived,
    e.Recalculated: _recalculated,
    e.Disputed: _disputed,
    e.DisputeResolved: _dispute_resolved,
    e.Promised: _promised,
    e.PromiseKept: _promise_judged(kept=True),
    e.PromiseBroken: _promise_judged(kept=False),
    e.Held: _held,
    e.Released: _released,
    e.DunningPlanChosen: _dunning_plan_chosen,
    e.DunningStepTaken: _dunning_step_taken,
}
