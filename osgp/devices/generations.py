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
from django.db.models import F, Value
from django.db.models.functions import Greatest, Now

from osgp import platform_time
from osgp.devices.models import CounterGeneration

FIRST = 1
"""Of an installation that was never restored."""
NONE = 0
"""Of a counter that was never right: that of a key from outside of the database."""
RANDOM_LEAPS = 8
"""How wide the random part is. The 32 bits are enough for hundreds of restores, on average."""
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
    return leap + random.randrange(RANDOM_LEAPS * leap) + max(current - began, 0) * VALUES_PER_SECOND


def read_mark() -> str:
    """Return the mark of the database that was seen last; empty if none was yet."""
    marks = CounterGeneration.objects.order_by("-number").values_list("mark", flat=True)
    return marks.first() or ""


def remember(mark: str, former: str) -> None:
    """Store the mark of the database in the place of ``former``, within the same generation."""
    _ensure_row()
    CounterGeneration.objects.filter(mark=former).update(mark=mark)


def begin(mark: str, former: str) -> int | None:
    """Begin a new generation in a database with this mark, if ``former`` is still the stored one.

    Return its number; None if another process was faster. Needs a transaction for what goes with it.
    """
    _ensure_row()
    # Two restores of one backup begin with the same row, so counting up would not tell them apart.
    number = Greatest(F("number") + 1, Value(int(platform_time.now().timestamp())))
    changed = CounterGeneration.objects.filter(mark=former).update(number=number, mark=mark, changed_at=Now())
    return get_current() if changed else None


def _ensure_row() -> None:
    if not CounterGeneration.objects.exists():
        CounterGeneration.objects.bulk_create([CounterGeneration(pk=1, number=FIRST)], ignore_conflicts=True)
