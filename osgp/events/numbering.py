"""Giving events their positions.

Transactions do not commit in the order in which they took their ids, so whoever reads on from the last id
that it saw would miss what was committed late. Positions are given to committed rows only, by one process at
a time; any process that reads events may do it.
"""

from django.db import connection, transaction

from osgp.events.models import Event, EventSequence

MOST = 5000
"""Events that get their positions in one transaction."""

ROW = 1

_NUMBER = f"""
    UPDATE {Event._meta.db_table}
       SET position = %s + fresh.place
      FROM (SELECT id AS number, row_number() OVER (ORDER BY id) AS place
              FROM (SELECT id FROM {Event._meta.db_table} WHERE position IS NULL ORDER BY id LIMIT %s) oldest
           ) fresh
     WHERE id = fresh.number
    """  # noqa: S608 (table names)


def number_new() -> int:
    """Give positions to new events; return to how many. 0 also if another process is at it."""
    if not Event.objects.filter(position__isnull=True).order_by().exists():
        return 0
    # The one row is made when it is first needed: an empty database has none.
    EventSequence.objects.get_or_create(pk=ROW)
    with transaction.atomic():
        sequence = EventSequence.objects.select_for_update(skip_locked=True).filter(pk=ROW).first()
        if sequence is None:
            return 0
        # A statement of its own: it sees what was committed before the row was locked.
        with connection.cursor() as cursor:
            cursor.execute(_NUMBER, [sequence.last, MOST])
            number: int = cursor.rowcount
        sequence.last += number
        sequence.save(update_fields=["last"])
    return number


def find_last_position() -> int:
    """Return the last position that was given to an event, perhaps forgotten by now; 0 if there is none."""
    return EventSequence.objects.filter(pk=ROW).values_list("last", flat=True).first() or 0
