"""Deciding on an agreement: request, approve or reject, activate, renegotiate, lose.

Who asked is an argument, named as events name actors: `key:<id>`. What the agreement's invoices say is one too.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from ledger.agreement.events import (
    Activated,
    Approved,
    EarlyPayOff,
    Lost,
    Refused,
    Renegotiated,
    Requested,
    ScheduledInstalment,
)
from ledger.agreement.plan import planned, require_ahead
from ledger.agreement.state import Agreement
from ledger.errors import Rejected
from ledger.invoice.preconditions import require_reason
from ledger.rounding import Rounding, share

YEAR_AHEAD: Final = timedelta(days=365)


class SameActor(Rejected):
    """The person who requested an agreement neither approves nor rejects it: another one does."""


class AlreadyDecided(Rejected):
    """The agreement was approved, rejected or put into force before."""


class NotApproved(Rejected):
    """Only an approved agreement is put into force, once."""


class NotActive(Rejected):
    """Only an agreement in force, not paid yet, is renegotiated or lost."""


class PayOffDayOutOfRange(Rejected):
    """A pay-off is of today, or of a day up to a year ahead."""


class DiscountOnLoan(Rejected):
    """A loan is a debt to be: there is nothing yet to take a discount off."""


class NothingToTakeOver(Rejected):
    """None of the agreement's invoices is open, so that there is no debt to pay in instalments."""


class Chain(NamedTuple):
    """The agreements that renegotiate one another: the id of the first, and what it lent or took over."""

    first_agreement_id: UUID
    lent_minor: int


def request(requested: Requested, today: date) -> Requested:
    """The request itself, when it could be put into force today but for its dates.

    Raises DiscountOnLoan, NothingToTakeOver, and what `ledger.agreement.plan.planned` refuses.
    """
    plan = requested.plan
    if requested.kind == "loan" and requested.renegotiates is None and plan.discount_minor:
        raise DiscountOnLoan("a loan has no discount: lend less instead", field="discount")
    if not requested.principal_minor:
        raise NothingToTakeOver(
            "nothing is open that could be paid in instalments", field="invoice_ids"
        )
    planned(plan, requested.principal_minor, requested.original_minor, requested.currency, today)
    return requested


def approve(agreement: Agreement, actor: str) -> Approved:
    """Raises AlreadyDecided, SameActor."""
    if agreement.status != "requested":
        raise AlreadyDecided(
            f"the agreement is {agreement.status}; only a requested one is approved"
        )
    _require_another(agreement, actor)
    return Approved(actor)


def reject(agreement: Agreement, actor: str, reason: str) -> Refused:
    """Also what was approved, as long as it is not in force. Raises AlreadyDecided, SameActor, ReasonMissing."""
    if agreement.status not in ("requested", "approved"):
        raise AlreadyDecided(
            f"the agreement is {agreement.status}; only a requested or approved one is rejected"
        )
    _require_another(agreement, actor)
    require_reason(reason)
    return Refused(actor, reason)


def require_activable(agreement: Agreement, today: date) -> None:
    """Raises NotApproved, DueInPast. What follows another agreement in force needs no approval of its own."""
    follows = agreement.renegotiates is not None and agreement.status == "requested"
    if agreement.status != "approved" and not follows:
        raise NotApproved(
            f"the agreement is {agreement.status}; only an approved one is put into force"
        )
    require_ahead(agreement.plan, today)


def activate(
    agreement: Agreement,
    owed_minor: int,
    original_minor: int,
    today: date,
    rounding: Rounding,
    invoice_id: Callable[[int], UUID],
    chain: Chain,
    early_pay_off: EarlyPayOff = "actuarial",
) -> Activated:
    """Puts an agreement into force over what is owed: the principal of a loan, or what was open on the invoices that
    are taken over. `invoice_id` names the invoice of an instalment by its number.

    Raises NotApproved, DueInPast, NothingToTakeOver, and what `ledger.agreement.plan.planned` refuses.
    """
    require_activable(agreement, today)
    if not owed_minor:
        raise NothingToTakeOver("none of the agreement's invoices is open any more")
    plan = agreement.plan
    parts = planned(plan, owed_minor, original_minor, agreement.currency, today, rounding)
    begins = agreement.renegotiates is None
    lent = share(chain.lent_minor if begins else 0, [one.principal_minor for one in parts])
    instalments = tuple(
        ScheduledInstalment(
            number=one.number,
            invoice_id=invoice_id(one.number),
            due_on=one.due_on,
            principal_minor=one.principal_minor,
            interest_minor=one.interest_minor,
            mora_base_minor=one.mora_base_minor,
            lent_minor=lent_minor,
        )
        for one, lent_minor in zip(parts, lent, strict=True)
    )
    lends = agreement.kind == "loan" and begins
    return Activated(
        principal_minor=owed_minor - plan.discount_minor,
        original_minor=original_minor,
        instalments=instalments,
        first_agreement_id=chain.first_agreement_id,
        lent_minor=chain.lent_minor,
        disbursed_minor=owed_minor if lends else 0,
        discount_minor=plan.discount_minor,
        early_pay_off=early_pay_off,
    )


def renegotiate(agreement: Agreement, successor_id: UUID, reason: str) -> Renegotiated:
    """Raises NotActive, ReasonMissing."""
    _require_active(agreement, "renegotiated")
    require_reason(reason)
    return Renegotiated(successor_id, reason)


def lose(agreement: Agreement, reason: str) -> Lost:
    """Raises NotActive, ReasonMissing."""
    _require_active(agreement, "lost")
    require_reason(reason)
    return Lost(reason)


def require_payable_off(agreement: Agreement, on: date, today: date) -> None:
    """Raises NotActive, PayOffDayOutOfRange."""
    _require_active(agreement, "paid off")
    if not today <= on <= today + YEAR_AHEAD:
        raise PayOffDayOutOfRange(
            f"{on} is not from today, {today}, to {today + YEAR_AHEAD}; choose a day in between",
            field="on",
        )


def _require_active(agreement: Agreement, what: str) -> None:
    if agreement.status != "active":
        raise NotActive(f"the agreement is {agreement.status}; only one in force can be {what}")


def _require_another(agreement: Agreement, actor: str) -> None:
    if actor == agreement.requested_by:
        raise SameActor(f"{actor} requested the agreement; another person must decide on it")
