"""Generations of counters: after a restore from a backup, stored counters are lower than what was used.

Each counter says in which generation it is right. One of a former generation is raised by a leap before its
next use, further than any meter can have been used since the backup.
"""

from osgp.devices.models import CounterGeneration

FIRST = 1
TABLE = CounterGeneration._meta.db_table
CURRENT = f"COALESCE((SELECT MAX(number) FROM {TABLE}), {FIRST})"  # noqa: S608 (a table name)
"""SQL for the current generation."""


def get_current() -> int:
    """Return the number of the current generation."""
    number: int | None = (
        CounterGeneration.objects.order_by("-number").values_list("number", flat=True).first()
    )
    return FIRST if number is None else number
