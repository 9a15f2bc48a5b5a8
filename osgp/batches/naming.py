"""What a batch or a schedule sends, in a few words, as its rows keep it."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from osgp.messages.naming import BUNDLE

MOST_NAMED = 4
"""Different messages of a bundle that are named."""


def list_messages(message: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the names of the messages that each device gets: of a bundle, those of its actions in order."""
    actions = parameters.get("actions")
    if message != BUNDLE or not isinstance(actions, list):
        return [message]
    return [str(action["message"]) for action in actions]


def name_content(message: str, parameters: Mapping[str, Any]) -> str:
    """``ActualMeterReads``, or ``Bundle: PeriodicMeterReads ×2, SynchronizeTime``."""
    if message != BUNDLE:
        return message
    counted = Counter(list_messages(message, parameters))
    named = [name if number == 1 else f"{name} ×{number}" for name, number in counted.items()]
    more = [f"{len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
    return f"{message}: {', '.join(named[:MOST_NAMED] + more)}"


_READINGS = {"DAILY": "missing daily readings", "MONTHLY": "missing monthly readings"}
_METERS = {
    "SMART_METER_E": "electricity meters",
    "SMART_METER_G": "gas meters",
    "SMART_METER_W": "hydrogen meters",
}


def name_readings(target: Mapping[str, Any]) -> str:
    """``missing readings of 29 November 2026, group north, request failed``, of the filter of a batch."""
    words = _READINGS.get(target["period"], "missing readings")
    first, until = (date.fromisoformat(target[name]) for name in ("from", "until"))
    parts = [f"{words} of {_name_days(first, until - timedelta(days=1))}"]
    parts += [f"{name} {target[name]}" for name in ("group", "network") if target.get(name)]
    if target.get("device_type"):
        parts.append(_METERS.get(target["device_type"], target["device_type"]))
    parts += [reason.replace("_", " ").lower() for reason in target.get("reason", ())]
    devices = target.get("device", ())
    if devices:
        parts.append(devices[0] if len(devices) == 1 else f"{len(devices):,} devices")
    return ", ".join(parts)


def _name_days(first: date, last: date) -> str:
    if first == last:
        return f"{last.day} {last:%B %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%B %Y}"
    begin = f"{first.day} {first:%B}" if first.year == last.year else f"{first.day} {first:%B %Y}"
    return f"{begin} – {last.day} {last:%B %Y}"
