"""Listing a tenant's dunning plans by key, the shipped one among them."""

from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.dunning.plan import DEFAULT_KEY, SHIPPED_PLAN, DunningPlan, PlanRules

LIST = """
SELECT key, plan_version, rules, active_from
  FROM dunning_plans
 WHERE tenant_id = %s
 ORDER BY key
"""


def list_plans(connection: psycopg.Connection[Any], tenant_id: UUID) -> list[DunningPlan]:
    """Every plan by key. `default` is the shipped one until it is changed."""
    plans = [
        DunningPlan(key, version, msgspec.json.decode(rules, type=PlanRules), active_from)
        for key, version, rules, active_from in connection.execute(LIST, (tenant_id,))
    ]
    if all(plan.key != DEFAULT_KEY for plan in plans):
        plans.append(SHIPPED_PLAN)
    return sorted(plans, key=lambda plan: plan.key)
