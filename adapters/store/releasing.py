"""Releasing imported invoices through the writer, many at a time, each a command of its own."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from adapters.store.requests import Request
from adapters.store.writer import Writer
from commands.holds import ReleaseInvoice, release_invoice
from commands.invoices import InvoiceView
from commands.unit_of_work import Unit
from ledger.invoice.holding import NotHeld
from schedulers.release import pages

AT_ONCE: Final = 64


def release_all(
    writer: Writer,
    tenant_id: UUID,
    invoice_ids: Sequence[UUID],
    reason: str,
    *,
    actor: str,
    correlation_id: str = "",
    now: datetime | None = None,
) -> int:
    """Releases invoices and returns how many. One that was released meanwhile is left as it is, so that a release which
    was interrupted is just repeated."""
    released = 0
    command = ReleaseInvoice(reason)
    for page in pages(invoice_ids, AT_ONCE):
        futures = writer.submit_all(
            [
                Request(
                    tenant_id=tenant_id,
                    actor=actor,
                    handler=partial(_release, invoice_id, command),
                    correlation_id=correlation_id,
                    prefetch_streams=(invoice_id,),
                    now=now,
                )
                for invoice_id in page
            ]
        )
        for future in futures:
            try:
                future.result()
            except NotHeld:
                continue
            released += 1
    return released


def _release(invoice_id: UUID, command: ReleaseInvoice, unit: Unit) -> InvoiceView:
    return release_invoice(unit, invoice_id, command)
