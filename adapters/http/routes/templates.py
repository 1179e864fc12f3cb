"""`/api/dunning/templates`: what messages say."""

import datetime as dt
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call, api_of
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import invoices, templates
from adapters.http.operations import ADMINISTRATORS, command_route, query_route
from adapters.http.query_parameters import ReadQuery, read_query
from adapters.http.request_bodies import read_body
from adapters.templates.mail import WrittenMail, compiled
from adapters.templates.preview import NothingToShow, preview_template
from adapters.templates.stored import list_templates
from commands.template_loading import UnknownTemplate
from commands.templates import (
    SaveTemplate,
    TemplateView,
    save_template,
    template_view,
)
from commands.unit_of_work import Unknown
from ledger.dunning.plan import Purpose
from ledger.errors import quoted
from ledger.template import (
    MalformedTemplate,
    MalformedTemplateKey,
    Template,
    TranslationMissing,
)
from ledger.time_zones import business_date
from projections.pagination import Page


class PreviewQuery(ReadQuery, frozen=True, kw_only=True):
    """With which invoice; `language` when it is to be another one than the customer's."""

    invoice_id: UUID
    purpose: Purpose = "reminder"
    language: str | None = None


@query_route(
    "/dunning/templates",
    operation_id="list_templates",
    response=Page[TemplateView],
    response_example=invoices.page(templates.TEMPLATE),
)
async def list_all(request: Call) -> Response[bytes]:
    """Templates by key

    Steps of a plan that name none are written by the shipped texts, in English and Portuguese.
    """
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: Page(
            [template_view(one) for one in list_templates(connection, tenant_id)]
        ),
        read_query(request.scope["query_string"], ReadQuery),
    )


@query_route(
    "/dunning/templates/{key:str}",
    operation_id="get_template",
    response=TemplateView,
    response_example=templates.TEMPLATE,
    errors=(UnknownTemplate,),
)
async def show(request: Call, key: FromPath[str]) -> Response[bytes]:
    """A template"""
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: template_view(_named(list_templates(connection, tenant_id), key)),
        read_query(request.scope["query_string"], ReadQuery),
    )


@query_route(
    "/dunning/templates/{key:str}/preview",
    operation_id="preview_template",
    parameters=PreviewQuery,
    response=WrittenMail,
    response_example=templates.WRITTEN,
    errors=(Unknown, UnknownTemplate, NothingToShow, MalformedTemplate),
)
async def preview(request: Call, key: FromPath[str]) -> Response[bytes]:
    """What a template says today about a real invoice

    The key `shipped` shows the shipped texts. Nothing is sent.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], PreviewQuery)
    books = api_of(request).books
    today = business_date(dt.datetime.now(dt.UTC), books.clock.settings(tenant_id).timezone)
    return await query(
        request,
        lambda connection: preview_template(
            connection,
            books.cipher,
            tenant_id,
            "" if key == "shipped" else key,
            parameters.invoice_id,
            today,
            parameters.purpose,
            parameters.language,
        ),
        parameters,
    )


@command_route(
    "/dunning/templates",
    operation_id="save_template",
    roles=ADMINISTRATORS,
    request=SaveTemplate,
    request_example=templates.SAVE_TEMPLATE,
    response=TemplateView,
    response_example=templates.TEMPLATE,
    status=201,
    errors=(MalformedTemplateKey, MalformedTemplate, TranslationMissing),
)
async def save(request: Call) -> Response[bytes]:
    """Make a template, or its next version

    Subject and text are Liquid, `html` is MJML with Liquid in its tables and texts. Unknown variables, tags and filters
    are refused, and so is a version without a language that was there before. Messages that wait keep the version that
    they were queued with.
    """
    command = await read_body(request, SaveTemplate)
    return await execute(request, lambda unit: save_template(unit, command, compiled))


def _named(templates: list[Template], key: str) -> Template:
    for template in templates:
        if template.key == key:
            return template
    raise UnknownTemplate(f"there is no template {quoted(key)}")
