"""`/api/invoices/{id}/dispute|promise|hold|release|dunning-plan`: what the customer says of an invoice, what keeps
dunning from it, and the plan that it follows."""

from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute
from adapters.http.openapi.examples import adjustments as examples
from adapters.http.openapi.examples.invoices import INVOICE
from adapters.http.operations import command_route
from adapters.http.request_bodies import read_body
from commands.holds import (
    DisputeInvoice,
    HoldInvoice,
    PromiseToPay,
    ReleaseInvoice,
    ResolveDispute,
    dispute_invoice,
    hold_invoice,
    promise_to_pay,
    release_invoice,
    resolve_dispute,
)
from commands.invoices import ChooseDunningPlan, InvoiceView, choose_dunning_plan
from commands.payments import CurrencyDiffers
from commands.plan_loading import UnknownPlan
from commands.unit_of_work import Unknown
from ledger.invoice.holding import (
    AlreadyDisputed,
    AlreadyHeld,
    DisputesOverlap,
    HoldOver,
    NotDisputed,
    NotHeld,
    OverDisputed,
    OverPromised,
    PromiseTooLate,
    ResolvedTooEarly,
)
from ledger.invoice.preconditions import (
    EffectiveInFuture,
    EffectiveTooEarly,
    NotOpen,
    ReasonMissing,
)


@command_route(
    "/invoices/{id:uuid}/dispute",
    operation_id="dispute_invoice",
    request=DisputeInvoice,
    request_example=examples.DISPUTE_INVOICE,
    response=InvoiceView,
    response_example=examples.DISPUTED,
    errors=(
        Unknown,
        NotOpen,
        ReasonMissing,
        AlreadyDisputed,
        OverDisputed,
        DisputesOverlap,
        CurrencyDiffers,
        EffectiveInFuture,
        EffectiveTooEarly,
    ),
)
async def dispute(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record that the customer disputes the open principal, or a part of it

    Dunning leaves that part out. Where the setting `dispute_holds_interest` says so, it bears no interest until
    the dispute is resolved.
    """
    disputed = await read_body(request, DisputeInvoice)
    return await execute(
        request, lambda unit: dispute_invoice(unit, id, disputed), prefetch_streams=(id,)
    )


@command_route(
    "/invoices/{id:uuid}/dispute/resolve",
    operation_id="resolve_invoice_dispute",
    request=ResolveDispute,
    request_example=examples.RESOLVE_DISPUTE,
    response=InvoiceView,
    response_example=INVOICE,
    errors=(Unknown, NotDisputed, ResolvedTooEarly, EffectiveInFuture),
)
async def resolve(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Resolve a dispute

    Accepted, interest that was held is not charged; credit or waive what is not owed. Rejected, it is charged.
    """
    resolved = await read_body(request, ResolveDispute)
    return await execute(
        request, lambda unit: resolve_dispute(unit, id, resolved), prefetch_streams=(id,)
    )


@command_route(
    "/invoices/{id:uuid}/promise",
    operation_id="promise_invoice_payment",
    request=PromiseToPay,
    request_example=examples.PROMISE_TO_PAY,
    response=InvoiceView,
    response_example=examples.PROMISED,
    errors=(
        Unknown,
        NotOpen,
        PromiseTooLate,
        OverPromised,
        CurrencyDiffers,
        EffectiveInFuture,
        EffectiveTooEarly,
    ),
)
async def promise(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record a promise to pay by a day; it takes the place of an earlier one

    The day after, the clock finds it kept or broken.
    """
    promised = await read_body(request, PromiseToPay)
    return await execute(
        request, lambda unit: promise_to_pay(unit, id, promised), prefetch_streams=(id,)
    )


@command_route(
    "/invoices/{id:uuid}/hold",
    operation_id="hold_invoice",
    request=HoldInvoice,
    request_example=examples.HOLD_INVOICE,
    response=InvoiceView,
    response_example=examples.HELD,
    errors=(Unknown, NotOpen, ReasonMissing, AlreadyHeld, HoldOver),
)
async def hold(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Keep dunning from an invoice, until a day or until it is released"""
    held = await read_body(request, HoldInvoice)
    return await execute(request, lambda unit: hold_invoice(unit, id, held), prefetch_streams=(id,))


@command_route(
    "/invoices/{id:uuid}/release",
    operation_id="release_invoice",
    request=ReleaseInvoice,
    request_example=examples.RELEASE_INVOICE,
    response=InvoiceView,
    response_example=INVOICE,
    errors=(Unknown, NotHeld),
)
async def release(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Let dunning take an invoice up again"""
    released = await read_body(request, ReleaseInvoice)
    return await execute(
        request, lambda unit: release_invoice(unit, id, released), prefetch_streams=(id,)
    )


@command_route(
    "/invoices/{id:uuid}/dunning-plan",
    operation_id="choose_dunning_plan",
    request=ChooseDunningPlan,
    request_example=ChooseDunningPlan("gentle"),
    response=InvoiceView,
    response_example=INVOICE,
    errors=(Unknown, UnknownPlan),
)
async def choose_plan(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Have an invoice follow a dunning plan of its own, or none of its own

    It goes before the plan of its customer, one for a tag of the customer, and the tenant's. The
    invoice keeps the stage it has reached: steps up to its last one are over in the new plan as well.
    """
    choice = await read_body(request, ChooseDunningPlan)
    return await execute(
        request, lambda unit: choose_dunning_plan(unit, id, choice), prefetch_streams=(id,)
    )


ROUTES = (dispute, resolve, promise, hold, release, choose_plan)
