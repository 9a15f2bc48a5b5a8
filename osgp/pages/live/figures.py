"""What waits and what is being done now: small queries through the indexes of dispatchers."""

from collections import Counter
from collections.abc import Sequence

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.metrics import snapshot
from osgp.pages.shared.paging import COUNT_LIMIT, BoundedCount, count_up_to_limit
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from osgp.sql import Statement

PENDING_STATES = (
    RequestState.SCHEDULED,
    RequestState.QUEUED,
    RequestState.RUNNING,
    RequestState.RETRYING,
)
OLDEST = 6
PRIORITIES = range(10)


_IN_ORDER_OF_INDEX: dict[RequestState, str] = {
    RequestState.QUEUED: "effective_priority DESC, due_at, id",
    RequestState.SCHEDULED: "due_at",
    RequestState.RUNNING: "session_id",
}
"""Or else PostgreSQL may read the table from its begin, where requests are that ended long ago."""


def _select_states(states: Sequence[RequestState], condition: str) -> Statement:
    # Of no more rows than pages count: reading all that wait would take longer the longer the queue is.
    named = ", ".join(f"'{state}'" for state in states)
    return Statement(
        f"""
        SELECT state, count(*) FROM (
          SELECT state FROM {Request._meta.db_table}
           WHERE state IN ({named}) AND priority >= 0 {condition}
           ORDER BY {_IN_ORDER_OF_INDEX[states[0]]} LIMIT {COUNT_LIMIT + 1}) AS met
         GROUP BY state
        """,  # noqa: S608 (names of a table and of states)
        prepared=False,
    )


_OF_ORGANISATION = "AND organisation_id = %s"
# Those that an index has together: looking for one of them would read the others as well.
_STATES = [(states, _select_states(states, "")) for states in snapshot.PENDING]
_STATES_OF_ORGANISATION = [(states, _select_states(states, _OF_ORGANISATION)) for states in snapshot.PENDING]


def count_pending(organisation: Organisation | None) -> list[tuple[RequestState, BoundedCount]]:
    """How many requests wait or run, of one organisation or of all, state by state; up to COUNT_LIMIT.

    Of more in the whole platform, the number that dispatchers counted last, a moment ago.
    """
    counts: dict[str, BoundedCount] = {}
    for states, select in _STATES if organisation is None else _STATES_OF_ORGANISATION:
        found = dict(select.fetch_rows(*(() if organisation is None else (organisation.pk,))))
        more = sum(found.values()) > COUNT_LIMIT
        for state in states:
            counts[state] = BoundedCount(min(found.get(state, 0), COUNT_LIMIT), more)
    if organisation is None and any(count.more for count in counts.values()):
        last = _read_snapshot()
        for name, count in counts.items():
            if count.more and last.total() > COUNT_LIMIT:
                counts[name] = BoundedCount(last[name], False)
    return [(state, counts[state]) for state in PENDING_STATES]


def _read_snapshot() -> Counter[str]:
    """How many requests dispatchers counted last, by state; empty before their first count."""
    taken = snapshot.read_latest()
    numbers: Counter[str] = Counter()
    for _, state, number in taken[1].get("pending", ()) if taken else ():
        numbers[state] += number
    return numbers


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
_OLDEST_OF_ORGANISATION = _select_oldest(_OF_ORGANISATION)


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
