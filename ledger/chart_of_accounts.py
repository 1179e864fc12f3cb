"""The chart of accounts: which accounts the journal posts to, and what they are called.

The journal knows accounts by their keys. Their names are the default chart's, or the tenant's own; they must suit
beancount, whose rules are the narrower: a root, then components that begin with a capital or a digit.
"""

import unicodedata
from collections.abc import Mapping
from typing import Final, Literal, get_args

from ledger.errors import Rejected, quoted

Account = Literal[
    "cash",
    "receivable_principal",
    "receivable_late_fee",
    "receivable_mora",
    "receivable_other_fees",
    "loans_receivable",
    "customer_credit",
    "refunds_payable",
    "unearned_interest",
    "tax",
    "revenue",
    "late_fee_income",
    "mora_income",
    "fee_income",
    "interest_income",
    "bad_debt",
    "waivers",
    "cancellations",
    "discounts",
]

CHART: Final[dict[Account, str]] = {
    "cash": "Assets:Cash",
    "receivable_principal": "Assets:Receivable:Principal",
    "receivable_late_fee": "Assets:Receivable:LateFees",
    "receivable_mora": "Assets:Receivable:Mora",
    "receivable_other_fees": "Assets:Receivable:OtherFees",
    "loans_receivable": "Assets:Loans",
    "customer_credit": "Liabilities:CustomerCredit",
    "refunds_payable": "Liabilities:RefundsPayable",
    "unearned_interest": "Liabilities:UnearnedInterest",
    "tax": "Liabilities:Tax",
    "revenue": "Income:Revenue",
    "late_fee_income": "Income:LateFees",
    "mora_income": "Income:Mora",
    "fee_income": "Income:OtherFees",
    "interest_income": "Income:Interest",
    "bad_debt": "Expenses:BadDebt",
    "waivers": "Expenses:Waivers",
    "cancellations": "Expenses:Cancellations",
    "discounts": "Expenses:Discounts",
}
"""The default chart, in the order in which accounts are listed.

cash                   money that arrived, less what was refunded and lent
receivable_principal   open principal of invoices that are no instalments
receivable_late_fee    open late fees
receivable_mora        open interest for late payment
receivable_other_fees  open fees that were charged by hand
loans_receivable       open principal and contractual interest of instalments
customer_credit        money that is the customers', for no invoice has taken it, less spent credit that was reversed
refunds_payable        credit on its way back
unearned_interest      contractual interest of instalments that are not due
tax                    tax invoiced, less what was credited
revenue                net amounts invoiced, less what was credited
late_fee_income        late fees charged
mora_income            interest for late payment
fee_income             fees charged by hand
interest_income        contractual interest of instalments that are due
bad_debt               debts written off, less what was recovered
waivers                what was waived
cancellations          what was open on invoices that were cancelled
discounts              discounts that agreements gave
"""

ROOTS: Final = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
MAX_NAME = 120


class UnknownAccount(Rejected):
    """The chart has no account of that key."""


class MalformedAccount(Rejected):
    """An account's name is a root, such as Assets or Income, and capitalised parts after colons."""


class AccountNamedTwice(Rejected):
    """Two accounts of the chart would bear one name, and could not be told apart any more."""


def named(own: Mapping[str, str]) -> dict[Account, str]:
    """The chart with a tenant's own names, by key. Raises UnknownAccount, MalformedAccount, AccountNamedTwice."""
    chart = dict(CHART)
    for key, name in own.items():
        account = _account(key)
        if not _is_name(name):
            raise MalformedAccount(
                f"{quoted(name)} is no name of an account; write one such as {CHART[account]}",
                field=f"chart.{key}",
            )
        chart[account] = name
    bearers: dict[str, Account] = {}
    for account, name in chart.items():
        other = bearers.setdefault(name, account)
        if other != account:
            raise AccountNamedTwice(
                f"{other} and {account} would both be called {quoted(name)}", field="chart"
            )
    return chart


def _account(key: str) -> Account:
    for account in get_args(Account):
        if account == key:
            found: Account = account
            return found
    raise UnknownAccount(
        f"the chart has no account {quoted(key)}; it has {', '.join(CHART)}", field="chart"
    )


def _is_name(name: str) -> bool:
    root, *parts = name.split(":")
    return root in ROOTS and bool(parts) and len(name) <= MAX_NAME and all(map(_is_part, parts))


def _is_part(part: str) -> bool:
    if not part or (unicodedata.category(part[0]) != "Lu" and part[0] not in "0123456789"):
        return False
    return all(
        character == "-" or character in "0123456789" or unicodedata.category(character)[0] == "L"
        for character in part
    )
