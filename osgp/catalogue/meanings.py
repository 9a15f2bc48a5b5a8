"""The meanings of codes and bits in the meters of a profile, and what else its file says beside its objects.

A profile has the meanings of the profile that it names in ``inherits`` or ``meanings_of``. Its own rows
replace those of the same code or bit there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.catalogue.reading import CatalogueError, Place
from osgp.catalogue.units import ScalerUnit

ANY_LOG = "ANY_LOG"
"""In place of the category of an event log: the default meanings of codes in all logs."""
PHASES = ("L1", "L2", "L3")
MBUS_CLIENT = "MBUS_CLIENT_SETUP"
"""The object through which a meter gives an M-Bus device its keys."""
KEYS = ("event_types", "flags", "models", "invocation_counter", "mbus_key_wrapping")

WhenRefused = Literal["START", "FAIL"]

_NAME = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
_LARGEST_CODE = 0xFFFFFFFF
_LONGEST_RANGE = 0xFFFF
_WIDEST = 64
_MOST_REMEMBERED = 4096


class MbusKeyWrapping(StrEnum):
    """In which form a meter takes a new key for an M-Bus device, encrypted under the device's default key."""

    NONE = "NONE"
    """In none: the meter takes no keys."""
    CBC = "CBC"
    """The key alone, in AES-128-CBC: the user key only, as nothing tells which key it is."""
    GCM = "GCM"
    """The key and its id, in AES-128-GCM: user, firmware update authentication or optical port key."""


class SetFlags(NamedTuple):
    """The bits that are set in a value: names of flags, and bits without a name, both lowest bit first."""

    names: tuple[str, ...]
    unknown: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Flags:
    """Names of the bits of a value that is ``width`` bits wide.

    Bit 0 is the least significant of a number, and the first of a bit-string.
    """

    width: int
    names: Mapping[int, str]
    _remembered: dict[int, SetFlags] = field(default_factory=dict, repr=False)

    @property
    def largest(self) -> int:
        """The largest value, with all bits set."""
        return (1 << self.width) - 1

    def decode(self, value: int) -> SetFlags:
        """Return the flags that are set in ``value``. Raises ValueError unless it is 0..``largest``.

        Meters send the same few values again and again, so results are cached.
        """
        found = self._remembered.get(value)
        if found is not None:
            return found
        if not 0 <= value <= self.largest:
            raise ValueError(f"{value} is not a value of {self.width} bits")
        bits = [bit for bit in range(value.bit_length()) if value >> bit & 1]
        found = SetFlags(
            tuple(self.names[bit] for bit in bits if bit in self.names),
            tuple(bit for bit in bits if bit not in self.names),
        )
        if len(self._remembered) < _MOST_REMEMBERED:
            self._remembered[value] = found
        return found


class Model(NamedTuple):
    """Parts of the names of some M-Bus device models, and their scaler and unit; None: read it."""

    names: tuple[str, ...]
    scaler_unit: ScalerUnit | None


class CounterSource(NamedTuple):
    """The tag of the object with a meter's invocation counter, which the public client may read.

    ``when_refused`` says what to do if the meter refuses: start with the platform's own counter (START), or
    report a fault (FAIL).
    """

    tag: str
    when_refused: WhenRefused


@dataclass(frozen=True, slots=True, eq=False)
class Meanings:
    """The meanings of one profile file or, after merging, of a profile. ``event_types`` are by category."""

    event_types: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    flags: Mapping[str, Flags] = field(default_factory=dict)
    models: tuple[Model, ...] | None = None
    invocation_counter: CounterSource | None = None
    mbus_key_wrapping: MbusKeyWrapping | None = None

    def merge_over(self, inherited: "Meanings") -> "Meanings":
        """Return these meanings, and those of ``inherited`` that they do not replace."""
        categories = {*inherited.event_types, *self.event_types}
        return Meanings(
            {
                category: {
                    **inherited.event_types.get(category, {}),
                    **self.event_types.get(category, {}),
                }
                for category in sorted(categories)
            },
            {**inherited.flags, **{name: self._merge_flags(name, inherited) for name in self.flags}},
            inherited.models if self.models is None else self.models,
            self.invocation_counter or inherited.invocation_counter,
            self.mbus_key_wrapping or inherited.mbus_key_wrapping,
        )

    def _merge_flags(self, name: str, inherited: "Meanings") -> Flags:
        own, other = self.flags[name], inherited.flags.get(name)
        if other is None:
            return own
        names = {**other.names, **own.names}
        return Flags(own.width, MappingProxyType({bit: names[bit] for bit in sorted(names)}))


def read(place: Place, content: Mapping[str, Any]) -> Meanings:
    """Parse the meanings in a profile file. Raises CatalogueError for the first error."""
    event_types = place.narrow_to("event_types").check_table(content.get("event_types", {}))
    flags = place.narrow_to("flags").check_table(content.get("flags", {}))
    models, counter = content.get("models"), content.get("invocation_counter")
    wrapping = content.get("mbus_key_wrapping")
    return Meanings(
        {
            category: dict(_parse_event_types(place.narrow_to(f"event_types.{category}"), rows))
            for category, rows in event_types.items()
        },
        {name: _parse_flags(place.narrow_to(f"flags.{name}"), table) for name, table in flags.items()},
        None if models is None else tuple(_parse_models(place.narrow_to("models"), models)),
        None if counter is None else _parse_counter(place.narrow_to("invocation_counter"), counter),
        None if wrapping is None else _parse_wrapping(place.narrow_to("mbus_key_wrapping"), wrapping),
    )


def _parse_event_types(place: Place, rows: object) -> Iterator[tuple[int, str]]:
    seen: set[int] = set()
    for row in place.check_list(rows):
        for code, name in _spread(place, row):
            if not _NAME.fullmatch(name):
                raise place.make_error(f"{name!r} is not a name in capitals")
            if place.check_integer(code, 0, _LARGEST_CODE) in seen:
                raise place.make_error(f"code {code} is there twice")
            seen.add(code)
            yield code, name


def _spread(place: Place, row: object) -> Iterator[tuple[int, str]]:
    """Expand a row to codes and names: several for phases, channels and ranges of codes."""
    if not isinstance(row, list) or len(row) not in (2, 3) or not isinstance(row[1], str):
        raise place.make_error(f"{row!r} is not a row of code, name and maybe step")
    name = row[1]
    fills: Sequence[object] = (None,)
    if "{phase}" in name:
        fills = PHASES
    elif "{channel}" in name:
        fills = MBUS_CHANNELS
    elif len(row) == 3:
        raise place.make_error(f"{row!r} has a step, but is for one code")
    step = place.check_integer(row[2] if len(row) == 3 else 1, 1, _LARGEST_CODE)
    if isinstance(row[0], list):
        if len(row[0]) != 2 or "{code}" not in name:
            raise place.make_error(f"{row!r}: first and last code of a range go with {{code}} in the name")
        first = place.check_integer(row[0][0], 0, _LARGEST_CODE)
        last = place.check_integer(row[0][1], first, first + _LONGEST_RANGE)
        for code in range(first, last + 1):
            yield code, name.replace("{code}", str(code))
        return
    first = place.check_integer(row[0], 0, _LARGEST_CODE)
    for index, fill in enumerate(fills):
        filled = name.replace("{phase}", str(fill)).replace("{channel}", str(fill))
        yield first + index * step, filled


def _parse_flags(place: Place, table: object) -> Flags:
    table = place.check_keys(table, ("width", "bits"), ())
    width = place.check_integer(table["width"], 1, _WIDEST)
    names: dict[int, str] = {}
    for row in place.check_list(table["bits"]):
        if not isinstance(row, list) or len(row) != 2:
            raise place.make_error(f"{row!r} is not a row of bit and name")
        bit, name = place.check_integer(row[0], 0, width - 1), row[1]
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise place.make_error(f"{name!r} is not a name in capitals")
        if bit in names or name in names.values():
            raise place.make_error(f"{bit if bit in names else name} is there twice")
        names[bit] = name
    return Flags(width, MappingProxyType({bit: names[bit] for bit in sorted(names)}))


def _parse_models(place: Place, rows: object) -> Iterator[Model]:
    for row in place.check_list(rows):
        table = place.check_keys(row, ("names",), ("scaler_unit",))
        names = tuple(place.check_text(name) for name in place.check_list(table["names"]))
        if not names:
            raise place.make_error("names must list at least one")
        if "scaler_unit" not in table:
            yield Model(names, None)
            continue
        try:
            yield Model(names, ScalerUnit.from_text(place.check_text(table["scaler_unit"])))
        except CatalogueError:
            raise
        except ValueError as error:
            raise place.make_error(str(error)) from None


def _parse_counter(place: Place, table: object) -> CounterSource:
    table = place.check_keys(table, ("object", "when_refused"), ())
    return CounterSource(
        place.check_text(table["object"]), place.check_choice(table["when_refused"], get_args(WhenRefused))
    )


def _parse_wrapping(place: Place, value: object) -> MbusKeyWrapping:
    return MbusKeyWrapping(place.check_choice(value, tuple(MbusKeyWrapping)))
