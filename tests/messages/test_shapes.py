"""From typed dictionaries to serializers."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.catalogue.units import Unit
from osgp.cosem.quantities import Quantity
from osgp.messages.serializers import ChoiceField, IntegerField, QuantityField, TimeZoneField
from osgp.messages.shapes import HIDDEN, ShapeError, make_serializer
from osgp.protocol_dlms import Data, DataType


class Colour(StrEnum):
    RED = "RED"
    GREEN = "GREEN"


class Row(TypedDict):
    """One row."""

    number: Annotated[int, IntegerField(min_value=0)]
    note: NotRequired[str]


class Shape(TypedDict):
    """All kinds of fields."""

    colour: Colour
    choice: Annotated[str, ChoiceField(["a", "b"]), "One of two."]
    zone: NotRequired[Annotated[str, TimeZoneField()]]
    count: Annotated[int, IntegerField(min_value=1, max_value=9, default=4)]
    maybe: Annotated[bool | None, "May be null."]
    at: datetime
    rows: Annotated[list[Row], "All rows."]
    one: Row
    names: list[str]


Between = TypedDict("Between", {"from": datetime, "until": datetime})

GIVEN: dict[str, Any] = {
    "colour": "RED",
    "choice": "a",
    "maybe": None,
    "at": "2026-01-31T14:00:00Z",
    "rows": [{"number": 1}, {"number": 2, "note": "x"}],
    "one": {"number": 3},
    "names": ["x", "y"],
}


def validate(shape: type, given: Any) -> Any:
    return make_serializer(shape)().run_validation(given)


def faults(shape: type, given: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        validate(shape, given)
    detail = caught.value.detail
    assert isinstance(detail, dict)
    return detail


def test_valid_values_have_the_types_that_the_shape_says() -> None:
    validated = validate(Shape, GIVEN)
    assert validated == {
        "colour": Colour.RED,
        "choice": "a",
        "count": 4,
        "maybe": None,
        "at": datetime(2026, 1, 31, 14, tzinfo=UTC),
        "rows": [{"number": 1}, {"number": 2, "note": "x"}],
        "one": {"number": 3},
        "names": ["x", "y"],
    }
    assert type(validated["colour"]) is Colour


@pytest.mark.parametrize("name", sorted(set(GIVEN)))
def test_what_is_not_optional_is_required(name: str) -> None:
    given = {key: value for key, value in GIVEN.items() if key != name}
    assert set(faults(Shape, given)) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("colour", "BLUE"),
        ("colour", None),
        ("choice", "c"),
        ("zone", "Mars/Olympus"),
        ("count", 10),
        ("count", None),
        ("maybe", "yes"),
        ("at", "yesterday"),
        ("rows", [{"number": -1}]),
        ("rows", [{"number": 1, "other": 2}]),
        ("rows", {}),
        ("one", {}),
        ("one", None),
        ("names", [1]),
        ("unknown", 1),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(name: str, value: Any) -> None:
    assert set(faults(Shape, {**GIVEN, name: value})) == {name}


def test_a_key_may_be_a_word_of_python() -> None:
    given = {"from": "2026-01-31T14:00:00Z", "until": "2026-02-01T14:00:00Z"}
    assert list(validate(Between, given)) == ["from", "until"]
    assert set(faults(Between, {"until": given["until"]})) == {"from"}


class Told(TypedDict):
    """Results."""

    value: Quantity | None
    raw: Data
    colours: list[Colour]
    rows: list[Row]
    quick: Annotated[Any, QuantityField(help_text="Given by the field."), "Given beside it."]
    internal: Annotated[object, HIDDEN]


def test_results_are_represented_without_what_is_hidden() -> None:
    shown = make_serializer(Told)().to_representation(
        {
            "value": None,
            "raw": Data(DataType.OCTET_STRING, b"\x01"),
            "colours": [Colour.GREEN],
            "rows": [{"number": 1, "note": "x"}],
            "quick": Quantity(Decimal("1.50"), Unit.V),
            "internal": object(),
        }
    )
    assert shown == {
        "value": None,
        "raw": {"type": "octet-string", "value": "01"},
        "colours": ["GREEN"],
        "rows": [{"number": 1, "note": "x"}],
        "quick": {"value": "1.50", "unit": "V"},
    }


def test_texts_are_for_api_users() -> None:
    fields = make_serializer(Shape)().fields
    assert fields["choice"].help_text == "One of two."
    assert fields["rows"].help_text == "All rows."
    assert make_serializer(Told)().fields["quick"].help_text == "Given beside it."
    assert make_serializer(Row).__doc__ == "One row."
    assert make_serializer(Shape).__name__ == "Shape"
    assert make_serializer(Row) is make_serializer(Row)


class NoField(TypedDict):
    what: object


class TwoTypes(TypedDict):
    what: int | str


class TwoFields(TypedDict):
    what: Annotated[int, IntegerField(), IntegerField()]


class DefaultThatMayBeMissing(TypedDict):
    what: NotRequired[Annotated[int, IntegerField(default=1)]]


class ReadyMadeList(TypedDict):
    what: Annotated[list[Any], serializers.Serializer(many=True)]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (NoField, "no field is known for <class 'object'>"),
        (TwoTypes, "no field is known for int | str"),
        (TwoFields, "more than one field"),
        (DefaultThatMayBeMissing, "NotRequired does not go with it"),
        (ReadyMadeList, "written as list"),
        (dict, "no typed dictionary"),
    ],
)
def test_mistakes_are_told_when_the_serializer_is_made(shape: type, reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        make_serializer(shape)
