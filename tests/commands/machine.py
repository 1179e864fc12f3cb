"""Machines that ask for anything in any order: legal and illegal commands on one tenant's books."""

from tests.commands.machine_agreements import Lending
from tests.commands.machine_invoices import Invoicing
from tests.commands.machine_payments import Paying
from tests.commands.machine_refunds import Refunding


class Machine(Invoicing, Paying, Refunding, Lending):
    """Every rule together."""


class Narrow(Invoicing, Paying):
    """One invoice, on which everything happens: facts meet each other as closely as can be."""

    draft = draft_and_send = send = change_the_policy = None  # type: ignore[assignment]
    hold = release = charge = pay_in_another_currency = pay_several = None  # type: ignore[assignment]

    def open_invoice(self, who: int, currency: str, price: str = "500", due_in: int = 5) -> None:
        if not self.invoices:
            super().open_invoice(who, currency, price, due_in)


class Agreed(Narrow, Lending):
    """One invoice that an agreement takes over, and its instalments."""

    ask_for_a_loan = ask_for_a_plan = decide = activate = None  # type: ignore[assignment]
