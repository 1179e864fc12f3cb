"""`/api/invoices/{id}/fees|waivers|credit-notes|write-off`: what an invoice owes is adjusted."""

from typing import Final
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute
from adapters.http.openapi.examples import adjustments as examples
from adapters.http.operations import command_route
from adapters.http.request_bodies import read_body
from commands.adjustments import (
    AmountOrLines,
    ChargeFee,
    CreditInvoice,
    CreditNoteView,
    WaiveComponent,
    WriteOffInvoice,
    charge_fee,
    credit_invoice,
    waive,
    write_off,
)
from commands.invoices import InvoiceView
from commands.payments import CurrencyDiffers
from commands.unit_of_work import NumberBeforeSeries, Unknown
from ledger.invoice.adjusting import (
    BelongsToAgreement,
    NotCreditable,
    OverWaived,
    OverWrittenOff,
)
from ledger.invoice.credit_notes import (
    DiscountLeftOver,
    ForgivenOtherwise,
    LineOverCredited,
    OverCredited,
    UnknownLine,
)
from ledger.invoice.preconditions import (
    EffectiveInFuture,
    EffectiveTooEarly,
    NotOpen,
    ReasonMissing,
)

CREDIT_NOTE_REFUSALS: Final = (
    Unknown,
    NotCreditable,
    BelongsToAgreement,
    ReasonMissing,
    OverCredited,
    LineOverCredited,
    ForgivenOtherwise,
    DiscountLeftOver,
    UnknownLine,
    AmountOrLines,
    CurrencyDiffers,
    NumberBeforeSeries,
)


@command_route(
    "/invoices/{id:uuid}/fees",
    operation_id="charge_invoice_fee",
    request=ChargeFee,
    request_example=examples.CHARGE_FEE,
    response=InvoiceView,
    response_example=examples.CHARGED,
    key_required=True,
    errors=(
        Unknown,
        NotOpen,
        ReasonMissing,
        CurrencyDiffers,
        EffectiveInFuture,
        EffectiveTooEarly,
    ),
)
async def charge(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Charge a fee by hand

    It is open at once, under `other_fees`, and bears no interest.
    """
    fee = await read_body(request, ChargeFee)
    return await execute(request, lambda unit: charge_fee(unit, id, fee), prefetch_streams=(id,))


@command_route(
    "/invoices/{id:uuid}/waivers",
    operation_id="waive_invoice_component",
    request=WaiveComponent,
    request_example=examples.WAIVE_COMPONENT,
    response=InvoiceView,
    response_example=examples.WAIVED,
    key_required=True,
    errors=(
        Unknown,
        NotOpen,
        ReasonMissing,
        OverWaived,
        CurrencyDiffers,
        EffectiveInFuture,
        EffectiveTooEarly,
    ),
)
async def waive_component(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Waive what is open of a component, or a part of it"""
    waiver = await read_body(request, WaiveComponent)
    return await execute(request, lambda unit: waive(unit, id, waiver), prefetch_streams=(id,))


@command_route(
    "/invoices/{id:uuid}/credit-notes",
    operation_id="credit_invoice",
    request=CreditInvoice,
    request_example=examples.CREDIT_INVOICE,
    response=CreditNoteView,
    response_example=examples.CREDIT_NOTE,
    status=201,
    key_required=True,
    errors=CREDIT_NOTE_REFUSALS,
)
async def issue_credit_note(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Issue a credit note: over all that is left of the invoice, an amount of it, or lines of it

    It gets the next number of its series, and negates the tax that was asked for. It takes principal off what is open;
    what had been paid of it covers open fees and interest, and the rest is the customer's credit.
    """
    note = await read_body(request, CreditInvoice)
    return await execute(
        request, lambda unit: credit_invoice(unit, id, note), prefetch_streams=(id,)
    )


@command_route(
    "/invoices/{id:uuid}/write-off",
    operation_id="write_off_invoice",
    request=WriteOffInvoice,
    request_example=examples.WRITE_OFF,
    response=InvoiceView,
    response_example=examples.WRITTEN_OFF,
    key_required=True,
    errors=(
        Unknown,
        NotOpen,
        ReasonMissing,
        OverWrittenOff,
        CurrencyDiffers,
        EffectiveInFuture,
        EffectiveTooEarly,
    ),
)
async def write_invoice_off(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Write off what is open, or a part of it; what arrives later is a recovery"""
    reason = await read_body(request, WriteOffInvoice)
    return await execute(request, lambda unit: write_off(unit, id, reason), prefetch_streams=(id,))


ROUTES = (charge, waive_component, issue_credit_note, write_invoice_off)
