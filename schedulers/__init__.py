"""The clock: which days of which tenant are due, the steps of a day, and the alarm that asks once a minute.

What it works on comes through the protocols of `schedulers.ports`; the event store implements them.
"""
