"""The journal: what single events post, and what random histories come to."""

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from ledger import payment, refund
from ledger.agreement import events as agreement
from ledger.calendars import Calendar
from ledger.chart_of_accounts import CHART
from ledger.customer import CreditPart
from ledger.event_registry import Event, decode, stream_of, tags
from ledger.invoice import events as e
from ledger.invoice.state import given_back_minor
from ledger.journal.entry import JournalEntry, Posting, Unbalanced, entry, posted_on
from ledger.journal.facts import Facts, evolve
from ledger.journal.posting import POSTING, STREAMS, entries
from ledger.policy import FeePolicy
from ledger.waterfall import Split
from tests.ledger.bookkeeping import Bookkeeper, assert_agree
from tests.ledger.histories import Ledger, random_facts, random_terms, sent, tell
from tests.ledger.test_event_registry import GOLDEN

ON = date(2024, 3, 15)
DUE_ON = date(2024, 4, 30)
ID = UUID(int=9)
SENT = e.Sent("INV-1", ON, DUE_ON, DUE_ON, DUE_ON, FeePolicy(), Calendar("none", "1"), 119_00)
INVOICE = Facts("EUR", is_sent=True, net_minor=100_00, tax_minor=19_00)
INSTALMENT = Facts(
    "BRL", is_sent=True, is_instalment=True, net_minor=178_53, tax_minor=0, amount_minor=20_00
)
SPLIT = Split(other_fees=4, late_fee=3, mora=2, principal=1)
RECEIVABLES = {
    "receivable_other_fees": 4,
    "receivable_late_fee": 3,
    "receivable_mora": 2,
    "receivable_principal": 1,
}


def posted(facts: Facts, event: Event) -> dict[str, int]:
    """The one entry of an event, amounts by account."""
    (found,) = entries(facts, event, ON)
    assert found.on == ON
    return {posting.account: posting.minor for posting in found.postings}


def credits(amounts: dict[str, int]) -> dict[str, int]:
    return {account: -minor for account, minor in amounts.items()}


def test_an_invoice_is_owed_when_it_is_sent() -> None:
    assert posted(INVOICE, SENT) == {
        "receivable_principal": 119_00,
        "revenue": -100_00,
        "tax": -19_00,
    }


def test_an_instalment_earns_its_interest_when_it_is_due() -> None:
    """A loan's instalments are not revenue: contractual interest is unearned until its period passes."""
    sent, earned = entries(INSTALMENT, SENT, ON)
    assert sent == JournalEntry(
        ON,
        "BRL",
        "instalment sent",
        (Posting("loans_receivable", 20_00), Posting("unearned_interest", -20_00)),
    )
    assert earned == JournalEntry(
        DUE_ON,
        "BRL",
        "interest earned",
        (Posting("unearned_interest", 20_00), Posting("interest_income", -20_00)),
    )


def test_charges_are_owed_and_earned() -> None:
    assert posted(INVOICE, e.LateFeeCharged(5, 250)) == {
        "receivable_late_fee": 5,
        "late_fee_income": -5,
    }
    assert posted(INVOICE, e.MoraPosted(7, ON)) == {"receivable_mora": 7, "mora_income": -7}
    assert posted(INVOICE, e.MoraPosted(-7, ON)) == {"receivable_mora": -7, "mora_income": 7}
    assert posted(INVOICE, e.FeeCharged(9, "bank")) == {
        "receivable_other_fees": 9,
        "fee_income": -9,
    }


@pytest.mark.parametrize(
    "covers", [e.PaymentReceived(ID, SPLIT, 10), e.CreditApplied(ID, SPLIT, 10)]
)
def test_an_invoice_takes_the_customers_credit(covers: Event) -> None:
    assert posted(INVOICE, covers) == {"customer_credit": 10, **credits(RECEIVABLES)}


@pytest.mark.parametrize(
    "back",
    [
        e.PaymentReversed(ID, 0, 15, SPLIT, Split(mora=5)),
        e.PaymentReallocated(ID, 0, 15, SPLIT, Split(mora=5)),
        e.PaymentChargedBack(ID, 15, SPLIT, Split(mora=5)),
    ],
)
def test_what_was_reversed_is_credit_and_owed_or_lost_again(back: Event) -> None:
    assert posted(INVOICE, back) == {**RECEIVABLES, "bad_debt": 5, "customer_credit": -15}


def test_a_recovery_makes_a_loss_smaller() -> None:
    recovery = e.PaymentReceived(ID, Split(), 10, recovered=SPLIT)
    assert posted(INVOICE, recovery) == {"customer_credit": 10, "bad_debt": -10}


def test_contractual_interest_given_back_is_never_earned() -> None:
    back, earned = entries(INSTALMENT, e.InterestReturned(ID, DUE_ON, Split(principal=12_00)), ON)
    assert back.postings == (
        Posting("unearned_interest", 12_00),
        Posting("loans_receivable", -12_00),
    )
    assert (earned.on, earned.postings) == (
        DUE_ON,
        (Posting("interest_income", 12_00), Posting("unearned_interest", -12_00)),
    )


@pytest.mark.parametrize(
    ("event", "account"),
    [
        (e.Waived("kind", SPLIT), "waivers"),
        (e.WrittenOff("gone", SPLIT), "bad_debt"),
        (e.Cancelled("kind", SPLIT), "cancellations"),
        (e.Renegotiated(ID, "anew", SPLIT), "loans_receivable"),
        (e.SmallBalanceWaived(SPLIT), "waivers"),
    ],
)
def test_what_is_given_up_leaves_the_receivables(event: Event, account: str) -> None:
    assert posted(INVOICE, event) == {account: 10, **credits(RECEIVABLES)}


def test_a_renegotiated_instalments_principal_stays_where_it_is() -> None:
    assert posted(INSTALMENT, e.Renegotiated(ID, "anew", Split(mora=2, principal=50))) == {
        "loans_receivable": 2,
        "receivable_mora": -2,
    }
    assert entries(INSTALMENT, e.Renegotiated(ID, "anew", Split(principal=50)), ON) == ()


def test_a_void_invoice_never_was_revenue() -> None:
    whole = Split(late_fee=2_38, mora=7, principal=119_00)
    assert posted(INVOICE, e.Voided("a slip", whole)) == {
        "revenue": 100_00,
        "tax": 19_00,
        "late_fee_income": 2_38,
        "mora_income": 7,
        "receivable_principal": -119_00,
        "receivable_late_fee": -2_38,
        "receivable_mora": -7,
    }
    draft = Facts("EUR", net_minor=100_00, tax_minor=19_00)
    assert entries(draft, e.Voided("a slip"), ON) == ()


def test_a_void_invoice_reverses_what_was_waived_and_leaves_what_was_credited() -> None:
    facts = evolve(INVOICE, e.Waived("kind", Split(principal=9_00)))
    note = e.Credited(ID, "CN-1", "back", (), 50_00, 9_50, 59_50, Split(principal=59_50))
    facts = evolve(facts, note)
    assert (facts.net_minor, facts.tax_minor) == (50_00, 9_50)
    assert posted(facts, e.Voided("a slip", Split(principal=50_50))) == {
        "revenue": 50_00,
        "tax": 9_50,
        "receivable_principal": -50_50,
        "waivers": -9_00,
    }


def test_a_credit_note_credits_net_and_tax() -> None:
    note = e.Credited(ID, "CN-1", "back", (), 50_00, 9_50, 59_50)
    note = replace(note, forgiven=Split(principal=39_50), applied=Split(mora=3), credit_minor=19_97)
    assert posted(INVOICE, note) == {
        "revenue": 50_00,
        "tax": 9_50,
        "receivable_principal": -39_50,
        "receivable_mora": -3,
        "customer_credit": -19_97,
    }


def recalculated(**changes: Any) -> e.Recalculated:
    return e.Recalculated("payment", ON, **changes)


def test_a_recalculation_posts_each_change_on_its_own_day() -> None:
    """The fee falls by 2.00 and interest by 0.50; a later payment pays 3.00 less of them, 2.20 more of principal."""
    paid_on, waived_on = ON + timedelta(days=2), ON + timedelta(days=3)
    paid = (Split(late_fee=2_00, mora=1_00), Split(principal=2_20))
    waived = (Split(mora=30), Split(mora=20))
    event = recalculated(
        late_fee=(e.ChargeChange(ON, -2_00),),
        mora=(e.InterestChange(ON, (-20, -25, 0, -5)),),
        imputations=(
            e.Reimputed(0, "payment", ID, paid_on, *map(e.Covered, paid)),
            e.Reimputed(
                1, "waived", ID, waived_on, *(e.Covered(forgiven=split) for split in waived)
            ),
        ),
    )
    assert [
        (found.on, {posting.account: posting.minor for posting in found.postings})
        for found in entries(INVOICE, event, ON)
    ] == [
        (
            ON,
            {
                "receivable_late_fee": -2_00,
                "late_fee_income": 2_00,
                "receivable_mora": -20,
                "mora_income": 20,
            },
        ),
        (ON + timedelta(days=1), {"receivable_mora": -25, "mora_income": 25}),
        (
            paid_on,
            {
                "customer_credit": -80,
                "receivable_late_fee": 2_00,
                "receivable_mora": 1_00,
                "receivable_principal": -2_20,
            },
        ),
        (waived_on, {"waivers": -10, "receivable_mora": 10 - 5, "mora_income": 5}),
    ]


@pytest.mark.parametrize(
    ("kind", "covered", "amounts"),
    [
        ("payment", {"recovered": Split(mora=7)}, {"customer_credit": 7, "bad_debt": -7}),
        (
            "charge_back",
            {"paid": Split(principal=-7)},
            {"customer_credit": -7, "receivable_principal": 7},
        ),
        (
            "credited",
            {"forgiven": Split(principal=7), "paid": Split(mora=2)},
            {"customer_credit": 9, "receivable_principal": -7, "receivable_mora": -2},
        ),
        (
            "written_off",
            {"forgiven": Split(mora=7)},
            {"bad_debt": 7, "receivable_mora": -7},
        ),
        (
            "cancelled",
            {"forgiven": Split(mora=7)},
            {"cancellations": 7, "receivable_mora": -7},
        ),
        (
            "renegotiated",
            {"forgiven": Split(mora=7)},
            {"loans_receivable": 7, "receivable_mora": -7},
        ),
        ("void", {"forgiven": Split(mora=7)}, {"mora_income": 7, "receivable_mora": -7}),
    ],
)
def test_what_a_fact_covers_otherwise_goes_to_the_accounts_of_its_kind(
    kind: e.ImputationKind, covered: dict[str, Split], amounts: dict[str, int]
) -> None:
    one = e.Reimputed(0, kind, ID, ON, e.Covered(), e.Covered(**covered))
    assert posted(INVOICE, recalculated(imputations=(one,))) == amounts


def test_contractual_interest_given_back_otherwise_is_earned_otherwise() -> None:
    """In the end the accounts hold what they would, had so much been given back at once."""

    def held(*told: Event) -> Counter[str]:
        balances: Counter[str] = Counter()
        for event in told:
            for found in entries(INSTALMENT, event, ON):
                balances.update({one.account: one.minor for one in found.postings})
        return balances

    before, after = Split(principal=12_00), Split(principal=10_00)
    covered = (e.Covered(forgiven=before), e.Covered(forgiven=after))
    change = e.Reimputed(0, "interest_returned", ID, ON, *covered)
    told = held(e.InterestReturned(ID, DUE_ON, before), recalculated(imputations=(change,)))
    assert told == held(e.InterestReturned(ID, DUE_ON, after))


def test_a_small_balance_that_changes_is_a_waiver_that_does() -> None:
    small = e.SmallBalanceChange(ON, Split(principal=5), Split(mora=2))
    assert posted(INVOICE, recalculated(small_balances=(small,))) == {
        "waivers": -3,
        "receivable_principal": 5,
        "receivable_mora": -2,
    }


def test_amounts_that_do_not_add_up_have_no_entry() -> None:
    with pytest.raises(Unbalanced):
        entry(ON, "EUR", "torn", ("cash", 5), ("tax", -4))


def test_payments_refunds_and_agreements() -> None:
    received = payment.Received(ID, "EUR", 80, ON)
    paid = evolve(Facts(), received)
    assert posted(Facts(), received) == {"cash": 80, "customer_credit": -80}
    for back in (payment.Reversed("bounced", 30), payment.ChargedBack("bank", 30)):
        assert posted(paid, back) == {"customer_credit": 30, "cash": -30}

    requested = refund.Requested(ID, "EUR", 30, (CreditPart(ID, 30),))
    asked = evolve(Facts(), requested)
    assert posted(Facts(), requested) == {"customer_credit": 30, "refunds_payable": -30}
    assert posted(asked, refund.Confirmed()) == {"refunds_payable": 30, "cash": -30}
    assert posted(asked, refund.Compensated()) == {"refunds_payable": 30, "customer_credit": -30}

    lent = Facts("BRL")
    assert posted(lent, agreement.Activated(90, 100, (), ID, 100, disbursed_minor=100)) == {
        "loans_receivable": 100,
        "cash": -100,
    }
    assert posted(lent, agreement.Activated(90, 100, (), ID, 100, discount_minor=10)) == {
        "loans_receivable": -10,
        "discounts": 10,
    }


def test_every_event_of_the_journals_streams_is_understood() -> None:
    """Each stored tag either posts or is known to move no money in the books."""
    silent = {
        "invoice": "drafted redrafted due_date_moved became_overdue reference_rate_applied disputed "
        "dispute_resolved promised promise_kept promise_broken held released dunning_plan_chosen "
        "dunning_step_taken",
        "payment": "applied allocations_changed reallocated",
        "refund": "attempted attempt_failed released sent failed",
        "agreement": "requested approved rejected paid reopened renegotiated lost",
        "customer": "registered changed credit_added credit_withdrawn credit_applied credit_reserved "
        "credit_returned",
    }
    posting = {kind.TAG for kind in POSTING}
    for tag in tags():
        kind, happened, _ = tag.split(".")
        if kind in STREAMS:
            assert (tag in posting) != (happened in silent[kind].split()), tag
    assert {stream_of(tag) for tag in posting} == set(STREAMS)


def test_golden_events_post_to_accounts_of_the_chart() -> None:
    """Amounts as they were once stored; they need not follow from one another, and each balances all the same."""
    accounts: set[str] = set()
    for path in sorted(GOLDEN.glob("*.json")):
        event = decode(path.stem, path.read_bytes())
        for facts in (INVOICE, INSTALMENT):
            for found in entries(facts, event, ON):
                assert sum(posting.minor for posting in found.postings) == 0
                accounts.update(posting.account for posting in found.postings)
    assert accounts <= set(CHART)


def test_an_entry_has_one_posting_for_each_account() -> None:
    assert entry(ON, "EUR", "nothing", ("cash", 0)) == ()
    assert entry(ON, "EUR", "nothing", ("cash", 5), ("cash", -5)) == ()
    (found,) = entry(ON, "EUR", "both", ("cash", 5), ("cash", 1), ("tax", -6))
    assert found.postings == (Posting("cash", 6), Posting("tax", -6))


@pytest.mark.parametrize(
    ("closed", "day"),
    [
        (None, date(2024, 3, 15)),
        (date(2024, 2, 29), date(2024, 3, 15)),
        (date(2024, 3, 31), date(2024, 4, 1)),
        (date(2024, 12, 31), date(2025, 1, 1)),
    ],
)
def test_what_takes_effect_in_a_closed_month_is_posted_after_it(
    closed: date | None, day: date
) -> None:
    assert posted_on(ON, closed) == day


@pytest.mark.parametrize("seed", range(150))
def test_random_histories_balance_and_agree_with_the_invoice(seed: int) -> None:
    """Every entry adds up to zero, and the accounts receivable are what is open, after every event."""
    rng = random.Random(seed)
    terms = random_terms(rng)
    ledger = Ledger(sent(terms))
    books, posted_events = Bookkeeper(), 0
    for _ in tell(ledger, random_facts(rng, terms, 12), "sometimes", rng):
        for new in ledger.events[posted_events:]:
            books.post("invoice", ID, new)
        posted_events = len(ledger.events)
        invoice = ledger.invoice
        balances = books.balances.copy()
        given_back = given_back_minor(invoice)
        assert (
            balances.pop(("BRL", "customer_credit"), 0) == sum(ledger.taken.values()) - given_back
        )
        assert_agree(balances, [("invoice", invoice)])
        if invoice.status != "void":
            assert -balances["BRL", "mora_income"] == invoice.charged.mora
            assert -balances["BRL", "late_fee_income"] == invoice.charged.late_fee
            credited = sum(line.net_minor for line in invoice.credited_lines)
            assert -balances["BRL", "revenue"] == invoice.total_minor - credited
