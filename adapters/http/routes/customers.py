"""`/api/customers`: who owes."""

from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import adjustments, dunning, invoices
from adapters.http.operations import command_route, query_route
from adapters.http.query_parameters import ListQuery, ReadQuery, chosen, read_query
from adapters.http.read_pool import found_snapshot
from adapters.http.request_bodies import read_body
from commands.credit_application import (
    ApplyCredit,
    CreditAppliedView,
    NothingToApply,
    OverApplied,
    apply_credit,
)
from commands.customers import (
    ChangeConsent,
    ChangeCustomer,
    ChangeTracking,
    CustomerNameMissing,
    CustomerView,
    RegisterCustomer,
    change_customer,
    change_tracking,
    customer_view,
    opt_in,
    opt_out,
    register_customer,
    revoke_links,
)
from commands.mails import NotReachable, QueueMail, queue_mail
from commands.messages import MessageView
from commands.payments import (
    AllocatedTwice,
    CurrencyDiffers,
    OverAllocated,
    SeveralCustomers,
    TwoTargets,
)
from commands.plan_loading import UnknownPlan
from commands.template_loading import UnknownTemplate
from commands.unit_of_work import AlreadyExists, Unknown
from ledger.dunning.plan import MalformedTag
from ledger.invoice.preconditions import NotOpen
from ledger.money import UnknownCurrency
from ledger.time_zones import UnknownZone
from projections.customers.fold import CUSTOMERS
from projections.customers.listing import CustomerFilters, CustomerRow, list_customers
from projections.invoices.fold import INVOICES
from projections.pagination import Page


class CustomerListQuery(ListQuery, frozen=True, kw_only=True):
    """`reference`: the one with this code. `with_credit`: only those with money that no invoice has taken.

    `with_shortfall`: only those that owe credit which was reversed after it was spent.
    """

    reference: str | None = None
    with_credit: bool = False
    with_shortfall: bool = False


class RevokeLinks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said to revoke links."""


@query_route(
    "/customers",
    operation_id="list_customers",
    parameters=CustomerListQuery,
    response=Page[CustomerRow],
    response_example=invoices.page(invoices.CUSTOMER_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Customers by reference, with what they owe and the credit they have

    Names are encrypted, so that customers can be neither searched nor sorted by them.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], CustomerListQuery)
    return await query(
        request,
        lambda connection: list_customers(
            connection,
            tenant_id,
            chosen(parameters, CustomerFilters),
            cursor=parameters.cursor,
            limit=parameters.limit,
        ),
        parameters,
        models=(CUSTOMERS.name, INVOICES.name),
    )


@command_route(
    "/customers",
    operation_id="register_customer",
    request=RegisterCustomer,
    request_example=invoices.REGISTER_CUSTOMER,
    response=CustomerView,
    response_example=invoices.CUSTOMER,
    status=201,
    errors=(CustomerNameMissing, AlreadyExists, UnknownZone, MalformedTag, UnknownPlan),
)
async def register(request: Call) -> Response[bytes]:
    """Register a customer

    Name, tax number, e-mail, phone, address and notes are kept encrypted under the customer's own key. `reference` is
    your own code, unique and in the clear: put no personal data into it.
    """
    customer = await read_body(request, RegisterCustomer)
    return await execute(request, lambda unit: register_customer(unit, customer))


@query_route(
    "/customers/{id:uuid}",
    operation_id="get_customer",
    response=CustomerView,
    response_example=invoices.CUSTOMER,
)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """A customer and its credit"""
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: customer_view(id, found_snapshot(connection, tenant_id, "customer", id)),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command_route(
    "/customers/{id:uuid}",
    operation_id="change_customer",
    method="PATCH",
    request=ChangeCustomer,
    request_example=invoices.CHANGE_CUSTOMER,
    response=CustomerView,
    response_example=invoices.CUSTOMER,
    errors=(Unknown, CustomerNameMissing, UnknownZone, MalformedTag, UnknownPlan),
)
async def change(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Change a customer; what is left out stays, an empty text clears"""
    changes = await read_body(request, ChangeCustomer)
    return await execute(
        request,
        lambda unit: change_customer(unit, id, changes),
        prefetch_streams=(id,),
    )


@command_route(
    "/customers/{id:uuid}/apply-credit",
    operation_id="apply_customer_credit",
    request=ApplyCredit,
    request_example=adjustments.APPLY_CREDIT,
    response=CreditAppliedView,
    response_example=adjustments.CREDIT_APPLIED,
    key_required=True,
    errors=(
        Unknown,
        UnknownCurrency,
        NothingToApply,
        OverApplied,
        OverAllocated,
        TwoTargets,
        AllocatedTwice,
        SeveralCustomers,
        CurrencyDiffers,
        NotOpen,
    ),
)
async def use_credit(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Apply a customer's credit, whatever it came from, the oldest first

    To one invoice, to several, or, where none is named, to what falls due first.
    """
    wanted = await read_body(request, ApplyCredit)
    return await execute(
        request, lambda unit: apply_credit(unit, id, wanted), prefetch_streams=(id,)
    )


@command_route(
    "/customers/{id:uuid}/opt-out",
    operation_id="opt_customer_out",
    request=ChangeConsent,
    request_example=dunning.CONSENT,
    response=CustomerView,
    response_example=invoices.CUSTOMER,
    errors=(Unknown,),
)
async def refuse_messages(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record that a customer wants no reminders on a channel

    It holds until it is revoked. A message that waits is not sent any more.
    """
    consent = await read_body(request, ChangeConsent)
    return await execute(request, lambda unit: opt_out(unit, id, consent), prefetch_streams=(id,))


@command_route(
    "/customers/{id:uuid}/opt-in",
    operation_id="opt_customer_in",
    request=ChangeConsent,
    request_example=dunning.CONSENT,
    response=CustomerView,
    response_example=invoices.CUSTOMER,
    errors=(Unknown,),
)
async def allow_messages(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record that a customer has revoked an opt-out"""
    consent = await read_body(request, ChangeConsent)
    return await execute(request, lambda unit: opt_in(unit, id, consent), prefetch_streams=(id,))


@command_route(
    "/customers/{id:uuid}/tracking",
    operation_id="change_customer_tracking",
    request=ChangeTracking,
    request_example=dunning.TRACKING,
    response=CustomerView,
    response_example=invoices.CUSTOMER,
    errors=(Unknown,),
)
async def track(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record whether a customer consents to its opening of messages being noted

    Without consent no message has a picture that tells.
    """
    consent = await read_body(request, ChangeTracking)
    return await execute(
        request, lambda unit: change_tracking(unit, id, consent), prefetch_streams=(id,)
    )


@command_route(
    "/customers/{id:uuid}/revoke-links",
    operation_id="revoke_customer_links",
    request=RevokeLinks,
    request_example=RevokeLinks(),
    response=CustomerView,
    response_example=invoices.CUSTOMER,
    errors=(Unknown,),
)
async def end_links(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Revoke the links of every message that was sent to a customer

    For a customer whose mail somebody else has read. Links of later messages work.
    """
    await read_body(request, RevokeLinks)
    return await execute(request, lambda unit: revoke_links(unit, id), prefetch_streams=(id,))


@command_route(
    "/customers/{id:uuid}/messages",
    operation_id="send_customer_mail",
    request=QueueMail,
    request_example=dunning.QUEUE_MAIL,
    response=MessageView,
    response_example=dunning.GENERIC_MAIL,
    status=201,
    errors=(Unknown, UnknownTemplate, NotReachable),
)
async def send_mail(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Send a customer what a template says, such as a welcome

    It is queued, and counts in the limits of contact. A customer who has opted out of mail is sent none.
    """
    wanted = await read_body(request, QueueMail)
    return await execute(request, lambda unit: queue_mail(unit, id, wanted), prefetch_streams=(id,))
