"""An agreement with its instalments, read from the heads of their streams."""

from datetime import date
from typing import Any
from uuid import UUID

import psycopg

from adapters.store.reading import head, heads
from commands.agreement_view import AgreementView, agreement_view
from commands.unit import Unknown
from ledger.agreement.state import Agreement


def read_agreement(
    connection: psycopg.Connection[Any], tenant_id: UUID, agreement_id: UUID, today: date
) -> AgreementView:
    """Raises Unknown."""
    found = head(connection, tenant_id, "agreement", agreement_id)
    if found is None:
        raise Unknown(f"there is no agreement {agreement_id}")
    agreement: Agreement = found[1]
    ids = [part.invoice_id for part in agreement.instalments]
    return agreement_view(
        agreement_id, agreement, heads(connection, tenant_id, "invoice", ids), today
    )
