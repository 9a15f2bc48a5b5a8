"""Alarms that meters sent lately, for the live page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest


@dataclass(frozen=True)
class ArrivedAlarm:
    """One message in which a meter told of alarms."""

    received_at: datetime
    device_identification: str
    names: Sequence[str]
    """Of its alarms."""
    url: str
    """Of the page with the details."""


@dataclass(frozen=True)
class ArrivedAlarms:
    """The alarms that a user may see, newest first."""

    alarms: Sequence[ArrivedAlarm]
    url: str
    """Of the list of all."""


def gather_alarms(request: HttpRequest) -> ArrivedAlarms | None:
    """The newest alarms of those meters that the signed-in user may see; None hides the panel.

    The platform does not receive pushed messages yet: there are none to show.
    """
    return None
