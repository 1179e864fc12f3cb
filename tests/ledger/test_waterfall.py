import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.waterfall import (
    COMPONENTS,
    MalformedWaterfall,
    Order,
    Split,
    waterfall,
    waterfall_order,
)

amounts = st.integers(0, 10**12)
splits = st.builds(Split, amounts, amounts, amounts, amounts)
orders = st.permutations(COMPONENTS).map(tuple)


def test_charges_and_interest_come_before_principal() -> None:
    owed = Split(other_fees=500, late_fee=1000, mora=167, principal=50000)
    assert waterfall(400, owed) == (Split(other_fees=400), 0)
    assert waterfall(1600, owed) == (Split(other_fees=500, late_fee=1000, mora=100), 0)
    assert waterfall(2000, owed) == (Split(500, 1000, 167, 333), 0)
    assert waterfall(60000, owed) == (owed, 60000 - 51667)
    assert waterfall(0, owed) == (Split(), 0)


def test_a_tenant_may_set_another_order() -> None:
    order = waterfall_order(["principal", "mora", "late_fee", "other_fees"])
    owed = Split(late_fee=1000, mora=167, principal=50000)
    assert waterfall(50100, owed, order) == (Split(mora=100, principal=50000), 0)


@pytest.mark.parametrize(
    "order",
    [
        [],
        ["principal"],
        ["principal", "mora", "late_fee", "late_fee"],
        ["principal", "mora", "late_fee", "other_fees", "mora"],
        ["principal", "mora", "late_fee", "tips"],
    ],
)
def test_an_order_names_every_component_once(order: list[str]) -> None:
    with pytest.raises(MalformedWaterfall) as caught:
        waterfall_order(order)
    assert caught.value.field == "waterfall"
    with pytest.raises(MalformedWaterfall):
        waterfall(1, Split(), tuple(order))  # type: ignore[arg-type]


def test_a_split_leaves_out_zeros_in_json() -> None:
    assert msgspec.json.encode(Split(principal=5)) == b'{"principal":5}'
    assert msgspec.json.decode(b"{}", type=Split) == Split()


@given(amounts, splits, orders)
def test_nothing_is_lost_and_nothing_overpaid(amount: int, owed: Split, order: Order) -> None:
    paid, left = waterfall(amount, owed, order)
    assert paid.total + left == amount
    assert left >= 0
    rest = owed - paid
    assert min(msgspec.structs.astuple(rest)) >= 0
    assert min(msgspec.structs.astuple(paid)) >= 0
    assert left == 0 or rest == Split()
    # a component is touched only once those before it are met
    touched = [name for name in order if getattr(paid, name)]
    for name in order[: order.index(touched[-1])] if touched else ():
        assert getattr(rest, name) == 0


@given(amounts, amounts, splits, orders)
def test_two_payments_pay_what_one_would(one: int, two: int, owed: Split, order: Order) -> None:
    first, left = waterfall(one, owed, order)
    second, rest = waterfall(two, owed - first, order)
    assert (first + second, left + rest) == waterfall(one + two, owed, order)


@given(splits, splits)
def test_splits_add_and_negate(one: Split, two: Split) -> None:
    assert one + two == two + one
    assert (one + two).total == one.total + two.total
    assert one + -one == Split()
    assert one - two == -(two - one)
