"""`/api/agreements`: loans and payment plans, from the request to what becomes of them."""

from datetime import UTC, date, datetime
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import agreements as examples
from adapters.http.openapi.examples.invoices import page
from adapters.http.operations import command_route, query_route
from adapters.http.query_parameters import ListQuery, ReadQuery, chosen, read_query
from adapters.http.read_pool import Connection, today
from adapters.http.request_bodies import read_body
from adapters.store.agreement_snapshots import read_agreement, read_pay_off
from commands.agreements.early_pay_off import (
    NothingToPayOff,
    PaidOffView,
    PayOffAgreement,
    PayOffTooLow,
    pay_off_agreement,
)
from commands.agreements.lifecycle import (
    ActivateAgreement,
    ApproveAgreement,
    LoseAgreement,
    PrincipalOrInvoices,
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
from commands.agreements.pay_off_quote import AgreementPayOffView
from commands.agreements.view import AgreementView
from commands.payments import CurrencyDiffers
from commands.unit_of_work import NumberBeforeSeries, Unknown
from ledger.agreement.decisions import (
    AlreadyDecided,
    DiscountOnLoan,
    NotActive,
    NotApproved,
    NothingToTakeOver,
    PayOffDayOutOfRange,
    SameActor,
)
from ledger.agreement.events import Kind
from ledger.agreement.plan import (
    DownPaymentLate,
    DueInPast,
    EqualBearsNoInterest,
    NothingLeft,
)
from ledger.agreement.state import Status
from ledger.instalment_schedules import (
    InstalmentCountOutOfRange,
    InstalmentTooSmall,
    RateNotMonthly,
    TermTooLong,
)
from ledger.invoice.adjusting import BelongsToAgreement
from ledger.invoice.preconditions import NotOpen, ReasonMissing
from ledger.money import WithdrawnCurrency
from projections.agreements.fold import AGREEMENTS
from projections.agreements.listing import AgreementFilters, AgreementRow, list_agreements
from projections.invoices.fold import INVOICES
from projections.pagination import Page

PLAN_REFUSALS = (
    DownPaymentLate,
    EqualBearsNoInterest,
    InstalmentCountOutOfRange,
    InstalmentTooSmall,
    NothingLeft,
    RateNotMonthly,
    TermTooLong,
)


class AgreementListQuery(ListQuery, frozen=True, kw_only=True):
    """Which agreements."""

    status: Status | None = None
    kind: Kind | None = None
    customer_id: UUID | None = None


@query_route(
    "/agreements",
    operation_id="list_agreements",
    parameters=AgreementListQuery,
    response=Page[AgreementRow],
    response_example=page(examples.AGREEMENT_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Agreements, the latest request first, with what their instalments come to"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], AgreementListQuery)

    def read(connection: Connection) -> Page[AgreementRow]:
        return list_agreements(
            connection,
            tenant_id,
            chosen(parameters, AgreementFilters),
            today=today(connection, tenant_id, datetime.now(UTC)),
            cursor=parameters.cursor,
            limit=parameters.limit,
        )

    return await query(request, read, parameters, models=(AGREEMENTS.name, INVOICES.name))


@command_route(
    "/agreements",
    operation_id="request_agreement",
    request=RequestAgreement,
    request_example=examples.REQUEST_AGREEMENT,
    response=AgreementView,
    response_example=examples.REQUESTED_AGREEMENT,
    status=201,
    errors=(
        Unknown,
        PrincipalOrInvoices,
        CurrencyDiffers,
        WithdrawnCurrency,
        NotOpen,
        BelongsToAgreement,
        DiscountOnLoan,
        NothingToTakeOver,
        *PLAN_REFUSALS,
    ),
)
async def request_one(request: Call) -> Response[bytes]:
    """Ask for a loan, or for a payment plan over open invoices

    Another person approves or rejects it. Nothing changes on the invoices until it is put into force.
    """
    asked = await read_body(request, RequestAgreement)
    return await execute(
        request,
        lambda unit: request_agreement(unit, asked),
        prefetch_streams=(asked.customer_id, *asked.invoice_ids),
        prefetch_new=("agreement",),
    )


@query_route(
    "/agreements/{id:uuid}",
    operation_id="get_agreement",
    response=AgreementView,
    response_example=examples.AGREEMENT,
)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """An agreement with its instalments, as their invoices stand now"""
    tenant_id = request.user.tenant_id

    def read(connection: Connection) -> AgreementView:
        now = datetime.now(UTC)
        now_on = today(connection, tenant_id, now)
        return read_agreement(connection, tenant_id, id, now_on, now)

    return await query(request, read, read_query(request.scope["query_string"], ReadQuery))


class AgreementPayOffQuery(ReadQuery, frozen=True, kw_only=True):
    """`on`: the day of payment, today when left out, at most a year ahead."""

    on: date | None = None


@query_route(
    "/agreements/{id:uuid}/pay-off",
    operation_id="quote_agreement_pay_off",
    parameters=AgreementPayOffQuery,
    response=AgreementPayOffView,
    response_example=examples.PAY_OFF,
    errors=(NotActive, PayOffDayOutOfRange),
)
async def quote_pay_off(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """What pays an agreement off on a day, and the interest that is then given back

    What is due by the day is open with late fee and interest to it. Of instalments that are not due yet, contractual
    interest of the time to come is given back, as `early_pay_off` was when the agreement came into force.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], AgreementPayOffQuery)

    def read(connection: Connection) -> AgreementPayOffView:
        now = datetime.now(UTC)
        now_on = today(connection, tenant_id, now)
        return read_pay_off(connection, tenant_id, id, parameters.on, now_on, now)

    return await query(request, read, parameters)


@command_route(
    "/agreements/{id:uuid}/pay-off",
    operation_id="pay_off_agreement",
    request=PayOffAgreement,
    request_example=examples.PAY_OFF_AGREEMENT,
    response=PaidOffView,
    response_example=examples.PAID_OFF,
    status=201,
    key_required=True,
    errors=(Unknown, NotActive, NothingToPayOff, PayOffTooLow, CurrencyDiffers),
)
async def pay_off(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Pay an agreement off today: interest of the time to come is given back, and one payment settles the rest"""
    paid = await read_body(request, PayOffAgreement)
    return await execute(
        request,
        lambda unit: pay_off_agreement(unit, id, paid),
        prefetch_streams=(id,),
        prefetch_new=("payment",),
    )


@command_route(
    "/agreements/{id:uuid}/approve",
    operation_id="approve_agreement",
    request=ApproveAgreement,
    request_example=ApproveAgreement(),
    response=AgreementView,
    response_example=examples.APPROVED_AGREEMENT,
    errors=(Unknown, AlreadyDecided, SameActor),
)
async def approve(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Approve an agreement

    Not with the key that requested it.
    """
    approval = await read_body(request, ApproveAgreement)
    return await execute(
        request, lambda unit: approve_agreement(unit, id, approval), prefetch_streams=(id,)
    )


@command_route(
    "/agreements/{id:uuid}/reject",
    operation_id="reject_agreement",
    request=RejectAgreement,
    request_example=examples.REJECT_AGREEMENT,
    response=AgreementView,
    response_example=examples.REJECTED_AGREEMENT,
    errors=(Unknown, AlreadyDecided, SameActor, ReasonMissing),
)
async def reject(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Reject an agreement that is not in force

    Not with the key that requested it.
    """
    rejection = await read_body(request, RejectAgreement)
    return await execute(
        request, lambda unit: reject_agreement(unit, id, rejection), prefetch_streams=(id,)
    )


@command_route(
    "/agreements/{id:uuid}/activate",
    operation_id="activate_agreement",
    request=ActivateAgreement,
    request_example=ActivateAgreement(),
    response=AgreementView,
    response_example=examples.AGREEMENT,
    key_required=True,
    errors=(
        Unknown,
        NotApproved,
        DueInPast,
        NothingToTakeOver,
        NothingLeft,
        InstalmentTooSmall,
        TermTooLong,
        NumberBeforeSeries,
    ),
)
async def activate(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Put an approved agreement into force

    A payment plan closes its invoices and takes over what is open on them. Each instalment is an invoice that is sent
    today under the next number of the series.
    """
    activation = await read_body(request, ActivateAgreement)
    return await execute(
        request, lambda unit: activate_agreement(unit, id, activation), prefetch_streams=(id,)
    )


@command_route(
    "/agreements/{id:uuid}/renegotiate",
    operation_id="renegotiate_agreement",
    request=RenegotiateAgreement,
    request_example=examples.RENEGOTIATE_AGREEMENT,
    response=AgreementView,
    response_example=examples.SUCCESSOR,
    key_required=True,
    errors=(
        Unknown,
        NotActive,
        ReasonMissing,
        DueInPast,
        NothingToTakeOver,
        NumberBeforeSeries,
        CurrencyDiffers,
        *PLAN_REFUSALS,
    ),
)
async def renegotiate(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Replace an agreement in force by another one

    Closes every open instalment. The new agreement, which is answered, is over what was open on them, less the
    discount, and in force at once; late fee and mora go on counting on the value that was first asked for.
    """
    terms = await read_body(request, RenegotiateAgreement)
    return await execute(
        request,
        lambda unit: renegotiate_agreement(unit, id, terms),
        prefetch_streams=(id,),
        prefetch_new=("agreement",),
    )


@command_route(
    "/agreements/{id:uuid}/lose",
    operation_id="lose_agreement",
    request=LoseAgreement,
    request_example=examples.LOSE_AGREEMENT,
    response=AgreementView,
    response_example=examples.LOST_AGREEMENT,
    errors=(Unknown, NotActive, ReasonMissing),
)
async def lose(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Give an agreement up as lost

    Writes off every open instalment. What arrives on them later is a recovery, and the agreement stays lost.
    """
    loss = await read_body(request, LoseAgreement)
    return await execute(
        request, lambda unit: lose_agreement(unit, id, loss), prefetch_streams=(id,)
    )
