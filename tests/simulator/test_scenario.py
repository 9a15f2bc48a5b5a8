"""Scenarios: how files are read, and what each kind of occurrence does to a meter."""

import argparse
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from osgp.simulator import FaultKind, Fleet, FleetSettings, Scenario, ScenarioError, SimulatorThread
from osgp.simulator.cli import add_arguments, build_fleet, main
from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.meter.meter import Meter
from osgp.simulator.occurrences import KINDS
from osgp.simulator.settings import CALM_SINCE_2024

from .client import Closed, RawClient, connected
from .meters import Clock, column, read, stamps, write
from .samples import CLOCK

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
FIRST, SECOND = "SIME0000000000001", "SIME0000000000002"


def build(count: int = 1, profile: str | list[str] = "SMR-5.5", **fleet: Any) -> tuple[Fleet, Clock]:
    """A calm fleet and its time."""
    clock = Clock(NOW)
    return Fleet.build(count, profile, settings=FleetSettings(clock=clock), **fleet), clock


def happened(*tables: dict[str, Any], profile: str = "SMR-5.5", **fleet: Any) -> tuple[Meter, Clock]:
    """A meter to which occurrences have happened that are due by now."""
    built, clock = build(1, profile, **fleet)
    assert Scenario.of({"occurrences": list(tables)}, built).play(clock.now) == len(tables)
    return built.meters[FIRST], clock


def alarm(meter: Meter, register: int, bit: int) -> bool:
    """Whether a bit is set."""
    return bool(read(meter, f"ALARM_REGISTER_{register}").value >> bit & 1)


# Files


FILE = """
[[occurrences]]
at = "+30s"
meters = "SIME0000000000001"
kind = "power-failure"
duration = "5m"

[[occurrences]]
at = 2026-06-15T13:30:00+02:00
meters = ["SIME000000000000[3-9]", "SIME0000000000002"]
kind = "clock-shift"
by = "-90s"

[[occurrences]]
share = "25%"
kind = "event"
code = 40

[[occurrences]]
at = "+1h"
kind = "attribute"
object = "ALARM_FILTER_1"
value = {type = "double-long-unsigned", value = 5}
"""


def test_a_file(tmp_path: Path) -> None:
    fleet, clock = build(8)
    path = tmp_path / "storm.toml"
    path.write_text(FILE)
    scenario = Scenario.load(path, fleet)
    assert len(scenario) == 4
    assert scenario.next_due == clock.now - 1_800
    assert scenario.play(clock.now) == 2
    assert [meter.clock_offset_at(clock.now) for meter in fleet.meters.values()] == [0, *[-90] * 7]
    opened = [meter for meter in fleet.meters.values() if alarm(meter, 1, 13)]
    assert len(opened) == 2
    assert scenario.play(clock.now + 29) == 0
    assert scenario.play(clock.now + 30) == 1
    clock.advance(seconds=30)
    assert [meter.is_reachable(clock.now) for meter in fleet.meters.values()] == [False] + [True] * 7
    assert scenario.play(clock.now + 7_200) == 1
    assert scenario.next_due is None
    assert read(fleet.meters[SECOND], "ALARM_FILTER_1").value == 5
    # the same meters at each start
    again, _ = build(8)
    Scenario.load(path, again).play(clock.now)
    assert [meter.identification for meter in again.meters.values() if alarm(meter, 1, 13)] == [
        meter.identification for meter in opened
    ]


def test_meters_that_nothing_happens_to_stay_untouched() -> None:
    fleet, clock = build(100)
    Scenario.of({"occurrences": [{"meters": FIRST, "kind": "power-failure", "duration": "1h"}]}, fleet).play(
        clock.now
    )
    assert sum(meter.is_touched for meter in fleet.meters.values()) == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "kind: is missing"),
    ({"kind": "earthquake"}, "kind: 'earthquake' is none of power-failure,"),
    ({"kind": ["event"]}, "kind: ['event'] is none of"),
    ({"kind": "power-failure"}, "duration: is missing"),
    ({"kind": "power-failure", "duration": "5 apples"}, "duration: '5 apples' is no duration such as"),
    ({"kind": "power-failure", "duration": "-5m"}, "duration: is a duration of more than nothing"),
    ({"kind": "power-failure", "duration": 1e300}, "duration: is longer than a century"),
    ({"kind": "power-failure", "duration": float("nan")}, "duration: is longer than a century"),
    ({"kind": "power-failure", "duration": True}, "duration: True is no duration"),
    ({"kind": "power-failure", "duration": "5m", "depth": 5}, "depth: is no field of power-failure"),
    ({"kind": "reachable", "at": "tomorrow"}, "at: is neither +30s, -2d or now nor a time such as"),
    ({"kind": "reachable", "at": datetime(2026, 1, 1)}, "at: is a time without its offset"),  # noqa: DTZ001
    ({"kind": "reachable", "meters": "SIME9*"}, "meters: 'SIME9*' is no meter of the fleet"),
    ({"kind": "reachable", "meters": FIRST[:-1]}, "meters: 'SIME000000000000' is no meter of the fleet"),
    ({"kind": "reachable", "meters": 5}, "meters: is an identification or a pattern, or a list"),
    ({"kind": "reachable", "share": "0%"}, "share: is more than 0% and at most 100%"),
    ({"kind": "reachable", "share": "half"}, "share: 'half' is no share"),
    ({"kind": "clock-shift", "by": []}, "by: [] is no duration"),
    ({"kind": "event", "code": 30}, "code: 30 is no event in any log"),
    ({"kind": "event", "code": 70_000}, "code: is a whole number from 0 to 65535"),
    ({"kind": "event", "code": 255}, "log: is needed, since 255 clears any of them"),
    (
        {"kind": "event", "code": 40, "log": "STANDARD_EVENT_LOG"},
        "code: 40 is no event in STANDARD_EV",
    ),
    ({"kind": "event", "code": 40, "log": "DIARY"}, "log: 'DIARY' is none of STANDARD_EVENT_LOG,"),
    ({"kind": "alarm", "register": 1, "bit": 14}, "bit: 14 means nothing in alarm register 1"),
    ({"kind": "alarm", "register": 2, "bit": 0}, "kind: alarm: no selected meter has the objects for this"),
    ({"kind": "event", "code": 93}, "kind: event: no selected meter has the objects for this"),
    ({"kind": "mbus-install", "channel": 5}, "channel: is a whole number from 1 to 4"),
    ({"kind": "mbus-install", "channel": 1, "manufacturer": "Sim"}, "manufacturer: 'Sim' is no"),
    ({"kind": "relay", "state": "broken"}, "state: 'broken' is none of disconnected, connected, ready"),
    (
        {"kind": "attribute", "object": "MOON", "value": {"type": "unsigned", "value": 1}},
        "kind: attribute: no",
    ),
    ({"kind": "attribute", "object": "CLOCK", "value": {"type": "number", "value": 1}}, "value: there is no"),
    (
        {"kind": "attribute", "object": "ALARM_FILTER_1", "value": {"type": "unsigned", "value": 1}},
        "value: is none that attribute 2 of ALARM_FILTER_1 takes",
    ),
    (
        {"kind": "attribute", "object": "ALARM_FILTER_1", "value": {"type": "unsigned", "value": 999}},
        "value: 999 is no unsigned",
    ),
    (
        {
            "kind": "attribute",
            "object": "MBUS_CLIENT_SETUP",
            "attribute": 9,
            "value": {"type": "unsigned", "value": 1},
        },
        "channel: MBUS_CLIENT_SETUP: ",
    ),
    ({"kind": "fault", "fault": "sulk"}, "fault: 'sulk' is none of refuse-connection,"),
    ({"kind": "fault", "fault": "hang", "exchanges": 0}, "exchanges: is a whole number from 1"),
    ({"kind": "energy-jump", "wh": 1.5}, "wh: is a whole number from"),
    ({"kind": "null-compression", "on": 1}, "on: is true or false"),
    ({"kind": "behaviour", "loss": 2}, "loss: is more than 0% and at most 100%"),
]


@pytest.mark.parametrize(("table", "complaint"), WRONG, ids=[complaint for _, complaint in WRONG])
def test_what_makes_no_sense_names_table_and_field(table: dict[str, Any], complaint: str) -> None:
    fleet, _ = build(2, "SMR-5.0.0")
    good = {"kind": "reachable"}
    with pytest.raises(ScenarioError, match="^" + re.escape(f"occurrences[1].{complaint}")):
        Scenario.of({"occurrences": [good, table]}, fleet)
    assert not any(meter.is_touched for meter in fleet.meters.values())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[occurrences]", "Expected"),
        ("[[incidents]]\nkind = 'reachable'", "incidents: is no table of a scenario; there is occurrences"),
        ("occurrences = 5", "occurrences: is a list of at most"),
        ("occurrences = [5]", r"occurrences\[0\]\.kind: is missing, since this is no table"),
        ("[[occurrences]]\nkind = 'relay'", r"occurrences\[0\]\.state: is missing"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=f"^{re.escape(str(path))}: {complaint}"):
        Scenario.load(path, build()[0])
    with pytest.raises(ScenarioError, match="No such file"):
        Scenario.load(tmp_path / "missing.toml", build()[0])


# Kinds


def test_a_power_failure_of_the_past_is_part_of_the_history() -> None:
    meter, clock = happened({"kind": "power-failure", "at": "-3h", "duration": "1h"})
    calm, _ = build()
    before = calm.meters[FIRST]
    assert meter.is_reachable(clock.now)
    for tag in ("NUMBER_OF_POWER_FAILURES", "NUMBER_OF_LONG_POWER_FAILURES"):
        assert read(meter, tag).value == read(before, tag).value + 1
    log = read(meter, "POWER_FAILURE_EVENT_LOG")
    assert stamps(meter, log)[-1] == NOW - timedelta(hours=2)
    assert column(log, 1)[-1] == read(meter, "DURATION_OF_LAST_LONG_POWER_FAILURE").value == 3_600
    events = read(meter, "STANDARD_EVENT_LOG")
    written = list(zip(stamps(meter, events), column(events, 1), strict=True))
    assert (NOW - timedelta(hours=3), 1) in written
    assert (NOW - timedelta(hours=2), 2) in written
    assert alarm(meter, 1, 2)
    assert alarm(meter, 3, 0)
    assert 99 in column(read(meter, "POWER_QUALITY_EVENT_LOG"), 1)
    rows = read(meter, "INTERVAL_VALUES_E")
    captured = stamps(meter, rows)
    assert len(captured) == 960
    # what is captured at the very beginning and at the very end is there
    gone = [NOW - timedelta(minutes=15 * back) for back in range(9, 12)]
    assert not set(gone) & set(captured)
    place = captured.index(NOW - timedelta(hours=2))
    assert column(rows, 1)[place] == 0x88
    # nothing was measured meanwhile
    assert column(rows, 2)[place] == column(rows, 2)[place - 1]
    usage = read(before, "ACTIVE_ENERGY_IMPORT").value - read(meter, "ACTIVE_ENERGY_IMPORT").value
    assert 0 < usage < 2_000


def test_power_failures_that_overlap_are_one() -> None:
    meter, _ = happened(
        {"kind": "power-failure", "at": "-3h", "duration": "1h"},
        {"kind": "power-failure", "at": "-150m", "duration": "1h"},
    )
    assert column(read(meter, "POWER_FAILURE_EVENT_LOG"), 1)[-1] == 5_400


@pytest.mark.parametrize(("by", "seconds"), [("-20m", -1_200), ("1h", 3_600)])
def test_a_clock_shift_marks_the_row_after_it(by: str, seconds: int) -> None:
    meter, clock = happened({"kind": "clock-shift", "at": "-100m", "by": by})
    assert meter.clock_offset_at(clock.now) == seconds
    rows = read(meter, "INTERVAL_VALUES_E")
    statuses = zip(stamps(meter, rows), column(rows, 1), strict=True)
    [stamp] = [stamp for stamp, flags in statuses if flags & 0x20]
    assert timedelta(0) <= stamp - (NOW - timedelta(minutes=100, seconds=-seconds)) < timedelta(minutes=15)
    events = read(meter, "STANDARD_EVENT_LOG")
    written = dict(zip(column(events, 1), stamps(meter, events), strict=True))
    assert written[5] - written[4] == timedelta(seconds=seconds)
    # 10:20 became 10:00, so that 10:00 and 10:15 came twice.
    doubled = len(stamps(meter, rows)) - len(set(stamps(meter, rows)))
    assert doubled == (2 if seconds < 0 else 0)


def test_a_small_clock_shift_is_an_update() -> None:
    meter, _ = happened({"kind": "clock-shift", "at": "-10m", "by": "5s"})
    assert column(read(meter, "STANDARD_EVENT_LOG"), 1)[-1] == 3
    assert set(column(read(meter, "INTERVAL_VALUES_E"), 1)) == {0x08}


def test_events_are_logged_and_set_their_alarm() -> None:
    meter, clock = happened(
        {"kind": "event", "at": "-1m", "code": 94, "magnitude": 1_777, "duration": 42},
        {"kind": "event", "at": "-1m", "code": 103},
        polyphase=True,
        gas_meters=1,
    )
    row = read(meter, "POWER_QUALITY_EXTENDED_EVENT_LOG").value[-1].value
    assert [cell.value for cell in row[1:]] == [94, 1_777, 42]
    assert read(meter, "MAGNITUDE_OF_LAST_VOLTAGE_SAG_IN_PHASE_L2").value == 1_777
    assert alarm(meter, 2, 1)
    assert alarm(meter, 1, 20)
    write(meter, "ALARM_REGISTER_2", Data(DataType.DOUBLE_LONG_UNSIGNED, 0))
    clock.advance(hours=1)
    assert not alarm(meter, 2, 1)


def test_a_cleared_log_begins_with_that_event() -> None:
    meter, _ = happened(
        {"kind": "event", "at": "-2m", "code": 255, "log": "FRAUD_DETECTION_EVENT_LOG"},
        {"kind": "event", "at": "-1m", "code": 46},
    )
    assert column(read(meter, "FRAUD_DETECTION_EVENT_LOG"), 1) == [255, 46]
    assert len(read(meter, "STANDARD_EVENT_LOG").value) == 100


def test_an_alarm_stays_until_it_is_cleared() -> None:
    meter, clock = happened({"kind": "alarm", "register": 1, "bit": 12})
    clock.advance(days=100)
    assert read(meter, "ALARM_REGISTER_1").value == 1 << 12
    write(meter, "ALARM_REGISTER_1", Data(DataType.DOUBLE_LONG_UNSIGNED, 0))
    assert read(meter, "ALARM_REGISTER_1").value == 0


def test_what_happens_after_a_register_was_cleared_sets_bits_even_if_time_stands_still() -> None:
    meter, _ = happened({"kind": "event", "code": 40}, {"kind": "event", "code": 7})
    assert read(meter, "ALARM_REGISTER_1").value == 1 << 13 | 1 << 1
    write(meter, "ALARM_REGISTER_1", Data(DataType.DOUBLE_LONG_UNSIGNED, 0))
    assert read(meter, "ALARM_REGISTER_1").value == 0
    fleet = Fleet([meter], meter.settings, 16_000)
    Scenario.of({"occurrences": [{"kind": "event", "code": 40}]}, fleet).play(meter.settings.clock())
    assert read(meter, "ALARM_REGISTER_1").value == 1 << 13


@pytest.mark.parametrize(("profile", "number"), [("DSMR-4.2.2", 0x12345678), ("SMR-5.0.0", 12_345_678)])
def test_mbus_devices_come_and_go(profile: str, number: int) -> None:
    table = {
        "kind": "mbus-install",
        "at": "-90m",
        "channel": 2,
        "identification_number": "12345678",
        "manufacturer": "LGB",
        "version": 66,
        "device_type": 7,
    }
    meter, clock = happened(
        {"kind": "mbus-remove", "at": "-170m", "channel": 1}, table, profile=profile, gas_meters=1
    )
    assert [read(meter, "MBUS_CLIENT_SETUP", each, 2).value for each in (5, 6, 7, 8, 9)] == [
        2,
        number,
        12_514,
        66,
        7,
    ]
    assert read(meter, "MBUS_CLIENT_SETUP", 6, 1).value == 0
    assert alarm(meter, 1, 25)
    codes = column(read(meter, "MBUS_EVENT_LOG"), 1)
    assert codes[-1] == 115
    # rows hold what was there then
    for channel, there in ((1, [True, True, False, False]), (2, [False, False, False, True])):
        rows = read(meter, "INTERVAL_VALUES_G", 2, channel).value[-5:-1]
        kinds = [row.value[2].type is not DataType.NULL_DATA for row in rows]
        assert kinds == there, channel
    clock.advance(hours=1)
    assert read(meter, "MBUS_MASTER_VALUE", 2, 2).value > 0


def test_a_device_that_was_removed_has_no_events_any_more() -> None:
    clock = Clock(NOW)
    fleet = Fleet.build(1, "SMR-5.1", gas_meters=1, settings=FleetSettings(clock=clock, calm_from=None))
    meter = fleet.meters[FIRST]
    removed = {"kind": "mbus-remove", "at": "-100d", "channel": 1}
    logs = ("MBUS_EVENT_LOG", "AUXILIARY_EVENT_LOG")
    gone = NOW - timedelta(days=100)
    assert all(stamps(meter, read(meter, log))[-1] > gone for log in logs)
    Scenario.of({"occurrences": [removed]}, fleet).play(clock.now)
    assert all(stamps(meter, read(meter, log))[-1] < gone + timedelta(hours=1) for log in logs)
    assert read(meter, "READ_MBUS_STATUS", 2, 1).value == 0


def test_a_relay_that_is_off_lets_nothing_through() -> None:
    meter, clock = happened({"kind": "relay", "state": "disconnected"})
    assert (read(meter, "DISCONNECT_CONTROL", 2).value, read(meter, "DISCONNECT_CONTROL", 3).value) == (
        False,
        0,
    )
    energy = read(meter, "ACTIVE_ENERGY_IMPORT").value
    clock.advance(hours=5)
    assert read(meter, "ACTIVE_ENERGY_IMPORT").value == energy
    assert read(meter, "INSTANTANEOUS_ACTIVE_POWER_IMPORT").value == 0
    assert read(meter, "INSTANTANEOUS_CURRENT_L1").value == 0
    meter.switch(1, clock.now)
    clock.advance(hours=5)
    assert read(meter, "ACTIVE_ENERGY_IMPORT").value > energy


def test_energy_jumps_and_begins_again() -> None:
    plain, _ = build()
    before = [read(plain.meters[FIRST], f"ACTIVE_ENERGY_IMPORT_RATE_{rate}").value for rate in (1, 2)]
    meter, clock = happened({"kind": "energy-jump", "at": "-20m", "wh": 1_000_000, "rate": 1})
    after = [read(meter, f"ACTIVE_ENERGY_IMPORT_RATE_{rate}").value for rate in (1, 2)]
    assert after == [before[0] + 1_000_000, before[1]]
    rows = column(read(meter, "INTERVAL_VALUES_E"), 2)
    assert rows[-2] - rows[-3] > 1_000_000 > rows[-1] - rows[-2]
    meter, clock = happened({"kind": "energy-reset"})
    tags = [
        f"ACTIVE_ENERGY_{direction}{rate}" for direction in ("IMPORT", "EXPORT") for rate in ("", "_RATE_2")
    ]
    assert [read(meter, tag).value for tag in tags] == [0] * 4
    clock.advance(hours=1)
    assert 0 < read(meter, "ACTIVE_ENERGY_IMPORT").value < 2_000


def test_faults_behaviour_and_null_compression() -> None:
    meter, _ = happened(
        {"kind": "fault", "fault": "hang", "exchanges": 2},
        {"kind": "fault", "fault": "garbage"},
        {"kind": "fault-off", "fault": "garbage"},
        {"kind": "behaviour", "latency": "300ms", "loss": "5%"},
        {"kind": "null-compression"},
    )
    assert meter.faults.as_list() == [{"kind": "hang", "exchanges": 2}]
    assert (meter.behaviour.latency, meter.behaviour.loss) == ((0.3, 0.3), 0.05)
    kinds = [row.value[0].type for row in read(meter, "INTERVAL_VALUES_E").value]
    assert set(kinds[1:]) == {DataType.NULL_DATA}
    for table in ({"kind": "fault-off"}, {"kind": "behaviour"}, {"kind": "null-compression", "on": False}):
        fleet = Fleet([meter], meter.settings, 16_000)
        Scenario.of({"occurrences": [table]}, fleet).play(meter.settings.clock())
    assert meter.faults.as_list() == []
    assert meter.behaviour is meter.settings.behaviour
    assert not meter.is_null_compressed


def test_a_value_that_a_meter_refuses_does_not_end_the_scenario(caplog: pytest.LogCaptureFixture) -> None:
    definition = {
        "type": "structure",
        "value": [
            {"type": "long-unsigned", "value": 3},
            {"type": "octet-string", "value": "0000636363ff"},
            {"type": "integer", "value": 2},
            {"type": "long-unsigned", "value": 0},
        ],
    }
    table = {
        "kind": "attribute",
        "object": "DEFINABLE_LOAD_PROFILE",
        "attribute": 3,
        "value": {"type": "array", "value": [definition]},
    }
    meter, _ = happened(table, {"kind": "alarm", "register": 1, "bit": 0})
    assert alarm(meter, 1, 0)
    assert "occurrences[0] was refused: OBJECT_UNDEFINED" in caplog.text


def test_every_kind_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/simulate-meters.md").read_text()
    for kind in (*KINDS, *FaultKind):
        assert f"`{kind}`" in page, kind


# While the simulator runs


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the simulator does on its own."""
    for _ in range(1_000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it never came")


def test_a_power_failure_cuts_a_client_off() -> None:
    fleet, clock = build(2, port_per_meter=True)
    scenario = Scenario.of(
        {"occurrences": [{"at": "+10s", "meters": FIRST, "kind": "power-failure", "duration": "1m"}]}, fleet
    )
    meter, other = fleet.meters.values()
    with SimulatorThread(fleet, scenario=scenario) as simulator:
        with connected(simulator, meter) as client, connected(simulator, other) as bystander:
            for each in (client, bystander):
                each.associate()
                assert each.get(CLOCK)
            clock.advance(seconds=10)
            with pytest.raises(Closed):
                client.take_frame()
            assert bystander.get(CLOCK)
        with connected(simulator, meter) as client, pytest.raises(Closed):
            client.take_frame()
        clock.advance(minutes=1)
        until(lambda: meter.memory.associated is None)
        with connected(simulator, meter) as client:
            client.associate()
            assert client.get(CLOCK)
        assert read(meter, "ALARM_REGISTER_1").value & 4


def test_a_meter_without_network_comes_back_by_itself() -> None:
    fleet, clock = build()
    meter = fleet.meters[FIRST]
    table = {"at": "-1s", "kind": "unreachable", "duration": "1h"}
    with SimulatorThread(fleet, scenario=Scenario.of({"occurrences": [table]}, fleet)) as simulator:
        until(lambda: not meter.is_reachable(clock.now))
        client: RawClient
        with connected(simulator, meter) as client, pytest.raises(Closed):
            client.associate()
        clock.advance(hours=1)
        with connected(simulator, meter) as client:
            client.associate()
    assert read(meter, "NUMBER_OF_POWER_FAILURES") == read(
        build()[0].meters[FIRST], "NUMBER_OF_POWER_FAILURES"
    )


def test_the_command_line_refuses_what_makes_no_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "storm.toml"
    path.write_text('[[occurrences]]\nkind = "power-failure"\nduration = "5 apples"\n')
    with pytest.raises(SystemExit):
        main(["--demo", "--scenario", str(path)])
    assert "occurrences[0].duration: '5 apples' is no duration" in capsys.readouterr().err


def test_the_command_line_makes_living_fleets_unless_told_otherwise() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    living = build_fleet(parser.parse_args(["--count", "200"]))
    compressed = sum(meter.is_null_compressed for meter in living.meters.values())
    assert living.settings.calm_from is None
    assert 5 < compressed < 40
    calm = build_fleet(parser.parse_args(["--demo", "--calm", "--null-compressed", "0%"]))
    assert calm.settings.calm_from == CALM_SINCE_2024
    assert not any(meter.is_null_compressed for meter in calm.meters.values())
