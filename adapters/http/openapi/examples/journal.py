"""The examples of the journal's routes."""

from datetime import UTC, date, datetime
from typing import Final

from projections.reports.trial_balance import AccountBalance, CurrencyTrialBalance, TrialBalance

TRIAL_BALANCE: Final = TrialBalance(
    as_of=date(2026, 3, 20),
    known_at=datetime(2026, 3, 20, 15, 0, tzinfo=UTC),
    currencies=[
        CurrencyTrialBalance(
            currency="BRL",
            accounts=[
                AccountBalance(
                    "receivable_principal",
                    "Assets:Receivable:Principal",
                    debit="100.00",
                    credit="0.00",
                    balance="100.00",
                ),
                AccountBalance(
                    "receivable_late_fee",
                    "Assets:Receivable:LateFees",
                    debit="2.00",
                    credit="0.00",
                    balance="2.00",
                ),
                AccountBalance(
                    "revenue", "Income:Revenue", debit="0.00", credit="100.00", balance="-100.00"
                ),
                AccountBalance(
                    "late_fee_income",
                    "Income:LateFees",
                    debit="0.00",
                    credit="2.00",
                    balance="-2.00",
                ),
            ],
            debit="102.00",
            credit="102.00",
        )
    ],
)
