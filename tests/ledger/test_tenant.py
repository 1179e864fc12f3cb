from datetime import date
from uuid import UUID

import pytest

from ledger.policy import FeePolicy
from ledger.rates import Rate, YearlyRate
from ledger.reference_rates import ReferenceRate
from ledger.tenant import (
    Configured,
    Created,
    FeePolicyAdded,
    Key,
    KeyCreated,
    KeyRevoked,
    ReferenceRateSet,
    Settings,
    Tenant,
    evolve,
)

ON = date(2024, 3, 8)
SETTINGS = Settings("BRL", "America/Sao_Paulo")


def created() -> Tenant:
    return evolve(None, Created("Acme", SETTINGS), ON)


def test_a_new_tenant_charges_nothing() -> None:
    tenant = created()
    assert (tenant.name, tenant.settings) == ("Acme", SETTINGS)
    assert tenant.policy == FeePolicy(version=0)
    assert tenant.policy.late_fee.numerator == tenant.policy.mora.numerator == 0


def test_the_last_fee_policy_is_in_force_and_the_earlier_ones_are_kept() -> None:
    tenant = created()
    for version in (1, 2):
        tenant = evolve(tenant, FeePolicyAdded(FeePolicy(version, late_fee=Rate(1, 50))), ON)
    assert tenant.policy.version == 2
    assert [policy.version for policy in tenant.policies] == [0, 1, 2]


def test_reference_rates_are_kept_by_name_in_the_order_of_their_days() -> None:
    tenant = created()
    first, second = YearlyRate(9, 200), YearlyRate(17, 400)
    for event in (
        ReferenceRateSet("ecb", date(2024, 1, 1), first),
        ReferenceRateSet("basiszinssatz", date(2021, 1, 1), YearlyRate(-11, 1250)),
        ReferenceRateSet("ecb", date(2024, 7, 1), second),
    ):
        tenant = evolve(tenant, event, ON)
    assert tenant.reference_rates == {
        "ecb": (ReferenceRate(date(2024, 1, 1), first), ReferenceRate(date(2024, 7, 1), second)),
        "basiszinssatz": (ReferenceRate(date(2021, 1, 1), YearlyRate(-11, 1250)),),
    }


def test_settings_are_as_they_were_said_last() -> None:
    settings = Settings("EUR", "Europe/Berlin", calendar="DE")
    assert evolve(created(), Configured(settings), ON).settings == settings


def test_a_revoked_key_stays_known() -> None:
    one, two = UUID(int=1), UUID(int=2)
    tenant = created()
    for event in (KeyCreated(one, "till", "operator"), KeyCreated(two, "audit", "auditor")):
        tenant = evolve(tenant, event, ON)
    tenant = evolve(tenant, KeyRevoked(one), ON)
    assert tenant.keys == (Key(one, "till", "operator", True), Key(two, "audit", "auditor", False))


def test_nothing_happens_to_a_tenant_before_it_is_created() -> None:
    with pytest.raises(AssertionError, match="before"):
        evolve(None, Configured(SETTINGS), ON)
