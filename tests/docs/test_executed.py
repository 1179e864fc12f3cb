"""The lines of README, tutorials and how-to are run as they stand, and print what the pages say.

Pages share one running `duebook up`; each runs in a shell and a folder of its own.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.postgres.embedded_server import EmbeddedPostgres
from tests.conftest import FOLDER_PREFIX, _memory_disk
from tests.docs.blocks import DOCS, ROOT
from tests.docs.examples import examples
from tests.docs.running import differs, environment_of, free_port, run, served
from tests.importing import real

SERVED = [
    ROOT / "README.md",
    DOCS / "tutorial" / "first-invoice.md",
    DOCS / "tutorial" / "first-reminder.md",
    DOCS / "how-to" / "adjust-an-invoice.md",
    DOCS / "how-to" / "credit-reversals-and-charge-backs.md",
    DOCS / "how-to" / "explain-a-late-fact.md",
    DOCS / "how-to" / "lend-and-collect-in-instalments.md",
    DOCS / "how-to" / "number-documents.md",
    DOCS / "how-to" / "refund-a-customers-credit.md",
    DOCS / "how-to" / "remind-customers.md",
]
ALONE = [
    page
    for page in [*sorted((DOCS / "tutorial").glob("*.md")), *sorted((DOCS / "how-to").glob("*.md"))]
    if page not in SERVED and any(one.language == "sh" for one in examples(page))
]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short path that the database's user may pass through, unlike pytest's own; in memory if there is room."""
    made = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=_memory_disk()))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[dict[str, str]]:
    with served(folder) as environment:
        yield environment


@pytest.mark.parametrize("page", SERVED, ids=name_of)
def test_lines_that_ask_the_service(page: Path, folder: Path, server: dict[str, str]) -> None:
    _check(page, folder, server)


@pytest.mark.parametrize("page", ALONE, ids=name_of)
def test_lines_that_need_no_service(page: Path, folder: Path) -> None:
    """Each page has an installation of its own; its database is kept running, so that commands start quickly."""
    place = folder / page.stem
    with EmbeddedPostgres(place / _home(page)):
        _check(page, folder, environment_of(place / "var", free_port()) | _data(page))
    shutil.rmtree(place)


def _data(page: Path) -> dict[str, str]:
    """Where the real invoices are, for a page that asks for them."""
    if "$RECEIVABLES" not in page.read_text():
        return {}
    return {"RECEIVABLES": str(real.file())}


def _home(page: Path) -> str:
    """The home folder that the page's first lines name, or the usual one."""
    named = re.search(r'^export DUEBOOK_HOME="\$PWD/(.+)"$', examples(page)[0].text, re.MULTILINE)
    return named[1] if named else "var"


def _check(page: Path, folder: Path, environment: dict[str, str]) -> None:
    place = folder / page.stem
    place.mkdir(exist_ok=True)
    os.chmod(place, 0o711)
    page_examples = [one for one in examples(page) if one.language == "sh"]
    for example, ran in zip(page_examples, run(page_examples, place, environment), strict=True):
        where = f"{name_of(page)}:{example.line}"
        assert ran.status == example.status, f"{where} ended with {ran.status}:\n{ran.printed}"
        difference = differs(example.output or "", ran.printed)
        assert not difference, f"{where}: {difference}"
