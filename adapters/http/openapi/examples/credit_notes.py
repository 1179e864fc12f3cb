"""Examples of credit notes, in the story of `adapters.http.openapi.examples.invoices`: half of the bread was stale."""

from datetime import date
from typing import Final

from adapters.http.openapi.examples.adjustments import CREDIT_INVOICE, CREDIT_NOTE_ID
from adapters.http.openapi.examples.invoices import CUSTOMER_ID, INVOICE_ID, reais
from commands.adjustments import IssueCreditNote
from ledger.tax import UnitPrice
from projections.credit_notes.listing import (
    CreditedCustomer,
    CreditNoteDocument,
    CreditNoteLine,
    CreditNoteRow,
    CreditNoteTax,
)

ISSUE_CREDIT_NOTE: Final = IssueCreditNote(
    invoice_id=INVOICE_ID, reason=CREDIT_INVOICE.reason, lines=CREDIT_INVOICE.lines
)
CREDIT_NOTE_ROW: Final = CreditNoteRow(
    id=CREDIT_NOTE_ID,
    number="2026/000007",
    issued_on=date(2026, 3, 20),
    invoice_id=INVOICE_ID,
    invoice_number="2026/000042",
    invoice_issued_on=date(2026, 2, 27),
    creditor="Padaria Central",
    customer=CreditedCustomer(
        id=CUSTOMER_ID,
        reference="C-1001",
        name="Maria Souza",
        tax_number="",
        address="",
        country="",
    ),
    reason=CREDIT_INVOICE.reason,
    lines=[
        CreditNoteLine(
            line=0,
            description="Bread for February",
            quantity="1",
            unit_price=UnitPrice("100.00", "BRL"),
            tax_rate="0%",
            tax_included=False,
            net=reais("50.00"),
            tax=reais("0.00"),
            gross=reais("50.00"),
        )
    ],
    taxes=[
        CreditNoteTax(tax_rate="0%", net=reais("50.00"), tax=reais("0.00"), gross=reais("50.00"))
    ],
    net=reais("50.00"),
    tax=reais("0.00"),
    total=reais("50.00"),
)
CREDIT_NOTE_DOCUMENT: Final = CreditNoteDocument(
    **{name: getattr(CREDIT_NOTE_ROW, name) for name in CreditNoteRow.__struct_fields__},
    applied=reais("50.00"),
    credit=reais("0.00"),
)
