"""What each event posts to the journal, in double entry.

All money that arrives is the customer's credit first; what an invoice takes, it takes from there. So the events by
which a customer's credit moves post nothing, and the account `customer_credit` is always the sum of the customers'
credit, less what customers fall short. The accounts receivable are what is open, by component; an instalment's
principal is in `loans_receivable`, where the activation of its agreement put it.

`entries` is a pure function of an event and of the few facts that its stream's earlier events have told.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from msgspec.structs import replace

from ledger import payment, refund
from ledger.agreement import events as agreement
from ledger.chart_of_accounts import Account
from ledger.event_registry import Event
from ledger.invoice import events as e
from ledger.journal.entry import NONE, Entries, JournalEntry, Posting, entry
from ledger.journal.facts import Known
from ledger.waterfall import Component, Split

STREAMS: Final = ("invoice", "payment", "refund", "agreement")
"""The kinds of stream whose events post entries."""

_FORGIVENESS_ACCOUNTS: dict[str, Account] = {
    "cancelled": "cancellations",
    "waived": "waivers",
    "written_off": "bad_debt",
    "renegotiated": "loans_receivable",
    "small_balance": "waivers",
}
_INCOME: dict[Component, Account] = {
    "other_fees": "fee_income",
    "late_fee": "late_fee_income",
    "mora": "mora_income",
    "principal": "revenue",
}


def entries(facts: Known, event: Event, on: date) -> Entries:
    """The entries of an event, given what the events before it have told. Raises Unbalanced."""
    posting = POSTING.get(type(event))
    return posting(facts, event, on) if posting is not None else NONE


def _receivables(facts: Known, split: Split) -> tuple[tuple[Account, int], ...]:
    """A split on the accounts on which its components are owed."""
    principal: Account = "loans_receivable" if facts.is_instalment else "receivable_principal"
    return (
        ("receivable_other_fees", split.other_fees),
        ("receivable_late_fee", split.late_fee),
        ("receivable_mora", split.mora),
        (principal, split.principal),
    )


def _by_kind(kind: str, split: Split) -> tuple[tuple[Account, int], ...]:
    """A split on the accounts of the way in which it was forgiven."""
    account = _FORGIVENESS_ACCOUNTS.get(kind)
    if account is not None:
        return ((account, split.total),)
    return tuple((_INCOME[part], getattr(split, part)) for part in _INCOME)


def _sent(facts: Known, event: e.Sent, on: date) -> Entries:
    """Debits the total to `receivable_principal`; credits the net to `revenue` and the tax to `tax`. Of an instalment,
    whose principal is in `loans_receivable` already, it debits the contractual interest there and credits
    `unearned_interest`; on the due date, as it was at sending, that is debited and `interest_income` credited."""
    if facts.is_instalment:
        interest_minor = facts.amount_minor
        return (
            *entry(
                on,
                facts.currency,
                "instalment sent",
                ("loans_receivable", interest_minor),
                ("unearned_interest", -interest_minor),
            ),
            *entry(
                event.due_on,
                facts.currency,
                "interest earned",
                ("unearned_interest", interest_minor),
                ("interest_income", -interest_minor),
            ),
        )
    total_minor = facts.net_minor + facts.tax_minor
    return entry(
        on,
        facts.currency,
        "invoice sent",
        ("receivable_principal", total_minor),
        ("revenue", -facts.net_minor),
        ("tax", -facts.tax_minor),
    )


def _late_fee_charged(facts: Known, event: e.LateFeeCharged, on: date) -> Entries:
    """Debits `receivable_late_fee`, credits `late_fee_income`."""
    minor = event.amount_minor
    return entry(
        on, facts.currency, "late fee", ("receivable_late_fee", minor), ("late_fee_income", -minor)
    )


def _mora_posted(facts: Known, event: e.MoraPosted, on: date) -> Entries:
    """Debits `receivable_mora`, credits `mora_income`."""
    minor = event.amount_minor
    if not minor:
        return NONE
    postings = (Posting("receivable_mora", minor), Posting("mora_income", -minor))
    return (JournalEntry(on, facts.currency, "interest for late payment", postings),)


def _fee_charged(facts: Known, event: e.FeeCharged, on: date) -> Entries:
    """Debits `receivable_other_fees`, credits `fee_income`."""
    minor = event.amount_minor
    return entry(
        on, facts.currency, "fee", ("receivable_other_fees", minor), ("fee_income", -minor)
    )


def _covered(
    facts: Known, event: e.PaymentReceived | e.CreditApplied, on: date, says: str
) -> Entries:
    return entry(on, facts.currency, says, *_money(facts, event.split, event.recovered))


def _money(facts: Known, paid: Split, recovered: Split) -> tuple[tuple[Account, int], ...]:
    """Money that pays what is open, and what had been written off: that is a loss no longer."""
    return (
        ("customer_credit", paid.total + recovered.total),
        ("bad_debt", -recovered.total),
        *_receivables(facts, -paid),
    )


def _payment_received(facts: Known, event: e.PaymentReceived, on: date) -> Entries:
    """Debits `customer_credit`; credits the accounts receivable by what it pays, `bad_debt` by what it recovers."""
    return _covered(facts, event, on, "payment applied")


def _credit_applied(facts: Known, event: e.CreditApplied, on: date) -> Entries:
    """As a payment."""
    return _covered(facts, event, on, "credit applied")


_UNDONE = {
    e.PaymentReversed: "payment reversed",
    e.PaymentReallocated: "payment reallocated",
    e.PaymentChargedBack: "payment charged back",
}


def _reversed(
    facts: Known,
    event: e.PaymentReversed | e.PaymentReallocated | e.PaymentChargedBack,
    on: date,
) -> Entries:
    """Debits the accounts receivable by what is open again, and `bad_debt` with what had been a recovery; credits
    `customer_credit`."""
    narration = _UNDONE[type(event)]
    return entry(on, facts.currency, narration, *_money(facts, -event.split, -event.recovered))


def _recalculated(facts: Known, event: e.Recalculated, on: date) -> Entries:
    """An entry for each day on which it changes something: late fee and interest to their income accounts, and what
    facts cover otherwise to the accounts of their kinds."""
    by_day: dict[date, list[tuple[Account, int]]] = {}
    for change in event.late_fee:
        by_day.setdefault(change.on, []).extend(
            (("receivable_late_fee", change.minor), ("late_fee_income", -change.minor))
        )
    for run in event.mora:
        for change in run.by_day():
            by_day.setdefault(change.on, []).extend(
                (("receivable_mora", change.minor), ("mora_income", -change.minor))
            )
    for one in event.imputations:
        by_day.setdefault(one.on, []).extend(_reimputed(facts, one))
    for small in event.small_balances:
        change_of = small.after - small.before
        by_day.setdefault(small.on, []).extend(
            (*_by_kind("small_balance", change_of), *_receivables(facts, -change_of))
        )
    return tuple(
        one
        for day, postings in sorted(by_day.items())
        for one in entry(day, facts.currency, "recalculated", *postings)
    )


def _reimputed(facts: Known, one: e.Reimputed) -> tuple[tuple[Account, int], ...]:
    change = one.after - one.before
    if one.kind in ("payment", "credit", "charge_back"):
        return _money(facts, change.paid, change.recovered)
    if one.kind == "credited":
        covered = change.forgiven + change.paid
        return (("customer_credit", covered.total), *_receivables(facts, -covered))
    if one.kind == "interest_returned":  # given back less or more, as much less or more is earned
        return (
            ("interest_income", change.forgiven.total),
            *_receivables(facts, -change.forgiven),
        )
    return (*_by_kind(one.kind, change.forgiven), *_receivables(facts, -change.forgiven))


def _waived(facts: Known, event: e.Waived, on: date) -> Entries:
    """Debits `waivers`, credits the accounts receivable."""
    return _forgiven(facts, "waived", event.forgiven, on)


def _small_balance_waived(facts: Known, event: e.SmallBalanceWaived, on: date) -> Entries:
    """Debits `waivers`, credits the accounts receivable."""
    return _forgiven(facts, "small_balance", event.forgiven, on)


def _interest_returned(facts: Known, event: e.InterestReturned, on: date) -> Entries:
    """Debits `unearned_interest`, credits `loans_receivable`; on the day on which it would have been earned, debits
    `interest_income` and credits `unearned_interest`."""
    minor = event.forgiven.total
    return (
        *entry(
            on,
            facts.currency,
            "interest given back",
            ("unearned_interest", minor),
            *_receivables(facts, -event.forgiven),
        ),
        *entry(
            event.earned_on,
            facts.currency,
            "interest not earned",
            ("interest_income", minor),
            ("unearned_interest", -minor),
        ),
    )


def _written_off(facts: Known, event: e.WrittenOff, on: date) -> Entries:
    """Debits `bad_debt`, credits the accounts receivable."""
    return _forgiven(facts, "written_off", event.forgiven, on)


def _cancelled(facts: Known, event: e.Cancelled, on: date) -> Entries:
    """Debits `cancellations`, credits the accounts receivable."""
    return _forgiven(facts, "cancelled", event.forgiven, on)


def _renegotiated(facts: Known, event: e.Renegotiated, on: date) -> Entries:
    """Debits `loans_receivable` with all that was open, credits the accounts receivable: the agreement's instalments
    are owed instead."""
    return _forgiven(facts, "renegotiated", event.forgiven, on)


def _forgiven(facts: Known, kind: str, forgiven: Split, on: date) -> Entries:
    says = kind.replace("_", " ")
    return entry(
        on, facts.currency, says, *_by_kind(kind, forgiven), *_receivables(facts, -forgiven)
    )


def _voided(facts: Known, event: e.Voided, on: date) -> Entries:
    """Of a sent invoice: debits `revenue` and `tax` with what credit notes have left of them and the income accounts
    with the open charges, credits the accounts receivable; what had been forgiven of the principal is credited to
    the account of its way, and what credit notes had given back of it and is open all the same is debited to
    `cancellations`. A draft posts nothing."""
    if not facts.is_sent:
        return NONE
    forgiven = event.forgiven
    if facts.is_instalment:
        return _forgiven(facts, "cancelled", forgiven, on)
    charges = replace(forgiven, principal=0)
    over_minor = forgiven.principal - facts.net_minor - facts.tax_minor
    other = (
        _FORGIVENESS_ACCOUNTS.get(facts.forgiveness_kind, "waivers")
        if over_minor < 0
        else "cancellations"
    )
    return entry(
        on,
        facts.currency,
        "voided",
        ("revenue", facts.net_minor),
        ("tax", facts.tax_minor),
        *_by_kind("void", charges),
        *_receivables(facts, -forgiven),
        (other, over_minor),
    )


def _credited(facts: Known, event: e.Credited, on: date) -> Entries:
    """Debits `revenue` with the net and `tax` with the tax; credits the open principal that is owed no longer, what it
    pays of other components, and `customer_credit` with the rest."""
    return entry(
        on,
        facts.currency,
        "credit note",
        ("revenue", event.net_minor),
        ("tax", event.tax_minor),
        *_receivables(facts, -event.forgiven - event.applied),
        ("customer_credit", -event.credit_minor),
    )


def _money_received(facts: Known, event: payment.Received, on: date) -> Entries:
    """Debits `cash`, credits `customer_credit`."""
    minor = event.amount_minor
    return entry(
        on, event.currency, "payment received", ("cash", minor), ("customer_credit", -minor)
    )


def _money_returned(
    facts: Known, event: payment.Reversed | payment.ChargedBack, on: date
) -> Entries:
    """Debits `customer_credit`, credits `cash`."""
    minor = event.amount_minor
    return entry(
        on, facts.currency, "payment returned", ("customer_credit", minor), ("cash", -minor)
    )


def _refund_requested(facts: Known, event: refund.Requested, on: date) -> Entries:
    """Debits `customer_credit`, credits `refunds_payable`."""
    minor = event.amount_minor
    return entry(
        on,
        event.currency,
        "refund requested",
        ("customer_credit", minor),
        ("refunds_payable", -minor),
    )


def _refund_confirmed(facts: Known, event: refund.Confirmed, on: date) -> Entries:
    """Debits `refunds_payable`, credits `cash`."""
    minor = facts.amount_minor
    return entry(on, facts.currency, "refund paid", ("refunds_payable", minor), ("cash", -minor))


def _refund_compensated(facts: Known, event: refund.Compensated, on: date) -> Entries:
    """Debits `refunds_payable`, credits `customer_credit`."""
    minor = facts.amount_minor
    return entry(
        on, facts.currency, "refund failed", ("refunds_payable", minor), ("customer_credit", -minor)
    )


def _activated(facts: Known, event: agreement.Activated, on: date) -> Entries:
    """Debits `loans_receivable` with what was paid out, credits `cash`; debits `discounts` with the discount, credits
    `loans_receivable`."""
    return entry(
        on,
        facts.currency,
        "agreement activated",
        ("loans_receivable", event.disbursed_minor - event.discount_minor),
        ("cash", -event.disbursed_minor),
        ("discounts", event.discount_minor),
    )


POSTING: Final[dict[type[Event], Callable[[Known, Any, date], Entries]]] = {
    e.MoraPosted: _mora_posted,
    e.Sent: _sent,
    e.LateFeeCharged: _late_fee_charged,
    e.FeeCharged: _fee_charged,
    e.PaymentReceived: _payment_received,
    e.CreditApplied: _credit_applied,
    e.PaymentReversed: _reversed,
    e.PaymentReallocated: _reversed,
    e.PaymentChargedBack: _reversed,
    e.Recalculated: _recalculated,
    e.SmallBalanceWaived: _small_balance_waived,
    e.InterestReturned: _interest_returned,
    e.Waived: _waived,
    e.WrittenOff: _written_off,
    e.Cancelled: _cancelled,
    e.Renegotiated: _renegotiated,
    e.Voided: _voided,
    e.Credited: _credited,
    payment.Received: _money_received,
    payment.Reversed: _money_returned,
    payment.ChargedBack: _money_returned,
    refund.Requested: _refund_requested,
    refund.Confirmed: _refund_confirmed,
    refund.Compensated: _refund_compensated,
    agreement.Activated: _activated,
}
"""The events that post entries, each with its function, which says in words what it posts."""
