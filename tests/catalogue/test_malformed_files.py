"""Every mistake in a profile file is refused with a message that says where it is."""

import re
import shutil
from pathlib import Path

import pytest

from osgp import catalogue
from osgp.catalogue import CatalogueError, Profile, assembly
from osgp.catalogue.cosem import AttributeDescriptor

ORDER = 'tags = ["CLOCK", "ENERGY", "GAS", "BUFFER", "OTHER"]\n'
HEADER = 'protocol = "DSMR"\nversion = "1"\n'
CLOCK = """
[CLOCK]
class = 8
obis = "0-0:1.0.0.255"
group = "ABSTRACT"
attributes = [[2, "octet-string", "DYNAMIC", "RW"]]
"""
ENERGY = """
[ENERGY]
class = 3
obis = "1-0:1.8.0.255"
group = "ELECTRICITY"
attributes = [
    [2, "double-long-unsigned", "DYNAMIC", "R"],
    [3, "scal_unit_type", "FIXED_IN_PROFILE", "R", "0, WH"],
]
"""
GAS = """
[GAS]
class = 4
obis = "0-x:24.2.1.255"
group = "GAS"
attributes = [
    [2, "double-long-unsigned", "DYNAMIC", "R"],
    [3, "scal_unit_type", "BASED_ON_MODEL", "R"],
    [5, "octet-string", "DYNAMIC", "R"],
]
"""
BUFFER = """
[BUFFER]
class = 7
version = 1
obis = "1-0:99.1.0.255"
group = "ELECTRICITY"
attributes = [
    [2, "array", "DYNAMIC", "R"],
    [3, "array", "FIXED_IN_PROFILE", "R", ["CLOCK/2", "ENERGY/2", "GAS/2", "GAS/5/3"]],
    [4, "double-long-unsigned", "FIXED_IN_PROFILE", "R", 900],
]
"""
GOOD = HEADER + CLOCK + ENERGY + GAS + BUFFER


def load(folder: Path, **files: str) -> tuple[Profile, ...]:
    """Load a folder with these files (name without suffix: content)."""
    for name, content in {"tag-order": ORDER, **files}.items():
        (folder / f"{name}.toml").write_text(content, encoding="utf-8")
    return assembly.load([folder], catalogue.get_interface_classes())


def test_the_file_that_the_mistakes_are_made_in_is_good(tmp_path: Path) -> None:
    (profile,) = load(tmp_path, good=GOOD)
    assert profile.key == "DSMR-1"
    assert [column.data_index for column in profile.list_capture_columns("BUFFER")] == [0, 0, *([0, 3] * 4)]


MISTAKES = [
    # what is replaced, by what, the complaint
    ('protocol = "DSMR"\n', "", "bad.toml: lacks protocol"),
    ('version = "1"\n', "", "bad.toml: lacks version"),
    ('version = "1"\n', "version = 1\n", "bad.toml: version: 1 is not text"),
    ('version = "1"\n', 'version = "1-2"\n', "bad.toml: version: '1-2' is not of the form [0-9A-Za-z]"),
    ('version = "1"\n', 'version = "12345678901"\n', "bad.toml: version: '12345678901' is not of the form"),
    ('"DSMR"', '"D-SMR"', "bad.toml: protocol: 'D-SMR' is not of the form [A-Z][A-Z0-9_]{0,9}"),
    ('"DSMR"', '"dsmr"', "bad.toml: protocol: 'dsmr' is not of the form [A-Z][A-Z0-9_]{0,9}"),
    ('version = "1"\n', 'version = "1"\ntags = "NEW"\n', "bad.toml: tags: 'NEW' is not a list"),
    ('version = "1"\n', 'version = "1"\ntags = [1]\n', "bad.toml: tags: 1 is not text"),
    ('version = "1"\n', 'version = "1"\ntags = ["new"]\n', "bad.toml: tags: 'new' is not a tag: capitals"),
    ('version = "1"\n', 'version = "1"\ntags = ["A", "A"]\n', "bad.toml: tags: lists A twice"),
    ('version = "1"\n', 'version = "1"\ncolour = "red"\n', "bad.toml: unknown key colour"),
    ('version = "1"\n', 'version = "1\n', "bad.toml: Illegal character"),
    ("[ENERGY]", "[CLOCK]", "bad.toml: Cannot declare ('CLOCK',) twice"),
    ("[ENERGY]", "[ENERGIE]", "bad.toml: unknown tag ENERGIE; new tags are listed in tags"),
    ("[ENERGY]", "[ENERGY]\nclas = 3", "bad.toml: ENERGY: unknown key clas"),
    ("class = 8\n", "", "bad.toml: CLOCK: lacks class"),
    ('obis = "0-0:1.0.0.255"\n', "", "bad.toml: CLOCK: lacks obis"),
    ('group = "ABSTRACT"\n', "", "bad.toml: CLOCK: lacks group"),
    ('attributes = [[2, "octet-string", "DYNAMIC", "RW"]]', "", "bad.toml: CLOCK: lacks attributes"),
    ("class = 8", 'class = "8"', "bad.toml: CLOCK: class: '8' is not a number of 0..65535"),
    ("class = 8", "class = true", "bad.toml: CLOCK: class: True is not a number of 0..65535"),
    ("class = 8", "class = 65536", "bad.toml: CLOCK: class: 65536 is not a number of 0..65535"),
    ("class = 8", "class = 8\nversion = 256", "bad.toml: CLOCK: version: 256 is not a number of 0..255"),
    ("0-0:1.0.0.255", "0-0:1.0.0", "bad.toml: CLOCK: obis: not an OBIS code: '0-0:1.0.0'"),
    ('"0-0:1.0.0.255"', "1", "bad.toml: CLOCK: obis: 1 is not text"),
    ("0-0:1.0.0.255", "1-0:1.8.0.255", "bad.toml: ENERGY: obis: 1-0:1.8.0.255 is also that of CLOCK"),
    ("0-0:1.0.0.255", "0-3:24.2.1.255", "bad.toml: GAS: obis: 0-x:24.2.1.255 is also that of CLOCK"),
    ('"ABSTRACT"', '"WATER"', "bad.toml: CLOCK: group: 'WATER' is none of ABSTRACT, ELECTRICITY, GAS, MBUS"),
    ("class = 8", 'class = 8\nphases = ["L1"]', "bad.toml: CLOCK: phases: 'L1' is none of SP, PP"),
    ("class = 8", "class = 8\nphases = []", "bad.toml: CLOCK: phases: must list at least one"),
    (
        "class = 8",
        'class = 8\nphases = ["PP", "PP"]',
        "CLOCK: phases: must list at least one, none of them twice",
    ),
    ("class = 8", 'class = 8\nphases = "SP"', "bad.toml: CLOCK: phases: 'SP' is not a list"),
    (
        "class = 8",
        'class = 8\npower_quality_profile = "PUBLIC"',
        "bad.toml: CLOCK: power_quality_profile and power_quality_requests go together",
    ),
    (
        "class = 8",
        'class = 8\npower_quality_profile = ""\npower_quality_requests = ["ACTUAL_SP"]',
        "bad.toml: CLOCK: power_quality_profile: '' is none of PUBLIC, PRIVATE",
    ),
    (
        "class = 8",
        'class = 8\npower_quality_profile = "PUBLIC"\npower_quality_requests = ["NEVER"]',
        "bad.toml: CLOCK: power_quality_requests: 'NEVER' is none of ACTUAL_SP",
    ),
    (
        "class = 8",
        'class = 8\nphases = ["PP"]\npower_quality_profile = "PUBLIC"\n'
        'power_quality_requests = ["ACTUAL_SP"]',
        "bad.toml: CLOCK: power_quality_requests: ACTUAL_SP contradicts phases, which leave out SP",
    ),
    ('[[2, "octet-string", "DYNAMIC", "RW"]]', "[]", "bad.toml: CLOCK: has no attributes"),
    ('[[2, "octet-string", "DYNAMIC", "RW"]]', '"2"', "bad.toml: CLOCK: attributes: '2' is not a list"),
    ('[[2, "octet-string", "DYNAMIC", "RW"]]', "[2]", "bad.toml: CLOCK: attributes: 2 is not a row of id"),
    (', "DYNAMIC", "RW"]]', "]]", "bad.toml: CLOCK: attributes: [2, 'octet-string'] is not a row of id"),
    ('[[2, "octet', '[[1, "octet', "bad.toml: CLOCK: attributes: 1 is not a number of 2..127"),
    ('[[2, "octet', '[["2", "octet', "bad.toml: CLOCK: attributes: '2' is not a number of 2..127"),
    ('[3, "scal', '[2, "scal', "bad.toml: ENERGY: attribute 2 is there twice"),
    (
        '"octet-string", "DYNAMIC", "RW"',
        '"octets", "DYNAMIC", "RW"',
        "CLOCK: attribute 2: unknown data type 'octets'",
    ),
    ('"octet-string", "DYNAMIC", "RW"', '[], "DYNAMIC", "RW"', "CLOCK: attribute 2: unknown data type []"),
    (
        '"DYNAMIC", "RW"',
        '"STATIC", "RW"',
        "CLOCK: attribute 2: 'STATIC' is none of DYNAMIC, FIXED_IN_METER",
    ),
    ('"DYNAMIC", "RW"', '"DYNAMIC", "X"', "bad.toml: CLOCK: attribute 2: 'X' is none of R, W, RW"),
    (
        '"DYNAMIC", "RW"',
        '"BASED_ON_MODEL", "RW"',
        "CLOCK: attribute 2: only a scaler and unit can be BASED_ON_MODEL",
    ),
    ('"BASED_ON_MODEL", "R"', '"BASED_ON_MODEL", "R", "0, M3"', "GAS: attribute 3: takes no value"),
    ('"0, WH"', '"0, furlong"', "bad.toml: ENERGY: attribute 3: unknown unit 'furlong'"),
    ('"0, WH"', '"WH"', "bad.toml: ENERGY: attribute 3: not a scaler and unit: 'WH'"),
    ('"0, WH"', "0", "bad.toml: ENERGY: attribute 3: 0 is not of type scal_unit_type"),
    (', "0, WH"', "", "bad.toml: ENERGY: attribute 3: is FIXED_IN_PROFILE, so it needs a scaler and unit"),
    ('"R", 900]', '"R", "900"]', "bad.toml: BUFFER: attribute 4: '900' is not of type double-long-unsigned"),
    (
        '"R", 900]',
        '"R", 4294967296]',
        "BUFFER: attribute 4: 4294967296 is outside 0..4294967295 of double-long",
    ),
    ('"R", 900]', '"R", true]', "bad.toml: BUFFER: attribute 4: True is not of type double-long-unsigned"),
    (
        '"DYNAMIC", "RW"]]',
        '"DYNAMIC", "RW", "now"]]',
        "bad.toml: CLOCK: attribute 2: not an OBIS code: 'now'",
    ),
    (
        '[[2, "octet-string", "DYNAMIC", "RW"]]',
        '[[8, "boolean", "DYNAMIC", "RW", 1]]',
        "bad.toml: CLOCK: attribute 8: 1 is not of type boolean",
    ),
    (
        '[[2, "octet-string", "DYNAMIC", "RW"]]',
        '[[4, "clock_status", "DYNAMIC", "RW", "BROKEN"]]',
        "bad.toml: CLOCK: attribute 4: 'BROKEN' is not of type clock_status",
    ),
    (
        '[[2, "octet-string", "DYNAMIC", "RW"]]',
        '[[9, "structure", "DYNAMIC", "RW", [1]]]',
        "bad.toml: CLOCK: attribute 9: an attribute of type structure takes no value",
    ),
    ('"CLOCK/2"', '"CLOCK"', "bad.toml: BUFFER: attribute 3: 'CLOCK' is not a capture object: TAG/attribute"),
    ('"CLOCK/2"', "2", "bad.toml: BUFFER: attribute 3: 2 is not a capture object"),
    ('"CLOCK/2"', '"CLOCK/0"', "bad.toml: BUFFER: attribute 3: 0 is not a number of 1..127"),
    ('"CLOCK/2"', '"CLOCK/2/65536"', "bad.toml: BUFFER: attribute 3: 65536 is not a number of 0..65535"),
    (
        '"CLOCK/2"',
        '"CLOCK/3"',
        "bad.toml: BUFFER: attribute 3: captures CLOCK attribute 3, which it does not have",
    ),
    ('"CLOCK/2"', '"OTHER/2"', "bad.toml: BUFFER: attribute 3: captures OTHER, which DSMR-1 does not have"),
    ('"CLOCK/2"', '"ENERGY/2"', "bad.toml: BUFFER: attribute 3: captures ENERGY/2 twice"),
    ("class = 8", "class = 80", "bad.toml: CLOCK: class: interface-classes.toml has no class 80 version 0"),
    (
        "class = 8",
        "class = 8\nversion = 1",
        "bad.toml: CLOCK: class: interface-classes.toml has no class 8 version 1",
    ),
    ('[[2, "octet', '[[10, "octet', "bad.toml: CLOCK: attribute 10: is not in class 8 version 0 (clock)"),
    (
        "class = 8",
        'class = 8\nadded_attributes = [[9, "clock_source", "enum"]]',
        "bad.toml: CLOCK: attribute 9: is there twice",
    ),
    (
        "class = 8",
        'class = 8\nadded_attributes = [[10, "time", "enum"]]',
        "bad.toml: CLOCK: attribute 10: time is there twice",
    ),
    (
        "class = 8",
        'class = 8\nadded_attributes = [[10, "Clock source", "enum"]]',
        "bad.toml: CLOCK: attribute 10: 'Clock source' is not a name in lower case",
    ),
    (
        "class = 8",
        'class = 8\nadded_attributes = [[10, "clock_source"]]',
        "CLOCK: added_attributes: [10, 'clock_source'] is not a row of id, name and data type",
    ),
    (
        "class = 8",
        'class = 8\nadded_attributes = [[10, "clock_source", "octets"]]',
        "CLOCK: attribute 10: unknown data type 'octets'",
    ),
    (
        "class = 8",
        'class = 8\nmethods = [[6, "shift_time"], [6, "shift_time"]]',
        "CLOCK: methods: method 6 is there twice",
    ),
    (
        "class = 8",
        'class = 8\nmethods = [[1, "shift_time"]]',
        "CLOCK: methods: 'shift_time' is not method 1 of class 8 version 0 (clock)",
    ),
    ("class = 8", "class = 8\nmethods = [1]", "bad.toml: CLOCK: methods: 1 is not a row of id and name"),
    ("class = 8", 'class = 8\nmethods = [[0, "a"]]', "bad.toml: CLOCK: methods: 0 is not a number of 1..127"),
    ("class = 8", "class = 8\nmethods = [[1, 1]]", "CLOCK: methods: 1 is not method 1 of class 8 version 0"),
    (
        "class = 8",
        'class = 8\nselectable_objects = ["OTHER"]',
        "bad.toml: CLOCK: selectable_objects: names OTHER, which DSMR-1 does not have",
    ),
    (
        "class = 8",
        "class = 8\nselectable_objects = [1]",
        "bad.toml: CLOCK: selectable_objects: 1 is not text",
    ),
    (
        "class = 8",
        'class = 8\nsource_objects = { 93 = "OTHER" }',
        "bad.toml: CLOCK: source_objects: names OTHER, which DSMR-1 does not have",
    ),
    (
        "class = 8",
        'class = 8\nsource_objects = { x = "GAS" }',
        "CLOCK: source_objects: 'x' is not an event code",
    ),
    ("class = 8", "class = 8\nsource_objects = 1", "bad.toml: CLOCK: source_objects: 1 is not a table"),
]


@pytest.mark.parametrize(("good", "mistake", "complaint"), MISTAKES)
def test_mistake_is_refused(tmp_path: Path, good: str, mistake: str, complaint: str) -> None:
    assert good in GOOD
    with pytest.raises(CatalogueError, match=re.escape(complaint)) as caught:
        load(tmp_path, bad=GOOD.replace(good, mistake, 1))
    assert str(caught.value).count("bad.toml") == 1


def test_refuses_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogueError, match=r"bad\.toml: 'utf-8' codec"):
        load(tmp_path)


CHILD = 'protocol = "SMR"\nversion = "{}"\ninherits = "{}"\n'


def test_refuses_an_unknown_parent(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"child\.toml: inherits the unknown profile DSMR-9"):
        load(tmp_path, parent=GOOD, child=CHILD.format("2", "DSMR-9"))


def test_refuses_inheritance_in_a_circle(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"b\.toml: inherits SMR-1, which inherits from it in turn"):
        load(tmp_path, a=CHILD.format("1", "SMR-2"), b=CHILD.format("2", "SMR-1"))


def test_refuses_to_inherit_from_itself(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"a\.toml: inherits SMR-1, which inherits from it"):
        load(tmp_path, a=CHILD.format("1", "SMR-1"))


def test_refuses_a_profile_twice(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"b\.toml: DSMR-1 is already in a\.toml"):
        load(tmp_path, a=GOOD, b=GOOD)


def test_refuses_a_tag_of_another_class_in_another_profile(tmp_path: Path) -> None:
    other = GOOD.replace('version = "1"', 'version = "2"').replace("class = 8", "class = 1")
    with pytest.raises(CatalogueError, match=r"b\.toml: CLOCK: class: 1 contradicts 8 in a\.toml"):
        load(tmp_path, a=GOOD, b=other)


def test_refuses_a_tag_per_channel_in_one_profile_only(tmp_path: Path) -> None:
    other = GOOD.replace('version = "1"', 'version = "2"').replace("0-x:24.2.1.255", "0-1:24.2.1.255")
    complaint = r"b\.toml: GAS: obis: 0-1:24\.2\.1\.255 contradicts 0-x:24\.2\.1\.255 in a\.toml"
    with pytest.raises(CatalogueError, match=complaint):
        load(tmp_path, a=GOOD, b=other)


def test_another_obis_code_for_a_tag_is_fine(tmp_path: Path) -> None:
    other = GOOD.replace('version = "1"', 'version = "2"').replace("1-0:1.8.0.255", "1-0:1.4.0.255")
    older, newer = load(tmp_path, a=GOOD, b=other)
    assert older["ENERGY"].obis != newer["ENERGY"].obis


def test_a_child_is_checked_with_what_it_inherits(tmp_path: Path) -> None:
    shrunk = ENERGY.replace('    [2, "double-long-unsigned", "DYNAMIC", "R"],\n', "")
    child = CHILD.format("2", "DSMR-1") + shrunk
    with pytest.raises(
        CatalogueError, match=r"child\.toml: BUFFER: attribute 3: captures ENERGY attribute 2"
    ):
        load(tmp_path, parent=GOOD, child=child)


def test_parents_come_before_children_and_versions_by_number(tmp_path: Path) -> None:
    profiles = load(
        tmp_path,
        a=CHILD.format("4.10", "ZMR-9"),
        b=CHILD.format("4.9", "ZMR-9"),
        c=GOOD.replace("DSMR", "ZMR").replace('"1"', '"9"'),
        d=CHILD.format("4.9.beta", "SMR-4.9"),
        e=CHILD.format("4.9c", "SMR-4.9"),
        f=CHILD.format("4.11", "SMR-4.9"),
    )
    assert [profile.key for profile in profiles] == [
        "ZMR-9",
        "SMR-4.9",
        "SMR-4.9.beta",
        "SMR-4.9c",
        "SMR-4.10",
        "SMR-4.11",
    ]


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ('tags = ["CLOCK", "GAS", "CLOCK"]', r"tag-order\.toml: lists CLOCK twice"),
        ("tags = [1]", r"tag-order\.toml: 1 is not text"),
        ("tags = 1", r"tag-order\.toml: 1 is not a list"),
        ("order = []", r"tag-order\.toml: must have the one key tags"),
    ],
)
def test_refuses_a_bad_order_of_tags(tmp_path: Path, order: str, complaint: str) -> None:
    (tmp_path / "tag-order.toml").write_text(order, encoding="utf-8")
    with pytest.raises(CatalogueError, match=complaint):
        assembly.load([tmp_path], catalogue.get_interface_classes())


HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-meter-profile.md"


def test_example_of_the_how_to_works(tmp_path: Path) -> None:
    shutil.copytree(catalogue.DATA, tmp_path, dirs_exist_ok=True)
    example = re.findall(r"```toml\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    profile_file = example[0]
    (tmp_path / "smr-5.6.toml").write_text(profile_file, encoding="utf-8")
    profile = assembly.load([tmp_path], catalogue.get_interface_classes())[-1]
    assert profile.key == "SMR-5.6"
    assert profile.parent is not None
    assert profile.parent.key == "SMR-5.5"
    assert [str(column.descriptor) for column in profile.list_capture_columns("WATER_VALUES", 2)] == [
        "8/0-0:1.0.0.255/2",
        "4/0-2:24.2.3.255/2",
        "4/0-2:24.2.3.255/5",
    ]
    assert len(profile) == len(profile.parent) + 2
    order = [item.tag for item in profile]
    assert order.index("MBUS_DEVICE_CONFIG_SIMPLE_VERSION_INFO") + 1 == order.index("WATER_MASTER_VALUE")
    (promised,) = re.findall(r"```\n(smr-5\.6\.toml: .*)\n```", HOW_TO.read_text(encoding="utf-8"))
    misspelt = profile_file.replace("WATER_MASTER_VALUE/2", "WATER_VALUE/2")
    (tmp_path / "smr-5.6.toml").write_text(misspelt, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        assembly.load([tmp_path], catalogue.get_interface_classes())
    assert str(caught.value) == promised


def test_other_examples_of_the_how_to_work(tmp_path: Path) -> None:
    shutil.copytree(catalogue.DATA, tmp_path, dirs_exist_ok=True)
    profile_file, settable, meanings, valve = re.findall(
        r"```toml\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "smr-5.6.toml").write_text(profile_file + meanings, encoding="utf-8")
    profile = assembly.load([tmp_path], catalogue.get_interface_classes())[-1]
    (tmp_path / "smr-5.5w.toml").write_text(settable, encoding="utf-8")
    loaded = assembly.load([tmp_path], catalogue.get_interface_classes())
    assert {item["WATCHDOG_TIMER"].settable for item in loaded if "WATCHDOG_TIMER" in item} == {
        frozenset((2,))
    }
    assert profile.get_event_types("FRAUD_DETECTION_LOG")[1] == "TERMINAL_COVER_REMOVED"
    assert profile.get_event_types("STANDARD_EVENT_LOG")[1] == "POWER_FAILURE"
    assert "MANUFACTURER_SPECIFIC_249" in profile.get_event_types("STANDARD_EVENT_LOG").values()
    (tmp_path / "valve").mkdir()
    (tmp_path / "valve" / "interface-classes.toml").write_text(valve, encoding="utf-8")
    known = assembly.load_classes([catalogue.DATA, tmp_path / "valve"])
    assert known.is_secret(AttributeDescriptor(8192, bytes(6), 3))
