"""The chart of accounts: a tenant's own names, and what is no name."""

from typing import get_args

import pytest

from ledger.chart_of_accounts import (
    CHART,
    Account,
    AccountNamedTwice,
    MalformedAccount,
    UnknownAccount,
    named,
)


def test_the_default_chart_names_every_account_once() -> None:
    assert set(CHART) == set(get_args(Account))
    assert named({}) == CHART
    assert len(set(CHART.values())) == len(CHART)


def test_own_names_take_the_place_of_the_defaults() -> None:
    own = {"cash": "Assets:Banco-1:2", "revenue": "Income:Ação"}
    assert named(own) == {**CHART, **own}
    assert list(named(own)) == list(CHART)


def test_names_may_be_swapped() -> None:
    swapped = {"cash": CHART["tax"], "tax": CHART["cash"]}
    assert named(swapped)["cash"] == CHART["tax"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Assets",
        "Assets:",
        "Assets::Cash",
        "Bank:Cash",
        "assets:Cash",
        "Assets:cash",
        "Assets:-Cash",
        "Assets:Cash Box",
        "Assets:Cash\n",
        "Assets:Cash;",
        'Assets:"Cash"',
        "Assets:Cash  5 USD",
        "Assets:²",
        "Assets:Cash:" + "A" * 120,
        "Assets:Ca\u0301sh",
    ],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(MalformedAccount) as refused:
        named({"cash": name})
    assert refused.value.field == "chart.cash"


def test_accounts_that_are_unknown_or_named_twice() -> None:
    with pytest.raises(UnknownAccount, match="receivable_mora"):
        named({"petty_cash": "Assets:PettyCash"})
    with pytest.raises(AccountNamedTwice, match="cash and tax"):
        named({"tax": CHART["cash"]})
