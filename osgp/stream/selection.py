"""What a listener asks for: which events, and after which position."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rest_framework.exceptions import ValidationError

from osgp.events.models import EventKind

LAST_EVENT_ID = "last_event_id"
KIND = "kind"
DEVICE = "device"
MOST_DEVICES = 100
"""Devices that one listener may name."""

_POSITION = re.compile(r"\d{1,18}", re.ASCII)
_DEVICE = re.compile(r"[A-Za-z0-9]{1,40}", re.ASCII)


@dataclass(frozen=True)
class Selection:
    """Which events a listener gets; listeners with an equal one share the work.

    ``organisation`` is a primary key; None selects the events of all, for operators of the platform. No
    ``kinds`` and no ``devices`` mean all of them.
    """

    organisation: int | None
    kinds: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()

    def selects(self, kind: str, device_identification: str) -> bool:
        """Return whether an event of the organisation is among them."""
        return (not self.kinds or kind in self.kinds) and (
            not self.devices or device_identification in self.devices
        )


@dataclass(frozen=True)
class Query:
    """The query of a call. ``after``: the last position that the caller has seen; None: none, from now on."""

    kinds: frozenset[str]
    devices: frozenset[str]
    after: int | None


def parse_query(pairs: Sequence[tuple[str, str]], last_event_id: str) -> Query:
    """Read the query, and the Last-Event-ID header (empty: none), which counts more than the query's.

    A browser that connects again keeps the URL, and sends in the header what it has seen since. Raises
    ValidationError with the name of the field.
    """
    values: dict[str, list[str]] = {KIND: [], DEVICE: [], LAST_EVENT_ID: []}
    for name, value in pairs:
        if name not in values:
            raise ValidationError({name: [f"Unknown; there are {', '.join(sorted(values))}."]})
        values[name].append(value)
    for kind in values[KIND]:
        if kind not in EventKind.values:
            raise ValidationError({KIND: [f"Must be one of {', '.join(EventKind.values)}."]})
    for device in values[DEVICE]:
        if not _DEVICE.fullmatch(device):
            raise ValidationError({DEVICE: ["Must be 1 to 40 of A-Z, a-z and 0-9."]})
    if len(set(values[DEVICE])) > MOST_DEVICES:
        raise ValidationError({DEVICE: [f"No more than {MOST_DEVICES} devices."]})
    if len(values[LAST_EVENT_ID]) > 1:
        raise ValidationError({LAST_EVENT_ID: ["Only one."]})
    after: int | None = None
    for text in (last_event_id,) if last_event_id else values[LAST_EVENT_ID]:
        if not _POSITION.fullmatch(text):
            raise ValidationError({LAST_EVENT_ID: ["Must be the id of an event: a number from 0."]})
        after = int(text)
    return Query(frozenset(values[KIND]), frozenset(values[DEVICE]), after)
