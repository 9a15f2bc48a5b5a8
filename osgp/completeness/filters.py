"""The fields by which callers say which readings should exist."""

from datetime import date
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.completeness import missing
from osgp.completeness.gaps import Reason
from osgp.devices.models import DeviceType
from osgp.messages.readings import Period
from osgp.messages.serializers import CharField, ChoiceField, StrictSerializer
from osgp.readings.filters import MOST_DEVICES
from osgp.requests.submission import DeviceIdentificationField


@extend_schema_field(OpenApiTypes.DATE)
class DayField(serializers.Field):
    """A day, ``2026-01-31``."""

    default_error_messages = {"day": "Must be a day, such as 2026-01-31, in the years 2000 to 2099."}

    def to_internal_value(self, data: Any) -> date:
        """Return the day of a JSON string."""
        try:
            day = date.fromisoformat(data) if isinstance(data, str) and len(data) == 10 else None
        except ValueError:
            day = None
        if day is None or not 2000 <= day.year <= 2099:
            self.fail("day")
        return day


class MissingFilter(StrictSerializer):
    """The devices and days whose values should exist."""

    period = ChoiceField(
        [str(period) for period in Period if period != Period.ACTUAL],
        required=False,
        help_text="Default: INTERVAL.",
    )
    from_ = DayField(required=False, help_text="First day, in each meter's time zone. Default: yesterday.")
    until = DayField(required=False, help_text="The day after the last one. Default: today (UTC).")
    device = serializers.ListField(
        child=DeviceIdentificationField(),
        required=False,
        max_length=MOST_DEVICES,
        help_text="May be repeated.",
    )
    group = CharField(required=False, max_length=64, help_text="Name of a device group.")
    network = CharField(required=False, max_length=40, help_text="Name of a communication network.")
    device_type = ChoiceField(DeviceType, required=False)
    reason = serializers.ListField(
        child=ChoiceField(Reason),
        required=False,
        max_length=len(Reason),
        help_text="Only gaps with this reason. May be repeated.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the days are in order and not too many; fills in the default days."""
        first, until = missing.get_default_days()
        attrs = {"from": min(first, attrs.get("until", until) - (until - first)), "until": until} | attrs
        if attrs["from"] >= attrs["until"]:
            raise ValidationError({"until": ["Must be after from."]})
        if attrs["until"] - attrs["from"] > missing.LONGEST_RANGE:
            raise ValidationError(
                {"from": [f"Must be {missing.LONGEST_RANGE.days} days before until at most."]}
            )
        return attrs
