"""Parameters for any message, made from what its serializer says: so no message has to bring its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from rest_framework import serializers

from osgp.messages.operation import Operation
from osgp.messages.relative_periods import RelativePeriodField
from osgp.messages.serializers import DateTimeField, IntegerField, ObisCodeField, TimeZoneField

SAMPLES: dict[str, Any] = {
    "class_id": 8,
    "obis_code": "0-0:1.0.0.255",
    "attribute": 2,
    "host": "192.0.2.1",
    "value_threshold": 50,
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

    Two times are the hour before ``now``, also where a relative period could stand instead; a time that
    stands alone is in the future.
    """
    fields = operation.parameters_serializer().fields.items()
    is_between = any(isinstance(field, RelativePeriodField) for _, field in fields)
    wanted = {
        name: field
        for name, field in fields
        if field.required or _is_choice(field) or (is_between and isinstance(field, DateTimeField))
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
        yield {
            **NEEDED.get(operation.message, {}),
            **{name: value for name, value in zip(wanted, values, strict=True) if value is not None},
        }


def _is_choice(field: serializers.Field) -> bool:
    return isinstance(field, serializers.ChoiceField)


def _samples_of(name: str, field: serializers.Field) -> list[Any]:
    if name in SAMPLES:
        return [SAMPLES[name]]
    if _is_choice(field):
        return list(field.choices)
    if isinstance(field, serializers.BooleanField):
        return [True, False]
    if isinstance(field, IntegerField):
        return [field.min_value]
    if isinstance(field, ObisCodeField):
        return ["1-0:1.8.0.255"]
    if isinstance(field, TimeZoneField):
        return ["Europe/Amsterdam"]
    raise AssertionError(f"{name}: say in tests/messages/bodies.py what {type(field).__name__} may hold")
