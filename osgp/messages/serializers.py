"""Serializers and fields for the parameters and results of messages.

They convert nothing: a value has the right JSON type, or is refused by field. Times, OBIS codes and time
zones are validated here, once for all messages.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.catalogue import obis
from osgp.catalogue.units import Unit
from osgp.cosem.quantities import Quantity
from osgp.messages.value_sizes import LONGEST_STRING
from osgp.protocol_dlms.data import Data, DataType

FIRST_YEAR, LAST_YEAR = 2000, 2099
"""Years of times that callers may send; meters may confuse years of different centuries."""

_NAMES_SHOWN = 20
_SHORT_FLOATS = 1e-45, 1e40
"""Between which all of float32 is, too."""
_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


class StrictSerializer(serializers.Serializer):
    """A serializer that refuses unknown fields.

    A field whose name is a Python keyword is declared with a trailing underscore: ``from_`` is ``from`` in
    JSON and in the validated data.
    """

    def get_fields(self) -> dict[str, Any]:
        """Return the fields by their names in JSON."""
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}

    def to_internal_value(self, data: Any) -> Any:
        """Validate; report unknown fields and invalid ones together."""
        unknown = {}
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            strangers = [name for name in data if name not in known][:_NAMES_SHOWN]
            unknown = {make_printable(name): ["Unknown field."] for name in strangers}
        try:
            validated = super().to_internal_value(data)
        except ValidationError as error:
            if unknown and isinstance(error.detail, dict):
                raise ValidationError({**unknown, **error.detail}) from error
            raise
        if unknown:
            raise ValidationError(unknown)
        return validated


def make_printable(text: object) -> str:
    """Return a name from a caller, shortened and escaped, for a log or an answer."""
    return str(text)[:64].encode("unicode_escape").decode()


def make_storable(text: str) -> str:
    """Return a text of a meter for JSON in PostgreSQL: with the replacement character instead of NUL."""
    return text.replace("\x00", "\ufffd")


class IntegerField(serializers.IntegerField):
    """A JSON integer, 64 bits signed by default. Refuses ``4.0``, ``"4"`` and ``true``."""

    default_error_messages = {"invalid": "Must be an integer."}

    def __init__(self, *, min_value: int = -(2**63), max_value: int = 2**63 - 1, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class BooleanField(serializers.BooleanField):
    """``true`` or ``false``; not ``1``, ``"yes"`` or ``null`` (unless ``allow_null``)."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class CharField(serializers.CharField):
    """A JSON string of at most ``max_length`` characters (default 255), without NUL and lone surrogates."""

    default_error_messages = {"invalid": "Must be a string."}

    def __init__(self, *, max_length: int = 255, trim_whitespace: bool = False, **options: Any) -> None:
        super().__init__(max_length=max_length, trim_whitespace=trim_whitespace, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class ChoiceField(serializers.ChoiceField):
    """One of several names: of an Enum class with text values, Django choices, or plain strings.

    The validated value is the member of the Enum class, or the name.
    """

    default_error_messages = {"invalid_choice": "Must be one of {names}."}

    def __init__(self, choices: Any, **options: Any) -> None:
        self._enum: type[Enum] | None = None
        if isinstance(choices, type) and issubclass(choices, Enum):
            self._enum = choices
            choices = [str(member.value) for member in choices]
        super().__init__(choices, **options)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", names=", ".join(map(str, self.choices)))
        return data if self._enum is None else self._enum(data)


class SecretField(CharField):
    """A key or password, RSA-OAEP encrypted under the platform's public key, in base64.

    It is never shown, and deleted when the request is final.
    """

    def __init__(self, *, max_length: int = 1400, help_text: str = "", **options: Any) -> None:
        text = f"{help_text} In base64, RSA-OAEP encrypted under the platform's public key.".lstrip()
        super().__init__(max_length=max_length, help_text=text, **options)


class DateTimeField(serializers.DateTimeField):
    """A time of RFC 3339 with its offset: ``2026-03-29T02:30:00+02:00``. Answers show it in UTC, with ``Z``.

    Refuses a time without an offset, as its zone is unknown. Cuts fractions off after microseconds.
    """

    default_error_messages = {
        "invalid": "Must be an RFC 3339 time with an offset, such as 2026-01-31T14:00:00Z.",
        "year": f"Must be in the years {FIRST_YEAR} to {LAST_YEAR}.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.fail("invalid")
        date, time, fraction, offset = match.groups(default="")
        try:
            moment = datetime.fromisoformat(f"{date}T{time}{fraction}{offset.upper()}").astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid")
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            self.fail("year")
        return moment

    def to_representation(self, value: Any) -> str:
        return utc_text(value)


def utc_text(moment: datetime) -> str:
    """Return an aware time as API answers show it: ``2026-01-31T14:00:00Z``.

    Raises ValueError for a naive one.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class ObisCodeField(CharField):
    """An OBIS code, ``1-0:1.8.0.255`` or ``1.0.1.8.0.255``; validated to the first form."""

    default_error_messages = {"obis": "Must be an OBIS code, such as 1-0:1.8.0.255."}

    def __init__(self, *, max_length: int = 23, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return obis.to_text(obis.parse(text))
        except ValueError:
            self.fail("obis")

    def to_representation(self, value: Any) -> str:
        return obis.to_text(value) if isinstance(value, bytes) else str(value)


class TimeZoneField(CharField):
    """The IANA name of a time zone, such as ``Europe/Amsterdam``."""

    default_error_messages = {"zone": "Must be the IANA name of a time zone, such as Europe/Amsterdam."}

    def __init__(self, *, max_length: int = 64, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in list_time_zones():
            self.fail("zone")
        return name


@cache
def list_time_zones() -> frozenset[str]:
    """Return the IANA names. Cached, because it reads hundreds of files.

    Hosts may have files beside them that are no names of zones: what ``localtime`` means depends on the host,
    and ``Factory`` stands for a host that was never set.
    """
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "value": {"type": "string", "format": "decimal", "example": "1234.567"},
            "unit": {"type": "string", "example": "kWh"},
        },
        "required": ["value", "unit"],
    }
)
class QuantityField(serializers.Field):
    """Results only: a :class:`Quantity` as ``{"value": "1234.567", "unit": "kWh"}``, exact, no exponent."""

    def to_representation(self, value: Quantity) -> dict[str, str]:
        number, unit = value
        if not number.is_finite():
            raise ValueError(f"{number} is not a measured value")
        return {"value": format(number, "f"), "unit": unit.symbol if isinstance(unit, Unit) else unit}


@extend_schema_field(
    {
        "type": "object",
        "description": (
            "A DLMS value with its type. Octet strings and DLMS dates and times are hexadecimal; the value "
            "of an array or structure is a list of such objects. Floating-point numbers are texts where JSON "
            "has none (NaN, Infinity), or none that is short (1e+300)."
        ),
        "properties": {
            "type": {
                "type": "string",
                "enum": [member.name.lower().replace("_", "-") for member in DataType],
            },
            "value": {"nullable": True},
            "length": {
                "type": "integer",
                "description": f"Only of a string of which no more than the first {LONGEST_STRING} octets, "
                "bits or characters are shown: how many it has.",
            },
        },
        "required": ["type", "value"],
    }
)
class DataField(serializers.Field):
    """Results only: a DLMS value as ``{"type": "octet-string", "value": "0100010800ff"}``, recursively."""

    def to_representation(self, value: Data) -> dict[str, Any]:
        kind = value.type.name.lower().replace("_", "-")
        content = value.value
        if isinstance(content, bytes | bytearray | str) and len(content) > LONGEST_STRING:
            shown = self._to_plain(content[:LONGEST_STRING])
            return {"type": kind, "value": shown, "length": len(content)}
        return {"type": kind, "value": self._to_plain(content)}

    def _to_plain(self, value: object) -> Any:
        if isinstance(value, bytes | bytearray):
            return value.hex()
        if isinstance(value, str):
            return make_storable(value)
        if isinstance(value, Iterable):
            return [self.to_representation(element) for element in value]
        return _represent_float(value) if isinstance(value, float) else value


def _represent_float(value: float) -> float | str:
    if not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    # Databases write numbers in full: 1e+300 would have 301 digits.
    is_long = value != 0 and not _SHORT_FLOATS[0] <= abs(value) <= _SHORT_FLOATS[1]
    return repr(value) if is_long else value
