"""Parameters and results of messages: typed dictionaries, from which their serializers are made.

A message says once what it takes and what it tells, in a form that editors and mypy understand::

    class ReadRelayStatusResult(TypedDict):
        \"\"\"What the meter does not tell is null.\"\"\"

        output_state: Annotated[bool | None, "Whether the output has power."]
        control_mode: Annotated[int | None, IntegerField(min_value=0, max_value=6), "Who may switch."]
        problems: list[FieldProblem]

- The type decides the field (``FIELDS``); typed dictionaries may be nested, also in
  lists and other generic sequences.
- Beside it stands what the type does not tell: a field with its bounds instead, and a text for API users.
- ``X | None`` may be null; ``NotRequired[X]`` may be left out. A field with a default may be left out by
  callers and is always there afterwards.
- ``HIDDEN`` marks what ``perform`` hands on to ``readings`` or ``conclude`` and nobody else gets to see.
- A key that is a word of Python needs the other form of typed dictionaries:
  ``TypedDict("Between", {"from": datetime})``.
"""

import types
import typing
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Final, NotRequired, Required, TypeGuard, is_typeddict

from rest_framework import serializers
from rest_framework.fields import empty

from osgp.cosem.quantities import Quantity
from osgp.messages.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DataField,
    DateTimeField,
    IntegerField,
    QuantityField,
    StrictSerializer,
)
from osgp.protocol_dlms import Data

FIELDS: Mapping[Any, type[serializers.Field]] = {
    str: CharField,
    int: IntegerField,
    bool: BooleanField,
    datetime: DateTimeField,
    Quantity: QuantityField,
    Data: DataField,
}
"""The field of a type that stands alone; an enumeration becomes a ChoiceField of its names."""


class _Hidden:
    """The type of HIDDEN."""


HIDDEN: Final = _Hidden()
"""In ``Annotated``: a part of what ``perform`` returns that is not part of the answer."""


class ShapeError(TypeError):
    """A typed dictionary from which no serializer can be made; the text says where and why."""


class NoParameters(typing.TypedDict):
    """A message without parameters of its own."""


class NoResult(typing.TypedDict):
    """A message that succeeds without saying more."""


@cache
def make_serializer(shape: type) -> type[StrictSerializer]:
    """The serializer of a typed dictionary, under its name and with its docstring. Raises ShapeError."""
    if not is_typeddict(shape):
        raise ShapeError(f"{shape!r} is no typed dictionary")
    members: dict[str, Any] = {"__doc__": shape.__doc__, "__module__": shape.__module__}
    optional: frozenset[str] = shape.__optional_keys__  # type: ignore[attr-defined]
    for name, hint in typing.get_type_hints(shape, include_extras=True).items():
        try:
            field = _make_field(hint, is_optional=name in optional)
        except ShapeError as error:
            raise ShapeError(f"{shape.__name__}.{name}: {error}") from None
        if field is not None:
            # Names of serializers' fields are words of Python; StrictSerializer takes the underscore away.
            members[f"{name}_" if name == "from" else name] = field
    return type(shape.__name__, (StrictSerializer,), members)


def _make_field(hint: Any, *, is_optional: bool) -> serializers.Field | None:
    """The field of a key; None for one that is hidden. Raises ShapeError."""
    plain, notes = _take_apart(hint)
    if any(note is HIDDEN for note in notes):
        return None
    options: dict[str, Any] = {}
    if texts := [note for note in notes if isinstance(note, str)]:
        options["help_text"] = " ".join(texts)
    if may_be_null := _is_nullable(plain):
        options["allow_null"] = True
    given = [note for note in notes if isinstance(note, serializers.Field)]
    if is_optional:
        options["required"] = False
        if any(field.default is not empty for field in given):
            raise ShapeError("has a default, so it is always there: NotRequired does not go with it")
    if len(given) > 1:
        raise ShapeError("has more than one field")
    if given:
        return _rebuild(given[0], options)
    return _choose_field(_remove_none(plain) if may_be_null else plain, options)


def _take_apart(hint: Any) -> tuple[Any, list[Any]]:
    """A hint without Annotated, Required and NotRequired, and what stands in Annotated."""
    notes: list[Any] = []
    while True:
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            notes += hint.__metadata__
            hint = hint.__origin__
        elif origin in (Required, NotRequired):
            (hint,) = typing.get_args(hint)
        else:
            return hint, notes


def _choose_field(plain: Any, options: dict[str, Any]) -> serializers.Field:
    if is_typeddict(plain):
        return make_serializer(plain)(**options)
    if plain in FIELDS:
        return FIELDS[plain](**options)
    if _is_enum(plain):
        return ChoiceField(plain, **options)
    if _is_sequence(typing.get_origin(plain)):
        (element,) = typing.get_args(plain)
        if is_typeddict(element):
            return make_serializer(element)(many=True, **options)
        child = _make_field(element, is_optional=False)
        if child is None:
            raise ShapeError("hides the elements of a list")
        return serializers.ListField(child=child, **options)
    raise ShapeError(f"no field is known for {plain!r}; name one in Annotated")


def _rebuild(field: serializers.Field, options: Mapping[str, Any]) -> serializers.Field:
    """The field with more options; DRF's fields are made anew from what they were made from."""
    if isinstance(field, serializers.ListSerializer):
        raise ShapeError("a list of typed dictionaries is written as list[…]")
    made_from: Any = field  # DRF keeps it, to copy fields; its types do not tell
    rebuilt: serializers.Field = type(field)(*made_from._args, **{**made_from._kwargs, **options})
    return rebuilt


def _is_nullable(plain: Any) -> bool:
    is_union = typing.get_origin(plain) in (types.UnionType, typing.Union)
    return is_union and type(None) in typing.get_args(plain)


def _remove_none(plain: Any) -> Any:
    others = [each for each in typing.get_args(plain) if each is not type(None)]
    if len(others) != 1:
        raise ShapeError(f"no field is known for {plain!r}; name one in Annotated")
    return others[0]


def _is_sequence(origin: Any) -> bool:
    """Lists and classes of one's own; tuples have a type for each place."""
    return isinstance(origin, type) and issubclass(origin, Sequence) and origin is not tuple


def _is_enum(plain: Any) -> TypeGuard[type[Enum]]:
    return isinstance(plain, type) and issubclass(plain, Enum)
