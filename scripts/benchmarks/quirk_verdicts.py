"""What a reading message got of a simulated meter, judged by the truth that the simulator has of the meter.

Rows are judged by their times: one that is missing is lost; one too many, or with other values, is wrong. Of
messages without rows each value counts as a row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from osgp.catalogue import obis
from osgp.cosem.alarms import find_alarms
from osgp.cosem.event_codes import find_event_type
from osgp.cosem.signal_quality import find_signal_quality
from osgp.monitoring import actual_meter_reads, periodic_meter_reads
from osgp.monitoring.power_quality_buffers import BUFFERS
from osgp.simulator.meter.buffers import list_columns
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.quirky_columns import EXTRA_TAG
from osgp.simulator.meter.truth import TrueRow, find_entry, find_true_value, list_true_rows, name_column
from osgp.simulator.odd_objects import REFUSED_REGISTER
from osgp.simulator.quirks import Quirk

PER_KILO = 1_000
GAS = "MBUS_MASTER_VALUE"
FIVE_MINUTES = "MBUS_MASTER_VALUE_5MIN"
_DECLINING = frozenset((Quirk.REGISTER_REFUSED, Quirk.BAD_BLOCK))
"""With these one object cannot be had."""
_SHOWN = 3
"""Of each kind of mistake so many are told."""


@dataclass
class Verdict:
    """Rows that there should be, those that were lost, rows that are wrong, and what the first of them
    are."""

    judged: int = 0
    lost: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    def lose(self, what: object) -> None:
        """A row, or value, is missing."""
        self.lost += 1
        if self.lost <= _SHOWN:
            self.notes.append(f"lost {what}")

    def blame(self, what: object) -> None:
        """A row, or value, is wrong."""
        self.wrong += 1
        if self.wrong <= _SHOWN:
            self.notes.append(f"wrong {what}")


@dataclass(frozen=True)
class Reading:
    """A message to a meter of a profile, and how its result is judged; ``channel``: to the M-Bus device."""

    name: str
    message: str
    parameters: Mapping[str, Any]
    judge: "Callable[[Reading, Meter, Mapping[str, Any], Verdict], None]"
    profile: str
    channel: int | None = None
    buffer: str | None = None
    """The tag of the buffer that it reads, if that depends on the profile."""


def parse_time(text: str) -> datetime:
    """A time of a result, or of parameters."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _is_number(said: Any, truth: Decimal | None, factor: int = 1) -> bool:
    """Whether a quantity, or decimal digits, of a result are the truth."""
    if said is None or truth is None:
        return said is truth
    try:
        return Decimal(said["value"] if isinstance(said, Mapping) else str(said)) * factor == truth
    except (InvalidOperation, KeyError):
        return False


def _match(
    verdict: Verdict,
    truth: Iterable[TrueRow],
    said: Sequence[tuple[datetime, Any]],
    differ: Callable[[TrueRow, Any], str | None],
) -> None:
    """Judge rows with different times; ``differ`` says what is wrong with one."""
    expected = {row.time: row for row in truth}
    verdict.judged += len(expected)
    for time, row in said:
        true = expected.pop(time, None)
        if true is None:
            verdict.blame(f"{time:%d %H:%M:%S}: there is no such row, or it came before")
        elif (difference := differ(true, row)) is not None:
            verdict.blame(f"{time:%d %H:%M:%S}: {difference}")
    for time in expected:
        verdict.lose(f"{time:%d %H:%M:%S}")


def _list_captured(meter: Meter, tag: str, channel: int | None) -> set[str]:
    """What the meter does capture in a buffer, which may be less than its profile says."""
    columns = list_columns(meter, find_entry(meter, tag, channel))
    return {name_column(meter, column) for column in columns if column.tag != EXTRA_TAG}


def _find_period(reading: Reading) -> tuple[datetime, datetime]:
    return parse_time(reading.parameters["begin_date"]), parse_time(reading.parameters["end_date"])


def _is_credible(meter: Meter, said: str | None, truth: datetime | None) -> bool:
    """Whether a capture time is the true one; a meter that tells absurd ones leaves it open, or to others to
    say something near it."""
    if Quirk.ABSURD_CAPTURE_TIMES in meter.quirks:
        return said is None or (truth is not None and abs(parse_time(said) - truth) < timedelta(days=1))
    return (None if said is None else parse_time(said)) == truth


# Stored values


def judge_stored(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """Rows of PeriodicMeterReads and PeriodicMeterReadsGas."""
    assert reading.buffer is not None
    of_channel = find_channel(meter, reading.buffer, reading.channel)
    truth = list_true_rows(meter, reading.buffer, *_find_period(reading), of_channel)
    captured = _list_captured(meter, reading.buffer, of_channel)
    if reading.channel is None:
        fields = {tag: (name, PER_KILO) for tag, name in periodic_meter_reads.REGISTERS.items()}
    else:
        fields = {f"{GAS}/{reading.channel}": ("consumption", 1)}
    capture_time = f"{GAS}/{reading.channel}.capture_time"
    declined = _list_declined(meter, result)

    def differ(true: TrueRow, row: Mapping[str, Any]) -> str | None:
        for column, (name, factor) in fields.items():
            if column not in true.values:
                continue
            expected = true.values[column] if column in captured - declined else None
            if not _is_number(row.get(name), expected, factor):
                return f"{name} {row.get(name)}, not {expected}"
        if capture_time in true.values and not _is_credible(
            meter, row["capture_time"], true.values[capture_time]
        ):
            return f"capture_time {row['capture_time']}, not {true.values[capture_time]}"
        status = None if true.status is None else [*true.status]
        if row["amr_profile_status"] != status:
            return f"status {row['amr_profile_status']}, not {status}"
        return None

    rows = result["periodic_meter_reads" if reading.channel is None else "periodic_meter_reads_gas"]
    _match(verdict, truth, [(parse_time(row["log_time"]), row) for row in rows], differ)


def _list_declined(meter: Meter, result: Mapping[str, Any]) -> set[str]:
    """The register of which nobody can know in which power of ten it counts, if the result says that it has
    no value."""
    if {Quirk.REGISTER_REFUSED, Quirk.OTHER_SCALERS} <= meter.quirks:
        return {REFUSED_REGISTER} & {each["name"] for each in result["unavailable"]}
    return set()


def find_channel(meter: Meter, tag: str, channel: int | None) -> int | None:
    """The channel of a buffer; None of one that all channels share."""
    return channel if meter.type.profile[tag].per_channel else None


def judge_power_quality(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """The buffers of GetPowerQualityProfile."""
    told = {profile["name"]: profile for profile in result["power_quality_profiles"]}
    for tag in BUFFERS:
        if tag not in meter.type.tags:
            continue
        wanted = _list_wanted(meter, tag, reading.parameters["profile_type"])
        truth = list_true_rows(meter, tag, *_find_period(reading))
        if wanted and tag in told:
            _judge_profile(meter, tag, wanted, truth, told[tag], verdict)
        elif wanted:
            verdict.judged += len(truth)
            for row in truth:
                verdict.lose(f"{tag} {row.time:%d %H:%M}")


def _list_wanted(meter: Meter, tag: str, profile_type: str) -> dict[tuple[int, str, int, int], str]:
    """The columns that the message asks for: what names them in its result, and in the truth."""
    request = "PERIODIC_PP" if meter.polyphase else "PERIODIC_SP"
    wanted = {}
    for column in list_columns(meter, find_entry(meter, tag)):
        item = meter.type.profile[column.tag] if column.tag in meter.type.tags else None
        if item is None or item.power_quality_profile != profile_type:
            continue
        if request in item.power_quality_requests:
            class_id, logical_name, attribute_id = column.descriptor
            obis_code = item.get_logical_name(column.channel)
            assert obis_code == logical_name
            key = (class_id, logical_name.hex(), attribute_id, column.data_index)
            wanted[key] = name_column(meter, column)
    return wanted


def _judge_profile(
    meter: Meter,
    tag: str,
    wanted: Mapping[tuple[int, str, int, int], str],
    truth: list[TrueRow],
    told: Mapping[str, Any],
    verdict: Verdict,
) -> None:
    names = [_find_told_column(each, wanted) for each in told["capture_objects"]]
    missing = set(wanted.values()) - set(names)
    is_odd = Quirk.ODD_SIGNAL_QUALITY in meter.quirks

    def differ(true: TrueRow, values: Sequence[Any]) -> str | None:
        if missing:
            return f"{tag} lacks {', '.join(sorted(missing))}"
        for name, value in zip(names, values, strict=True):
            if name is None:
                continue
            expected = true.values[name]
            if name.endswith("cell_info[3]"):
                expected = None if is_odd else find_signal_quality(expected)
                if value != expected and not (is_odd and value == find_signal_quality(99)):
                    return f"{tag} {name} {value}, not {expected}"
            elif not _is_same_cell(value, expected):
                return f"{tag} {name} {value}, not {expected}"
        return None

    rows = [(parse_time(entry["log_time"]), entry["values"]) for entry in told["profile_entries"]]
    _match(verdict, truth, rows, differ)


def _find_told_column(told: Mapping[str, Any], wanted: Mapping[tuple[int, str, int, int], str]) -> str | None:
    logical_name = obis.parse(told["obis_code"]).hex()
    return wanted.get((told["class_id"], logical_name, told["attribute"], told["data_index"]))


def _is_same_cell(value: Any, expected: Any) -> bool:
    if isinstance(expected, Decimal):
        return _is_number(value, expected)
    return bool(value == (expected.hex() if isinstance(expected, bytes) else expected))


# Logs


def judge_events(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """The events of FindEvents; those of one second in any order."""
    category = reading.parameters["event_log_category"]
    profile = meter.type.profile
    begin, end = (parse_time(reading.parameters[name]) for name in ("from", "until"))
    truth = []
    for row in list_true_rows(meter, profile.event_logs[category].tag, begin, end):
        code = next(value for name, value in row.values.items() if name.endswith("_CODE"))
        counter = next((value for name, value in row.values.items() if name.endswith("_COUNTER")), None)
        truth.append((row.time, code, find_event_type(profile, category, code), counter))
    verdict.judged += len(truth)
    for event in result["events"]:
        said = (
            parse_time(event["timestamp"]),
            event["event_code"],
            event["event_type"],
            event["event_counter"],
        )
        if said in truth:
            truth.remove(said)
        else:
            verdict.blame(said)
    for event in truth:
        verdict.lose(event)


def judge_outages(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """All that the log of power failures has."""
    now = datetime.fromtimestamp(meter.settings.clock(), UTC)
    truth = list_true_rows(meter, "POWER_FAILURE_EVENT_LOG", datetime.fromtimestamp(0, UTC), now)

    def differ(true: TrueRow, duration: Any) -> str | None:
        expected = true.values["DURATION_OF_LAST_LONG_POWER_FAILURE"]
        return None if _is_number(duration, expected) else f"duration {duration}, not {expected}"

    said = [(parse_time(outage["end_time"]), outage["duration"]) for outage in result["outages"]]
    _match(verdict, truth, said, differ)


# Values of now


class _Values:
    """Judges values one by one; one of them may be missing in a meter that declines an object."""

    def __init__(self, meter: Meter, verdict: Verdict) -> None:
        self.verdict = verdict
        self.spared = int(not _DECLINING.isdisjoint(meter.quirks))

    def judge(self, name: str, said: Any, truth: Any, is_same: bool) -> None:
        """Count a value that is not the truth."""
        self.verdict.judged += truth is not None
        if is_same:
            return
        if said is None and truth is not None and self.spared:
            self.spared -= 1
        elif said is None:
            self.verdict.lose(name)
        else:
            self.verdict.blame(f"{name} {said}, not {truth}")


def judge_registers(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """ActualMeterReads."""
    values = _Values(meter, verdict)
    now = find_true_value(meter, "CLOCK", "time")
    values.judge("log_time", result["log_time"], now, parse_time(result["log_time"]) == now)
    for name, tag in actual_meter_reads.REGISTERS.items():
        truth = find_true_value(meter, tag) if tag in meter.type.tags else None
        values.judge(name, result[name], truth, _is_number(result[name], truth, PER_KILO))


def judge_gas(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """ActualMeterReadsGas."""
    values = _Values(meter, verdict)
    tag = FIVE_MINUTES if FIVE_MINUTES in meter.type.tags else GAS
    truth = find_true_value(meter, tag, channel=reading.channel)
    values.judge("consumption", result["consumption"], truth, _is_number(result["consumption"], truth))
    said, captured = result["capture_time"], find_true_value(meter, tag, "capture_time", reading.channel)
    values.judge("capture_time", said, captured, _is_credible(meter, said, captured))


def judge_actual_power_quality(
    reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict
) -> None:
    """GetActualPowerQuality: all objects that it asks for."""
    values = _Values(meter, verdict)
    said = {each["name"]: each["value"] for each in result["power_quality_values"]}
    request = "ACTUAL_PP" if meter.polyphase else "ACTUAL_SP"
    for tag in sorted(meter.type.tags):
        item = meter.type.profile[tag]
        wanted = item.power_quality_profile == reading.parameters["profile_type"]
        if wanted and request in item.power_quality_requests:
            truth = find_true_value(meter, tag)
            values.judge(tag, said.get(tag), truth, _is_number(said.get(tag), truth))


def judge_distortion(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """GetThdFingerprint."""
    values = _Values(meter, verdict)
    verdict.judged += 1
    if result["unavailable"]:
        verdict.blame(f"unavailable {result['unavailable']}")
    for name, said in result.items():
        if name == "unavailable":
            continue
        tag = name.upper()
        truth = find_true_value(meter, tag) if tag in meter.type.tags else None
        is_list = isinstance(said, list) or isinstance(truth, list)
        values.judge(name, said, truth, said == truth if is_list else _is_number(said, truth))


def judge_alarms(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """ReadAlarmRegister."""
    expected: list[str] = []
    for number, tag in meter.type.alarm_registers.items():
        expected += find_alarms(meter.type.profile, number, find_true_value(meter, tag))[0]
    verdict.judged += len(expected)
    for name in {*expected} - {*result["alarm_types"]}:
        verdict.lose(name)
    for name in {*result["alarm_types"]} - {*expected}:
        verdict.blame(name)


def judge_modem(reading: Reading, meter: Meter, result: Mapping[str, Any], verdict: Verdict) -> None:
    """GetGsmDiagnostic: the cell, and when the modem looked."""
    values = _Values(meter, verdict)
    tag = f"{reading.parameters['communication_method']}_DIAGNOSTIC"
    cell = find_true_value(meter, tag, "cell_info")
    said = result["cell_info"] or {}
    values.judge("cell_id", said.get("cell_id"), cell[0], said.get("cell_id") == cell[0])
    if Quirk.ODD_SIGNAL_QUALITY not in meter.quirks:
        quality = find_signal_quality(cell[2])
        values.judge(
            "signal_quality", said.get("signal_quality"), quality, said.get("signal_quality") == quality
        )
    captured, looked = find_true_value(meter, tag, "capture_time"), result["capture_time"]
    values.judge("capture_time", looked, captured, looked is not None and parse_time(looked) == captured)
