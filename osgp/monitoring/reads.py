"""Rows of stored values as a message has them: columns of raw numbers, quantities for callers, readings.

Columns of raw numbers are what readings are kept from; rows of quantities are what callers get.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from rest_framework import serializers

from osgp.catalogue import Flags
from osgp.cosem.amr_status import list_flag_names
from osgp.cosem.numbers import align
from osgp.cosem.quantities import Quantity, Scale, format_decimal
from osgp.messages.readings import DECIMALS, Period, Readings
from osgp.messages.serializers import ChoiceField, QuantityField

Row = TypeVar("Row")
"""A typed dictionary: the values of a row."""

AmrProfileStatus = Annotated[
    Sequence[Annotated[str, ChoiceField(list_flag_names())]] | None,
    "Flags that are set; null if the meter does not report them.",
]
"""``amr_profile_status`` of a row."""


class _FieldOfSomeRows(QuantityField):
    """A quantity that is left out of the answer for rows without it."""

    def get_attribute(self, instance: Mapping[str, Any]) -> Any:
        """DRF would have null for a field that may be null as well as missing."""
        name = str(self.field_name)
        if name not in instance:
            raise serializers.SkipField
        return instance[name]


QuantityOfSomeRows = Annotated[Quantity | None, _FieldOfSomeRows()]
"""A quantity that rows of some period types have; null in a row: the meter has no value."""


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """One quantity: its name in the result, its tag, and the raw numbers."""

    name: str
    tag: str
    scale: Scale
    numbers: Sequence[int | None]


NO_SCALE = Scale(0, "")
"""Of a column without values."""


def make_read_column(
    name: str, tag: str, scale: Scale, numbers: Sequence[int | Decimal | None]
) -> ReadColumn:
    """Return a column of the numbers that a meter sent, which may be fractions."""
    whole, exponent = align(numbers, DECIMALS + scale.exponent)
    return ReadColumn(name, tag, scale._replace(exponent=scale.exponent + exponent), whole)


@dataclass(frozen=True, slots=True)
class Reads(Sequence[Row]):
    """The rows of a result, oldest first, kept as columns, whose names are keys of ``Row``.

    As a sequence it has what serializers need: a dictionary of times and quantities for each row.
    """

    times: Sequence[datetime]
    columns: Sequence[ReadColumn]
    statuses: Sequence[int | None]
    """AMR profile status of each row."""
    flags: Flags | None
    """What the bits of a status mean; None: the buffer has no status."""
    more: Mapping[str, Sequence[datetime | None]] = field(default_factory=dict)
    """Further times of each row, by name."""

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        row: dict[str, Any] = {"log_time": self.times[index]}
        for column in self.columns:
            raw = column.numbers[index]
            row[column.name] = None if raw is None else column.scale.apply(raw)
        for name, moments in self.more.items():
            row[name] = moments[index]
        status = self.statuses[index]
        flags = None if status is None else self.flags
        row["amr_profile_status"] = None if flags is None else flags.decode(status).names
        return row

    def as_json(self) -> list[dict[str, Any]]:
        """What serializers would make of the rows, at a fraction of their cost."""
        cells: list[Sequence[Any]] = [[utc_text(moment) for moment in self.times]]
        names = ["log_time"]
        for column in self.columns:
            names.append(column.name)
            cells.append(_format_quantities(column))
        for name, moments in self.more.items():
            names.append(name)
            cells.append([None if moment is None else utc_text(moment) for moment in moments])
        names.append("amr_profile_status")
        cells.append(self._format_flags())
        return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]

    def readings(self, period: Period, capture_period: int | None) -> Iterator[Readings]:
        """The columns as readings; ``capture_period`` in seconds, None for days and months."""
        for column in self.columns:
            yield Readings(
                column.tag,
                period,
                self.times,
                column.numbers,
                column.scale.unit,
                column.scale.exponent,
                None if self.flags is None else self.statuses,
                capture_period,
            )

    def _format_flags(self) -> list[list[str] | None]:
        flags = self.flags
        if flags is None:
            return [None] * len(self)
        shown = {
            status: None if status is None else [*flags.decode(status).names] for status in set(self.statuses)
        }
        return [shown[status] for status in self.statuses]


def utc_text(moment: datetime) -> str:
    """A time that is in UTC already, as answers show it."""
    return moment.isoformat()[: -len("+00:00")] + "Z"


def _format_quantities(column: ReadColumn) -> list[dict[str, str] | None]:
    exponent, unit = column.scale.exponent, column.scale.symbol
    return [
        None if raw is None else {"value": format_decimal(raw, exponent), "unit": unit}
        for raw in column.numbers
    ]
