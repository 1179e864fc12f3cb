"""A journey through one tenant's books: what rules share, the clock, and what holds after every step.

`Journey.steps` counts the commands that were asked; `accepted` and `refusals` those that went through, by handler, and
those that were refused, by error.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.agreement.events import Activated
from ledger.errors import LedgerError
from ledger.event_registry import New
from ledger.invoice.state import OPEN, Invoice
from ledger.money import Money
from ledger.streams import STREAMS
from ledger.tax import Line
from ledger.waterfall import COMPONENTS
from schedulers.business_day_steps import DECIDE
from tests.commands import invariants
from tests.commands.books import Books
from tests.ledger.bookkeeping import Bookkeeper, assert_agree
from tests.ledger.implied import Implied

IS_OPEN = ("sent", "overdue", "disputed")
BEGINS_ON = date(2024, 1, 2)
NOBODY = UUID(int=404)

picks = st.integers(0, 5)
thousandths = st.one_of(st.integers(1, 400), st.integers(1, 1_300), st.just(1_000))
back = st.sampled_from((0, 0, 0, 1, 2, 5, 11, 30, 45))
maybe_share = st.one_of(st.none(), thousandths)
CURRENCIES = ("BRL", "BRL", "JPY", "KWD")
policies = st.fixed_dictionaries(
    {
        "late_fee": st.sampled_from(("0%", "2%", "33.333%", "0.7%")),
        "mora": st.sampled_from(("0%/month", "1%/month", "1%/month", "14.3%/month", "8.5%/year")),
        "mora_base": st.sampled_from(("outstanding", "outstanding", "original")),
        "grace_days": st.sampled_from((0, 0, 3)),
        "interest_from": st.sampled_from(("due_date", "shifted")),
        "day_count": st.sampled_from(("30", "360", "365", "actual")),
        "accrual": st.sampled_from(("daily", "daily", "month_end")),
        "rounding": st.sampled_from(("half_even", "half_up", "truncate")),
        "late_fee_cap": st.sampled_from((None, None, "1%")),
        "small_balance_tolerance": st.sampled_from((None, None, Money("5.00", "BRL"))),
        "waterfall": st.permutations(COMPONENTS).map(tuple) | st.just(COMPONENTS),
    }
)
settings_of_tenant = st.fixed_dictionaries(
    {
        "calendar": st.sampled_from(("none", "weekends")),
        "tax_rounding": st.sampled_from(("line", "document")),
        "rounding": st.sampled_from(("half_even", "half_up")),
        "apply_credit": st.sampled_from(("by_hand", "automatic")),
        "dispute_holds_interest": st.booleans(),
        "duplicate_window_days": st.sampled_from((0, 7)),
        "refund_excess_above": st.sampled_from((None, None, Money("10.00", "BRL"))),
    }
)


class Journey(RuleBasedStateMachine):
    """One tenant, two customers, a few invoices, payments and agreements."""

    steps: ClassVar[int] = 0
    accepted: ClassVar[Counter[str]] = Counter()
    refusals: ClassVar[Counter[str]] = Counter()

    @initialize(policy=policies, settings=settings_of_tenant)
    def begin(self, policy: dict[str, Any], settings: dict[str, Any]) -> None:
        self.books = Books(**policy)
        self.books.run(configure_tenant, ConfigureTenant(**settings))
        self.is_automatic = settings["apply_credit"] == "automatic"
        self.customers = [self.books.customer_id, self.books.customer("Jonas")]
        self.invoices: list[UUID] = []
        self.payments: list[UUID] = []
        self.told: dict[UUID, list[New]] = {}
        self.implied: dict[UUID, Implied] = {}
        self.bookkeeper = Bookkeeper()
        self.lent_minor = 0
        self.seen = 0
        self.agreements: list[UUID] = []
        self.today = BEGINS_ON
        self.books.on(self.today)
        for who, currency in ((0, "BRL"), (0, "BRL"), (1, "KWD")):
            self.open_invoice(who, currency)

    # What rules are made of.

    def ask(self, handler: Callable[..., Any], *arguments: Any) -> Any | None:
        """The answer, or None when it was refused and nothing has changed."""
        Journey.steps += 1
        books = self.books
        before = (dict(books.snapshots), len(books.log), dict(books.names), dict(books.series))
        try:
            answer = books.run(handler, *arguments)
        except LedgerError as error:
            Journey.refusals[error.code] += 1
            assert before == (books.snapshots, len(books.log), books.names, books.series)
            return None
        Journey.accepted[handler.__name__] += 1
        return answer

    def invoice(self, pick: int, *statuses: str) -> UUID:
        """One of the invoices; mostly one in these states, where they are named."""
        found = [one for one in self.invoices if pick and self.status(one) in statuses]
        found = found or self.invoices
        return found[pick % len(found)]

    def status(self, invoice_id: UUID) -> str:
        """The invoice's state; `disputed` for an open one that is."""
        invoice: Invoice = self.books.state("invoice", invoice_id)
        return "disputed" if invoice.dispute is not None else invoice.status

    def payment(self, pick: int) -> UUID:
        """One of the last payments."""
        recent = self.payments[-6:]
        return recent[pick % len(recent)] if recent else NOBODY

    def open_invoice(self, who: int, currency: str, price: str = "500", due_in: int = 5) -> None:
        lines = (Line("Work", "1", price, "10%"), Line("Book", "1", "9.9", "23%", True))
        due_on = self.today + timedelta(days=due_in)
        command = DraftInvoice(self.customers[who % 2], due_on, lines, currency)
        view = self.ask(draft_invoice, command)
        assert view is not None
        self.invoices.append(view.id)
        self.ask(send_invoice, view.id, SendInvoice())

    def maybe(self, invoice_id: UUID, share: int | None, component: str = "total") -> Money | None:
        return None if share is None else self.part(invoice_id, share, component)

    def part(self, invoice_id: UUID, share: int, component: str = "total") -> Money:
        """A part of what is open of an invoice (or of its total), in thousandths."""
        invoice: Invoice = self.books.state("invoice", invoice_id)
        whole: int = getattr(invoice.open, component) or invoice.total_minor
        return Money.of(max(1, whole * share // 1000), invoice.currency)

    def earlier(self, days: int) -> date | None:
        """A day so many days ago; none for today, which commands mean when they say no day."""
        return self.today - timedelta(days=days) if days else None

    # Time.

    @rule(days=st.integers(1, 12))
    def run_the_clock(self, days: int) -> None:
        for _ in range(days):
            self._next_day()
            for step in DECIDE.values():
                for invoice_id in self.invoices:
                    self._clock(invoice_id, step)

    def _clock(self, invoice_id: UUID, step: Any) -> None:
        invoice: Invoice = self.books.state("invoice", invoice_id)
        facts = STREAMS["invoice"].facts(invoice)
        if facts.accrues or (facts.wakes_on is not None and facts.wakes_on <= self.today):
            self.books.append("invoice", invoice_id, step(invoice, self.today))

    @rule(days=st.integers(1, 35))
    def let_days_pass(self, days: int) -> None:
        """Nights that the clock has missed."""
        for _ in range(days):
            self._next_day()

    def _next_day(self) -> None:
        self.today += timedelta(days=1)
        self.books.on(self.today)

    # What holds after each of them.

    @invariant()
    def books_are_sound(self) -> None:
        if not hasattr(self, "books"):
            return
        log = self.books.log
        changed = {stream_id: kind for kind, stream_id, _ in log[self.seen :]}
        for kind, stream_id, new in log[self.seen :]:
            self.told.setdefault(stream_id, []).append(new)
            self.bookkeeper.post(kind, stream_id, new)
            if isinstance(new.event, Activated) and new.event.disbursed_minor:
                self.lent_minor += new.event.disbursed_minor
            if kind == "invoice":
                self.implied.setdefault(stream_id, Implied()).tell(*new)
        self.seen = len(log)
        if not changed:
            return
        for stream_id, kind in changed.items():
            state = self.books.state(kind, stream_id)
            invariants.assert_refolds(kind, self.told[stream_id], state)
            if kind == "invoice":
                invariants.assert_invoice_balances(state)
                implied = self.implied[stream_id]
                invariants.assert_nothing_is_owed_otherwise(stream_id, state, implied)
            elif kind == "customer":
                invariants.assert_customer_is_sound(state)
            elif kind == "payment":
                invariants.assert_payment_is_spread(state)
        invariants.assert_agreements_follow(self.books)
        self._journal_agrees()
        invariants.assert_money_balances(self.books)
        invariants.assert_sources_balance(self.books)
        invariants.assert_payments_are_on_their_invoices(self.books)
        if self.is_automatic:
            self._nothing_waits_to_be_applied()

    def _journal_agrees(self) -> None:
        """The accounts hold what the states say; what was lent, in BRL, is out of the cash."""
        balances = self.bookkeeper.balances.copy()
        balances["BRL", "cash"] += self.lent_minor
        states = [(kind, state) for _, kind, state in invariants.states(self.books)]
        assert_agree(balances, states)
        of_currency: Counter[str] = Counter()
        for (currency, _), minor in self.bookkeeper.balances.items():
            of_currency[currency] += minor
        assert not any(of_currency.values())

    def _nothing_waits_to_be_applied(self) -> None:
        owing = {
            (state.customer_id, state.currency)
            for _, kind, state in invariants.states(self.books)
            if kind == "invoice" and state.status in OPEN
        }
        for customer_id in self.customers:
            credit = self.books.state("customer", customer_id).credit
            assert not owing & {(customer_id, currency) for currency in credit}
