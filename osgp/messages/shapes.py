"""Serializers from typed dictionaries: the shapes of parameters and results of messages.

A message declares both once, in a form that editors and mypy understand::

    class ReadRelayStatusResult(TypedDict):
        \"\"\"The status of the relay.\"\"\"

        output_state: Annotated[bool | None, "Whether the output has power."]
        control_mode: Annotated[int | None, IntegerField(min_value=0, max_value=6), "How it may be switched."]
        unavailable: UnavailableList

- The type decides the field (``FIELDS``); typed dictionaries may be nested, also in
  lists and other generic sequences.
- ``Annotated`` adds what the type lacks: a field with bounds instead, and a text for API users.
- ``X | None`` may be null; ``NotRequired[X]`` may be left out. A field with a default may be left out by
  callers and is always there afterwards.
- ``HIDDEN`` marks what ``perform`` passes to ``list_readings`` or ``conclude`` only.
- A key that is a Python keyword needs the other form of typed dictionaries:
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
"""The field of each plain type; an enumeration becomes a ChoiceField of its values."""


class _Hidden:
    """The type of HIDDEN."""


HIDDEN: Final = _Hidden()
"""In ``Annotated``: a key that ``perform`` returns and answers leave out."""


class ShapeError(TypeError):
    """No serializer can be made from a typed dictionary; the text says where and why."""


class NoParameters(typing.TypedDict):
    """A message without parameters of its own."""


class NoResult(typing.TypedDict):
    """A message without a result beside its success."""


@cache
def make_serializer(shape: type) -> type[StrictSerializer]:
    """Make the serializer of a typed dictionary, with its name and docstring. Raises ShapeError."""
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
            # A keyword cannot name a field; StrictSerializer removes the underscore.
            members[f"{name}_" if name == "from" else name] = field
    return type(shape.__name__, (StrictSerializer,), members)


def _make_field(hint: Any, *, is_optional: bool) -> serializers.Field | None:
    """Make the field of a key; None for a hidden one. Raises ShapeError."""
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
    """Split a hint into its type and the contents of Annotated."""
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
    """Return the field with more options: DRF keeps the arguments of a field to copy it."""
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
    """Return whether it is a list or another sequence; tuples have a type per position."""
    return isinstance(origin, type) and issubclass(origin, Sequence) and origin is not tuple


def _is_enum(plain: Any) -> TypeGuard[type[Enum]]:
    return isinstance(plain, type) and issubclass(plain, Enum)
