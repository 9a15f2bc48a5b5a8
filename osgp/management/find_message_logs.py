"""FindMessageLogs: what was exchanged with a device while it was debugged."""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.management.known_devices import KnownDeviceOperation
from osgp.message_logs import reading
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.messages.operation import ParameterValues
from osgp.messages.registry import register
from osgp.messages.serializers import BooleanField, ChoiceField, DateTimeField, IntegerField, StrictSerializer

MOST_MESSAGES = 500
MOST_CHARACTERS = 1_000_000
"""Of APDUs and descriptions in one result; the latest message is told however long it is."""


class MessageLogFilter(StrictSerializer):
    """Which messages of a device's log."""

    from_ = DateTimeField(required=False, help_text="At or after this time.")
    until = DateTimeField(required=False, help_text="Before this time.")
    direction = ChoiceField(
        MessageDirection, required=False, help_text="To or from the meter; both unless told."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Whether the period leaves any time."""
        if "from" in attrs and "until" in attrs and attrs["until"] <= attrs["from"]:
            raise ValidationError({"until": ["Must be after from."]})
        return attrs


class FindMessageLogsParameters(MessageLogFilter):
    limit = IntegerField(
        min_value=1,
        max_value=MOST_MESSAGES,
        default=100,
        help_text="Messages in the result, the latest ones.",
    )


class FindMessageLogsResult(StrictSerializer):
    message_logs = reading.MessageLogSerializer(many=True, help_text="Latest first.")
    has_more = BooleanField(
        help_text="Whether there are earlier ones; `management/message-logs/` has all of them in pages."
    )


@register
class FindMessageLogs(KnownDeviceOperation):
    """What was exchanged with a device while it was debugged: every message with its octets and what it says.

    The result is bounded, in number and in size, and has the latest messages. All of them are found in pages
    under `management/message-logs/`.
    """

    message = "FindMessageLogs"
    granted_to = reading.GRANTED_TO
    Parameters = FindMessageLogsParameters
    Result = FindMessageLogsResult

    def change(
        self, organisation: Organisation, device: Device, parameters: ParameterValues
    ) -> Mapping[str, Any]:
        """Reads only; the row's lock keeps it from being changed or deleted meanwhile."""
        rows = list(reading.messages(device, parameters)[: parameters["limit"] + 1])
        fitting = _fitting(rows[: parameters["limit"]])
        return {
            "message_logs": reading.shown(fitting, organisation),
            "has_more": len(fitting) < len(rows),
        }


def _fitting(rows: Iterable[MessageLog]) -> list[MessageLog]:
    """The first rows, as many as the result has room for."""
    chosen: list[MessageLog] = []
    room = MOST_CHARACTERS
    for row in rows:
        room -= reading.size(row)
        if chosen and room < 0:
            break
        chosen.append(row)
    return chosen
