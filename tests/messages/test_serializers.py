"""What fields accept, what they refuse, and how results are written."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers as drf

from osgp.catalogue.units import Unit
from osgp.cosem.quantities import Quantity
from osgp.messages import serializers
from osgp.messages.serializers import DataField, StrictSerializer
from osgp.messages.value_sizes import estimate_json_size
from osgp.protocol_dlms.data import Data, DataType


class Colour(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


class Item(StrictSerializer):
    size = serializers.IntegerField(min_value=0, max_value=10)


class Everything(StrictSerializer):
    number = serializers.IntegerField(required=False)
    flag = serializers.BooleanField(required=False)
    text = serializers.CharField(required=False, max_length=5)
    colour = serializers.ChoiceField(Colour, required=False)
    moment = serializers.DateTimeField(required=False)
    obis_code = serializers.ObisCodeField(required=False)
    zone = serializers.TimeZoneField(required=False)
    item = Item(required=False)
    items = Item(many=True, required=False)
    from_ = serializers.DateTimeField(required=False)


def errors_of(body: Any) -> Any:
    serializer = Everything(data=body)
    assert not serializer.is_valid()
    return serializer.errors


def value_of(**body: Any) -> Any:
    serializer = Everything(data=body)
    serializer.is_valid(raise_exception=True)
    (value,) = serializer.validated_data.values()
    return value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("number", value) for value in ("4", 4.0, 4.5, True, None, [], {}, 2**63, -(2**63) - 1)],
        *[("flag", value) for value in (1, 0, "true", "yes", None, [])],
        *[("text", value) for value in (1, True, None, [], "", "sixsix", "a\0b", "\ud800")],
        *[("colour", value) for value in ("GREEN", "red", 1, None, [], {}, "")],
        *[("zone", value) for value in ("Europe/Nowhere", "+02:00", "../etc/passwd", "", 1, "\0", "A" * 65)],
        *[("obis_code", value) for value in ("1-0:1.8.0.256", "1-0:1.8.0", "0-x:24.1.0.255", "", 7)],
        ("obis_code", "\u0661-0:1.8.0.255"),
        *[
            ("moment", value)
            for value in (
                "2026-03-29T02:30:00",
                "2026-03-29",
                "2026-03-29 02:30Z",
                "2026-02-30T00:00:00Z",
                "2026-01-01T24:00:00Z",
                "2026-01-01T00:00:60Z",
                "2026-01-01T00:00:00+25:00",
                "1999-12-31T23:59:59Z",
                "2100-01-01T00:00:00Z",
                "0001-01-01T00:00:00+14:00",
                "9999-12-31T23:59:59-14:00",
                "\uff12026-01-01T00:00:00Z",
                "2026-01-01T00:00:00Z\n",
                1767225600,
                1767225600.5,
                True,
                None,
                "",
            )
        ],
    ],
)  # fmt: skip
def test_what_is_not_exactly_right_is_refused_by_name(field: str, value: Any) -> None:
    assert list(errors_of({field: value})) == [field]


@pytest.mark.parametrize(
    ("field", "given", "expected"),
    [
        ("number", -(2**63), -(2**63)),
        ("flag", False, False),
        ("text", " é ", " é "),
        ("colour", "BLUE", "BLUE"),
        ("zone", "Europe/Amsterdam", "Europe/Amsterdam"),
        ("obis_code", "1-0:1.8.0.255", "1-0:1.8.0.255"),
        ("obis_code", "1.0.1.8.0.255", "1-0:1.8.0.255"),
        ("moment", "2026-03-29T02:30:00+02:00", datetime(2026, 3, 29, 0, 30, tzinfo=UTC)),
        ("moment", "2026-03-29t02:30:00.250z", datetime(2026, 3, 29, 2, 30, 0, 250000, tzinfo=UTC)),
        ("moment", "2026-03-29T02:30:00.123456789Z", datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=UTC)),
    ],
)
def test_what_is_right_is_taken_as_it_is(field: str, given: Any, expected: Any) -> None:
    assert value_of(**{field: given}) == expected


def test_a_field_named_like_a_keyword_loses_its_underscore() -> None:
    serializer = Everything(data={"from": "2026-01-01T00:00:00Z"})
    assert serializer.is_valid()
    assert dict(serializer.validated_data) == {"from": datetime(2026, 1, 1, tzinfo=UTC)}
    assert serializer.data == {"from": "2026-01-01T00:00:00Z"}
    assert errors_of({"from_": "2026-01-01T00:00:00Z"}) == {"from_": ["Unknown field."]}


def test_unknown_fields_are_named_beside_faulty_ones_and_at_every_depth() -> None:
    errors = errors_of(
        {"nummer": 1, "flag": 1, "item": {"size": 1, "extra": 2}, "items": [{"size": 1}, {"sise": 1}]}
    )
    assert set(errors) == {"nummer", "flag", "item", "items"}
    assert errors["nummer"] == ["Unknown field."]
    assert errors["item"] == {"extra": ["Unknown field."]}
    assert dict(errors["items"][1]) == {"sise": ["Unknown field."], "size": ["This field is required."]}


def test_names_of_unknown_fields_are_shortened_and_made_printable() -> None:
    errors = errors_of({"\ud800\0\n" + "x" * 1000: 1, **{f"a{number}": 1 for number in range(1000)}})
    assert len(errors) == 20
    assert all(name.isascii() and name.isprintable() and len(name) < 100 for name in errors)


@pytest.mark.parametrize("body", [None, [], "text", 1, True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    serializer = Everything(data=body)
    assert not serializer.is_valid()


@given(st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_times_survive_a_round_trip(naive: datetime, offset: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))
    stored = Everything({"moment": moment}).data
    assert stored["moment"].endswith("Z")
    assert value_of(**stored) == moment


def test_a_naive_time_is_never_written() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        serializers.utc_text(datetime(2026, 1, 1))  # noqa: DTZ001


class Measured(StrictSerializer):
    energy = serializers.QuantityField()
    raw = serializers.DataField()


def test_texts_of_meters_have_no_nul() -> None:
    """PostgreSQL refuses JSON with one, and with it the outcome."""
    field = serializers.DataField()
    shown = field.to_representation(Data(DataType.VISIBLE_STRING, "A\x00B"))
    assert shown == {"type": "visible-string", "value": "A\ufffdB"}


def test_quantities_are_exact_and_without_exponent() -> None:
    field = serializers.QuantityField()
    assert field.to_representation(Quantity(Decimal("1234.567"), "kWh")) == {
        "value": "1234.567",
        "unit": "kWh",
    }
    assert field.to_representation(Quantity(Decimal("12E+3"), Unit.WH)) == {"value": "12000", "unit": "Wh"}
    assert field.to_representation(Quantity(Decimal("1E-9"), Unit.M3)) == {
        "value": "0.000000001",
        "unit": "m³",
    }
    with pytest.raises(ValueError, match="not a measured value"):
        field.to_representation(Quantity(Decimal("NaN"), "kWh"))


def test_a_result_without_one_of_its_values_is_an_error() -> None:
    with pytest.raises(KeyError):
        _ = Measured({"energy": Quantity(Decimal(1), "kWh")}).data


def test_dlms_data_is_written_with_its_types() -> None:
    data = Data(
        DataType.STRUCTURE,
        (
            Data(DataType.OCTET_STRING, bytes.fromhex("0100010800ff")),
            Data(DataType.ARRAY, (Data(DataType.LONG64_UNSIGNED, 2**64 - 1), Data(DataType.NULL_DATA, None))),
            Data(DataType.VISIBLE_STRING, "abc"),
            Data(DataType.BOOLEAN, True),
            Data(DataType.FLOAT32, float("-inf")),
        ),
    )
    assert serializers.DataField().to_representation(data) == {
        "type": "structure",
        "value": [
            {"type": "octet-string", "value": "0100010800ff"},
            {
                "type": "array",
                "value": [
                    {"type": "long64-unsigned", "value": 2**64 - 1},
                    {"type": "null-data", "value": None},
                ],
            },
            {"type": "visible-string", "value": "abc"},
            {"type": "boolean", "value": True},
            {"type": "float32", "value": "-Infinity"},
        ],
    }


def test_choices_are_documented_whatever_they_are_made_of() -> None:
    for choices in (Colour, ["RED", "BLUE"], [("RED", "Red"), ("BLUE", "Blue")]):
        field = serializers.ChoiceField(choices)
        assert list(field.choices) == ["RED", "BLUE"]
        with pytest.raises(drf.ValidationError, match=r"Must be one of RED, BLUE\."):
            field.run_validation("GREEN")


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (DataType.OCTET_STRING, b"\x5a" * 131_072, "5a" * 131_072),
        (DataType.VISIBLE_STRING, "a" * 131_072, "a" * 131_072),
    ],
)
def test_of_a_longer_string_the_beginning_is_shown(kind: DataType, value: Any, shown: str) -> None:
    name = kind.name.lower().replace("_", "-")
    assert DataField().to_representation(Data(kind, value)) == {"type": name, "value": shown}
    longer = Data(DataType.STRUCTURE, (Data(kind, value + value[:1]),))
    assert DataField().to_representation(longer)["value"] == [
        {"type": name, "value": shown, "length": 131_073}
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, 0.0),
        (-2.5, -2.5),
        (3.4e38, 3.4e38),
        (1.4e-45, 1.4e-45),
        (1e-300, "1e-300"),
        (1.7e308, "1.7e+308"),
        (-5e-324, "-5e-324"),
    ],
)
def test_numbers_that_databases_write_in_full_are_short(value: float, shown: object) -> None:
    assert DataField().to_representation(Data(DataType.FLOAT64, value)) == {"type": "float64", "value": shown}


@pytest.mark.parametrize(
    "value",
    [
        Data(DataType.VISIBLE_STRING, "\x1f" * 5_000),
        Data(DataType.UTF8_STRING, "é" * 5_000),
        Data(DataType.OCTET_STRING, bytes(20_000)),
        Data(DataType.ARRAY, tuple(Data(DataType.UNSIGNED, number % 256) for number in range(1_000))),
    ],
)
def test_the_size_of_a_value_is_estimated(value: Data) -> None:
    actual = len(json.dumps(DataField().to_representation(value)))
    assert 0.9 * actual < estimate_json_size(value, 10**6) < 1.6 * actual
    assert estimate_json_size(value, 1_000) > 1_000
