"""Errors in the log without their texts: a driver's messages quote the data at hand, which may be a person's."""

import traceback


def without_texts(error: BaseException) -> str:
    """The kinds of an error and of its causes, with the places they came from, over several lines."""
    parts: list[str] = []
    while True:
        parts.append(kind_of(error) + "\n" + "".join(traceback.format_tb(error.__traceback__)))
        cause = error.__cause__ or error.__context__
        if cause is None:
            return "caused by ".join(parts)
        error = cause


def kind_of(error: BaseException) -> str:
    """The class of an error, with the SQLSTATE of one from the database."""
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" (SQLSTATE {state})" if state else "")
