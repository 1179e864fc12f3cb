"""The blocks of the reference that are written from the code."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from adapters.http.problem_details import STATUS_OF, status_of
from adapters.http.routes.problems import remedies
from adapters.settings import Settings
from projections.catalog import CATALOG
from tests.docs import gathered
from tests.docs.blocks import DOCS, ROOT, Write, kept, rewritten, table
from tests.docs.described import code, first_comment, first_sentence, named, sentences
from tests.docs.event_blocks import write_events, write_parts
from tests.docs.fields import UNSAID, kept_by_heading
from tests.docs.http_blocks import write_bodies, write_details, write_routes
from tests.docs.journal_blocks import write_chart, write_entries

PAGES = sorted((DOCS / "reference").glob("*.md"))


def pages() -> Iterable[tuple[Path, str, str]]:
    """(path, text as it is, text as it should be) of every page with blocks."""
    for path in PAGES:
        text = path.read_text()
        yield path, text, rewritten(text, WRITERS)


def _errors(_: str) -> str:
    rows = [
        (f"`{kind.code}`", str(status_of(kind)), sentences(kind), f"`{kind.__module__}`")
        for kind in gathered.errors()
    ]
    return table(
        ("code", "status", "condition", "raised in", "remedy"),
        [(*row, remedies().get(row[0].strip("`"), UNSAID)) for row in rows],
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


def _projections(old: str) -> str:
    meanings = kept_by_heading(old)
    parts = []
    for projection in CATALOG:
        parts.append(f"## {projection.name}\n")
        kinds = ", ".join(f"`{kind}`" for kind in projection.streams)
        parts.append(
            f"Version {projection.version}, folded from {kinds} streams "
            f"by `{projection.fold.__module__}`.\n"
        )
        for made in projection.tables:
            said = meanings.get(f"`{made.name}`", {})
            sums = "Sums over those rows" if projection.adds is None else "Sums of what events add"
            kind = "One row per stream" if made is projection.table else sums
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
    "events": write_events,
    "event-parts": write_parts,
    "errors": _errors,
    "refusals": _refusals,
    "statuses": _statuses,
    "settings": _settings,
    "commands": _commands,
    "routes": write_routes,
    "route-details": write_details,
    "bodies": write_bodies,
    "projections": _projections,
    "chart": write_chart,
    "entries": write_entries,
    "layout": _layout,
}
