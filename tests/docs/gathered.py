"""What there is to document, gathered from the code itself: events, errors, commands, routes, settings, modules."""

import argparse
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from litestar import Litestar, Router
from litestar.routes import HTTPRoute

from adapters.cli.main import REFUSALS, parser
from adapters.http.app import API_ROUTES, PUBLIC_ROUTES
from adapters.http.operations import Operation, operation_of
from adapters.settings import Settings, variable_of
from ledger import event_registry as registry
from ledger.errors import Conflict, LedgerError, NotFound, Rejected
from ledger.event_registry import Event
from tests.docs.blocks import ROOT

PACKAGES = ("ledger", "commands", "projections", "schedulers", "adapters")


class Route(NamedTuple):
    method: str
    path: str
    operation: Operation
    summary: str
    details: str


class Command(NamedTuple):
    """A command with its words, such as `duebook day run`."""

    words: str
    parser: argparse.ArgumentParser

    @property
    def arguments(self) -> list[argparse.Action]:
        """Options and positionals, help left out."""
        return [
            action
            for action in self.parser._actions
            if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
        ]


@cache
def modules() -> tuple[Any, ...]:
    """Every module of the product, imported."""
    found = []
    for package in PACKAGES:
        top = importlib.import_module(package)
        found.append(top)
        for info in pkgutil.walk_packages(top.__path__, package + "."):
            found.append(importlib.import_module(info.name))
    return tuple(sorted(found, key=lambda module: module.__name__))


def event_types() -> dict[str, type[Event]]:
    """Every tag that is written, with its struct. Tags that are only read are in `events.tags()`."""
    _ = modules()
    return {tag: registry._types[tag] for tag in registry.tags() if tag in registry._types}


def errors() -> list[type[LedgerError]]:
    """Every condition that the product raises, by code."""
    _ = modules()
    abstract = {LedgerError, NotFound, Conflict, Rejected}
    found = {kind for kind in _below(LedgerError) if _ours(kind)} - abstract
    return sorted(found, key=lambda kind: kind.code)


def refusals() -> list[type[Exception]]:
    """What besides a LedgerError ends a command with one line."""
    _ = modules()
    found: dict[type[Exception], None] = {}
    for kind in REFUSALS:
        if kind is not LedgerError:
            found.update(dict.fromkeys(one for one in (kind, *_below(kind)) if _ours(one)))
    return list(found)


def commands() -> list[Command]:
    """Every command that does something, in the order of the help."""
    return list(_commands("duebook", parser()))


def routes() -> list[Route]:
    """Every route that says what it is, by path."""
    app = Litestar([Router("/api", route_handlers=API_ROUTES), *PUBLIC_ROUTES], openapi_config=None)
    found = []
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            operation = operation_of(handler)
            if operation is not None:
                summary, _, details = (handler.fn.__doc__ or "").partition("\n")
                path = route.path_format
                found.append(Route(method, path, operation, summary, " ".join(details.split())))
    return sorted(found, key=lambda one: (one.path, ("GET", "POST", "PATCH").index(one.method)))


def settings() -> dict[str, msgspec.structs.FieldInfo]:
    """Every environment variable."""
    return {variable_of(field.name): field for field in msgspec.structs.fields(Settings)}


def folders() -> dict[str, list[Any]]:
    """The modules by folder; a package's own module stands for its folder."""
    found: dict[str, list[Any]] = {}
    for module in modules():
        assert module.__file__ is not None
        folder = Path(module.__file__).parent.relative_to(ROOT).as_posix()
        found.setdefault(folder, []).append(module)
    return found


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _ours(kind: type[Any]) -> bool:
    return kind.__module__.partition(".")[0] in PACKAGES


def _commands(words: str, found: argparse.ArgumentParser) -> Iterator[Command]:
    below = [one for one in found._actions if isinstance(one, argparse._SubParsersAction)]
    if not below:
        yield Command(words, found)
    for family in below:
        for name, child in family.choices.items():
            yield from _commands(f"{words} {name}", child)
