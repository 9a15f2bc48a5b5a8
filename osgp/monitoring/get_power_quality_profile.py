"""GetPowerQualityProfile: the history of power quality that a meter captures."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Annotated, Any, TypedDict
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CaptureColumn, obis
from osgp.catalogue.units import ScalerUnit
from osgp.cosem.errors import make_illegal_response
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.buffer_reading import read_buffer
from osgp.messages.buffer_rows import WantedColumn
from osgp.messages.buffers import Buffer, find_column
from osgp.messages.history import begin_after
from osgp.messages.needs import any_of
from osgp.messages.operation import Interrupted, MeterOperation, Service
from osgp.messages.partial_reads import choose_fault
from osgp.messages.registry import register
from osgp.messages.rejected_rows import RejectedRowCount, RejectedRowList, format_rejected
from osgp.messages.relative_periods import Between, is_since_last_reading
from osgp.messages.row_results import CompleteUntil, join_rejected, join_rows, join_unavailable
from osgp.messages.scales import is_register, read_each_scaler_unit
from osgp.messages.serializers import ObisCodeField
from osgp.messages.unavailable import UnavailableList, list_unavailable
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.cells import make_cells_reader
from osgp.monitoring.periods import (
    BEGIN,
    END,
    BetweenParameters,
    BetweenResult,
    check_between,
    check_held,
    find_between,
)
from osgp.monitoring.power_quality import PowerQualityParameters, ProfileType
from osgp.monitoring.power_quality_buffers import BUFFERS, CLOCK, Candidate, find_candidates, read_buffers
from osgp.monitoring.reads import utc_text

NO_TIME = Fault(
    FaultCode.COMMUNICATION_TIMEOUT, "There was no time left to read it.", component=Component.PROTOCOL_DLMS
)


class GetPowerQualityProfileParameters(BetweenParameters, PowerQualityParameters):
    """Which objects, and of what time."""


class CaptureObject(TypedDict):
    """A column of a profile."""

    name: Annotated[str, "Tag of the object, such as AVERAGE_VOLTAGE_L1."]
    class_id: int
    obis_code: Annotated[str, ObisCodeField()]
    attribute: int
    data_index: Annotated[int, "0: the whole attribute; else an element of it."]
    unit: Annotated[str | None, "Of the values in this column; null: they have none."]


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


class ProfileEntry(TypedDict):
    """The values captured at one time."""

    log_time: datetime
    values: Annotated[
        list[Annotated[Any, CellField()]],
        "One per capture object, in their order: decimal digits where it has a unit, numbers of counters, "
        "names of signal qualities, octets in hexadecimal; null: the meter has no value.",
    ]


class PowerQualityProfile(TypedDict):
    """A buffer of the meter, oldest entry first."""

    name: Annotated[str, f"One of {', '.join(BUFFERS)}."]
    obis_code: Annotated[str, ObisCodeField()]
    capture_objects: list[CaptureObject]
    profile_entries: list[ProfileEntry]
    complete_until: CompleteUntil
    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount


class GetPowerQualityProfileResult(BetweenResult):
    """The buffers that capture objects of the profile type, from begin_date to end_date, both included."""

    profile_type: ProfileType
    power_quality_profiles: list[PowerQualityProfile]
    unavailable: UnavailableList


@register
class GetPowerQualityProfile(MeterOperation[GetPowerQualityProfileParameters, GetPowerQualityProfileResult]):
    """Read what a meter has captured of power quality: of the objects of the profile type, those it captures.

    A buffer that captures none of them, or no time, is left out. Meters hold ten days of quarters of an hour,
    for example; more than any of the buffers can hold is refused. SINCE_LAST_READING goes back to an hour
    before the end of the last stored result of the same profile type, without one as far as the buffers do.
    """

    message = "GetPowerQualityProfile"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = (CLOCK, any_of(*BUFFERS))

    def check_parameters(self, parameters: GetPowerQualityProfileParameters) -> None:
        check_between(parameters)

    def check_device(self, device: Device, parameters: GetPowerQualityProfileParameters) -> None:
        candidates = find_candidates(device.profile, parameters["profile_type"], polyphase=device.polyphase)
        capacities = [candidate.capacity for candidate in candidates]
        known = [capacity for capacity in capacities if capacity is not None]
        if len(known) == len(capacities):
            _find_between(parameters, known, platform_time.now(), ZoneInfo(device.time_zone))

    def perform(
        self, meter: VisitedMeter, parameters: GetPowerQualityProfileParameters
    ) -> GetPowerQualityProfileResult:
        profile_type = parameters["profile_type"]
        candidates = find_candidates(meter.profile, profile_type, polyphase=meter.polyphase)
        buffers, missing = read_buffers(meter, candidates)
        known = [buffer for _, buffer in buffers]
        begin, end = self._choose_times(meter, parameters, known)
        earlier = _find_ends(meter.earlier)
        profiles: list[PowerQualityProfile] = []
        chosen = [(buffer, _choose_columns(meter, candidate, buffer)) for candidate, buffer in buffers]
        scales, without_scale = _read_scales(meter, [column for _, columns in chosen for column in columns])
        missing |= without_scale
        lost: Fault | None = None
        is_out_of_time = False
        for buffer, columns in chosen:
            readable = [column for column in columns if column.tag not in without_scale]
            start = max(begin, earlier.get(buffer.tag, begin))
            # The first one is the clock. What an earlier attempt has completely is not read again.
            if len(readable) < 2 or (buffer.tag in earlier and start >= end):
                continue
            if lost or is_out_of_time:
                missing[buffer.tag] = lost or NO_TIME
                continue
            try:
                profile, problems, fault = _read_profile(meter, buffer, readable, scales, start, end)
            except Fault as error:
                if not (profiles or meter.association.is_open):
                    raise
                fault = error
            else:
                profiles.append(profile)
                missing |= problems
                is_complete = profile["complete_until"] >= min(end, meter.visit_begin)
                is_out_of_time = fault is None and not is_complete
            if fault is not None:
                missing[buffer.tag] = fault
                if not meter.association.is_open:
                    lost = fault
        if missing and not profiles and not earlier:
            raise choose_fault(missing.values())
        result: GetPowerQualityProfileResult = {
            "profile_type": profile_type,
            "begin_date": begin,
            "end_date": end,
            "power_quality_profiles": profiles,
            "unavailable": list_unavailable(missing),
        }
        if lost:
            raise Interrupted(lost, result)
        return result

    def join(self, earlier: Mapping[str, Any], result: Mapping[str, Any]) -> Mapping[str, Any]:
        """Join the entries of an interrupted attempt and those of the next one, buffer by buffer."""
        later = list(result["power_quality_profiles"])
        profiles: list[Mapping[str, Any]] = []
        for profile in earlier["power_quality_profiles"]:
            same = [each for each in later if _is_same(each, profile)]
            profiles.append(_join_profiles(profile, same[0]) if same else profile)
            later = [each for each in later if each not in same]
        profiles = sorted([*profiles, *later], key=lambda each: BUFFERS.index(each["name"]))
        # Why a buffer was not read then is of no account now.
        kept = [item for item in earlier["unavailable"] if item["name"] not in BUFFERS]
        return {
            **result,
            "begin_date": earlier["begin_date"],
            "power_quality_profiles": profiles,
            "unavailable": join_unavailable(kept, result["unavailable"]),
        }

    def _choose_times(
        self, meter: VisitedMeter, parameters: GetPowerQualityProfileParameters, buffers: Sequence[Buffer]
    ) -> Between:
        """The times to read; since the last reading: from where the last result is complete up to."""
        between = _find_between(parameters, buffers, meter.visit_begin, meter.time_zone)
        if not is_since_last_reading(parameters):
            return between
        asked = self.represent_parameters(parameters)
        last = meter.history.find_last_result(self.message, asked, (BEGIN, END, "relative_period"))
        return begin_after(_find_completed(last) if last else None, between)

    def represent_result(self, result: GetPowerQualityProfileResult) -> dict[str, Any]:
        """Return what the serializer would, at a fraction of its cost."""
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
        return {
            "profile_type": str(result["profile_type"]),
            "begin_date": utc_text(result["begin_date"]),
            "end_date": utc_text(result["end_date"]),
            "power_quality_profiles": profiles,
            "unavailable": result["unavailable"],
        }


def _find_between(
    parameters: GetPowerQualityProfileParameters, buffers: Sequence[Buffer], moment: datetime, zone: tzinfo
) -> Between:
    """The times to read in a visit that begins at ``moment``. Raises Fault 401 if no buffer holds them.

    The interval of parameters that count intervals is the longest one of the buffers in seconds. Since the
    last reading: all that any of them can hold.
    """
    steps = [buffer.period for buffer in buffers if buffer.period is not None and buffer.period.seconds]
    if is_since_last_reading(parameters) and steps:
        all_held = [
            find_between(parameters, moment, zone, buffer.period, buffer.entries)
            for buffer in buffers
            if buffer.period in steps
        ]
        return Between(min(held.begin for held in all_held), max(held.end for held in all_held))
    longest = max(steps, key=lambda step: step.seconds, default=None)
    between = find_between(parameters, moment, zone, longest)
    check_held(buffers, between, zone, parameters)
    return between


def _find_completed(result: Mapping[str, Any]) -> datetime | None:
    """Up to when a stored result has everything, None if that is not known."""
    out_of_time = {item["name"] for item in result["unavailable"] if item["reason"] == NO_TIME.message}
    if not out_of_time.isdisjoint(BUFFERS):
        return parse_datetime(result["begin_date"])
    ends = [parse_datetime(profile["complete_until"]) for profile in result["power_quality_profiles"]]
    return min((end for end in ends if end is not None), default=None)


def _choose_columns(meter: VisitedMeter, candidate: Candidate, buffer: Buffer) -> list[CaptureColumn]:
    """The clock and the columns of wanted objects; nothing if the buffer captures no clock."""
    clock = find_column(buffer.columns, meter.find_attribute(CLOCK, "time"))
    if clock is None:
        return []
    return [clock, *(column for column in buffer.columns if column.tag in candidate.wanted)]


def _is_register_value(meter: VisitedMeter, column: CaptureColumn) -> bool:
    item = meter.find_object(column.tag)
    if not is_register(item):
        return False
    return column.descriptor == item.address_attribute("value", column.channel)


def _read_scales(
    meter: VisitedMeter, columns: Sequence[CaptureColumn]
) -> tuple[dict[str, ScalerUnit], dict[str, Fault]]:
    """Scaler and unit of the registers among the columns, and why some of them have none."""
    registers = list(dict.fromkeys(column.tag for column in columns if _is_register_value(meter, column)))
    scales: dict[str, ScalerUnit] = {}
    missing: dict[str, Fault] = {}
    for tag, scale in read_each_scaler_unit(meter, registers).items():
        if isinstance(scale, Fault):
            missing[tag] = scale
        else:
            scales[tag] = scale
    return scales, missing


def _read_profile(
    meter: VisitedMeter,
    buffer: Buffer,
    columns: Sequence[CaptureColumn],
    scales: Mapping[str, ScalerUnit],
    begin: datetime,
    end: datetime,
) -> tuple[PowerQualityProfile, dict[str, Fault], Fault | None]:
    """One of the profiles in the result, what of its values makes no sense by tag, and why the meter sent no
    more if it did not. ``columns`` have the clock first.
    """
    chosen = frozenset(columns[1:])

    def find_scale(column: CaptureColumn) -> ScalerUnit | None:
        return scales[column.tag] if _is_register_value(meter, column) else None

    shown = [column for column in buffer.columns if column in chosen and column.tag != CLOCK]
    wanted = [
        WantedColumn(
            column.tag,
            column,
            make_cells_reader(meter.find_object(column.tag).interface_class, column, find_scale(column)),
        )
        for column in shown
    ]
    found = read_buffer(meter, buffer, wanted, begin, end, is_sent=lambda column: False)
    entries = zip(*found.columns, strict=True)
    profile: PowerQualityProfile = {
        "name": buffer.tag,
        "obis_code": meter.find_object(buffer.tag).obis,
        "capture_objects": [_describe_column(column, find_scale(column)) for column in shown],
        "profile_entries": [
            {"log_time": time, "values": list(values)}
            for time, values in zip(found.times, entries, strict=True)
        ],
        "complete_until": found.complete_until,
        **format_rejected(found.rejected),
    }
    problems = {item["name"]: make_illegal_response(item["reason"]) for item in found.list_problems()}
    return profile, problems, found.fault


def _find_ends(earlier: Mapping[str, Any] | None) -> dict[str, datetime]:
    """Up to when an earlier attempt has the entries of which buffers."""
    profiles = earlier["power_quality_profiles"] if earlier else []
    ends = {profile["name"]: parse_datetime(profile["complete_until"]) for profile in profiles}
    return {name: end for name, end in ends.items() if end is not None}


def _is_same(profile: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two profiles have the same columns of the same buffer."""
    return all(profile[key] == other[key] for key in ("name", "capture_objects"))


def _join_profiles(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    entries = join_rows(earlier["profile_entries"], later["profile_entries"], "log_time")
    return {**later, "profile_entries": entries, **join_rejected(earlier, later)}


def _describe_column(column: CaptureColumn, scale: ScalerUnit | None) -> CaptureObject:
    class_id, logical_name, attribute_id = column.descriptor
    return {
        "name": column.tag,
        "class_id": class_id,
        "obis_code": obis.to_text(logical_name),
        "attribute": attribute_id,
        "data_index": column.data_index,
        "unit": scale.unit.symbol if scale else None,
    }
