"""A standard that is not Dutch, added with a file and nothing else (tests/profiles/tst-1.0.toml)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from osgp import catalogue
from osgp.catalogue import CatalogueError, ObjectNotInProfile, Profile, assembly
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.event_codes import UNKNOWN_EVENT, find_event_type
from tests.catalogue.generations import ALL, SHIPPED

PROFILES = Path(__file__).parents[1] / "profiles"
FILE = PROFILES / "tst-1.0.toml"


def load(folder: Path) -> dict[str, Profile]:
    folders = (catalogue.DATA, folder)
    return {profile.key: profile for profile in assembly.load(folders, assembly.load_classes(folders))}


@pytest.fixture(scope="module")
def invented() -> Profile:
    return load(PROFILES)["TST-1.0"]


def test_it_stands_beside_the_shipped_ones(invented: Profile) -> None:
    shipped = {profile.key: [item.tag for item in profile] for profile in SHIPPED}
    found = load(PROFILES)
    assert set(found) == {*shipped, "TST-1.0"}
    assert {key: [item.tag for item in found[key]] for key in shipped} == shipped
    assert invented.parent is None
    assert not any(item.per_channel for item in invented)


def test_what_it_has_and_what_it_lacks(invented: Profile) -> None:
    assert invented["CLOCK"].address_attribute("time") == (8, bytes((0, 0, 1, 0, 0, 255)), 2)
    assert invented["DISCONNECT_CONTROL"].address_method("remote_reconnect").method_id == 2
    assert invented["SECURITY_SETUP"].address_method("key_transfer") == (64, bytes((0, 0, 43, 0, 3, 255)), 2)
    assert invented["SECURITY_SETUP"]["security_suite"].value == "0"
    assert invented["ACTIVE_ENERGY_IMPORT"]["scaler_unit"].scaler_unit == ScalerUnit(1, Unit.WH)
    assert invented["ACTIVE_DEMAND_IMPORT"]["scaler_unit"].attribute_id == 4
    for tag in ("MBUS_CLIENT_SETUP", "ALARM_REGISTER_1", "STANDARD_EVENT_LOG", "DAILY_VALUES_E"):
        with pytest.raises(ObjectNotInProfile):
            invented[tag]


def test_new_tags_stand_where_their_kind_stands(invented: Profile) -> None:
    order = [item.tag for item in invented]
    assert order.index("ACTIVE_ENERGY_EXPORT") + 1 == order.index("ACTIVE_DEMAND_IMPORT")
    assert order.index("DISCONNECT_CONTROL") + 1 == order.index("LIMITER")
    assert order[-2:] == ["METER_EVENT_LOG", "METER_EVENT_CODE"]


def test_its_events(invented: Profile) -> None:
    assert list(invented.event_logs) == ["METER_EVENT_LOG"]
    assert [find_event_type(invented, "METER_EVENT_LOG", code) for code in (1, 2, 42, 203, 0x0F00)] == [
        "POWER_RETURNED",
        "POWER_FAILURE",
        "BREAKER_OPENED_BY_LIMITER",
        "INSTALLER_EVENT_203",
        "EVENTLOG_CLEARED",
    ]
    # What Dutch meters call their code 46 is none of its business.
    assert find_event_type(invented, "METER_EVENT_LOG", 46) == UNKNOWN_EVENT


def test_its_load_profile(invented: Profile) -> None:
    assert [str(column.descriptor) for column in invented.list_capture_columns("INTERVAL_VALUES_E")] == [
        "8/0-0:1.0.0.255/2",
        "1/0-0:96.10.1.255/2",
        "3/1-0:1.8.0.255/2",
        "3/1-0:2.8.0.255/2",
    ]
    assert invented["INTERVAL_VALUES_E"]["capture_period"].value == "1800"
    flags = invented["AMR_PROFILE_STATUS"].flags
    assert flags is not None
    assert flags.decode(0b0100_1001) == (("POWER_DOWN", "LIMITER_ACTIVE"), (3,))


def test_its_invocation_counter_is_elsewhere(invented: Profile) -> None:
    source = invented.invocation_counter
    assert source is not None
    assert invented[source.tag].address_attribute("value") == (1, bytes((0, 0, 43, 1, 3, 255)), 2)


def test_models_of_gas_meters_mean_nothing_to_it(invented: Profile) -> None:
    assert invented.find_scaler_unit_of_model("G4") is None


def test_a_later_version_inherits(tmp_path: Path) -> None:
    (tmp_path / "1.toml").write_text(FILE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "2.toml").write_text(
        'protocol = "TST"\nversion = "1.1"\ninherits = "TST-1.0"\n'
        '[event_types]\nMETER_EVENT_LOG = [[43, "BREAKER_JAMMED"]]\n',
        encoding="utf-8",
    )
    found = load(tmp_path)
    child = found["TST-1.1"]
    assert child.parent is found["TST-1.0"]
    assert find_event_type(child, "METER_EVENT_LOG", 43) == "BREAKER_JAMMED"
    assert find_event_type(child, "METER_EVENT_LOG", 42) == "BREAKER_OPENED_BY_LIMITER"
    assert find_event_type(found["TST-1.0"], "METER_EVENT_LOG", 43) == UNKNOWN_EVENT


@pytest.mark.parametrize(
    ("good", "mistake", "complaint"),
    [
        ('    "LIMITER",\n', "", "unknown tag LIMITER; new tags are listed in tags"),
        ("class = 70", "class = 75", "DISCONNECT_CONTROL: class: interface-classes.toml has no class 75"),
        ("class = 70", "class = 71", "DISCONNECT_CONTROL: methods: 'remote_disconnect' is not method 1"),
        ("class = 5\n", "class = 4\n", "ACTIVE_DEMAND_IMPORT: attribute 6: is not in class 4"),
        (
            '"global_key_transfer"',
            '"key_transfer"',
            "SECURITY_SETUP: methods: 'key_transfer' is not",
        ),
        (
            '"METER_EVENT_CODE/2"',
            '"METER_EVENT_CODE/3"',
            "METER_EVENT_LOG: attribute 3: captures",
        ),
        ("METER_EVENT_LOG = [", "EVENT_LOG = [", "event_types: TST-1.0 has no event log EVENT_LOG"),
        (
            "[flags.LOAD_PROFILE_STATUS]",
            "[flags.LOAD]",
            "AMR_PROFILE_STATUS: flags: names LOAD_PROFILE_STATUS",
        ),
        ('object = "INVOCATION_COUNTER"', 'object = "COUNTER"', "invocation_counter: object: names COUNTER"),
    ],
)
def test_mistakes_are_told_with_file_tag_and_attribute(
    tmp_path: Path, good: str, mistake: str, complaint: str
) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert good in text
    (tmp_path / "wrong.toml").write_text(text.replace(good, mistake, 1), encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/wrong.toml: {complaint}")


def say_in_a_process(folders: str) -> list[str]:
    """What a process with these folders knows."""
    program = (
        "from osgp import catalogue; from osgp.cosem import alarms, amr_status\n"
        "print(*[profile.key for profile in catalogue.list_profiles()])\n"
        "print(*catalogue.list_event_log_categories())\n"
        "print(*amr_status.list_flag_names())\n"
        "print(len(catalogue.list_event_types()), len(alarms.list_alarm_types()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, catalogue.FOLDERS_VARIABLE: folders},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.splitlines()


def test_a_process_with_the_folder_has_it() -> None:
    keys, categories, flags, counts = say_in_a_process("")
    assert keys.split() == [*ALL]
    event_types, alarms = map(int, counts.split())
    assert say_in_a_process(str(PROFILES)) == [
        f"{keys} TST-1.0",
        f"{categories} METER_EVENT_LOG",
        f"{flags} LIMITER_ACTIVE",
        # Three breaker events, four of installers; the others have names that Dutch meters use as well.
        f"{event_types + 7} {alarms}",
    ]
    assert alarms == 41
