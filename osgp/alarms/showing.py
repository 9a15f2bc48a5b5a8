"""Pushed values as JSON for people: in a push's details, cut to a size that pages can show."""

from typing import Any

from osgp.cosem.pushes import PushedValue, ValuesPush
from osgp.messages.serializers import make_storable, utc_text

MOST_VALUES = 100
"""Values that are shown of a push; the octets that were received have the rest."""
LONGEST_TEXT = 80


def show_values(said: ValuesPush) -> dict[str, Any]:
    """Return what a push of values says. Measured values are exact decimals with their unit."""
    shown: dict[str, Any] = {
        "layout": said.layout.value,
        "list_name": None if said.list_name is None else _cut(said.list_name),
        "time": None if said.time is None else utc_text(said.time),
        "values": [_show(value) for value in said.values[:MOST_VALUES]],
    }
    if len(said.values) > MOST_VALUES:
        shown["further_values"] = len(said.values) - MOST_VALUES
    if said.rows:
        shown["rows"] = len(said.rows)
    return shown


def _show(value: PushedValue) -> dict[str, Any]:
    quantity = value.quantity
    shown: dict[str, Any] = {"obis": value.obis} if value.obis else {}
    if quantity is not None:
        return shown | {"value": f"{quantity.value:f}", "unit": str(quantity).rpartition(" ")[2]}
    return shown | {"type": value.value.type.name, "value": _show_plain(value.value.value)}


def _show_plain(value: object) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):
        return value.hex()[:LONGEST_TEXT]
    return _cut(str(value))


def _cut(text: str) -> str:
    return make_storable(text[:LONGEST_TEXT])
