"""The read models of an installation that is measured: brought level, and how far they are behind."""

from adapters.postgres.connection import owner_connection
from adapters.wiring import Books
from projections.catalog import CATALOG
from projections.rebuild.rebuild import rebuild


def build_read_models(books: Books) -> None:
    """Brings the read models to the log's end the quick way, so that they start level with the clock."""
    for projection in CATALOG:
        rebuild(
            projection, books.database.writer.connection, lambda: owner_connection(books.database)
        )
    books.projections.catch_up()
    assert events_behind(books) == 0


def events_behind(books: Books) -> int:
    """How many events the slowest read model has to apply."""
    return max(lag.behind for lag in books.projections.lag())
