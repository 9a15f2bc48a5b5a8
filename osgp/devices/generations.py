"""Generations of counters: after a restore from a backup, stored counters are lower than what was used.

Each counter says in which generation it is right. One of a former generation is as good as unknown: the
meter is asked, and whatever it says, values begin above both what it says and what is stored, by a leap
further than any key can have been used since the backup. A generation is numbered by the time at which it
began (seconds since 1970): the table of generations is restored as well, and a second restore of one backup
must leap further than what was used after the first. A random part keeps the values apart in any case.
"""

import random
from datetime import datetime

from django.conf import settings

from osgp.devices.models import CounterGeneration

FIRST = 1
"""Of an installation that was never restored."""
VALUES_PER_SECOND = 1
"""How many values of one key are used per second at most, over days; a visit a minute takes as many."""
TABLE = CounterGeneration._meta.db_table
CURRENT = f"COALESCE((SELECT MAX(number) FROM {TABLE}), {FIRST})"  # noqa: S608 (a table name)
"""SQL for the current generation."""


def get_current() -> int:
    """Return the number of the current generation."""
    number: int | None = (
        CounterGeneration.objects.order_by("-number").values_list("number", flat=True).first()
    )
    return FIRST if number is None else number


def compute_leap(generation: int, since: datetime, current: int) -> int:
    """Return how much higher a counter may be than what is stored in a former generation.

    ``since``: when counting began, in the first generation.
    """
    began = max(generation, int(since.timestamp()))
    leap = int(settings.OSGP["COUNTER_LEAP"])
    return leap + random.randrange(leap) + max(current - began, 0) * VALUES_PER_SECOND
