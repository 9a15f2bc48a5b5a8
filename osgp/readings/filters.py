"""Which readings a caller asks for: of which devices and quantities, of which time."""

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
from osgp.readings.queries import Selection, series_of
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
            return quantities.obis_codes(super().to_internal_value(data))
        except ValueError:
            self.fail("unknown")


class ReadingsFilter(StrictSerializer):
    """Which readings; all that is given has to hold."""

    device = serializers.ListField(
        child=DeviceIdentificationField(),
        required=False,
        max_length=MOST_DEVICES,
        help_text=f"Device identification; may be repeated, up to {MOST_DEVICES} times. All unless given.",
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
        """The times in their order."""
        if "from" in attrs and "until" in attrs and attrs["from"] >= attrs["until"]:
            raise ValidationError({"until": ["Must be after from."]})
        return attrs


def selected(organisation: Organisation, query: dict[str, Any]) -> Selection:
    """What a validated filter asks for, behind the Position ``after`` if it is given.

    Raises Fault 201 for a device that there is not, for this caller.
    """
    devices = list_granted_devices(organisation, READERS)
    if wanted := query.get("device"):
        devices = known_devices(devices, wanted)
    series = series_of(
        devices,
        channel=int(query["channel"]) if "channel" in query else None,
        quantities=[code for codes in query.get("quantity", ()) for code in codes],
        periods=query.get("period", ()),
    )
    return Selection(
        series,
        query.get("from"),
        query.get("until"),
        changed=_flag(query.get("changed")),
        late=_flag(query.get("late")),
        after=query.get("after"),
    )


def known_devices(devices: QuerySet[Device], wanted: Sequence[str]) -> QuerySet[Device]:
    """Those that are named. Raises Fault 201 for one that is not among ``devices``."""
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


def _flag(text: str | None) -> bool | None:
    return None if text is None else text == "true"
