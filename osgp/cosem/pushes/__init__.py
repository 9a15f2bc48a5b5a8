"""What pushes mean: from the APDU that a meter sent on its own to alarms and values."""

from osgp.cosem.pushes.decoding import Push, decode
from osgp.cosem.pushes.model import (
    AlarmPush,
    Layout,
    PushedRow,
    PushedValue,
    PushTrigger,
    ScaleSource,
    UnknownPush,
    ValuesPush,
    WakeUpPush,
)

__all__ = [
    "AlarmPush",
    "Layout",
    "Push",
    "PushTrigger",
    "PushedRow",
    "PushedValue",
    "ScaleSource",
    "UnknownPush",
    "ValuesPush",
    "WakeUpPush",
    "decode",
]
