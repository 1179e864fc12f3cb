"""`/problems/{code}`: the page that a problem's `type` opens, for the person who has to act on it."""

import json
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Final

from litestar import Request, Response
from litestar.params import FromPath

from adapters.http.operations import public_route
from adapters.http.problem_details import NoSuchPath, condition_of, status_of
from adapters.http.query_parameters import refuse_query
from adapters.http.responses import json_response
from ledger.errors import LedgerError

HTML: Final = "text/html; charset=utf-8"
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Duebook</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1.5rem }}
  code {{ font-family: ui-monospace, monospace; font-size: .95em }}
  .status {{ opacity: .7 }}
</style>
</head>
<body>
<p class="status">Duebook, problem <code>{code}</code>{status}</p>
<h1>{title}</h1>
<p>{condition}</p>
<h2>What to do</h2>
<p>{remedy}</p>
</body>
</html>
"""


@cache
def remedies() -> dict[str, str]:
    """What to do about each condition, by its code; a part between backticks is code."""
    found: dict[str, str] = json.loads(
        files("adapters.http").joinpath("remedies.json").read_bytes()
    )
    return found


@public_route(
    "/problems/{code:str}",
    operation_id="get_problem_page",
    response=str,
    response_example="<!doctype html>...",
    media_type="text/html",
    errors=(NoSuchPath,),
)
async def show(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[bytes]:
    """What a problem means and what to do about it

    The `type` of every problem is the address of its page.
    """
    refuse_query(request.scope)
    remedy = remedies().get(code)
    if remedy is None:
        raise NoSuchPath("there is no problem of this code")
    kind = _kinds().get(code)
    page = _PAGE.format(
        code=code,
        title=escape(code.replace("_", " ").capitalize()),
        status=f", status {status_of(kind)}" if kind is not None else "",
        condition=_marked(condition_of(kind) + ".") if kind is not None else "",
        remedy=_marked(remedy),
    )
    return json_response(page.encode(), headers=_HEADERS, media_type=HTML)


def _kinds() -> dict[str, type[LedgerError]]:
    """Every condition that this process knows, by its code."""
    found: dict[str, type[LedgerError]] = {}
    waiting = [LedgerError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting += kind.__subclasses__()
    return found


def _marked(text: str) -> str:
    """Text as HTML: what stands between backticks is code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
