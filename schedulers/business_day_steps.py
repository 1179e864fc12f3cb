"""What each step of a business day posts to an invoice, and from which local time on."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from functools import partial

from ledger.business_day import Step
from ledger.dunning.contact_days import EARLIEST_CONTACT
from ledger.event_registry import New
from ledger.invoice import accrual, recording
from ledger.invoice.state import Invoice
from ledger.reference_rates import Table
from ledger.tenant import Settings
from ledger.time_zones import instant_of
from schedulers.ports import Decide

NO_RATES: Table = {}

EARLIEST: dict[Step, time] = {
    "overdue": time(5, 0),
    "mora": time(5, 0),
    "dunning": EARLIEST_CONTACT,
}
"""The local time before which a step does not begin automatically. Each also waits for the one before it."""


def contacts_may_begin(settings: Settings, day: date, now: datetime) -> Callable[[Step], bool]:
    """Which steps of a day may be run by hand: any, but customers are never contacted before their hour."""
    begins_at = instant_of(day, EARLIEST["dunning"], settings.timezone)
    return lambda step: step != "dunning" or now >= begins_at


def post_overdue(invoice: Invoice, day: date) -> Sequence[New]:
    """Past the payable-until date and grace: overdue, and the late fee once. Past a promise: kept or broken."""
    return accrual.due_on_waking(invoice, day)


def post_mora(invoice: Invoice, day: date, rates: Table = NO_RATES) -> Sequence[New]:
    """Interest up to and including the day, at the reference rates that are known."""
    decision = recording.learn_rates(invoice, rates, day)
    return [*decision.new, *accrual.mora_on(decision.invoice, day)]


def decide_with(step: Step, rates: Table) -> Decide:
    """What a step decides invoice by invoice, given the tenant's reference rates."""
    return partial(post_mora, rates=rates) if step == "mora" and rates else DECIDE[step]


DECIDE: dict[Step, Decide] = {"overdue": post_overdue, "mora": post_mora}
