"""The fields of a struct as a table, with meanings from its docstring, or kept from the page."""

import msgspec

from tests.docs.blocks import kept, table
from tests.docs.described import default_words, named, type_words

UNSAID = "?"
"""Stands in a cell that is to be written by hand; a test refuses it."""


def fields_table(kind: type[msgspec.Struct], meanings: dict[str, str]) -> str:
    rows = []
    said = named(kind)
    for field in msgspec.structs.fields(kind):
        name = f"`{field.encode_name}`"
        meaning = said.get(field.name) or meanings.get(name, UNSAID)
        rows.append((name, type_words(field.type, _link), default_words(field), meaning))
    return table(("field", "type", "left out", "meaning"), rows) if rows else ""


def _link(kind: type[msgspec.Struct]) -> str:
    return f"[{kind.__name__}](#{kind.__name__.lower()})"


def kept_by_heading(old: str) -> dict[str, dict[str, str]]:
    """The cells written by hand under each `###`."""
    found: dict[str, dict[str, str]] = {}
    for section in old.split("\n### ")[1:]:
        heading, _, rest = section.partition("\n")
        found[heading.strip()] = kept(rest)
    return found
