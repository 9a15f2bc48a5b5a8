"""What waits and what is being done now: small queries through the indexes of dispatchers."""

from collections import Counter
from collections.abc import Sequence

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.metrics import snapshot
from osgp.pages.shared.paging import BoundedCount, count_up_to_limit
from osgp.requests.models import OF_ANY_METER, MeterSession, Request, RequestState, SessionState
from osgp.sql import Statement

PENDING_STATES = (
    RequestState.SCHEDULED,
    RequestState.QUEUED,
    RequestState.RUNNING,
    RequestState.RETRYING,
)
OLDEST = 6
PRIORITIES = range(10)


def count_pending(organisation: Organisation | None) -> list[tuple[RequestState, BoundedCount]]:
    """How many requests wait or run, of one organisation or of all, state by state; up to a limit."""
    pending = Request.objects.filter(OF_ANY_METER)
    if organisation is not None:
        pending = pending.filter(organisation=organisation)
    return [(state, count_up_to_limit(pending.filter(state=state))) for state in PENDING_STATES]


def count_all_pending(organisation: Organisation | None) -> list[tuple[RequestState, BoundedCount]]:
    """The same, beyond the limit as well: for the whole platform dispatchers count that now and then."""
    counts = count_pending(organisation)
    if organisation is not None or not any(count.more for _, count in counts):
        return counts
    taken = snapshot.read_latest()
    exact: Counter[str] = Counter()
    for _, state, number in taken[1].get("pending", ()) if taken else ():
        exact[state] += number
    return [
        (state, BoundedCount(exact[state], False) if count.more and exact[state] > count.number else count)
        for state, count in counts
    ]


def _select_oldest(condition: str) -> Statement:
    # One look into the index of dispatchers for each priority, as the index has it; "priority >= 0" is part
    # of its condition (OF_ANY_METER in osgp/requests/models.py).
    table = Request._meta.db_table
    of_each = " UNION ALL ".join(
        f"""
        SELECT * FROM (
          SELECT id, due_at FROM {table}
           WHERE state IN ('QUEUED', 'RETRYING') AND priority >= 0 AND effective_priority = {priority}
             AND due_at <= {{now}} {condition}
           ORDER BY due_at, id LIMIT {OLDEST}) AS of_{priority}
        """  # noqa: S608 (names of a table and columns)
        for priority in PRIORITIES
    )
    text = f"SELECT id FROM ({of_each}) AS found ORDER BY due_at, id LIMIT {OLDEST}"  # noqa: S608 (likewise)
    return Statement(text, prepared=False)


_OLDEST = _select_oldest("")
_OLDEST_OF_ORGANISATION = _select_oldest("AND organisation_id = %s")


def find_oldest(organisation: Organisation | None) -> Sequence[Request]:
    """The requests that have been due for longest without being carried out, oldest first. Two queries."""
    if organisation is None:
        found = _OLDEST.fetch_rows()
    else:
        found = _OLDEST_OF_ORGANISATION.fetch_rows(*[organisation.pk] * len(PRIORITIES))
    if not found:
        return ()
    rows = Request.objects.filter(pk__in=[key for (key,) in found])
    return list(
        rows.order_by("due_at", "pk").only(
            "pk", "message", "device_identification", "due_at", "state", "effective_priority"
        )
    )


def count_visits(organisation: Organisation | None) -> dict[str, BoundedCount]:
    """How many visits are about to start (OPENED) and under way (CLAIMED), to meters of one or all."""
    visits = MeterSession.objects.all()
    if organisation is not None:
        visits = visits.filter(meter__in=list_visible_devices(organisation))
    return {
        state.value: count_up_to_limit(visits.filter(state=state))
        for state in (SessionState.OPENED, SessionState.CLAIMED)
    }
