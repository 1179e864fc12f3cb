"""The reference says what the code does: every name stands in it, and no block of it is stale."""

import argparse
import re
from pathlib import Path

import pytest

from adapters.http.routes.problems import remedies
from adapters.postgres.migrate import read_migrations
from ledger import event_registry as registry
from ledger.streams import STREAMS
from tests.docs import gathered, reference
from tests.docs.blocks import DOCS, kept, rewritten, table
from tests.docs.described import sentences
from tests.docs.fields import UNSAID


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def missing(names: list[str], name_of_page: str) -> list[str]:
    text = page(name_of_page)
    return [name for name in names if f"`{name}`" not in text and f"`{name} " not in text]


@pytest.mark.parametrize("path", reference.PAGES, ids=lambda path: path.name)
def test_no_page_is_stale(path: Path) -> None:
    text = path.read_text()
    wanted = rewritten(text, reference.WRITERS)
    assert text == wanted, f"{path.name} no longer says what the code does: run `make docs`"


@pytest.mark.parametrize("path", reference.PAGES, ids=lambda path: path.name)
def test_everything_is_said(path: Path) -> None:
    unsaid = [
        line for line in path.read_text().splitlines() if line.rstrip().endswith(f"| {UNSAID} |")
    ]
    assert not unsaid, "write the last cell of these rows by hand"


def test_every_event_tag_is_documented() -> None:
    assert registry.tags()
    assert missing(registry.tags(), "events.md") == []


def test_every_event_says_what_it_means() -> None:
    silent = [tag for tag, kind in gathered.event_types().items() if not sentences(kind)]
    assert silent == []


def test_every_kind_of_stream_has_events() -> None:
    assert {registry.stream_of(tag) for tag in registry.tags()} == set(STREAMS)


def test_every_column_of_the_envelope_is_documented() -> None:
    (log, *_) = read_migrations("shard")
    (columns,) = re.findall(r"CREATE TABLE events \((.*?)PRIMARY KEY", log.sql, re.DOTALL)
    names = re.findall(r"^\s+([a-z_]+) ", columns, re.MULTILINE)
    assert len(names) == 13
    assert missing(names, "events.md") == []


def test_every_error_is_documented() -> None:
    assert missing([kind.code for kind in gathered.errors()], "errors.md") == []
    assert missing([kind.__name__ for kind in gathered.refusals()], "errors.md") == []


def test_every_error_has_a_remedy_and_no_remedy_is_left_over() -> None:
    assert set(remedies()) == {kind.code for kind in gathered.errors()}


def test_codes_are_unique() -> None:
    """Two conditions of one code could not be told apart by a program."""
    codes = [kind.code for kind in gathered.errors()]
    assert sorted(set(codes)) == sorted(codes)


def test_every_setting_is_documented() -> None:
    assert missing(list(gathered.settings()), "settings.md") == []


def test_every_command_and_argument_is_documented() -> None:
    text = page("commands.md")
    for command in gathered.commands():
        section = text.partition(f"## `{command.words}`\n")[2].partition("\n## ")[0]
        assert section, f"{command.words} is not documented"
        for action in command.arguments:
            assert action.help, f"{command.words}: {action.dest} has no help"
            if action.help is not argparse.SUPPRESS:
                for name in action.option_strings or [str(action.metavar)]:
                    found = re.search(rf"^\| `\[?{re.escape(name)}(?![\w-])", section, re.MULTILINE)
                    assert found, f"{command.words} {name} is not documented"


def test_every_route_is_documented() -> None:
    names = [f"{route.method} {route.path}" for route in gathered.routes()]
    assert len(names) > 10
    assert missing(names, "http.md") == []


def test_every_table_of_the_read_models_is_documented() -> None:
    sql = "".join(migration.sql for migration in read_migrations("shard")[1:2])
    tables = re.findall(r"^CREATE TABLE ([a-z_]+)", sql, re.MULTILINE)
    assert tables
    assert missing(tables, "projections.md") == []


def test_every_module_is_in_the_layout() -> None:
    text = page("layout.md")
    for folder, modules in gathered.folders().items():
        section = text.partition(f"## `{folder}/`\n")[2].partition("\n## ")[0]
        for module in modules:
            if not hasattr(module, "__path__"):
                name = module.__name__.rpartition(".")[2]
                assert f"`{name}.py` | " in section, f"{module.__name__} has no docstring"
                assert f"`{name}.py` | |" not in section, f"{module.__name__} has no docstring"


def test_cells_written_by_hand_are_kept() -> None:
    old = table(("field", "meaning"), [("`a`", "one | two"), ("`b`", "")])
    assert kept(old) == {"field": "meaning", "`a`": "one | two", "`b`": ""}


def test_a_block_is_rewritten_between_its_marks_only() -> None:
    text = "before\n<!-- written by make docs: x -->\nold\n<!-- end of x -->\nafter\n"
    assert rewritten(text, {"x": lambda old: old.replace("old", "new")}) == text.replace(
        "old", "new"
    )
