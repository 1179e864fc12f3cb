"""How much each family measures: the real sizes, and tiny ones that only show that everything runs."""

from msgspec import Struct


class Size(Struct, frozen=True):
    """
    invoices      that the clock works on
    nights        of interest, for each of the clock's rates
    streams       that are appended to in batches
    rounds        of each comparison of batches
    singles       events appended one by one
    commands      asked of the writer by each number of callers, in each of three rounds
    snapshots         loaded one by one
    events        read by position
    rebuilt       events from which the read models are rebuilt
    facts         of the invoice that a late payment comes in for
    histories     recorded in order and in random orders
    mails         sent by two workers
    debtors       of the night in which everybody becomes one
    warm_up_s, measured_s   of payments over HTTP, for each number of clients
    """

    invoices: int
    nights: int
    streams: int
    rounds: int
    singles: int
    commands: int
    snapshots: int
    events: int
    rebuilt: int
    facts: int
    histories: int
    mails: int
    debtors: int
    warm_up_s: float
    measured_s: float


FULL = Size(
    invoices=300_000,
    nights=3,
    streams=100_000,
    rounds=60,
    singles=1_500,
    commands=8_000,
    snapshots=3_000,
    events=100_000,
    rebuilt=1_000_000,
    facts=1_000,
    histories=20_000,
    mails=10_000,
    debtors=300_000,
    warm_up_s=1.0,
    measured_s=4.0,
)
QUICK = Size(
    invoices=300,
    nights=1,
    streams=1_000,
    rounds=2,
    singles=5,
    commands=100,
    snapshots=20,
    events=400,
    rebuilt=400,
    facts=20,
    histories=4,
    mails=40,
    debtors=60,
    warm_up_s=0.05,
    measured_s=0.1,
)
