"""A machine that asks for anything in any order: legal and illegal commands on one tenant's books."""

from tests.commands.machine_agreements import Lending
from tests.commands.machine_invoices import Invoicing
from tests.commands.machine_payments import Paying


class Machine(Invoicing, Paying, Lending):
    """Every rule together."""
