"""What a probe found: per setting what was seen, and what follows from it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from osgp.devices.meter_settings import SETTINGS, MeterSettings
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import MeterAddress

SELECTIVE_ACCESS = "selective_access"
APPLICABLE = (*SETTINGS, SELECTIVE_ACCESS)
"""What a probe may change; what it finds of anything else is for people."""
LONGEST = 1_000
"""Characters of what was seen."""


class Finding(TypedDict):
    """What a probe found about one setting."""

    setting: Annotated[
        str,
        "A setting of the device, one of its columns such as selective_access, time_zone or "
        "logical_device_address, or what else was looked at: profile, scaler_units.",
    ]
    seen: Annotated[str, "What the meter did and said, with figures."]
    value: Annotated[Any, serializers.JSONField(allow_null=True), "What was found out; null: nothing."]
    proposed: Annotated[
        Any, serializers.JSONField(allow_null=True), "What the setting should be; null: it is right as it is."
    ]
    current: Annotated[
        Any, serializers.JSONField(allow_null=True), "What holds now; null: nothing in particular."
    ]


class Findings:
    """Findings in the order in which they were made, at most one for each setting."""

    def __init__(self, current: Mapping[str, Any]) -> None:
        self._current = current
        self._found: dict[str, Finding] = {}

    def add(self, setting: str, seen: str, value: object = None, *, proposed: object = None) -> None:
        """Add what was found; a proposal that holds already is none."""
        current = _make_plain(self._current.get(setting))
        proposal = _make_plain(proposed)
        self._found[setting] = {
            "setting": setting,
            "seen": seen if len(seen) <= LONGEST else f"{seen[:LONGEST]}…",
            "value": _make_plain(value),
            "proposed": None if proposal == current else proposal,
            "current": current,
        }

    def has(self, setting: str) -> bool:
        """Whether something was found about a setting."""
        return setting in self._found

    def list_all(self) -> list[Finding]:
        """Return all of them."""
        return list(self._found.values())


def describe_current(settings: MeterSettings, address: MeterAddress | None) -> dict[str, Any]:
    """Return what holds for a device, by name of the setting or column."""
    current = {name: getattr(settings, name) for name in SETTINGS}
    if address is not None:
        current |= {"logical_device_address": address.logical_device_address, "framing": address.framing}
    return current


def describe_visited(meter: VisitedMeter) -> dict[str, Any]:
    """Return what holds for a meter during a visit."""
    address = None if meter.connections is None else meter.connections.address
    return describe_current(meter.settings, address) | {
        SELECTIVE_ACCESS: meter.selective_access,
        "time_zone": meter.time_zone.key,
        "profile": meter.profile.key,
    }


def _make_plain(value: object) -> Any:
    return str(value) if isinstance(value, StrEnum) else value


def list_for_people(findings: list[Finding]) -> dict[str, Any]:
    """Return what is proposed and is for people to judge, by name: another meter may be at that address."""
    return {
        each["setting"]: each["proposed"]
        for each in findings
        if each["proposed"] is not None and each["setting"] not in APPLICABLE
    }


def list_proposals(findings: list[Finding]) -> dict[str, Any]:
    """Return what is proposed and can be applied, by name."""
    return {
        each["setting"]: each["proposed"]
        for each in findings
        if each["proposed"] is not None and each["setting"] in APPLICABLE
    }
