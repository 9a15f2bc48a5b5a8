"""Parameters that are lists of flat objects: a table of rows for people, JSON for submission."""

import json
from typing import Annotated, TypedDict

from osgp.messages.serializers import BooleanField, ChoiceField, IntegerField
from osgp.messages.shapes import make_serializer
from osgp.pages.shared.form_fields import JsonField, RowsField, describe_place, make_form_field


class Row(TypedDict):
    """A flat object."""

    name: Annotated[str, ChoiceField(["A", "B"]), "Which."]
    size: Annotated[int, IntegerField(min_value=1, max_value=7)]
    free: str
    on: Annotated[bool, BooleanField(default=True)]


class Nested(TypedDict):
    """An object that has parts."""

    rows: list[Row]


class Parameters(TypedDict):
    """Both kinds of lists."""

    flat: list[Row]
    nested: list[Nested]


def test_flat_objects_are_rows_and_others_json() -> None:
    fields = make_serializer(Parameters)().fields
    flat, nested = make_form_field(fields["flat"]), make_form_field(fields["nested"])
    assert isinstance(flat, RowsField)
    assert json.loads(flat.widget.attrs["data-columns"]) == [
        {
            "name": "name",
            "label": "Name",
            "required": True,
            "help": "Which.",
            "kind": "choice",
            "choices": ["A", "B"],
        },
        {"name": "size", "label": "Size", "required": True, "kind": "number", "min": 1, "max": 7},
        {"name": "free", "label": "Free", "required": True, "kind": "text"},
        {"name": "on", "label": "On", "required": False, "kind": "truth", "default": True},
    ]
    assert flat.clean('[{"name": "A"}]') == [{"name": "A"}]
    assert isinstance(nested, JsonField)
    assert not isinstance(nested, RowsField)


def test_errors_name_the_row_that_people_see() -> None:
    fields = make_serializer(Parameters)().fields
    flat, nested = make_form_field(fields["flat"]), make_form_field(fields["nested"])
    assert describe_place(flat, "0/size") == "Row 1, Size"
    assert describe_place(flat, "11") == "Row 12"
    assert describe_place(flat, "") == ""
    assert describe_place(nested, "0/rows/1/size") == "0/rows/1/size"
