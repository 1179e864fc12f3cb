"""The blocks of the reference that are written from the code."""

import argparse
from collections.abc import Iterable
from typing import Any

import msgspec

from adapters.http.problems import STATUS_OF, status_of
from adapters.settings import Settings
from ledger import events as registry
from ledger.events import stream_of
from projections.catalog import CATALOG
from tests.docs import gathered
from tests.docs.blocks import DOCS, ROOT, Write, kept, rewritten, table
from tests.docs.described import (
    code,
    default_words,
    first_comment,
    first_sentence,
    named,
    sentences,
    structs_in,
    type_words,
)

PAGES = sorted((DOCS / "reference").glob("*.md"))
UNSAID = "?"
"""Stands in a cell that is to be written by hand; a test refuses it."""


def pages() -> Iterable[tuple[Any, str, str]]:
    """(path, text as it is, text as it should be) of every page with blocks."""
    for path in PAGES:
        text = path.read_text()
        yield path, text, rewritten(text, WRITERS)


def _events(old: str) -> str:
    meanings = _kept_by_heading(old)
    parts: list[str] = []
    stream = ""
    for tag, kind in gathered.event_types().items():
        if stream_of(tag) != stream:
            stream = stream_of(tag)
            parts.append(f"## {stream.replace('_', ' ').capitalize()}\n")
        parts.append(f"### `{tag}`\n\n{sentences(kind)}\n")
        parts.append(_fields(kind, meanings.get(f"`{tag}`", {})))
    old_tags = [tag for tag in registry.tags() if tag not in gathered.event_types()]
    if old_tags:
        parts.append("## Old tags\n\nStill read, no longer written.\n")
        parts.append("".join(f"- `{tag}`\n" for tag in old_tags))
    return "\n" + "\n".join(part for part in parts if part) + "\n"


def _parts(old: str) -> str:
    """The structs that stand inside events, each once."""
    meanings = _kept_by_heading(old)
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
        f"### {kind.__name__}\n\n{sentences(kind)}\n\n{_fields(kind, meanings.get(kind.__name__, {}))}"
        for kind in sorted(found, key=lambda kind: kind.__name__)
    )


def _fields(kind: type[msgspec.Struct], meanings: dict[str, str]) -> str:
    rows = []
    said = named(kind)
    for field in msgspec.structs.fields(kind):
        name = f"`{field.encode_name}`"
        meaning = said.get(field.name) or meanings.get(name, UNSAID)
        rows.append((name, type_words(field.type, _link), default_words(field), meaning))
    return table(("field", "type", "left out", "meaning"), rows) if rows else ""


def _link(kind: type[msgspec.Struct]) -> str:
    return f"[{kind.__name__}](#{kind.__name__.lower()})"


def _kept_by_heading(old: str) -> dict[str, dict[str, str]]:
    """The cells written by hand under each `###`."""
    found: dict[str, dict[str, str]] = {}
    for section in old.split("\n### ")[1:]:
        heading, _, rest = section.partition("\n")
        found[heading.strip()] = kept(rest)
    return found


def _errors(old: str) -> str:
    remedies = kept(old)
    rows = [
        (f"`{kind.code}`", str(status_of(kind)), sentences(kind), f"`{kind.__module__}`")
        for kind in gathered.errors()
    ]
    return table(
        ("code", "status", "condition", "raised in", "remedy"),
        [(*row, remedies.get(row[0], UNSAID)) for row in rows],
    )


def _refusals(old: str) -> str:
    remedies = kept(old)
    return table(
        ("condition", "meaning", "remedy"),
        [
            (f"`{kind.__name__}`", sentences(kind), remedies.get(f"`{kind.__name__}`", UNSAID))
            for kind in gathered.refusals()
        ],
    )


def _statuses(old: str) -> str:
    return table(
        ("status", "conditions"),
        [
            (
                str(status),
                ", ".join(f"`{kind.code}`" for kind in STATUS_OF if STATUS_OF[kind] == status),
            )
            for status in sorted(set(STATUS_OF.values()))
        ],
    )


def _settings(old: str) -> str:
    said = named(Settings)
    rows = []
    defaults = _default_settings()
    for variable, field in gathered.settings().items():
        meaning = said.get(field.name, UNSAID)
        rows.append((f"`{variable}`", defaults[field.name], meaning))
    return table(("variable", "default", "meaning"), rows)


def _default_settings() -> dict[str, str]:
    found = Settings.from_environment({})
    shown = {name: getattr(found, name) for name in Settings.__struct_fields__}
    shown["home"], shown["master_key_file"] = "./var", "$DUEBOOK_HOME/master.key"
    return {name: "unset" if value is None else f"`{value}`" for name, value in shown.items()}


def _commands(old: str) -> str:
    parts = []
    for command in gathered.commands():
        usage = " ".join(command.parser.format_usage().removeprefix("usage: ").split())
        parts.append(f"## `{command.words}`\n\n{code(command.parser.description or '')}\n")
        parts.append(f"```text\n{_wrapped(usage)}\n```\n")
        rows = [_argument(command.parser, action) for action in command.arguments]
        if rows:
            parts.append(table(("argument", "meaning"), rows))
    return "\n" + "\n".join(parts)


def _wrapped(usage: str, width: int = 100) -> str:
    lines, line = [], ""
    for word in usage.replace(" [", "\0[").replace(" --", "\0--").split("\0"):
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = "       " + word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def _argument(parser: argparse.ArgumentParser, action: argparse.Action) -> tuple[str, str]:
    formatter = parser._get_formatter()
    value = "" if action.nargs == 0 else formatter._format_args(action, action.dest.upper())
    name = ", ".join(action.option_strings)
    shown = f"{name} {value.replace('%%', '%')}".strip()
    meaning = code(formatter._expand_help(action)) if action.help else UNSAID
    return f"`{shown}`", meaning[:1].upper() + meaning[1:]


def _routes(old: str) -> str:
    rows = []
    for route in gathered.routes():
        operation = route.operation
        takes = (
            f"[{operation.takes.__name__}](#{operation.takes.__name__.lower()})"
            if operation.takes
            else ""
        )
        key = "required" if operation.key_required else "honoured" if operation.takes else ""
        roles = ", ".join(operation.may) if operation.may else "no key"
        rows.append((f"`{route.method} {route.path}`", route.summary, takes, roles, key))
    return table(("route", "what it does", "body", "roles", "`Idempotency-Key`"), rows)


def _details(old: str) -> str:
    """Per route: what more there is to say, its parameters, and what it refuses besides the usual."""
    parts = []
    for route in gathered.routes():
        operation = route.operation
        lines = [f"### `{route.method} {route.path}`", ""]
        lines.append(f"{route.summary}. {code(route.details)}".strip())
        lines.append("")
        lines.append(f"Answers {operation.status}, {_answer(operation.answers)}.")
        if operation.parameters is not None:
            names = [
                f"`{field.encode_name}`" for field in msgspec.structs.fields(operation.parameters)
            ]
            lines[-1] += f" Parameters: {', '.join(names)}."
        if operation.refuses:
            codes = [f"`{kind.code}`" for kind in operation.refuses]
            lines[-1] += f" May refuse with {', '.join(codes)}."
        parts.append("\n".join(lines) + "\n")
    return "\n" + "\n".join(parts)


def _answer(kind: Any) -> str:
    if kind is str:
        return "text"
    origin = getattr(kind, "__origin__", None)
    if origin is not None:
        (item,) = kind.__args__
        return f"a page of `{item.__name__}`"
    return f"a `{kind.__name__}`" if kind.__name__[0] not in "AEIOU" else f"an `{kind.__name__}`"


def _bodies(old: str) -> str:
    meanings = _kept_by_heading(old)
    found: dict[Any, None] = {}
    waiting = [route.operation.takes for route in gathered.routes() if route.operation.takes]
    waiting += [
        route.operation.parameters for route in gathered.routes() if route.operation.parameters
    ]
    while waiting:
        kind = waiting.pop(0)
        if kind in found:
            continue
        found[kind] = None
        for field in msgspec.structs.fields(kind):
            waiting += structs_in(field.type)
    parts = []
    for kind in sorted(found, key=lambda kind: kind.__name__):
        parts.append(f"### {kind.__name__}\n\n{sentences(kind)}\n")
        parts.append(_fields(kind, meanings.get(kind.__name__, {})))
    return "\n" + "\n".join(parts)


def _projections(old: str) -> str:
    meanings = _kept_by_heading(old)
    parts = []
    for projection in CATALOG:
        parts.append(f"## {projection.name}\n")
        parts.append(
            f"Version {projection.version}, folded from `{projection.stream}` streams "
            f"by `{projection.fold.__module__}`.\n"
        )
        for made in projection.tables:
            said = meanings.get(f"`{made.name}`", {})
            kind = "One row per stream" if made is projection.table else "Sums over those rows"
            key = ", ".join(f"`{name}`" for name in made.key)
            parts.append(f"### `{made.name}`\n\n{kind}. Key: {key}.\n")
            rows = [
                (f"`{column.name}`", column.kind, said.get(f"`{column.name}`", UNSAID))
                for column in made.columns
            ]
            parts.append(table(("column", "type", "meaning"), rows))
    return "\n" + "\n".join(parts)


def _layout(old: str) -> str:
    parts = []
    for folder, modules in gathered.folders().items():
        own = next((one for one in modules if hasattr(one, "__path__")), None)
        rows = [
            (f"`{one.__name__.rpartition('.')[2]}.py`", first_sentence(one))
            for one in modules
            if one is not own
        ]
        rows += [
            (f"`{path.relative_to(ROOT / folder).as_posix()}`", first_comment(path.read_text()))
            for path in sorted((ROOT / folder).glob("*/*.sql"))
        ]
        parts.append(f"## `{folder}/`\n")
        if own is not None and own.__doc__:
            parts.append(sentences(own) + "\n")
        parts.append(table(("file", "what it holds"), rows))
    return "\n" + "\n".join(parts)


WRITERS: dict[str, Write] = {
    "events": _events,
    "event-parts": _parts,
    "errors": _errors,
    "refusals": _refusals,
    "statuses": _statuses,
    "settings": _settings,
    "commands": _commands,
    "routes": _routes,
    "route-details": _details,
    "bodies": _bodies,
    "projections": _projections,
    "layout": _layout,
}
