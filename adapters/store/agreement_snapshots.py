"""An agreement with its instalments, read from the snapshots of their streams."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg

from adapters.store import snapshots
from commands.agreements.break_even import break_even, chain_of
from commands.agreements.pay_off_quote import AgreementPayOffView, agreement_pay_off
from commands.agreements.view import AgreementView, agreement_view
from commands.unit_of_work import Unknown
from ledger.agreement.state import Agreement


def read_agreement(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    agreement_id: UUID,
    today: date,
    now: datetime,
) -> AgreementView:
    """Raises Unknown."""

    def find(one: UUID) -> Agreement:
        return found_agreement(connection, tenant_id, one)

    agreement = find(agreement_id)
    chain = chain_of(agreement_id, agreement, find)
    ids = [part.invoice_id for _, one in chain for part in one.instalments]
    invoices = snapshots.read_many(connection, tenant_id, "invoice", ids)
    reached = break_even(agreement, invoices.values(), now)
    return agreement_view(agreement_id, agreement, invoices, today, reached)


def read_pay_off(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    agreement_id: UUID,
    on: date | None,
    today: date,
    now: datetime,
) -> AgreementPayOffView:
    """What settles an agreement on a day, today when none is said. Raises Unknown, NotActive, PayOffDayOutOfRange."""
    agreement = found_agreement(connection, tenant_id, agreement_id)
    ids = [part.invoice_id for part in agreement.instalments]
    invoices = snapshots.read_many(connection, tenant_id, "invoice", ids)
    return agreement_pay_off(agreement_id, agreement, invoices, on or today, today, now)


def found_agreement(
    connection: psycopg.Connection[Any], tenant_id: UUID, agreement_id: UUID
) -> Agreement:
    """Raises Unknown."""
    found = snapshots.read(connection, tenant_id, "agreement", agreement_id)
    if found is None:
        raise Unknown(f"there is no agreement {agreement_id}")
    agreement: Agreement = found[1]
    return agreement
