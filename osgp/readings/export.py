"""Readings as CSV and Parquet, made as they are looked up: memory does not grow with their number."""

import csv
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from osgp.cosem.amr_status import list_flags
from osgp.messages.serializers import utc_text
from osgp.readings.queries import Reading

COLUMNS = (
    "device_identification",
    "channel",
    "quantity",
    "name",
    "period",
    "interval_end",
    "value",
    "unit",
    "status",
    "received_at",
    "received_by",
    "confirmed_at",
    "late",
    "changed",
)
CSV_ROWS = 1_000
"""Rows of CSV made at a time."""
ROW_GROUP = 50_000
"""Rows of a row group in Parquet: what is held in memory at a time."""


def csv_parts(readings: Iterable[Reading]) -> Iterator[bytes]:
    """CSV (RFC 4180) with a header; flags of the status separated by blanks."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for rows in _batched(readings, CSV_ROWS):
        writer.writerows(_text(reading) for reading in rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _batched(readings: Iterable[Reading], size: int) -> Iterator[list[Reading]]:
    iterator = iter(readings)
    while rows := list(islice(iterator, size)):
        yield rows


def _text(reading: Reading) -> list[str | int | None]:
    told = reading.told
    return [
        reading.series.device.identification,
        reading.series.channel or None,
        reading.series.quantity,
        reading.name,
        reading.series.period,
        utc_text(reading.interval_end),
        format(reading.value, "f"),
        reading.series.unit,
        None if reading.status is None else " ".join(list_flags(reading.status)),
        utc_text(told.received_at) if told.received_at else None,
        str(told.received_by) if told.received_by else None,
        utc_text(told.confirmed_at) if told.confirmed_at else None,
        "true" if reading.is_late else "false",
        "true" if reading.former else "false",
    ]


class _Sink(io.RawIOBase):
    """Takes what is written until it is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def taken(self) -> bytes:
        """All that was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def parquet_parts(readings: Iterable[Reading]) -> Iterator[bytes]:
    """Parquet: values decimal128(18, 6), times in UTC with microseconds, the status as its octet."""
    # Only who exports Parquet pays for loading it.
    import pyarrow as pa
    from pyarrow import parquet

    text, moment = pa.dictionary(pa.int32(), pa.string()), pa.timestamp("us", tz="UTC")
    types = {
        "device_identification": text,
        "channel": pa.int8(),
        "quantity": text,
        "name": text,
        "period": text,
        "interval_end": moment,
        "value": pa.decimal128(18, 6),
        "unit": text,
        "status": pa.uint8(),
        "received_at": moment,
        "received_by": text,
        "confirmed_at": moment,
        "late": pa.bool_(),
        "changed": pa.bool_(),
    }
    schema = pa.schema([(name, types[name]) for name in COLUMNS])
    sink = _Sink()
    with parquet.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for rows in _batched(readings, ROW_GROUP):
            columns = zip(*map(_values, rows), strict=True)
            arrays = [
                pa.array(column, type=types[name]) for name, column in zip(COLUMNS, columns, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=ROW_GROUP)
            yield sink.taken()
    yield sink.taken()


_MILLIONTH = Decimal("0.000001")


def _values(reading: Reading) -> tuple[Any, ...]:
    told = reading.told
    return (
        reading.series.device.identification,
        reading.series.channel or None,
        reading.series.quantity,
        reading.name,
        reading.series.period,
        reading.interval_end,
        reading.value.quantize(_MILLIONTH),
        reading.series.unit,
        reading.status,
        told.received_at,
        str(told.received_by) if told.received_by else None,
        told.confirmed_at,
        reading.is_late,
        bool(reading.former),
    )
