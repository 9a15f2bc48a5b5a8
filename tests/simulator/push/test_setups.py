"""Push setups as they are without a client, their windows, destinations and the settings of a fleet."""

import argparse
from datetime import datetime
from pathlib import Path

import pytest

from osgp import catalogue
from osgp.catalogue import assembly
from osgp.simulator import FleetSettings
from osgp.simulator.alarms import AlarmBox, Raised
from osgp.simulator.cli import add_arguments, build_fleet, main
from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.destinations import Destination, parse_destination
from osgp.simulator.push.orders import Form, Setup, Transport
from osgp.simulator.push.setups import PushSetup, SetupError, read_setup
from osgp.simulator.settings import make_first_counter
from tests.catalogue.generations import ALL, NOT_DSMR2, SMR5

from ..meters import make, read, write


@pytest.mark.parametrize("profile", ALL)
def test_without_a_place_for_the_fleet_nothing_is_pushed(profile: str) -> None:
    meter, _ = make(profile)
    assert [read_setup(meter, setup) for setup in Setup] == [None, None, None]
    assert {read(meter, tag).value for tag in meter.type.alarm_filters.values()} == {0}


@pytest.mark.parametrize("profile", NOT_DSMR2)
def test_with_one_all_known_alarms_go_there(profile: str) -> None:
    meter, _ = make(profile, settings={"push_to": "head-end.example:9598"})
    setup = read_setup(meter, Setup.ALARM)
    assert setup is not None
    assert setup.destination == Destination("head-end.example", 9598)
    assert setup.transport is Transport.TCP
    assert setup.form is (Form.SMR5 if profile in SMR5 else Form.DSMR4)
    names = [descriptor.logical_name.hex() for descriptor, _ in setup.objects]
    second = ["0000616201ff"] if "ALARM_REGISTER_2" in meter.type.tags else []
    assert names == ["0000600101ff", "0001190900ff", "0000616200ff", *second]
    assert read(meter, "ALARM_FILTER_1").value == 0xFFFF_3F1F
    assert (setup.retries, setup.get_delay(1), setup.windows) == (0, 0, ())


def test_last_gasps_go_by_udp() -> None:
    meter, _ = make("SMR-5.5", settings={"push_to": "[2001:db8::1]:9598"})
    setup = read_setup(meter, Setup.UDP)
    assert setup is not None
    assert (setup.destination, setup.transport) == (Destination("2001:db8::1", 9598), Transport.UDP)
    assert [descriptor.logical_name.hex() for descriptor, _ in setup.objects][2:] == ["0000616202ff"]
    assert read(meter, "ALARM_FILTER_3").value == 3


def test_a_destination_that_is_none() -> None:
    meter, _ = make("SMR-5.1")
    parts = (Data(DataType.ENUM, 0), Data(DataType.OCTET_STRING, b"\xff\x00"), Data(DataType.ENUM, 0))
    write(meter, "PUSH_SETUP_ALARM", Data(DataType.STRUCTURE, parts), 3)
    with pytest.raises(SetupError, match="is no destination"):
        read_setup(meter, Setup.ALARM)


PUSH_SETUP_2 = """
[PUSH_SETUP_ALARM]
class = 40
version = 2
obis = "0-1:25.9.0.255"
group = "ABSTRACT"
attributes = [
    [2, "array", "SET_BY_CLIENT", "RW"],
    [3, "structure", "SET_BY_CLIENT", "RW"],
    [6, "unsigned", "SET_BY_CLIENT", "RW"],
    [7, "structure", "SET_BY_CLIENT", "RW"],
]
"""


def test_a_newer_push_setup_repeats_after_longer_and_longer(tmp_path: Path) -> None:
    header = 'protocol = "LAB"\nversion = "1"\ninherits = "SMR-5.1"\n'
    (tmp_path / "lab.toml").write_text(header + PUSH_SETUP_2)
    folders = (catalogue.DATA, tmp_path)
    profiles = assembly.load(folders, assembly.load_classes(folders))
    profile = next(each for each in profiles if each.key == "LAB-1")
    meter, _ = make(profile, settings={"push_to": "192.0.2.1:9598"})
    delays = (Data(DataType.LONG_UNSIGNED, value) for value in (10, 200, 60))
    write(meter, "PUSH_SETUP_ALARM", Data(DataType.STRUCTURE, tuple(delays)), 7)
    setup = read_setup(meter, Setup.ALARM)
    assert setup is not None
    assert [setup.get_delay(repetition) for repetition in (1, 2, 3, 4, 255)] == [10, 20, 40, 60, 60]
    assert (setup.windows, setup.randomisation) == ((), 0)


EVENING, NIGHT = bytes.fromhex("ffffffffff14000000800000"), bytes.fromhex("ffffffffff02ffffff800000")
JUNE, JULY = bytes.fromhex("07ea0601ff000000ff800000"), bytes.fromhex("07ea0701ffffffffff800000")
SATURDAY, MONDAY = bytes.fromhex("ffffffff0616000000800000"), bytes.fromhex("ffffffff0106000000800000")
FIRST, THIRD = bytes.fromhex("ffffff01ff00000000800000"), bytes.fromhex("ffffff03ff0c000000800000")
LAST_DAY, LAST_BUT_ONE = bytes.fromhex("fffffffeff00000000800000"), bytes.fromhex("fffffffdff00000000800000")
NOVEMBER, MARCH = bytes.fromhex("ffff0b01ff00000000800000"), bytes.fromhex("ffff0301ff00000000800000")
IN_2026, IN_2027 = bytes.fromhex("07eaff01ff00000000800000"), bytes.fromhex("07eb0101ff00000000800000")
MIDNIGHT = bytes.fromhex("ffffffffff00000000800000")
NEVER = bytes.fromhex("07ea021eff00000000800000")


@pytest.mark.parametrize(
    ("window", "moment", "is_open"),
    [
        ((EVENING, NIGHT), (2026, 6, 15, 19, 59, 59), False),
        ((EVENING, NIGHT), (2026, 6, 15, 20, 0, 0), True),
        ((EVENING, NIGHT), (2026, 6, 16, 1, 59, 59), True),
        ((EVENING, NIGHT), (2026, 6, 16, 2, 0, 0), False),
        ((NIGHT, EVENING), (2026, 6, 16, 2, 0, 0), True),
        ((NIGHT, EVENING), (2026, 6, 16, 20, 0, 0), False),
        ((JUNE, JULY), (2026, 5, 31, 23, 59, 59), False),
        ((JUNE, JULY), (2026, 6, 1, 0, 0, 0), True),
        ((JUNE, JULY), (2026, 6, 30, 23, 59, 59), True),
        ((JUNE, JULY), (2026, 7, 1, 0, 0, 0), False),
        ((JULY, JUNE), (2026, 8, 1, 0, 0, 0), False),
        ((JUNE, JUNE), (2026, 6, 1, 0, 0, 0), False),
        ((b"", b""), (2026, 7, 1, 0, 0, 0), True),
        ((bytes(12), JULY), (2026, 6, 1, 0, 0, 0), False),
        ((SATURDAY, MONDAY), (2026, 6, 13, 21, 59, 59), False),  # a Saturday
        ((SATURDAY, MONDAY), (2026, 6, 13, 22, 0, 0), True),
        ((SATURDAY, MONDAY), (2026, 6, 14, 12, 0, 0), True),
        ((SATURDAY, MONDAY), (2026, 6, 15, 5, 59, 59), True),
        ((SATURDAY, MONDAY), (2026, 6, 15, 6, 0, 0), False),
        ((SATURDAY, MONDAY), (2026, 6, 17, 22, 30, 0), False),
        ((SATURDAY, NIGHT), (2026, 6, 14, 1, 59, 59), True),
        ((SATURDAY, NIGHT), (2026, 6, 14, 23, 0, 0), False),
        ((FIRST, THIRD), (2026, 6, 3, 11, 59, 59), True),
        ((FIRST, THIRD), (2026, 6, 3, 12, 0, 0), False),
        ((FIRST, THIRD), (2026, 6, 30, 23, 0, 0), False),
        ((FIRST, THIRD), (2026, 7, 1, 0, 0, 0), True),
        ((LAST_DAY, FIRST), (2028, 2, 28, 12, 0, 0), False),
        ((LAST_DAY, FIRST), (2028, 2, 29, 12, 0, 0), True),
        ((LAST_DAY, FIRST), (2026, 2, 28, 12, 0, 0), True),
        ((LAST_BUT_ONE, LAST_DAY), (2026, 6, 29, 12, 0, 0), True),
        ((LAST_BUT_ONE, LAST_DAY), (2026, 6, 30, 12, 0, 0), False),
        ((NOVEMBER, MARCH), (2026, 10, 31, 12, 0, 0), False),
        ((NOVEMBER, MARCH), (2027, 1, 15, 12, 0, 0), True),
        ((NOVEMBER, MARCH), (2027, 3, 1, 0, 0, 0), False),
        ((IN_2026, IN_2027), (2025, 12, 31, 12, 0, 0), False),
        ((IN_2026, IN_2027), (2026, 12, 31, 12, 0, 0), True),
        ((IN_2026, IN_2027), (2027, 2, 1, 12, 0, 0), False),
        ((MIDNIGHT, MIDNIGHT), (2026, 6, 15, 12, 0, 0), True),
        ((NEVER, EVENING), (2026, 6, 15, 12, 0, 0), False),
    ],
)
def test_windows(window: tuple[bytes, bytes], moment: tuple[int, ...], is_open: bool) -> None:
    setup = PushSetup(
        bytes(6), Destination("a", 1), Transport.TCP, Form.SMR5, (), (window,), 0, 0, (0, 100, 0)
    )
    assert setup.is_open(datetime(*moment)) is is_open  # type: ignore[arg-type] # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.1:9598", "192.0.2.1", 9598),
        ("[2001:db8::1]:1", "2001:db8::1", 1),
        ("head-end.example:65535", "head-end.example", 65535),
    ],
)
def test_destinations(text: str, host: str, port: int) -> None:
    assert parse_destination(text) == (host, port)
    assert str(Destination(host, port)) == text


@pytest.mark.parametrize(
    "text", ["", ":1", "a", "a:", "a:0", "a:65536", "a:1:2", "2001:db8::1:5", "a b:1", "a:1\n", "a:١"]
)
def test_what_is_no_destination(text: str) -> None:
    with pytest.raises(ValueError, match="is no destination"):
        parse_destination(text)


@pytest.mark.parametrize(
    "settings", [{"push_to": "nowhere"}, {"alarms_per_hour": -1}, {"first_counter": 1 << 32}]
)
def test_settings_that_make_no_sense(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is no destination|alarms_per_hour|first_counter"):
        FleetSettings(**settings)  # type: ignore[arg-type]


def test_counters_rise_from_run_to_run() -> None:
    before, after = make_first_counter(1_767_225_600), make_first_counter(1_767_225_700)
    assert before == 1_577_664_000  # ten for each second of five years
    assert after == before + 1_000
    assert make_first_counter(0) == 0


def test_what_nobody_watches_is_not_kept() -> None:
    box = AlarmBox()
    box.note_raised(Raised("A", "ALARM_REGISTER_1", 1, 0.0))
    box.note_change("A")
    box.ask("A", "PUSH_SETUP_ALARM")
    assert [list(kept) for kept in (box.raised, box.changed, box.asked)] == [[], [], []]
    box.is_watched = True
    box.note_change("A")
    assert list(box.changed) == ["A"]
    box.clear()
    assert not box.changed


def test_options_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args(["--push-to", "192.0.2.1:9598", "--push-ciphered", "--alarms-per-hour", "60"])
    settings = build_fleet(options).settings
    assert (settings.push_to, settings.push_ciphered) == ("192.0.2.1:9598", True)
    assert settings.alarms_per_hour == 60.0
    assert settings.first_counter > 1_577_664_000
    with pytest.raises(SystemExit):
        main(["--push-to", "192.0.2.1"])
    assert "is no destination such as 192.0.2.1:9598" in capsys.readouterr().err
