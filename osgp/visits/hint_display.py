"""The text that Celery's tools, such as Flower, show for a hint: the meter and its due requests.

A hint carries the id of a meter session and its claim token, which only the worker may see. Celery sends a
text for display beside the arguments, and its events carry only that text. It lists what was due when the
hint was published; the visit may find more or less.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection

from django.db.models import Count, F, OrderBy, Window
from django.db.models.functions import RowNumber

from osgp.devices.models import Device
from osgp.requests.due import find_due_requests
from osgp.requests.models import MeterSession

SHOWN = 5
"""Requests named per hint; the others are counted."""


def describe_hints(sessions: Collection[MeterSession]) -> dict[uuid.UUID, str]:
    """Describe each meter session: device, then message and correlation UID of its most urgent requests.

    ``E0000000000000001: ActualMeterReads 0c7e…, SynchronizeTime 51aa… and 7 more``; at most about 600
    characters. Two queries, however many hints.
    """
    meters = {session.meter_id for session in sessions}
    names = dict(Device.objects.filter(pk__in=meters).values_list("pk", "identification"))
    most_urgent_first: list[OrderBy | str] = [F("effective_priority").desc(), "due_at", "pk"]
    numbered = (
        find_due_requests()
        .filter(meter__in=meters)
        .order_by()
        .annotate(
            place=Window(RowNumber(), partition_by="meter", order_by=most_urgent_first),
            total=Window(Count("pk"), partition_by="meter"),
        )
        .filter(place__lte=SHOWN)
        .order_by("meter", "place")
        .values_list("meter", "message", "correlation_uid", "total")
    )
    work: defaultdict[int, list[str]] = defaultdict(list)
    totals: dict[int, int] = {}
    for meter, message, correlation_uid, total in numbered:
        work[meter].append(f"{message} {correlation_uid}")
        totals[meter] = total
    return {session.pk: _describe(session, names, work, totals) for session in sessions}


def _describe(
    session: MeterSession, names: dict[int, str], work: dict[int, list[str]], totals: dict[int, int]
) -> str:
    shown = work.get(session.meter_id, [])
    more = totals.get(session.meter_id, 0) - len(shown)
    text = ", ".join(shown) or "nothing is due any more"
    return f"{names.get(session.meter_id, '')}: {text}" + (f" and {more} more" if more else "")
