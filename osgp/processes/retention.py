"""Retention: what is kept for a time and then deleted, a slice at a time.

An app registers each kind of rows that it deletes. One duty of the dispatchers looks whether anything is past
its retention, and one task deletes it: a slice of each kind in turn, so that a kind with millions of rows
does not keep the others waiting.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import QuerySet
from django.db.models.expressions import Combinable

from osgp.processes.database import AWAY, format_in_one_line, lanes
from osgp.processes.stopping import stop
from osgp.sql import add_to_now

logger = logging.getLogger(__name__)

SLICE = 1000
"""Rows of a kind that are deleted at a time, few enough not to hold up others."""
LONGEST_RUN = 30.0
"""Seconds in one task. The next one does the rest, after others on the queue."""


@dataclass(frozen=True)
class Kind:
    """Rows that are deleted once they are past their retention.

    ``find_expired`` returns querysets that are quick to look into: one of them has rows if there is something
    to delete, some of which may have to stay for now. ``delete_slice`` deletes about SLICE rows, those that
    are not locked, in transactions of its own, and returns how many: unless it is zero, there may be more.
    """

    name: str
    find_expired: Callable[[], Iterable[QuerySet]]
    delete_slice: Callable[[], int]

    def is_due(self) -> bool:
        """Return whether anything is past its retention."""
        return any(rows.order_by().exists() for rows in self.find_expired())


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Have rows of this kind deleted. It replaces one of the same name."""
    _kinds[kind.name] = kind


def list_kinds() -> list[Kind]:
    """Return all registered kinds."""
    return list(_kinds.values())


def make_kind(name: str, model: type[models.Model], moment: str, setting: str) -> Kind:
    """Return the kind of all rows of a model whose ``moment``, an indexed column, is past a retention.

    ``setting`` names it in ``settings.OSGP``. Whatever refers to the rows must cascade, or not be there.
    """

    def find_expired() -> list[QuerySet]:
        return [model._default_manager.filter(**{f"{moment}__lt": find_end(setting)})]

    return Kind(name, find_expired, lambda: delete_oldest(find_expired()[0], moment))


def find_end(setting: str) -> Combinable:
    """Return the moment, by the clock of the database, before which nothing is kept any more."""
    kept_for: timedelta = settings.OSGP[setting]
    return add_to_now(-kept_for)


@transaction.atomic
def delete_oldest(rows: QuerySet, moment: str) -> int:
    """Delete a slice of rows in the order of an indexed column; return how many.

    Without that order, PostgreSQL would sort all that is expired for each slice. Rows that another process
    has locked stay for now.
    """
    oldest = rows.order_by(moment).select_for_update(skip_locked=True, of=("self",))
    keys = list(oldest.values_list("pk", flat=True)[:SLICE])
    # Where something refers to the rows, Django loads them first: of pushes, 64 MB in a slice.
    rows.model._default_manager.filter(pk__in=keys).only("pk").delete()
    return len(keys)


def is_due() -> bool:
    """Return whether anything of any kind is past its retention."""
    return any(kind.is_due() for kind in list_kinds())


def delete_slices() -> int:
    """Delete a slice of every kind; return how many rows."""
    return sum(kind.delete_slice() for kind in list_kinds())


def keep_house() -> int:
    """Delete what is past its retention for up to LONGEST_RUN, in database lanes; return how many rows.

    A kind that fails is left to the next run, and does not keep others from being deleted.
    """
    return sum(_take_turns(time.monotonic() + LONGEST_RUN))


def _take_turns(deadline: float) -> Iterator[int]:
    """Delete slices of all kinds in turn, and yield the number of rows of each."""
    left = list_kinds()
    # Each run begins with another one, so that no kind is always the last to get a turn.
    random.shuffle(left)
    while left:
        for kind in list(left):
            count = _delete(kind)
            if not count:
                left.remove(kind)
            yield count
            if time.monotonic() > deadline or stop.is_requested:
                return


def _delete(kind: Kind) -> int:
    try:
        return lanes.run(kind.delete_slice)
    except AWAY as error:
        logger.warning("%s past their retention stay for now: %s", kind.name, format_in_one_line(error))
    except Exception:
        logger.exception("%s past their retention could not be deleted", kind.name)
    return 0
