"""Readings as CSV and Parquet, made while they are read: memory does not grow with their number."""

import csv
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

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
"""Rows of a row group in Parquet, which is held in memory."""


def format_csv(readings: Iterable[Reading]) -> Iterator[bytes]:
    """Yield CSV (RFC 4180) with a header; flags of the status are separated by blanks."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for rows in _iterate_batches(readings, CSV_ROWS):
        writer.writerows(_format_row(reading) for reading in rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _iterate_batches(readings: Iterable[Reading], size: int) -> Iterator[list[Reading]]:
    iterator = iter(readings)
    while rows := list(islice(iterator, size)):
        yield rows


def _format_row(reading: Reading) -> list[str | int | None]:
    provenance = reading.provenance
    flags = reading.name_flags(reading.status)
    return [
        reading.series.device.identification,
        reading.series.channel or None,
        reading.series.quantity,
        reading.name,
        reading.series.period,
        utc_text(reading.interval_end),
        format(reading.value, "f"),
        reading.series.unit,
        None if flags is None else " ".join(flags),
        utc_text(provenance.received_at) if provenance.received_at else None,
        str(provenance.received_by) if provenance.received_by else None,
        utc_text(provenance.confirmed_at) if provenance.confirmed_at else None,
        "true" if reading.is_late else "false",
        "true" if reading.former else "false",
    ]


class _Sink(io.RawIOBase):
    """Holds what is written until it is taken."""

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

    def take_written(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def format_parquet(readings: Iterable[Reading]) -> Iterator[bytes]:
    """Yield Parquet: values decimal128(18, 6), times in UTC with microseconds, the status as a number."""
    # Loaded here, so that only exports of Parquet pay for it.
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
        "status": pa.uint16(),
        "received_at": moment,
        "received_by": text,
        "confirmed_at": moment,
        "late": pa.bool_(),
        "changed": pa.bool_(),
    }
    schema = pa.schema([(name, types[name]) for name in COLUMNS])
    sink = _Sink()
    with parquet.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for rows in _iterate_batches(readings, ROW_GROUP):
            columns = zip(*map(_make_row, rows), strict=True)
            arrays = [
                pa.array(column, type=types[name]) for name, column in zip(COLUMNS, columns, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=ROW_GROUP)
            yield sink.take_written()
    yield sink.take_written()


_MILLIONTH = Decimal("0.000001")


def _make_row(reading: Reading) -> tuple[Any, ...]:
    provenance = reading.provenance
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
        provenance.received_at,
        str(provenance.received_by) if provenance.received_by else None,
        provenance.confirmed_at,
        reading.is_late,
        bool(reading.former),
    )
