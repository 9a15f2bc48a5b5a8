"""Readings among pushed values: registers that the profile of the device knows, and rows of its buffers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from osgp import catalogue
from osgp.catalogue import CosemObject, Profile, obis
from osgp.catalogue.units import ScalerUnit
from osgp.cosem.amr_status import is_status
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import CLOCK_TAG, CapturePeriod, RowTimes
from osgp.cosem.pushes import PushedRow, PushedValue, ScaleSource, ValuesPush
from osgp.cosem.quantities import Scale, find_meter_reading_scale
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.readings import Period, Readings
from osgp.readings.quantities import MEASURED_CLASSES

_VALUE = 2
_PROFILE_GENERIC = 7

OfChannel = tuple[int | None, Readings]
"""The M-Bus channel that a column is of, if any, and the column."""


def list_readings(push: ValuesPush, device: Device, received_at: datetime) -> list[OfChannel]:
    """Return what of a push are readings of the device, or of M-Bus devices on its channels.

    Values whose object is not in the profile, or whose scale nobody knows, are none. A push without a time is
    as of ``received_at``. Nothing is guessed: rows count only if one buffer alone of the profile has them.
    """
    try:
        profile = device.profile
    except catalogue.UnknownProfile:
        return []
    found = list(_list_registers(push.values, profile, push.time or received_at))
    if push.rows:
        found += _list_rows(push.rows, profile, ZoneInfo(device.time_zone))
    return found


def _list_registers(values: Sequence[PushedValue], profile: Profile, moment: datetime) -> Iterator[OfChannel]:
    for value in values:
        number = value.number
        if value.obis is None or number is None or value.data_index or value.attribute not in (None, _VALUE):
            continue
        known = profile.find_by_logical_name(obis.parse(value.obis))
        if known is None or known[0].class_id not in MEASURED_CLASSES:
            continue
        item, channel = known
        scale = _find_scale(value, item)
        if scale is not None:
            read = scale.apply(number)
            yield channel, Readings.from_value(item.tag, Period.ACTUAL, moment, read.value, read.unit)


def _find_scale(value: PushedValue, item: CosemObject) -> Scale | None:
    """What the push tells, else what the profile tells, else what its family of meters is known for."""
    said = None if value.scaler is None or value.unit is None else ScalerUnit(value.scaler, value.unit)
    if said is None or value.scale_source is not ScaleSource.MESSAGE:
        said = _find_scale_of_profile(item) or said
    return None if said is None else _show(said, item.tag)


def _find_scale_of_profile(item: CosemObject) -> ScalerUnit | None:
    return item["scaler_unit"].scaler_unit if "scaler_unit" in item else None


def _show(scale: ScalerUnit, tag: str) -> Scale:
    """Energy in kWh and volume in m³, as when the platform reads it; anything else as it is."""
    try:
        return find_meter_reading_scale(scale, tag)
    except Fault:
        return Scale(scale.scaler, scale.unit)


def _list_rows(rows: Sequence[PushedRow], profile: Profile, zone: ZoneInfo) -> Iterator[OfChannel]:
    width = len(rows[0].cells)
    buffer = _find_only_buffer(profile, width)
    if buffer is None or any(len(row.cells) != width for row in rows):
        return
    columns = profile.list_capture_columns(buffer.tag)
    seconds = int(buffer["capture_period"].value or 0)
    times = RowTimes(zone, CapturePeriod.from_seconds(seconds))
    ends: list[datetime] = []
    kept: list[PushedRow] = []
    for row in rows:
        try:
            # A clock that the push tells is in UTC already; RowTimes counts on from it.
            ends.append(times.find_next(row.cells[0].value))
            kept.append(row)
        except UnusableRow:
            times.lose_track()
    statuses: list[int | None] | None = None
    for place, column in enumerate(columns):
        if is_status(column.tag):
            statuses = [_to_number(row, place) for row in kept]
    for place, column in enumerate(columns):
        item = profile[column.tag]
        scale = _find_scale_of_profile(item) if item.class_id in MEASURED_CLASSES else None
        if scale is None or column.descriptor.attribute_id != _VALUE:
            continue
        shown = _show(scale, column.tag)
        yield (
            column.channel,
            Readings(
                column.tag,
                _find_period(seconds),
                ends,
                [_to_number(row, place) for row in kept],
                shown.unit,
                shown.exponent,
                statuses,
                seconds or None,
            ),
        )


def _find_only_buffer(profile: Profile, width: int) -> CosemObject | None:
    """Return the buffer of the profile with so many columns, the clock first; None if there are several."""
    found = [
        item
        for item in profile
        if item.class_id == _PROFILE_GENERIC
        and not item.per_channel
        and item.event_log is None
        and "capture_period" in item
        and item["capture_period"].value is not None
        and len(columns := profile.list_capture_columns(item.tag)) == width
        and columns[0].tag == CLOCK_TAG
    ]
    return found[0] if len(found) == 1 else None


def _find_period(seconds: int) -> Period:
    if not seconds:
        return Period.MONTHLY
    return Period.DAILY if CapturePeriod.from_seconds(seconds).days else Period.INTERVAL


def _to_number(row: PushedRow, place: int) -> int | None:
    value = row.cells[place].value
    return value if isinstance(value, int) and not isinstance(value, bool) else None
