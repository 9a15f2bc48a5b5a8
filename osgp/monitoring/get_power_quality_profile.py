"""GetPowerQualityProfile: the history of power quality that a meter captures."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CaptureColumn, obis
from osgp.catalogue.units import ScalerUnit
from osgp.cosem.profile_rows import Selection, TimedRow
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.registry import register
from osgp.messages.rejected_rows import rejected_row_count_field, rejected_rows_field, told
from osgp.messages.serializers import (
    CharField,
    ChoiceField,
    DateTimeField,
    IntegerField,
    ObisCodeField,
    StrictSerializer,
)
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.buffer_reading import RowReader, read_buffer
from osgp.monitoring.cells import cell_reader
from osgp.monitoring.each import told_unavailable, unavailable_field
from osgp.monitoring.periods import BetweenParameters, Buffer, check_held, complete_until_field
from osgp.monitoring.power_quality import PowerQualityParameters
from osgp.monitoring.power_quality_buffers import BUFFERS, CLOCK, Candidate, candidates, read_buffers
from osgp.monitoring.reads import utc_text
from osgp.monitoring.scales import scaler_units_or_faults

if TYPE_CHECKING:
    from osgp.catalogue import Profile

NO_TIME = Fault(
    FaultCode.COMMUNICATION_TIMEOUT, "There was no time left to read it.", component=Component.PROTOCOL_DLMS
)

_REGISTERS = (3, 4)
_VALUE = 2


class GetPowerQualityProfileParameters(BetweenParameters, PowerQualityParameters):
    """Which objects, and of what time."""


class CaptureObjectSerializer(StrictSerializer):
    """A column of a profile."""

    name = CharField(help_text="Tag of the object, such as AVERAGE_VOLTAGE_L1.")
    class_id = IntegerField()
    obis_code = ObisCodeField()
    attribute = IntegerField()
    data_index = IntegerField(help_text="0: the whole attribute; else an element of it.")
    unit = CharField(allow_null=True, help_text="Of the values in this column; null: they have none.")


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {"type": "integer"},
            {"type": "boolean"},
            {"type": "array", "items": {}},
        ],
        "nullable": True,
    }
)
class CellField(serializers.Field):
    """Results only: a value as :mod:`osgp.monitoring.cells` gives it."""

    def to_representation(self, value: Any) -> Any:
        return value


class ProfileEntrySerializer(StrictSerializer):
    """What was captured at one time."""

    log_time = DateTimeField()
    values = serializers.ListField(
        child=CellField(),
        help_text="One per capture object, in their order: decimal digits where it has a unit, numbers of "
        "counters, names of signal qualities, octets in hexadecimal; null: the meter has no value.",
    )


class PowerQualityProfileSerializer(StrictSerializer):
    """A buffer of the meter, oldest entry first."""

    name = CharField(help_text=f"One of {', '.join(BUFFERS)}.")
    obis_code = ObisCodeField()
    capture_objects = CaptureObjectSerializer(many=True)
    profile_entries = ProfileEntrySerializer(many=True)
    complete_until = complete_until_field()
    rejected_rows = rejected_rows_field()
    rejected_row_count = rejected_row_count_field()


class GetPowerQualityProfileResult(StrictSerializer):
    """The buffers that capture objects of the profile type, from begin_date to end_date, both included."""

    profile_type = ChoiceField(["PUBLIC", "PRIVATE"])
    power_quality_profiles = PowerQualityProfileSerializer(many=True)
    unavailable = unavailable_field()


@register
class GetPowerQualityProfile(MeterOperation):
    """Read what a meter has captured of power quality: of the objects of the profile type, those it captures.

    A buffer that captures none of them, or no time, is left out. Meters hold ten days of quarters of an hour;
    more than any of the buffers can hold is refused. DSMR 2.2 meters have no such buffers.
    """

    message = "GetPowerQualityProfile"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    Parameters = GetPowerQualityProfileParameters
    Result = GetPowerQualityProfileResult

    def supports(self, profile: "Profile") -> bool:
        return any(tag in profile for tag in BUFFERS)

    def check_device(self, device: Device, parameters: ParameterValues) -> None:
        capacities = [
            candidate.capacity
            for candidate in candidates(
                device.profile, parameters["profile_type"], polyphase=device.polyphase
            )
        ]
        known = [capacity for capacity in capacities if capacity is not None]
        if len(known) == len(capacities):
            zone = ZoneInfo(device.time_zone)
            check_held(known, parameters["begin_date"], parameters["end_date"], zone)

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        profile_type = parameters["profile_type"]
        begin, end = parameters["begin_date"], parameters["end_date"]
        possible = candidates(meter.profile, profile_type, polyphase=meter.polyphase)
        if not possible:
            raise Fault(
                FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
                f"{meter.profile.key} meters have no {profile_type} power quality profile.",
                component=Component.PROTOCOL_DLMS,
            )
        buffers, missing = read_buffers(meter, possible)
        check_held([buffer for _, buffer in buffers], begin, end, meter.time_zone)
        profiles: list[dict[str, Any]] = []
        chosen = [(buffer, _chosen(candidate, buffer)) for candidate, buffer in buffers]
        scales, without_scale = _scales(meter, [column for _, columns in chosen for column in columns])
        missing |= without_scale
        for buffer, columns in chosen:
            readable = [column for column in columns if column.tag not in without_scale]
            # The first one is the clock.
            if len(readable) > 1:
                if profiles and profiles[-1]["complete_until"] < end:
                    missing[buffer.tag] = NO_TIME
                    continue
                try:
                    profiles.append(_read(meter, buffer, readable, scales, begin, end))
                except Fault as fault:
                    if not meter.association.is_open:
                        raise
                    missing[buffer.tag] = fault
        if missing and not profiles:
            raise next(iter(missing.values()))
        return {
            "profile_type": profile_type,
            "power_quality_profiles": profiles,
            "unavailable": told_unavailable(missing),
        }

    def stored_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        profiles = [
            {
                **profile,
                "complete_until": utc_text(profile["complete_until"]),
                "profile_entries": [
                    {"log_time": utc_text(entry["log_time"]), "values": entry["values"]}
                    for entry in profile["profile_entries"]
                ],
            }
            for profile in result["power_quality_profiles"]
        ]
        return {**result, "power_quality_profiles": profiles}


def _chosen(candidate: Candidate, buffer: Buffer) -> list[CaptureColumn]:
    """The clock and the columns of wanted objects; nothing if the buffer captures no clock."""
    clocks = [column for column in buffer.columns if column.tag == CLOCK and _is_value(column)]
    if not clocks:
        return []
    return [clocks[0], *(column for column in buffer.columns if column.tag in candidate.wanted)]


def _is_value(column: CaptureColumn) -> bool:
    return (column.descriptor.attribute_id, column.data_index) == (_VALUE, 0)


def _is_register(column: CaptureColumn) -> bool:
    return column.descriptor.class_id in _REGISTERS and _is_value(column)


def _scales(
    meter: VisitedMeter, columns: Sequence[CaptureColumn]
) -> tuple[dict[str, ScalerUnit], dict[str, Fault]]:
    """Scaler and unit of the registers among the columns, and why some of them have none."""
    registers = list(dict.fromkeys(column.tag for column in columns if _is_register(column)))
    scales: dict[str, ScalerUnit] = {}
    missing: dict[str, Fault] = {}
    for tag, scale in scaler_units_or_faults(meter, registers).items():
        if isinstance(scale, Fault):
            missing[tag] = scale
        else:
            scales[tag] = scale
    return scales, missing


def _read(
    meter: VisitedMeter,
    buffer: Buffer,
    columns: Sequence[CaptureColumn],
    scales: Mapping[str, ScalerUnit],
    begin: datetime,
    end: datetime,
) -> dict[str, Any]:
    """One of the profiles in the result; ``columns`` have the clock first."""
    wanted = frozenset(columns)

    def scale(column: CaptureColumn) -> ScalerUnit | None:
        return scales[column.tag] if _is_register(column) else None

    def reader(selection: Selection, selected: Sequence[CaptureColumn]) -> RowReader:
        readers = [
            (position, cell_reader(column, scale(column)))
            for position, column in zip(selection.positions, selected, strict=True)
            if column.tag != CLOCK
        ]

        def read(row: TimedRow) -> list[Any]:
            cells = row.cells
            return [read_cell(cells[position]) for position, read_cell in readers]

        return read

    found = read_buffer(meter, buffer, wanted.__contains__, begin, end, reader)
    shown = [column for column in buffer.columns if column in wanted and column.tag != CLOCK]
    return {
        "name": buffer.tag,
        "obis_code": meter.object(buffer.tag).obis,
        "capture_objects": [_told_column(column, scale(column)) for column in shown],
        "profile_entries": [{"log_time": time, "values": values} for time, *values in found.rows],
        "complete_until": found.complete_until,
        **told(found.rejected),
    }


def _told_column(column: CaptureColumn, scale: ScalerUnit | None) -> dict[str, Any]:
    class_id, logical_name, attribute_id = column.descriptor
    return {
        "name": column.tag,
        "class_id": class_id,
        "obis_code": obis.to_text(logical_name),
        "attribute": attribute_id,
        "data_index": column.data_index,
        "unit": scale.unit.symbol if scale else None,
    }
