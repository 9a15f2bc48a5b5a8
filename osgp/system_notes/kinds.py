"""The kinds of system notes. A new kind is an entry here, and whoever observes it."""

from dataclasses import dataclass

from osgp.devices.models import KeyType

AUTHENTICATION = KeyType.E_METER_AUTHENTICATION_KEY
ENCRYPTION = KeyType.E_METER_ENCRYPTION_KEY_UNICAST
ASSOCIATION_KEYS = frozenset({AUTHENTICATION, ENCRYPTION, KeyType.LLS_PASSWORD})
"""The keys with which an association is opened."""


@dataclass(frozen=True)
class NoteKind:
    """One kind of note; a device has at most one unresolved note of each.

    A note says what is so until it is not so any more, or, with ``is_event``, what happened: that is told
    each time, and its note goes once it has not happened for as long as notes are kept.

    What resolves an open note, beside an observation that all is well:

    - a change of one of the device's columns named by ``judged_by``; what was observed before the change is
      not stored any more;
    - a new ACTIVE key of one of the types ``keys``;
    - with ``until_reached``, the first visit to the meter that succeeds.

    ``message`` is the one that operators may want to send then, if there is one.
    """

    name: str
    title: str
    judged_by: tuple[str, ...] = ()
    message: str = ""
    is_event: bool = False
    keys: frozenset[KeyType] = frozenset()
    until_reached: bool = False


PROFILE_MISMATCH = NoteKind(
    "PROFILE_MISMATCH",
    "Other meter profile",
    judged_by=("protocol_name", "protocol_version"),
    message="UpdateProtocol",
)
"""The meter has objects that its profile lacks and another profile has."""

DESCRIPTION_DIFFERS = NoteKind(
    "DESCRIPTION_DIFFERS",
    "Other description than the profile's",
    judged_by=("protocol_name", "protocol_version", "model"),
)
"""The meter describes its registers or buffers otherwise than its profile does: scalers, units, columns."""

INVOCATION_COUNTER_THRESHOLD_REACHED = NoteKind(
    "INVOCATION_COUNTER_THRESHOLD_REACHED",
    "Invocation counter nearly used up",
    message="GenerateAndReplaceKeys",
    keys=frozenset({ENCRYPTION}),
)
"""The counter of the meter's encryption key has reached INVOCATION_COUNTER_THRESHOLD."""

INVOCATION_COUNTER_OUT_OF_STEP = NoteKind(
    "INVOCATION_COUNTER_OUT_OF_STEP",
    "Invocation counter out of step",
    keys=frozenset({ENCRYPTION}),
    until_reached=True,
)
"""The meter's counter is lower than the platform's (fault 808), or what it claims could not be verified."""

ASSOCIATION_REFUSED = NoteKind(
    "ASSOCIATION_REFUSED",
    "Association refused",
    judged_by=("security", "network_address", "port", "logical_device_address"),
    keys=ASSOCIATION_KEYS,
    until_reached=True,
)
"""The meter does not accept the platform's keys, or cannot prove that it has them (223, 224, lasting 228)."""

KEY_UNAVAILABLE = NoteKind(
    "KEY_UNAVAILABLE",
    "Key missing or unreadable",
    judged_by=("security",),
    keys=ASSOCIATION_KEYS,
    until_reached=True,
)
"""The meter cannot be dialled for want of a key (faults 805 and 806)."""

KEY_RECOVERY = NoteKind("KEY_RECOVERY", "Change of keys recovered", is_event=True)
"""A visit finished, or gave back, a change of keys that was cut off."""

KEYS_OF_TWO_CHANGES = NoteKind(
    "KEYS_OF_TWO_CHANGES",
    "Keys of two changes",
    keys=frozenset({AUTHENTICATION, ENCRYPTION}),
)
"""The meter has one key of a change that was cut off, and neither takes the other one nor gives it back."""

QUARANTINE = NoteKind("QUARANTINE", "Request in quarantine", is_event=True)
"""A request was given up because the worker that carried it out died every time."""

KINDS = (
    PROFILE_MISMATCH,
    DESCRIPTION_DIFFERS,
    INVOCATION_COUNTER_THRESHOLD_REACHED,
    INVOCATION_COUNTER_OUT_OF_STEP,
    ASSOCIATION_REFUSED,
    KEY_UNAVAILABLE,
    KEY_RECOVERY,
    KEYS_OF_TWO_CHANGES,
    QUARANTINE,
)
EVENTS = tuple(kind.name for kind in KINDS if kind.is_event)


def find_kind(name: str) -> NoteKind:
    """Return the kind of a stored note; one without a title if this release does not know it."""
    return next((kind for kind in KINDS if kind.name == name), NoteKind(name, name))
