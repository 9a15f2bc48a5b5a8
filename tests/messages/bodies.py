"""Parameters for any message, made from what its serializer says: so no message has to bring its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from rest_framework import serializers

from osgp.devices import transport_keys
from osgp.messages.operation import Operation
from osgp.messages.relative_periods import RelativePeriodField
from osgp.messages.serializers import DateTimeField, IntegerField, ObisCodeField, SecretField, TimeZoneField
from tests.configuration import calendars

SAMPLES: dict[str, Any] = {
    "class_id": 8,
    "obis_code": "0-0:1.0.0.255",
    "attribute": 2,
    "calendar_name": calendars.SAMPLE["calendar_name"],
    "season_profiles": calendars.SAMPLE["season_profiles"],
    "special_days": [{"date": "*-12-25", "day_id": 1}],
    "daylight_savings_begin": "FFFF03FE0702000000FFC400",
    "daylight_savings_end": "FFFF0AFE0703000000FF8880",
    "host": "192.0.2.1",
    "value_threshold": 50,
    "secret_types": ["E_METER_AUTHENTICATION_KEY", "E_METER_ENCRYPTION_KEY_UNICAST"],
    "reason": "The meter has seen higher values.",
    "values": [{"object": "PUSH_SETUP_ALARM", "attribute": 5, "value": 0}],
}
"""Of parameters whose meaning only their name tells."""
NEEDED: dict[str, dict[str, Any]] = {
    "SetPushSetupAlarm": {"host": "192.0.2.1", "port": 4059},
    "ConfigureDefinableLoadProfile": {"capture_period": 900},
}
"""Optional parameters of messages that need some of them."""
HOUR = timedelta(hours=1)


def make_bodies(operation: Operation[Any, Any], now: datetime) -> Iterator[dict[str, Any]]:
    """Valid JSON parameters: what is required, in each combination of all choices, optional ones included.

    A list of objects has one, in each combination of its choices. A body without any of its optional fields
    is left out if the message needs one of them. Two times are the hour before ``now``, also where a relative
    period could stand instead; a time that stands alone is in the future.
    """
    fields = operation.parameters_serializer().fields.items()
    is_between = any(isinstance(field, RelativePeriodField) for _, field in fields)
    wanted = {
        name: field
        for name, field in fields
        if field.required
        or _is_choice(field)
        or _is_list(field)
        or (is_between and isinstance(field, DateTimeField))
    }
    times = [name for name, field in wanted.items() if isinstance(field, DateTimeField)]
    next_year = datetime(datetime.now(UTC).year + 1, 1, 15, 12, tzinfo=UTC)
    moments = [now - HOUR, now] if len(times) == 2 else [next_year]
    samples = [
        [moments[times.index(name)].isoformat()]
        if name in times
        else _samples_of(name, field) + ([None] if not field.required else [])
        for name, field in wanted.items()
    ]
    for values in product(*samples):
        given = {name: value for name, value in zip(wanted, values, strict=True) if value is not None}
        body = {**NEEDED.get(operation.message, {}), **given}
        if body or _is_valid(operation, body):
            yield body


def _is_choice(field: serializers.Field) -> bool:
    return isinstance(field, serializers.ChoiceField)


def _is_list(field: serializers.Field) -> bool:
    return isinstance(field, serializers.ListSerializer)


def _is_valid(operation: Operation[Any, Any], body: dict[str, Any]) -> bool:
    try:
        operation.parse(body)
    except serializers.ValidationError:
        return False
    return True


def _samples_of(name: str, field: serializers.Field) -> list[Any]:
    if name in SAMPLES:
        return [SAMPLES[name]]
    if _is_choice(field):
        return list(field.choices)
    if isinstance(field, serializers.ListSerializer):
        parts = field.child.fields.items()
        samples = [_samples_of(each, part)[: None if _is_choice(part) else 1] for each, part in parts]
        return [[dict(zip((each for each, _ in parts), values, strict=True))] for values in product(*samples)]
    if isinstance(field, serializers.BooleanField):
        return [True, False]
    if isinstance(field, IntegerField):
        return [field.min_value]
    if isinstance(field, ObisCodeField):
        return ["1-0:1.8.0.255"]
    if isinstance(field, SecretField):
        return [transport_keys.encrypt_for_platform(transport_keys.export_public_key(), b"some secret, 16b")]
    if isinstance(field, TimeZoneField):
        return ["Europe/Amsterdam"]
    raise AssertionError(f"{name}: say in tests/messages/bodies.py what {type(field).__name__} may hold")
