"""The event store: the `eventsourcing` library's application, recorder, mapper and factory in Duebook's shape,
one group-committing writer per process, snapshots, encrypted personal data, and the clock's bulk path.
"""
