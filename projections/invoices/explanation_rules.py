"""The rules by which an invoice's components are calculated, in words, and what they give by the facts."""

from ledger.invoice import charges
from ledger.invoice.charges import charges_of
from ledger.invoice.state import Invoice, Terms
from ledger.money import format_minor
from ledger.rates import format_rate
from ledger.waterfall import Component

_DAYS = {"30": "30 days a month", "360": "360 days a year", "365": "365 days a year"}


def rule_of(component: Component, invoice: Invoice) -> tuple[str, int]:
    """(the rule in words, what it gives in minor units)"""
    terms, currency = invoice.terms, invoice.currency
    if terms is None:
        return "a draft owes nothing", 0
    if component == "principal":
        net = format_minor(invoice.net_minor, currency)
        tax = format_minor(invoice.tax_minor, currency)
        return f"the invoice's lines: net {net} plus tax {tax}", invoice.total_minor
    if component == "late_fee":
        return _late_fee_rule(terms, invoice)
    if component == "mora":
        return _mora_rule(terms, invoice)
    rule = "fees charged by hand, each as its event says; they bear no interest"
    return rule, invoice.charged.other_fees


def _late_fee_rule(terms: Terms, invoice: Invoice) -> tuple[str, int]:
    policy, late_on = terms.policy, invoice.overdue_on
    if late_on is None:
        return f"none: no principal was late, from {terms.late_on} on", 0
    running = charges_of(invoice, before=late_on)
    fee_minor, base_minor = running.late_fee(late_on)
    base = format_minor(base_minor, invoice.currency)
    rule = f"{format_rate(policy.late_fee)} once of {base}, the {_base(terms)} on {late_on}"
    if running.held_minor:
        held = format_minor(running.held_minor, invoice.currency)
        rule += f" less {'the part of ' if policy.mora_base == 'original' else ''}{held} in dispute"
    minimum = policy.late_fee_minimum
    if minimum is not None and minimum.currency == invoice.currency:
        rule += f", at least {minimum.amount}"
    if policy.late_fee_cap is not None:
        total = format_minor(invoice.total_minor, invoice.currency)
        rule += f", at most {format_rate(policy.late_fee_cap)} of the invoice's {total}"
    tolerance = policy.small_balance_tolerance
    if tolerance is not None and tolerance.currency == invoice.currency:
        rule += f", none where no more than {tolerance.amount} is open"
    return f"{rule}, rounded {policy.rounding}", fee_minor


def _mora_rule(terms: Terms, invoice: Invoice) -> tuple[str, int]:
    policy = terms.policy
    through = invoice.mora_through
    if through is None:
        return f"{format_rate(policy.mora)} simple, from {terms.late_on}: none posted", 0
    rule = (
        f"{format_rate(policy.mora)} simple, by {_DAYS.get(policy.day_count, 'actual days')}, "
        f"on the {_base(terms)} of each day through {through}"
    )
    if any(dispute.holds_interest for dispute in invoice.disputes):
        rule += ", less what a dispute held"
    return f"{rule}; the sum is rounded once, {policy.rounding}", charges.cumulative_mora(
        invoice, through
    )


def _base(terms: Terms) -> str:
    return "principal first asked for" if terms.policy.mora_base == "original" else "principal open"
