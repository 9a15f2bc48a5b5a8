"""What profiles say of codes and bits: tables as files have them, inheritance, and mistakes."""

import re
from pathlib import Path

import pytest

from osgp import catalogue
from osgp.catalogue import CatalogueError, Flags, Profile, assembly
from osgp.catalogue.units import ScalerUnit, Unit
from tests.catalogue.generations import SHIPPED

TAGS = 'tags = ["LOG", "OTHER_LOG", "COUNTER", "STATUS"]\n'
PARENT = """
protocol = "TST"
version = "1"

[LOG]
class = 7
version = 1
obis = "0-0:99.98.0.255"
group = "ABSTRACT"
event_log = "EVENTS"
attributes = [[2, "array", "DYNAMIC", "R"]]

[OTHER_LOG]
class = 7
version = 1
obis = "0-0:99.98.1.255"
group = "ABSTRACT"
event_log = "OTHER_EVENTS"
attributes = [[2, "array", "DYNAMIC", "R"]]

[COUNTER]
class = 1
obis = "0-0:43.1.1.255"
group = "ABSTRACT"
attributes = [[2, "double-long-unsigned", "DYNAMIC", "R"]]

[STATUS]
class = 1
obis = "0-0:96.10.1.255"
group = "ABSTRACT"
flags = "STATUS"
attributes = [[2, "unsigned", "DYNAMIC", "R"]]

[event_types]
ANY_LOG = [
    [1, "STARTED"],
    [[10, 12], "OWN_{code}"],
    [20, "OUTAGE_{phase}"],
    [0x30, "LOST_{channel}", 0x10],
]
OTHER_EVENTS = [[1, "OTHER"], [2, "MORE"]]

[flags.STATUS]
width = 8
bits = [[7, "HIGH"], [0, "LOW"]]

[[models]]
names = ["A", "B"]
scaler_unit = "-3, M3"

[[models]]
names = ["AB"]

[invocation_counter]
object = "COUNTER"
when_refused = "FAIL"
"""
CHILD = """
protocol = "TST"
version = "2"
inherits = "TST-1"

[event_types]
ANY_LOG = [[1, "BEGUN"], [2, "TWO"]]

[flags.STATUS]
width = 16
bits = [[0, "LOWEST"], [9, "NEW"]]

[invocation_counter]
object = "COUNTER"
when_refused = "START"
"""
EVENTS = {
    1: "STARTED",
    10: "OWN_10",
    11: "OWN_11",
    12: "OWN_12",
    20: "OUTAGE_L1",
    21: "OUTAGE_L2",
    22: "OUTAGE_L3",
    0x30: "LOST_1",
    0x40: "LOST_2",
    0x50: "LOST_3",
    0x60: "LOST_4",
}


def load(folder: Path, *contents: str) -> tuple[Profile, ...]:
    (folder / "tag-order.toml").write_text(TAGS, encoding="utf-8")
    for number, content in enumerate(contents):
        (folder / f"{number}.toml").write_text(content, encoding="utf-8")
    return assembly.load([folder], catalogue.get_interface_classes())


def flags_of(profile: Profile) -> Flags:
    flags = profile["STATUS"].flags
    assert flags is not None
    return flags


def test_tables_of_a_profile(tmp_path: Path) -> None:
    (profile,) = load(tmp_path, PARENT)
    assert {category: log.tag for category, log in profile.event_logs.items()} == {
        "EVENTS": "LOG",
        "OTHER_EVENTS": "OTHER_LOG",
    }
    assert profile.get_event_types("EVENTS") == EVENTS
    assert profile.get_event_types("OTHER_EVENTS") == EVENTS | {1: "OTHER", 2: "MORE"}
    with pytest.raises(KeyError):
        profile.get_event_types("NO_EVENTS")
    assert profile.invocation_counter == ("COUNTER", "FAIL")
    assert profile["LOG"].event_log == "EVENTS"
    assert profile["COUNTER"].event_log is None
    assert profile["COUNTER"].flags is None


def test_flags(tmp_path: Path) -> None:
    (profile,) = load(tmp_path, PARENT)
    flags = flags_of(profile)
    assert list(flags.names) == [0, 7]
    assert flags.largest == 255
    assert flags.decode(0) == ((), ())
    assert flags.decode(0b1000_0101) == (("LOW", "HIGH"), (2,))
    assert flags.decode(0b1000_0101) is flags.decode(0b1000_0101)
    for wrong in (-1, 256):
        with pytest.raises(ValueError, match=f"{wrong} is not a value of 8 bits"):
            flags.decode(wrong)


def test_what_is_remembered_of_flags_is_bounded() -> None:
    flags = Flags(64, {0: "LOW"})
    for value in range(10_000):
        assert flags.decode(value).names == (("LOW",) if value & 1 else ())
    assert len(flags._remembered) < 5000


def test_rows_of_a_child_replace_those_of_the_same_number(tmp_path: Path) -> None:
    parent, child = load(tmp_path, PARENT, CHILD)
    assert child.get_event_types("EVENTS") == EVENTS | {1: "BEGUN", 2: "TWO"}
    assert child.get_event_types("OTHER_EVENTS") == EVENTS | {1: "OTHER", 2: "MORE"}
    assert parent.get_event_types("EVENTS") == EVENTS
    assert dict(flags_of(child).names) == {0: "LOWEST", 7: "HIGH", 9: "NEW"}
    assert flags_of(child).width == 16
    assert dict(flags_of(parent).names) == {0: "LOW", 7: "HIGH"}
    assert child.find_scaler_unit_of_model("A") == parent.find_scaler_unit_of_model("A") is not None
    assert child.invocation_counter == ("COUNTER", "START")


def test_a_child_without_tables_shares_those_of_its_parent(tmp_path: Path) -> None:
    parent, child = load(tmp_path, PARENT, 'protocol = "TST"\nversion = "2"\ninherits = "TST-1"\n')
    assert child["STATUS"] is parent["STATUS"]
    assert child.get_event_types("EVENTS") == EVENTS


def test_meanings_without_objects(tmp_path: Path) -> None:
    header, objects = PARENT.split("[event_types]")[0].split('version = "1"\n')
    stranger = header + 'version = "2"\nmeanings_of = "TST-1"\n' + objects
    parent, other = load(tmp_path, PARENT, stranger)
    assert other.parent is None
    assert other["STATUS"] is not parent["STATUS"]
    assert other["STATUS"].flags is parent["STATUS"].flags
    assert other.get_event_types("EVENTS") == EVENTS


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ('meanings_of = "TST-9"', "1.toml: inherits the unknown profile TST-9"),
        ('meanings_of = "TST-2"', "1.toml: inherits TST-2, which inherits from it in turn"),
        ('meanings_of = "TST-1"', "1.toml: invocation_counter: object: names COUNTER, which TST-2 does not"),
        ('meanings_of = "TST-1"\ninherits = "TST-1"', "1.toml: meanings_of goes without inherits"),
    ],
)
def test_refuses_wrong_relations(tmp_path: Path, header: str, complaint: str) -> None:
    with pytest.raises(CatalogueError, match=re.escape(complaint)):
        load(tmp_path, PARENT, f'protocol = "TST"\nversion = "2"\n{header}\n')


@pytest.mark.parametrize(
    ("good", "mistake", "complaint"),
    [
        ("[event_types]\n", "[event_types]\nX = []\n", "event_types: TST-1 has no event log X"),
        ('[1, "STARTED"]', "1", "event_types.ANY_LOG: 1 is not a row of code, name and maybe step"),
        ('[1, "STARTED"]', "[1]", "event_types.ANY_LOG: [1] is not a row of code, name and maybe step"),
        ('[1, "STARTED"]', "[1, 2]", "event_types.ANY_LOG: [1, 2] is not a row of code, name"),
        ('[1, "STARTED"]', '[-1, "STARTED"]', "event_types.ANY_LOG: -1 is not a number of 0..4294967295"),
        ('[1, "STARTED"]', '["1", "STARTED"]', "event_types.ANY_LOG: '1' is not a number of 0..4294967295"),
        ('[1, "STARTED"]', '[1, "Started"]', "event_types.ANY_LOG: 'Started' is not a name in capitals"),
        (
            '[1, "STARTED"]',
            '[1, "STARTED_{x}"]',
            "event_types.ANY_LOG: 'STARTED_{x}' is not a name in capitals",
        ),
        ('[1, "STARTED"]', '[1, "STARTED", 5]', "[1, 'STARTED', 5] has a step, but is for one code"),
        ('[1, "STARTED"]', '[22, "STARTED"]', "event_types.ANY_LOG: code 22 is there twice"),
        ("0x10]", "0]", "event_types.ANY_LOG: 0 is not a number of 1..4294967295"),
        ("[10, 12]", "[12, 10]", "event_types.ANY_LOG: 10 is not a number of 12..65547"),
        ("[10, 12]", "[0, 4294967295]", "event_types.ANY_LOG: 4294967295 is not a number of 0..65535"),
        ("[10, 12]", "[10, 11, 12]", "first and last code of a range go with {code} in the name"),
        ("OWN_{code}", "OWN", "first and last code of a range go with {code} in the name"),
        ('OTHER_EVENTS = [[1, "OTHER"], [2, "MORE"]]', "OTHER_EVENTS = 1", "OTHER_EVENTS: 1 is not a list"),
        ("[flags.STATUS]\nwidth = 8\n", "[flags.STATUS]\n", "flags.STATUS: lacks width"),
        ("width = 8", "width = 65", "flags.STATUS: 65 is not a number of 1..64"),
        ("width = 8", "width = 7", "flags.STATUS: 7 is not a number of 0..6"),
        ("width = 8", "width = 8\ncolour = 1", "flags.STATUS: unknown key colour"),
        ('[0, "LOW"]', '[7, "LOW"]', "flags.STATUS: 7 is there twice"),
        ('[0, "LOW"]', '[0, "HIGH"]', "flags.STATUS: HIGH is there twice"),
        ('[0, "LOW"]', '[0, "low"]', "flags.STATUS: 'low' is not a name in capitals"),
        ('[0, "LOW"]', "0", "flags.STATUS: 0 is not a row of bit and name"),
        ("[flags.STATUS]", "[flags.STATE]", "STATUS: flags: names STATUS, which TST-1 does not have"),
        ('flags = "STATUS"', "flags = 1", "STATUS: flags: 1 is not text"),
        ('event_log = "EVENTS"', "event_log = 1", "LOG: event_log: 1 is not text"),
        ('"OTHER_EVENTS"', '"EVENTS"', "OTHER_LOG: event_log: EVENTS is also that of LOG"),
        ('names = ["AB"]', "names = []", "models: names must list at least one"),
        ('names = ["AB"]', "names = [1]", "models: 1 is not text"),
        ('names = ["AB"]', 'names = ["AB"]\nscaler_unit = "3"', "models: not a scaler and unit: '3'"),
        ('names = ["AB"]', 'names = ["AB"]\nscaler_unit = 3', "models: 3 is not text"),
        ('names = ["AB"]', 'name = "AB"', "models: unknown key name"),
        ('object = "COUNTER"', 'object = "CLOCK"', "object: names CLOCK, which TST-1 does not have"),
        ('object = "COUNTER"\n', "", "invocation_counter: lacks object"),
        ('"FAIL"', '"WAIT"', "invocation_counter: 'WAIT' is none of START, FAIL"),
    ],
)
def test_refuses_mistakes(tmp_path: Path, good: str, mistake: str, complaint: str) -> None:
    assert good in PARENT
    with pytest.raises(CatalogueError, match=rf"^0\.toml: .*{re.escape(complaint)}"):
        load(tmp_path, PARENT.replace(good, mistake, 1))


@pytest.mark.parametrize("table", ["event_types", "flags", "models", "invocation_counter"])
def test_refuses_what_is_no_table(tmp_path: Path, table: str) -> None:
    with pytest.raises(CatalogueError, match=rf"^0\.toml: {table}: 1 is no"):
        load(tmp_path, f'protocol = "TST"\nversion = "1"\n{table} = 1\n')


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)
@pytest.mark.parametrize(
    ("model", "scaler_unit"),
    [
        ("G4", ScalerUnit(-3, Unit.M3)),
        ("G6", ScalerUnit(-3, Unit.M3)),
        ("xG6y", ScalerUnit(-3, Unit.M3)),
        ("G4-G6", ScalerUnit(-3, Unit.M3)),
        ("G10", ScalerUnit(-2, Unit.M3)),
        ("G16", ScalerUnit(-2, Unit.M3)),
        ("G25", ScalerUnit(-2, Unit.M3)),
        ("G4 and G25", ScalerUnit(-2, Unit.M3)),
        (None, None),
        ("", None),
        ("unknown", None),
        ("g4", None),
        ("G4SRT 1.2L", None),
        ("G10-16SRT_SMR55", None),
        ("G25SRT_SMR55", None),
        ("elster-instromet G4", None),
        ("flonidan-gasmeter G16", None),
    ],
)
def test_models_of_dutch_gas_meters(
    profile: Profile, model: str | None, scaler_unit: ScalerUnit | None
) -> None:
    """Small ones count litres, large ones ten; unknown and exceptional ones must be read."""
    assert profile.find_scaler_unit_of_model(model) == scaler_unit


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)
def test_where_the_invocation_counter_of_dutch_meters_is(profile: Profile) -> None:
    source = profile.invocation_counter
    assert source is not None
    counter = profile[source.tag].address_attribute("value")
    assert counter == (1, bytes((0, 0, 43, 1, 0, 255)), 2)
    before_smr5 = profile.key in ("DSMR-2.2", "DSMR-4.2.2", "SMR-4.3")
    assert source.when_refused == ("START" if before_smr5 else "FAIL")


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)
def test_every_status_and_alarm_register_of_dutch_meters_has_flags(profile: Profile) -> None:
    for item in profile:
        if item.tag == "CONFIGURATION_OBJECT":
            assert item.flags is not None
            assert item.flags.width == 16
        elif item.tag.startswith(("AMR_PROFILE_STATUS", "ALARM_")) or item.tag.endswith("_MBUS_STATUS"):
            assert item.flags is not None
            assert item.flags.width == (8 if item.tag.startswith("AMR") else 32)
        else:
            assert item.flags is None


def test_names_of_flags_over_all_profiles() -> None:
    assert catalogue.list_flag_names("ALARM_REGISTER_3", "ALARM_FILTER_3") == ("LAST_GASP", "LAST_GASP_TEST")
    assert catalogue.list_flag_names("CLOCK", "NO_TAG") == ()
