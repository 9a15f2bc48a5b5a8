"""FindMessageLogs: what was exchanged with a device while it was debugged, and the calls that failed."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.devices.models import Device
from osgp.management.known_devices import ManagedDeviceOperation
from osgp.message_logs import reading
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.messages.operation import Sender
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField

MOST_MESSAGES = 500
MOST_CHARACTERS = 1_000_000
"""Of APDUs and descriptions in one result; the latest message is always included."""


MessageLogFilter = TypedDict(
    "MessageLogFilter",
    {
        "from": NotRequired[Annotated[datetime, "At or after this time."]],
        "until": NotRequired[Annotated[datetime, "Before this time."]],
        "direction": NotRequired[
            Annotated[MessageDirection, "To or from the meter, or failed calls; all of them by default."]
        ],
    },
)


class FindMessageLogsParameters(MessageLogFilter):
    """Which messages of a device's log, and how many."""

    limit: Annotated[
        int,
        IntegerField(min_value=1, max_value=MOST_MESSAGES, default=100),
        "Messages in the result, the latest ones.",
    ]


class FindMessageLogsResult(TypedDict):
    """The latest messages that match."""

    message_logs: Annotated[list[reading.MessageLog], "Latest first."]
    has_more: Annotated[
        bool, "Whether there are earlier ones; `management/message-logs/` has all of them in pages."
    ]


@register
class FindMessageLogs(ManagedDeviceOperation[FindMessageLogsParameters, FindMessageLogsResult]):
    """What was exchanged with a device while it was debugged: every message with its octets and its meaning.

    Calls to its meter that failed are in the log as well, also while it is not debugged: at which step, why,
    and which attempt of which requests that was.

    The result is bounded, in number and in size, and has the latest messages. All of them are found in pages
    under `management/message-logs/`.
    """

    message = "FindMessageLogs"
    granted_to = reading.GRANTED_TO

    def check_parameters(self, parameters: FindMessageLogsParameters) -> None:
        """Raises what :func:`check_period` raises."""
        check_period(parameters)

    def change(
        self, sender: Sender, device: Device, parameters: FindMessageLogsParameters
    ) -> FindMessageLogsResult:
        """Reads only; the row's lock keeps it from being changed or deleted meanwhile."""
        rows = list(reading.list_messages(device, parameters)[: parameters["limit"] + 1])
        fitting = _take_fitting(rows[: parameters["limit"]])
        return {
            "message_logs": reading.describe_messages(fitting, sender.organisation),
            "has_more": len(fitting) < len(rows),
        }


def check_period(filters: Mapping[str, Any]) -> None:
    """Raises ValidationError for a period that leaves no time."""
    if "from" in filters and "until" in filters and filters["until"] <= filters["from"]:
        raise ValidationError({"until": ["Must be after from."]})


def _take_fitting(rows: Iterable[MessageLog]) -> list[MessageLog]:
    """The first rows, as many as the result has room for."""
    chosen: list[MessageLog] = []
    room = MOST_CHARACTERS
    for row in rows:
        room -= reading.count_characters(row)
        if chosen and room < 0:
            break
        chosen.append(row)
    return chosen
