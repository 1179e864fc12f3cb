"""A template with a real invoice: what its customer would be sent today, written and not sent."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from adapters.store import snapshots
from adapters.store.debtor_chunks import invoices_of
from adapters.store.encryption import PersonalDataCipher
from adapters.templates.mail import WrittenMail, compiled, shipped_language, shipped_text, write
from commands.messages import letter_of, open_invoices
from commands.template_loading import UnknownTemplate
from commands.unit_of_work import Unknown
from ledger.customer import Customer
from ledger.dunning.choice import reason_for
from ledger.dunning.plan import Purpose
from ledger.errors import Rejected, quoted
from ledger.invoice.state import Invoice
from ledger.message import Message
from ledger.template import MailText, Template, TemplateVersion, chosen_language, stream_id
from ledger.tenant import Tenant

NOBODY = UUID(int=0)


class NothingToShow(Rejected):
    """Nothing is open on the invoice, or it is kept back: no message would be about it."""


def preview_template(
    connection: psycopg.Connection[Any],
    cipher: PersonalDataCipher,
    tenant_id: UUID,
    key: str,
    invoice_id: UUID,
    today: date,
    purpose: Purpose = "reminder",
    language: str | None = None,
) -> WrittenMail:
    """What a template says about a customer's debts, one of which is the invoice. An empty key is the shipped one.

    language  another one than the customer's

    Raises Unknown, UnknownTemplate, NothingToShow, MalformedTemplate.
    """
    invoice: Invoice = _state(connection, tenant_id, "invoice", invoice_id)
    customer: Customer = _state(connection, tenant_id, "customer", invoice.customer_id)
    tenant: Tenant = _state(connection, tenant_id, "tenant", tenant_id)
    rows = invoices_of(connection, tenant_id, [invoice.customer_id])
    payable = [
        (found_id, snapshots.state_of(connection, "invoice", tenant_id, found_id, fold, data))
        for _, found_id, _, fold, data in rows
    ]
    message = Message(
        kind="dunning",
        channel="email",
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        amount_minor=invoice.open.total,
        business_date=today,
        invoice_ids=(invoice_id,),
        plan=reason_for(tenant, customer, invoice).plan,
        plan_version=0,
        step="",
        purpose=purpose,
        queued_on=today,
    )
    listed = open_invoices(
        message,
        lambda other: reason_for(tenant, customer, other).plan,
        lambda key: True,
        payable,
        today,
    )
    if isinstance(listed, str):
        raise NothingToShow(f"no message would be about the invoice: {listed}")
    letter = letter_of(NOBODY, message, customer, tenant, listed, today)
    wanted = language or customer.language
    text, chosen = _text(connection, tenant_id, key, wanted)
    opened = msgspec.structs.replace(
        letter, name=cipher.opened_text(tenant_id, customer.person.name)
    )
    return write(compiled(text), opened, wanted or chosen)


def _text(
    connection: psycopg.Connection[Any], tenant_id: UUID, key: str, language: str
) -> tuple[MailText, str]:
    if not key:
        chosen = shipped_language(language)
        return shipped_text(chosen), chosen
    read = snapshots.read(connection, tenant_id, "template", stream_id(tenant_id, key))
    if read is None:
        raise UnknownTemplate(f"there is no template {quoted(key)}")
    template: Template = read[1]
    said: TemplateVersion = template.versions[-1]
    chosen = chosen_language(said, language)
    return said.texts[chosen], chosen


def _state(connection: psycopg.Connection[Any], tenant_id: UUID, kind: str, stream: UUID) -> Any:
    read = snapshots.read(connection, tenant_id, kind, stream)
    if read is None:
        raise Unknown(f"there is no {kind} {stream}")
    return read[1]
