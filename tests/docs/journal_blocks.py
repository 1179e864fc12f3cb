"""The blocks of the journal's page: the chart of accounts, and what each event posts."""

from ledger.chart_of_accounts import CHART
from ledger.event_registry import stream_of
from ledger.journal.posting import POSTING, STREAMS
from tests.docs.blocks import kept, table
from tests.docs.described import sentences
from tests.docs.fields import UNSAID


def write_chart(old: str) -> str:
    meanings = kept(old)
    return table(
        ("key", "name", "holds"),
        [
            (f"`{key}`", f"`{name}`", meanings.get(f"`{key}`", UNSAID))
            for key, name in CHART.items()
        ],
    )


def write_entries(old: str) -> str:
    parts = []
    for kind in STREAMS:
        found = {event.TAG: post for event, post in POSTING.items() if stream_of(event.TAG) == kind}
        parts.append(f"### `{kind}`\n")
        rows = [(f"`{tag}`", sentences(found[tag])) for tag in sorted(found)]
        parts.append(table(("event", "posts"), rows))
    return "\n" + "\n".join(parts)
