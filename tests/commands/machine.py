"""A machine that asks for anything in any order: legal and illegal commands on one tenant's books."""

from tests.commands.machine_agreements import Lending
from tests.commands.machine_invoices import Invoicing
from tests.commands.machine_payments import Paying
from tests.commands.machine_refunds import Refunding


class Machine(Invoicing, Paying, Refunding, Lending):
    """Every rule together."""
