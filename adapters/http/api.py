"""What the routes of one application share: the ledger, the threads that read, the dispatcher, the metrics."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import State

from adapters.http.authentication import Authenticator, Principal
from adapters.http.dispatcher import Dispatcher
from adapters.http.observability.metrics_token import MetricsToken
from adapters.http.observability.request_metrics import RequestMetrics
from adapters.http.read_pool import ReadPool
from adapters.wiring import Books

Call = Request[Principal, Any, State]
"""An authorized request: `call.user` is its principal."""

T = TypeVar("T")


class Api:
    """One application's parts; `api_of` finds it from a request.

    public_url  what the service calls itself in links; empty: links are relative
    """

    def __init__(self, books: Books, home: Path | None, public_url: str) -> None:
        self.books = books
        self.public_url = public_url
        self.metrics_token = MetricsToken(home)
        self.request_metrics = RequestMetrics()
        self.read_pool = ReadPool(books)
        self.authenticator = Authenticator(books, self.read_pool)
        self.dispatcher = Dispatcher(books.writer)
        self.closing = False
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="duebook-slow")

    async def run_slowly(self, work: Callable[[], T]) -> T:
        """Runs what may take minutes, one such at a time, in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    def close(self) -> None:
        self.closing = True
        self._slow.shutdown()
        self.read_pool.close()


def api_of(request: Request[Any, Any, Any]) -> Api:
    api: Api = request.app.state["api"]
    return api
