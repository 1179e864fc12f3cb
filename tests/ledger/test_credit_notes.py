"""What credit notes credit of lines and tax, against an exact calculation in fractions."""

from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.errors import Rejected
from ledger.invoice import credit_notes, issuing
from ledger.invoice.credit_notes import (
    DiscountLeftOver,
    ForgivenOtherwise,
    LineOverCredited,
    OverCredited,
    UnknownLine,
)
from ledger.invoice.events import Credited, CreditedLine
from ledger.invoice.evolve import evolve
from ledger.invoice.state import Invoice, lines_of
from ledger.rates import Rate, parse_rate
from ledger.tax import Line, NegativeTotal, TaxRounding, ZeroTotal, price_lines
from ledger.waterfall import Split

ON = date(2024, 3, 1)
Step = tuple[Literal["amount", "lines", "all"], int, int]

LINES = st.builds(
    Line,
    description=st.just("Work"),
    quantity=st.sampled_from(("1", "3")),
    unit_price=st.sampled_from(
        ("0", "0.01", "0.02", "0.05", "1.00", "19.99", "33.33", "-0.5", "-1")
    ),
    tax_rate=st.sampled_from(("0%", "7%", "7.0%", "19%", "17.5%", "100%")),
    tax_included=st.booleans(),
)
INVOICES = st.tuples(
    st.lists(LINES, min_size=1, max_size=6),
    st.sampled_from((1, 1, 2, 12)),
    st.sampled_from(("line", "document")),
)
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from(("amount", "amount", "lines", "all")),
        st.one_of(st.integers(1, 40), st.integers(1, 4_000)),
        st.integers(0, 2**24),
    ),
    max_size=12,
)


def invoice_of(lines: Sequence[Line], rounding: TaxRounding = "line") -> Invoice:
    """A draft: what is left of its lines does not depend on its status."""
    priced = price_lines(lines, "BRL", rounding)
    return evolve(None, issuing.draft(UUID(int=7), "BRL", ON, lines, priced, ""), ON)


def credited(invoice: Invoice, lines: Sequence[CreditedLine]) -> Invoice:
    """The invoice after a note over these lines."""
    net = sum(line.net_minor for line in lines)
    tax = sum(line.tax_minor for line in lines)
    note = Credited(UUID(int=1), "CN-1", "back", tuple(lines), net, tax, net + tax)
    return evolve(invoice, note, ON)


def total_of(lines: Iterable[CreditedLine]) -> int:
    return sum(line.net_minor + line.tax_minor for line in lines)


def tax_of(lines: Iterable[CreditedLine]) -> int:
    return sum(line.tax_minor for line in lines)


def by_rate(invoice: Invoice) -> dict[Rate, list[int]]:
    places: dict[Rate, list[int]] = {}
    for at, line in enumerate(lines_of(invoice)):
        places.setdefault(parse_rate(line.tax_rate), []).append(at)
    return places


def exact_taxes(invoice: Invoice, note: Sequence[CreditedLine], kind: str) -> dict[int, Fraction]:
    """The exact share of the tax that is left of each line: by amount, as the amount is of all that is left; by lines,
    as what is taken of the line's gross is of what is left of it."""
    left = credit_notes.left_of(invoice)
    if kind == "amount":
        whole = sum(rest.gross_minor for rest in left)
        part = Fraction(total_of(note), whole)
        return {at: part * rest.tax_minor for at, rest in enumerate(left)}
    return {
        line.line: Fraction(
            (line.net_minor + line.tax_minor) * left[line.line].tax_minor,
            left[line.line].gross_minor,
        )
        for line in note
    }


def assert_is_a_share(invoice: Invoice, note: Sequence[CreditedLine], kind: str) -> None:
    exact = exact_taxes(invoice, note, kind)
    given = {line.line: line for line in note}
    assert len(given) == len(note)
    left = credit_notes.left_of(invoice)
    for line in note:
        rest = left[line.line]
        assert line.net_minor or line.tax_minor
        for taken, most in ((line.net_minor, rest.net_minor), (line.tax_minor, rest.tax_minor)):
            assert 0 <= taken <= most or 0 >= taken >= most
        assert abs(line.tax_minor - exact[line.line]) < 1
    for places in by_rate(invoice).values():
        taken = sum(given[at].tax_minor for at in places if at in given)
        assert abs(taken - sum(exact.get(at, Fraction(0)) for at in places)) < 1


def drawn(invoice: Invoice, step: Step) -> tuple[str, tuple[CreditedLine, ...]] | None:
    """A note as the step wants it; None where it is refused, as it must be."""
    kind, minor, choice = step
    creditable = credit_notes.creditable_minor(invoice)
    if kind == "all":
        return "amount", credit_notes.all_left(invoice)
    if kind == "amount":
        return "amount", credit_notes.by_amount(invoice, min(minor, creditable))
    wanted: dict[int, int | None] = {}
    for at, rest in enumerate(credit_notes.left_of(invoice)):
        chosen = (choice >> 2 * (at % 12)) & 3
        if chosen and rest.gross_minor:
            is_whole = chosen == 3 or rest.gross_minor < 0
            wanted[at] = None if is_whole else min(minor, rest.gross_minor)
    try:
        return "lines", credit_notes.by_lines(invoice, wanted)
    except OverCredited:
        grosses = [
            credit_notes.left_of(invoice)[at].gross_minor if some is None else some
            for at, some in wanted.items()
        ]
        assert not 0 < sum(grosses) <= creditable
    except DiscountLeftOver:
        pass
    return None


@settings(deadline=None)
@given(content=INVOICES, steps=STEPS)
def test_notes_of_every_kind_are_shares_and_together_negate_the_invoice(
    content: tuple[list[Line], int, TaxRounding], steps: list[Step]
) -> None:
    lines, times, rounding = content
    try:
        invoice = invoice_of(lines * times, rounding)
    except (NegativeTotal, ZeroTotal):
        assume(False)
        return
    whole = lines_of(invoice)
    taken: list[CreditedLine] = []
    for step in (*steps, ("all", 0, 0)):
        if credit_notes.creditable_minor(invoice) == 0:
            break
        found = drawn(invoice, step)  # type: ignore[arg-type]
        if found is None:
            continue
        kind, note = found
        if step[0] == "amount":
            assert total_of(note) == min(step[1], credit_notes.creditable_minor(invoice))
        assert_is_a_share(invoice, note, kind)
        invoice = credited(invoice, note)
        taken += note
    assert all(rest == (0, 0) for rest in credit_notes.left_of(invoice))
    assert sum(line.net_minor for line in taken) == invoice.net_minor
    assert tax_of(taken) == invoice.tax_minor
    for places in by_rate(invoice).values():
        for amount in ("net_minor", "tax_minor"):
            given = sum(getattr(line, amount) for line in taken if line.line in places)
            assert given == sum(getattr(whole[at], amount) for at in places)
    with pytest.raises(OverCredited):
        credit_notes.all_left(invoice)


@settings(deadline=None)
@given(
    lines=st.lists(LINES, min_size=1, max_size=5),
    times=st.sampled_from((1, 3, 12)),
    rounding=st.sampled_from(("line", "document")),
    amounts=st.lists(st.one_of(st.integers(1, 3), st.integers(1, 900)), max_size=30),
    is_one_rate=st.booleans(),
)
def test_the_tax_of_notes_by_amount_is_rounded_over_all_of_them(
    lines: list[Line], times: int, rounding: TaxRounding, amounts: list[int], is_one_rate: bool
) -> None:
    """By amount alone, the exact share is simply the amount's part of the invoice, however many notes there are."""
    if is_one_rate:
        lines = [Line("Work", one.quantity, one.unit_price, "19%") for one in lines]
    try:
        invoice = invoice_of(lines * times, rounding)
    except (NegativeTotal, ZeroTotal):
        assume(False)
        return
    taken = 0
    for amount in amounts:
        amount = min(amount, invoice.total_minor - taken)
        if amount == 0:
            break
        note = credit_notes.by_amount(invoice, amount)
        before = credit_notes.left_of(invoice)
        invoice = credited(invoice, note)
        taken += amount
        for places in by_rate(invoice).values():
            tax = sum(lines_of(invoice)[at].tax_minor for at in places)
            so_far = tax - sum(credit_notes.left_of(invoice)[at].tax_minor for at in places)
            in_note = sum(line.tax_minor for line in note if line.line in places)
            assert so_far - in_note == tax - sum(before[at].tax_minor for at in places)
            exact = Fraction(tax * taken, invoice.total_minor)
            if len(by_rate(invoice)) == 1:
                assert abs(so_far - exact) <= Fraction(1, 2)
            assert abs(so_far - exact) < 1


@pytest.mark.parametrize(
    ("count", "price", "amount", "tax"),
    [(100, "1.00", 3_00, 48), (10, "100.00", 50, 8), (1, "500.00", 1_00, 16), (3, "0.10", 1, 0)],
)
def test_the_tax_of_an_amount_is_not_rounded_line_by_line(
    count: int, price: str, amount: int, tax: int
) -> None:
    note = credit_notes.by_amount(invoice_of([Line("Work", "1", price, "19%")] * count), amount)
    assert (tax_of(note), total_of(note)) == (tax, amount)


def test_a_note_takes_of_every_rate_its_part() -> None:
    """Half a cent a line, and yet half of the amount is of each rate."""
    lines = [Line("Work", "1", "1.00", "19%")] * 100 + [Line("Book", "1", "1.00", "7%")] * 100
    note = credit_notes.by_amount(invoice_of(lines), 1_00)
    first = [line for line in note if line.line < 100]
    second = [line for line in note if line.line >= 100]
    assert (total_of(first), tax_of(first)) == (53, 8)
    assert (total_of(second), tax_of(second)) == (47, 3)


def test_a_discount_is_credited_in_part_by_amount_and_whole_by_lines() -> None:
    lines = [Line("Work", "1", "100.00", "19%"), Line("Discount", "1", "-10.00", "19%")]
    invoice = invoice_of(lines)
    half = credit_notes.by_amount(invoice, 53_55)
    assert half == (CreditedLine(0, 50_00, 9_50), CreditedLine(1, -5_00, -95))
    assert credit_notes.by_lines(credited(invoice, half), {0: None, 1: None}) == half
    with pytest.raises(LineOverCredited, match="discount"):
        credit_notes.by_lines(invoice, {1: 1})


def test_notes_of_lines_round_the_tax_of_a_rate_together() -> None:
    """Each line's exact share is a third of a cent: two of five are a cent, in one note or in five."""
    invoice = invoice_of([Line("Work", "1", "0.05", "25%")] * 5)
    assert tax_of(credit_notes.by_lines(invoice, dict.fromkeys(range(5), 2))) == 2
    taxes = []
    for at in range(5):
        note = credit_notes.by_lines(invoice, {at: 2})
        taxes.append(tax_of(note))
        invoice = credited(invoice, note)
    assert taxes == [0, 1, 0, 0, 1]


class TestRefused:
    WORK = Line("Work", "1", "100.00")

    def test_beyond_what_is_left_of_the_lines(self) -> None:
        invoice = invoice_of([self.WORK, self.WORK])
        invoice = credited(invoice, credit_notes.by_lines(invoice, {0: 30_00}))
        with pytest.raises(OverCredited) as refused:
            credit_notes.by_amount(invoice, 170_01)
        assert str(refused.value) == (
            "170.00 is left of the invoice's lines; 170.00 can be credited still"
        )

    @pytest.mark.parametrize("minor", [70_01, 100_00])
    def test_beyond_what_is_left_of_the_line(self, minor: int) -> None:
        invoice = invoice_of([self.WORK, self.WORK])
        invoice = credited(invoice, credit_notes.by_lines(invoice, {0: 30_00}))
        with pytest.raises(LineOverCredited) as refused:
            credit_notes.by_lines(invoice, {1: 1_00, 0: minor})
        assert refused.value.field == "lines[1].amount"
        assert str(refused.value) == (
            "70.00 is left of line 0: credit no more of it; 170.00 of the invoice can be credited still"
        )

    def test_of_a_line_of_which_nothing_is_left(self) -> None:
        invoice = invoice_of([self.WORK, Line("Gift", "1", "0.00")])
        with pytest.raises(LineOverCredited, match=r"0\.00 is left of line 1"):
            credit_notes.by_lines(invoice, {0: None, 1: None})

    def test_of_principal_given_up_otherwise(self) -> None:
        invoice = invoice_of([self.WORK, self.WORK])
        waived, lost = Split(principal=20_00), Split(principal=30_00)
        invoice = replace(
            invoice, forgiven=waived + lost, forgiven_of={"waived": waived, "written_off": lost}
        )
        said = (
            "of the 200.00 that is left of the invoice's lines, principal of 20.00 was waived and of "
            "30.00 was written off, which nobody paid; 150.00 can be credited still"
        )
        for note in (
            lambda: credit_notes.by_amount(invoice, 150_01),
            lambda: credit_notes.by_lines(invoice, {0: None, 1: None}),
        ):
            with pytest.raises(ForgivenOtherwise) as refused:
                note()
            assert str(refused.value) == said
        assert total_of(credit_notes.all_left(invoice)) == 150_00
        invoice = credited(invoice, credit_notes.all_left(invoice))
        with pytest.raises(ForgivenOtherwise, match=r"0\.00 can be credited still"):
            credit_notes.all_left(invoice)

    def test_where_a_discount_would_be_left_over(self) -> None:
        """Ten of work and the discount of ten would be left, of another rate: no note could credit that tax."""
        invoice = invoice_of([self.WORK, Line("Discount", "1", "-10.00"), self.WORK])
        with pytest.raises(DiscountLeftOver, match="lines 0, 1 would be left"):
            credit_notes.by_lines(invoice, {0: 90_00, 2: None})
        assert credit_notes.by_lines(invoice, {0: None, 1: None, 2: None})

    @pytest.mark.parametrize(
        ("wanted", "error"),
        [({1: None}, OverCredited), ({3: None}, UnknownLine), ({-1: 1}, UnknownLine)],
    )
    def test_of_nothing(self, wanted: dict[int, int | None], error: type[Rejected]) -> None:
        invoice = invoice_of([self.WORK, Line("Discount", "1", "-10.00")])
        with pytest.raises(error) as refused:
            credit_notes.by_lines(invoice, wanted)
        assert str(refused.value)
