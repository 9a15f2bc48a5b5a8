"""Which settings hold for a device: its own, else those of its model, else of its profile, else defaults."""

import json
import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from osgp.devices.meter_settings import SETTINGS, STANDARD, MeterSettings

logger = logging.getLogger(__name__)

Values = Mapping[str, Any]
"""Settings that were given, by name, as in JSON."""
NOT_GIVEN = 0
"""The column with_list_max of a device that has no value of its own."""


class Source(StrEnum):
    """Where the value of a setting comes from."""

    DEVICE = "DEVICE"
    MODEL = "MODEL"
    PROFILE = "PROFILE"
    DEFAULT = "DEFAULT"


class Effective(NamedTuple):
    """The value of a setting, as in JSON, and where it comes from."""

    value: Any
    source: Source


class Layers(NamedTuple):
    """What was given, the nearest first."""

    device: Values
    model: Values
    profile: Values

    def explain(self) -> dict[str, Effective]:
        """Return the value of each setting and where it comes from. What cannot be used is left out."""
        layers = zip((Source.DEVICE, Source.MODEL, Source.PROFILE), self, strict=True)
        usable = [(source, leave_out_unusable(values)) for source, values in layers]
        return {name: _find(name, usable) for name in SETTINGS}

    def resolve(self) -> MeterSettings:
        """Return the settings that hold."""
        if not any(self):
            return STANDARD
        usable = map(leave_out_unusable, reversed(self))
        given = {name: value for values in usable for name, value in values.items()}
        typed: dict[str, Any] = {name: SETTINGS[name].make(value) for name, value in given.items()}
        return MeterSettings(**typed)


def _find(name: str, layers: Sequence[tuple[Source, Values]]) -> Effective:
    for source, values in layers:
        if name in values:
            return Effective(values[name], source)
    return Effective(SETTINGS[name].default, Source.DEFAULT)


def leave_out_unusable(values: Values) -> dict[str, Any]:
    """Return values without what this release does not know: another one may have stored it."""
    usable = {}
    for name, value in values.items():
        try:
            usable[name] = SETTINGS[name].parse(value)
        except (KeyError, ValueError):
            logger.warning("The stored setting %s cannot be used.", name[:40])
    return usable


def make_own(stored: Values | None, with_list_max: int) -> Values:
    """Return what a device was given itself, from its columns."""
    if with_list_max == NOT_GIVEN:
        return stored or {}
    return {**(stored or {}), "with_list_max": with_list_max}


@lru_cache(maxsize=4096)
def resolve_stored(
    own: str | None, with_list_max: int, of_model: str | None, of_profile: str | None
) -> MeterSettings:
    """Return the settings that hold, from the texts of JSON columns. Cached: nearly all meters are alike."""
    device = make_own(json.loads(own) if own else None, with_list_max)
    return Layers(device, *(json.loads(text) if text else {} for text in (of_model, of_profile))).resolve()
