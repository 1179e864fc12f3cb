"""A command on its way through the writer, and giving its caller the answer or the refusal."""

import contextlib
from concurrent.futures import Future, InvalidStateError
from uuid import UUID

import msgspec

from adapters.store.requests import Answer, Request


class Job(msgspec.Struct):
    """A request, the future its caller waits on, and the command's id."""

    request: Request
    future: Future[Answer]
    command_id: UUID


def give(future: Future[Answer], answer: Answer) -> None:
    """Answers, unless the caller was told meanwhile to try again."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(answer)


def refuse(future: Future[Answer], error: Exception) -> None:
    """Refuses, unless the caller was told meanwhile to try again."""
    with contextlib.suppress(InvalidStateError):
        future.set_exception(error)


def follow(first: Future[Answer], future: Future[Answer]) -> None:
    """Gives a repeated request what the first one will get."""
    first.add_done_callback(lambda done: _pass_on(done, future))


def _pass_on(done: Future[Answer], future: Future[Answer]) -> None:
    error = done.exception()
    if error is not None:
        refuse(future, error if isinstance(error, Exception) else RuntimeError(str(error)))
        return
    first = done.result()
    give(future, Answer(first.status, first.body, first.tenant_seq, replayed=True))
