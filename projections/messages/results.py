"""What came of a plan's messages, step by step."""

from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

RESULTS = """
SELECT step,
       count(*)::integer AS queued,
       count(*) FILTER (WHERE state IN ('sent', 'delivered', 'bounced'))::integer AS sent,
       count(*) FILTER (WHERE state = 'delivered')::integer AS delivered,
       count(*) FILTER (WHERE state = 'bounced')::integer AS bounced,
       count(*) FILTER (WHERE state = 'unknown')::integer AS unknown,
       count(*) FILTER (WHERE state IN ('cancelled', 'expired', 'discarded', 'dead_lettered'))::integer AS not_sent,
       count(*) FILTER (WHERE tracked AND state IN ('sent', 'delivered', 'bounced', 'unknown'))::integer AS tracked,
       count(*) FILTER (WHERE tracked AND opened_on IS NOT NULL)::integer AS opened,
       count(*) FILTER (WHERE complaint <> '')::integer AS complained
  FROM messages
 WHERE tenant_id = %s AND kind = 'dunning' AND plan = %s
 GROUP BY step
 ORDER BY min(queued_on), step
"""


class StepResult(msgspec.Struct, frozen=True):
    """How many messages of a step there are, and what came of them.

    sent      a sender took them, whatever came of them after
    not_sent  cancelled, expired, discarded or dead-lettered
    tracked   may have left with a picture that says when it is opened: what `opened` is to be held against
    opened    perhaps: a picture was fetched, by customers who consent to that being noted
    """

    step: str
    queued: int
    sent: int
    delivered: int
    bounced: int
    unknown: int
    not_sent: int
    tracked: int
    opened: int
    complained: int


def step_results(
    connection: psycopg.Connection[Any], tenant_id: UUID, plan: str
) -> list[StepResult]:
    """The steps of a plan that have messages, in the order in which they were first taken."""
    with connection.cursor(row_factory=class_row(StepResult)) as rows:
        return rows.execute(RESULTS, (tenant_id, plan)).fetchall()
