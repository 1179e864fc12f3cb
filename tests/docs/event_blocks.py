"""The blocks of `events.md`."""

import msgspec

from ledger import event_registry as registry
from ledger.event_registry import stream_of
from tests.docs import gathered
from tests.docs.described import sentences, structs_in
from tests.docs.fields import fields_table, kept_by_heading


def write_events(old: str) -> str:
    meanings = kept_by_heading(old)
    parts: list[str] = []
    stream = ""
    for tag, kind in gathered.event_types().items():
        if stream_of(tag) != stream:
            stream = stream_of(tag)
            parts.append(f"## {stream.replace('_', ' ').capitalize()}\n")
        parts.append(f"### `{tag}`\n\n{sentences(kind)}\n")
        parts.append(fields_table(kind, meanings.get(f"`{tag}`", {})))
    old_tags = [tag for tag in registry.tags() if tag not in gathered.event_types()]
    if old_tags:
        parts.append("## Old tags\n\nStill read, no longer written.\n")
        parts.append("".join(f"- `{tag}`\n" for tag in old_tags))
    return "\n" + "\n".join(part for part in parts if part) + "\n"


def write_parts(old: str) -> str:
    """The structs that stand inside events, each once."""
    meanings = kept_by_heading(old)
    found: dict[type[msgspec.Struct], None] = {}
    waiting: list[type[msgspec.Struct]] = list(gathered.event_types().values())
    while waiting:
        kind = waiting.pop(0)
        for field in msgspec.structs.fields(kind):
            for struct in structs_in(field.type):
                if struct not in found:
                    found[struct] = None
                    waiting.append(struct)
    return "\n" + "\n".join(
        f"### {kind.__name__}\n\n{sentences(kind)}\n\n{fields_table(kind, meanings.get(kind.__name__, {}))}"
        for kind in sorted(found, key=lambda kind: kind.__name__)
    )
