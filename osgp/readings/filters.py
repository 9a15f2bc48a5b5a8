"""Filters of readings: devices, quantities and times."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.readings import Period
from osgp.messages.serializers import CharField, ChoiceField, DateTimeField, StrictSerializer
from osgp.readings import quantities
from osgp.readings.queries import Selection, filter_series
from osgp.readings.rights import READERS
from osgp.requests.submission import DeviceIdentificationField

MOST_DEVICES = 1_000
MOST_QUANTITIES = 100


class QuantityNameField(CharField):
    """An OBIS code in either notation, one with ``x`` for the channel, or a name; becomes OBIS codes."""

    default_error_messages = {
        "unknown": "Must be an OBIS code, such as 1-0:1.8.0.255, or the name of a quantity, such as "
        "ACTIVE_ENERGY_IMPORT."
    }

    def to_internal_value(self, data: Any) -> Any:
        try:
            return quantities.parse_quantity(super().to_internal_value(data))
        except ValueError:
            self.fail("unknown")


class ReadingsFilter(StrictSerializer):
    """Filters of readings; all given ones must match."""

    device = serializers.ListField(
        child=DeviceIdentificationField(),
        required=False,
        max_length=MOST_DEVICES,
        help_text=f"Device identification; may be repeated, up to {MOST_DEVICES} times. Default: all.",
    )
    channel = ChoiceField(["1", "2", "3", "4"], required=False, help_text="M-Bus channel.")
    quantity = serializers.ListField(
        child=QuantityNameField(max_length=64),
        required=False,
        max_length=MOST_QUANTITIES,
        help_text="OBIS code (1-0:1.8.0.255, 1.0.1.8.0.255, 0-x:24.2.1.255) or name (ACTIVE_ENERGY_IMPORT); "
        "may be repeated.",
    )
    period = serializers.ListField(
        child=ChoiceField(Period), required=False, max_length=len(Period), help_text="May be repeated."
    )
    from_ = DateTimeField(required=False, help_text="Interval ends at or after this time.")
    until = DateTimeField(required=False, help_text="Interval ends before this time.")
    changed = ChoiceField(
        ["true", "false"], required=False, help_text="Whether the meter said something else at another time."
    )
    late = ChoiceField(
        ["true", "false"], required=False, help_text="Whether it was received long after its interval's end."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the times are in order."""
        if "from" in attrs and "until" in attrs and attrs["from"] >= attrs["until"]:
            raise ValidationError({"until": ["Must be after from."]})
        return attrs


def make_selection(organisation: Organisation, query: dict[str, Any]) -> Selection:
    """Return the selection of a validated filter, behind the Position ``after`` if it is given.

    Raises Fault 201 for a device that does not exist for this organisation.
    """
    devices = list_granted_devices(organisation, READERS)
    if wanted := query.get("device"):
        devices = find_known_devices(devices, wanted)
    series = filter_series(
        devices,
        channel=int(query["channel"]) if "channel" in query else None,
        quantities=[code for codes in query.get("quantity", ()) for code in codes],
        periods=query.get("period", ()),
    )
    return Selection(
        series,
        query.get("from"),
        query.get("until"),
        changed=_parse_flag(query.get("changed")),
        late=_parse_flag(query.get("late")),
        after=query.get("after"),
    )


def find_known_devices(devices: QuerySet[Device], wanted: Sequence[str]) -> QuerySet[Device]:
    """Return the named devices. Raises Fault 201 for a name that is not among ``devices``."""
    named = devices.filter(identification__in=wanted)
    known = set(named.values_list("identification", flat=True))
    for place, identification in enumerate(wanted):
        if identification not in known:
            raise Fault(
                FaultCode.UNKNOWN_DEVICE,
                f"There is no device {identification}.",
                component=Component.WEB_SERVICE,
                pointer=f"/device/{place}",
            )
    return named


def _parse_flag(text: str | None) -> bool | None:
    return None if text is None else text == "true"
