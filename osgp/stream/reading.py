"""Reads events from the database, in slices and in the order of their positions."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Min, QuerySet

from osgp.events.models import Event
from osgp.events.numbering import find_last_position, number_new
from osgp.messages.serializers import utc_text
from osgp.stream.selection import Selection

SLICE = 500
"""Events that are looked at in one query."""

_COLUMNS = (
    "position",
    "organisation",
    "organisation__identification",
    "kind",
    "device_identification",
    "data",
    "created_at",
)


@dataclass(slots=True)
class Told:
    """An event as it is told to listeners; its text is made once for all of them."""

    position: int
    organisation: int
    organisation_identification: str
    kind: str
    device_identification: str
    data: Any
    created_at: datetime
    _texts: dict[bool, bytes] = field(default_factory=dict)

    def encode(self, *, with_organisation: bool) -> bytes:
        """Return it as a block of an event stream; ``with_organisation`` for those who see several."""
        text = self._texts.get(with_organisation)
        if text is None:
            body = {"type": self.kind, "data": self.data, "created_at": utc_text(self.created_at)}
            if with_organisation:
                body["organisation"] = self.organisation_identification
            text = self._texts[with_organisation] = encode_block(self.position, self.kind, body)
        return text


def encode_block(position: int, kind: str, body: dict[str, Any]) -> bytes:
    """Return one event of an event stream (HTML standard, section 9.2): JSON has no line ends in it."""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"id: {position}\nevent: {kind}\ndata: {data}\n\n".encode()


def encode_all(events: Iterable[Told], selection: Selection) -> bytes:
    """Return the blocks of events, one after the other."""
    with_organisation = selection.organisation is None
    return b"".join(event.encode(with_organisation=with_organisation) for event in events)


def read_new(after: int) -> list[Told]:
    """Give new events their positions; return the next ``SLICE`` events of all organisations."""
    number_new()
    return _read(Event.objects.filter(position__gt=after))


def read_slice(selection: Selection, after: int, until: int) -> tuple[list[Told], int]:
    """Return selected events after one position, and the position up to which that is all, at most ``until``.

    However few are selected, it looks at no more than ``SLICE`` events of the organisation.
    """
    events = Event.objects.filter(position__gt=after, position__lte=until)
    if selection.organisation is not None:
        events = events.filter(organisation=selection.organisation)
    positions = events.order_by("position").values_list("position", flat=True)
    end = next(iter(positions[SLICE - 1 : SLICE]), until)
    chosen = events.filter(position__lte=end)
    if selection.kinds:
        chosen = chosen.filter(kind__in=sorted(selection.kinds))
    if selection.devices:
        chosen = chosen.filter(device_identification__in=sorted(selection.devices))
    return _read(chosen), end or until


def find_bounds() -> tuple[int, int]:
    """Give new events their positions; return the last one that is forgotten (0: none is), and the last one.

    Without listeners nobody may have given any for a while: whoever listens from now on wants none of these.
    """
    while number_new():
        pass
    last = find_last_position()
    first = Event.objects.filter(position__isnull=False).order_by().aggregate(first=Min("position"))["first"]
    return (last if first is None else first - 1), last


def _read(events: QuerySet[Event]) -> list[Told]:
    return [Told(*row) for row in events.order_by("position").values_list(*_COLUMNS)[:SLICE]]
