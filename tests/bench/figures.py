"""Every figure that `make bench` gives: its name in build/bench.json, its unit, its meaning and, if any, its target."""

from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the table.

    family   who measures it, see tests.bench.family
    target   what it must reach; None when it is only reported
    """

    key: str
    unit: str
    family: str
    what: str
    target: float | None = None

    def ratio(self, value: float | str) -> float | None:
        """The figure over its target; None when it has none."""
        if self.target is None:
            return None
        assert not isinstance(value, str)
        return value / self.target


ELSEWHERE = "cores that other processes kept busy meanwhile, of all"

FIGURES = (
    Figure("machine.cores", "", "machine", "processor cores, shared with whatever else runs"),
    Figure("machine.memory_gb", "GB", "machine", "memory"),
    Figure("machine.python", "", "machine", "version of Python"),
    Figure("machine.postgresql", "", "machine", "version of the embedded PostgreSQL"),
    Figure("machine.fsync", "", "machine", "whether a commit waits for the disk"),
    Figure("machine.measured_at", "", "machine", "when the run began, UTC"),
    Figure("machine.elsewhere_cores", "cores", "machine", ELSEWHERE),
    Figure("append.single_per_s", "events/s", "append", "one event per transaction, one caller"),
    Figure(
        "append.single_library_per_s",
        "events/s",
        "append",
        "the same through the library's recorder",
    ),
    Figure(
        "append.grouped_16_per_s",
        "commands/s",
        "append",
        "16 callers of one writer, commands of one event each, committed in groups",
    ),
    Figure("append.grouped_64_per_s", "commands/s", "append", "the same with 64 callers"),
    Figure("append.batch_1000_per_s", "events/s", "append", "batches of 1,000, binary COPY"),
    Figure(
        "append.library_1000_per_s",
        "events/s",
        "append",
        "the library's recorder into the same table, 1,000 per call",
    ),
    Figure(
        "append.library_lean_1000_per_s",
        "events/s",
        "append",
        "the same, when the envelope is written into the statement and only four fields travel",
    ),
    Figure("append.raw_1000_per_s", "events/s", "append", "COPY of bytes packed beforehand, 1,000"),
    Figure("append.batch_5000_per_s", "events/s", "append", "batches of 5,000, binary COPY"),
    Figure("append.raw_5000_per_s", "events/s", "append", "COPY of bytes packed beforehand, 5,000"),
    Figure(
        "append.copy_vs_library",
        "times",
        "append",
        "batch_1000 over library_1000, median of rounds",
        2.0,
    ),
    Figure(
        "append.copy_vs_library_lean",
        "times",
        "append",
        "batch_1000 over library_lean_1000, median of rounds",
    ),
    Figure("append.copy_vs_raw", "times", "append", "batch_1000 over raw_1000, median of rounds"),
    Figure(
        "append.copy_vs_raw_5000", "times", "append", "batch_5000 over raw_5000, median of rounds"
    ),
    Figure("append.elsewhere_cores", "cores", "append", ELSEWHERE),
    Figure(
        "load.snapshot_per_s",
        "snapshots/s",
        "load",
        "one stream's state, in a tenant's transaction",
    ),
    Figure(
        "load.snapshots_5000_per_s", "snapshots/s", "load", "5,000 states in one query, decoded"
    ),
    Figure("load.decode_per_s", "snapshots/s", "load", "decoding an invoice's state, no database"),
    Figure("load.events_per_s", "events/s", "load", "reading the log by position, pages of 5,000"),
    Figure("load.elsewhere_cores", "cores", "load", ELSEWHERE),
    Figure(
        "seed.invoices_per_s", "invoices/s", "clock", "drafting and sending in bulk: 2 events each"
    ),
    Figure("clock.invoices", "", "clock", "invoices the clock works on"),
    Figure(
        "clock.overdue_per_s",
        "invoices/s",
        "clock",
        "the step in which every invoice becomes overdue and gets its late fee: 2 events each",
    ),
    Figure(
        "clock.write_per_s",
        "invoices/s",
        "clock",
        "nights of interest: read, decide, append, snapshots; whole days, opened and closed",
        30_000,
    ),
    Figure("clock.peak_mb", "MB", "clock", "the most memory the clock's process had in all nights"),
    Figure(
        "clock.growth_mb",
        "MB",
        "clock",
        "what the peak grew after the first tenth of the first night: flat means a few MB",
    ),
    Figure(
        "clock.caught_up_per_s",
        "invoices/s",
        "clock",
        "nights of interest until the read models stand at the end of the log as well",
        12_500,
    ),
    Figure(
        "clock.caught_up_peak_mb",
        "MB",
        "clock",
        "the most memory the process had, the read models' building and following included",
    ),
    Figure("clock.elsewhere_cores", "cores", "clock", ELSEWHERE),
    Figure("rebuild.events_per_s", "events/s", "rebuild", "the slowest projection's rate", 100_000),
    Figure(
        "rebuild.invoices_events_per_s", "events/s", "rebuild", "rebuilding `invoices` and its sums"
    ),
    Figure("rebuild.customers_events_per_s", "events/s", "rebuild", "rebuilding `customers`"),
    Figure("rebuild.payments_events_per_s", "events/s", "rebuild", "rebuilding `payments`"),
    Figure("rebuild.refunds_events_per_s", "events/s", "rebuild", "rebuilding `refunds`"),
    Figure("rebuild.credit_notes_events_per_s", "events/s", "rebuild", "rebuilding `credit_notes`"),
    Figure("rebuild.agreements_events_per_s", "events/s", "rebuild", "rebuilding `agreements`"),
    Figure(
        "rebuild.business_days_events_per_s", "events/s", "rebuild", "rebuilding `business_days`"
    ),
    Figure(
        "rebuild.dunning_plans_events_per_s", "events/s", "rebuild", "rebuilding `dunning_plans`"
    ),
    Figure("rebuild.messages_events_per_s", "events/s", "rebuild", "rebuilding `messages`"),
    Figure("rebuild.senders_events_per_s", "events/s", "rebuild", "rebuilding `senders`"),
    Figure("rebuild.tasks_events_per_s", "events/s", "rebuild", "rebuilding `tasks`"),
    Figure("rebuild.activities_events_per_s", "events/s", "rebuild", "rebuilding `activities`"),
    Figure(
        "rebuild.journal_events_per_s", "events/s", "rebuild", "rebuilding `journal` and its sums"
    ),
    Figure("rebuild.peak_mb", "MB", "rebuild", "the most memory the rebuilding process had"),
    Figure("rebuild.growth_mb", "MB", "rebuild", "how much of it came after the first third"),
    Figure("rebuild.elsewhere_cores", "cores", "rebuild", ELSEWHERE),
    Figure("late.facts", "", "late", "facts of the invoice, all after the late payment"),
    Figure(
        "late.payments_per_s",
        "payments/s",
        "late",
        "late payments decided on it, every fact again, state read and written: 20 are 50 ms each",
        20,
    ),
    Figure("late.elsewhere_cores", "cores", "late", ELSEWHERE),
    Figure("api.commands_per_s", "payments/s", "api", "payments over HTTP from 16 clients", 1_000),
    Figure("api.p50_ms", "ms", "api", "half of those were answered within"),
    Figure("api.p99_ms", "ms", "api", "99 of 100 of those were answered within"),
    Figure(
        "api.commands_per_s_64", "payments/s", "api", "payments over HTTP from 64 clients", 2_000
    ),
    Figure("api.p50_ms_64", "ms", "api", "half of those were answered within"),
    Figure("api.p99_ms_64", "ms", "api", "99 of 100 of those were answered within"),
    Figure("api.payments", "", "api", "payments made in all, each checked in the books afterwards"),
    Figure("api.elsewhere_cores", "cores", "api", ELSEWHERE),
    Figure("mail.mails", "", "mail", "messages that wait when two workers begin"),
    Figure("mail.per_s", "mails/s", "mail", "to a server on loopback, every event recorded", 1_000),
    Figure("mail.alone_per_s", "mails/s", "mail", "of `aiosmtplib` alone to that server"),
    Figure("mail.vs_alone", "times", "mail", "the one over the other", 0.4),
    Figure("mail.peak_mb", "MB", "mail", "the most memory that a worker had"),
    Figure("mail.elsewhere_cores", "cores", "mail", ELSEWHERE),
    Figure("night.debtors", "", "night", "customers with an overdue invoice each"),
    Figure(
        "night.minutes",
        "min",
        "night",
        "the whole night, each part until the read models are level",
    ),
    Figure(
        "night.per_s",
        "debtors/s",
        "night",
        "the same: overdue, late fee, interest and a message queued, six events each",
    ),
    Figure(
        "night.overdue_per_s",
        "invoices/s",
        "night",
        "of it, the steps overdue and mora: three events each, the read models following meanwhile",
    ),
    Figure("night.overdue_level_per_s", "invoices/s", "night", "the same until they are level"),
    Figure(
        "night.dunning_per_s",
        "messages/s",
        "night",
        "of it, the step dunning: three events each, the read models following meanwhile",
    ),
    Figure("night.dunning_level_per_s", "messages/s", "night", "the same until they are level"),
    Figure(
        "night.interest_per_s",
        "invoices/s",
        "night",
        "the night after, of interest alone: one event each, the read models following meanwhile",
    ),
    Figure("night.interest_level_per_s", "invoices/s", "night", "the same until they are level"),
    Figure(
        "night.overdue_vs_interest",
        "times",
        "night",
        "becoming overdue, with fee and interest, beside a night of interest, both until level",
        0.6,
    ),
    Figure(
        "night.dunning_vs_interest",
        "times",
        "night",
        "the step dunning beside a night of interest, both as they are written",
        0.5,
    ),
    Figure("night.peak_mb", "MB", "night", "the most memory the process had in that night"),
    Figure("night.database_gb", "GB", "night", "the database after both nights"),
    Figure("night.elsewhere_cores", "cores", "night", ELSEWHERE),
    Figure("proofs.histories", "", "proofs", "histories recorded in order and in random orders"),
    Figure("proofs.accepted_orders", "", "proofs", "random orders in which every fact was taken"),
    Figure("proofs.accepted_percent", "%", "proofs", "the same, of all random orders", 80),
    Figure("proofs.overdrawn_orders", "", "proofs", "orders in which what was spent was reversed"),
    Figure("proofs.histories_per_s", "histories/s", "proofs", "on all cores"),
    Figure("proofs.elsewhere_cores", "cores", "proofs", ELSEWHERE),
)

USUAL = tuple(figure for figure in FIGURES if figure.family != "proofs")
"""What a run measures unless families are named, and the documentation shows."""


def figures_of(family: str) -> set[str]:
    """The keys of what a family has to measure; what happens elsewhere is seen by who runs it."""
    listed = {figure.key for figure in FIGURES if figure.family == family}
    return listed - {f"{family}.elsewhere_cores"}
