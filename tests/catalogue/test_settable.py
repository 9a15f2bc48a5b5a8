"""What SetSpecificAttributeValue may write, and how push setups encode messages: data of profiles."""

from pathlib import Path

import pytest

from osgp import catalogue
from osgp.catalogue import CatalogueError, Profile, assembly
from tests.catalogue.generations import SHIPPED

PUSH_SETUPS = ("PUSH_SETUP_ALARM", "PUSH_SETUP_SMS", "PUSH_SETUP_UDP")
WATCHDOG = """
[WATCHDOG_TIMER]
class = 1
obis = "0-0:96.128.1.255"
group = "ABSTRACT"
settable = [2]
attributes = [[2, "unsigned", "SET_BY_CLIENT", "RW"]]
"""
HEADER = 'protocol = "SMR"\nversion = "5.5w"\ninherits = "SMR-5.5"\ntags = ["WATCHDOG_TIMER"]\n'


def load(folder: Path, content: str) -> Profile:
    (folder / "smr-5.5w.toml").write_text(content)
    folders = (catalogue.DATA, folder)
    profiles = assembly.load(folders, assembly.load_classes(folders))
    return {profile.key: profile for profile in profiles}["SMR-5.5w"]


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)
def test_shipped_profiles(profile: Profile) -> None:
    settable = {item.tag: item.settable for item in profile if item.settable}
    assert settable == {tag: {5, 6, 7} for tag in PUSH_SETUPS if tag in profile}
    types = {item.tag: item.message_type for item in profile if item.message_type is not None}
    expected = 0 if profile.key.startswith("SMR-5") else 128
    assert types == {tag: expected for tag in PUSH_SETUPS if tag in profile}
    assert bool(settable) is (profile.key != "DSMR-2.2")


def test_a_profile_of_an_installation_adds_to_what_it_inherits(tmp_path: Path) -> None:
    profile = load(tmp_path, HEADER + WATCHDOG)
    settable = {item.tag: item.settable for item in profile if item.settable}
    assert settable == {**{tag: {5, 6, 7} for tag in PUSH_SETUPS}, "WATCHDOG_TIMER": {2}}
    assert profile["PUSH_SETUP_UDP"].message_type == 0
    assert profile["WATCHDOG_TIMER"].message_type is None
    assert profile["WATCHDOG_TIMER"]["value"].integer_range == range(256)


def test_a_push_setup_that_says_nothing_else(tmp_path: Path) -> None:
    push = (
        '[PUSH_SETUP_ALARM]\nclass = 40\nobis = "0-1:25.9.0.255"\ngroup = "ABSTRACT"\n'
        'attributes = [[3, "structure", "SET_BY_CLIENT", "RW"]]\n'
    )
    assert load(tmp_path, HEADER + WATCHDOG + push)["PUSH_SETUP_ALARM"].message_type == 0
    other = push.replace("class = 40", "class = 40\nmessage_type = 129")
    assert load(tmp_path, HEADER + WATCHDOG + other)["PUSH_SETUP_ALARM"].message_type == 129
    # It replaces the inherited one as a whole.
    assert not load(tmp_path, HEADER + WATCHDOG + other)["PUSH_SETUP_ALARM"].settable


@pytest.mark.parametrize(
    ("good", "mistake", "complaint"),
    [
        ("[2]\n", "2\n", "settable: 2 is not a list"),
        ("[2]\n", "[3]\n", "settable: 3 is none of the attributes listed"),
        ("[2]\n", '["value"]\n', "settable: 'value' is none of the attributes listed"),
        ("[2]\n", "[true]\n", "settable: True is none of the attributes listed"),
        ("[2]\n", "[2, 2]\n", "settable: lists 2 twice"),
        ('"unsigned"', '"octet-string"', "settable: attribute 2 is of type octet-string, no integer"),
        ('"unsigned"', '"boolean"', "settable: attribute 2 is of type boolean, no integer"),
        ('"RW"', '"R"', "settable: attribute 2 cannot be written"),
        ("0-0:96.128.1.255", "0-x:96.128.1.255", "settable: is for objects without M-Bus channel"),
        (
            'class = 1\nobis = "0-0:96.128.1.255"\ngroup = "ABSTRACT"\nsettable = [2]\n'
            'attributes = [[2, "unsigned"',
            'class = 46\nobis = "0-0:96.128.1.255"\ngroup = "ABSTRACT"\nsettable = [4]\n'
            'attributes = [[4, "unsigned"',
            "settable: attribute 4 is secret",
        ),
        (
            "settable",
            "message_type = 0\nsettable",
            "message_type: class 1 version 0 (data) sends no messages",
        ),
        ("class = 1", "class = 40\nmessage_type = 256", "message_type: 256 is not a number of 0..255"),
    ],
)
def test_mistake_is_refused(tmp_path: Path, good: str, mistake: str, complaint: str) -> None:
    assert good in WATCHDOG
    with pytest.raises(CatalogueError) as info:
        load(tmp_path, HEADER + WATCHDOG.replace(good, mistake))
    assert complaint in str(info.value)
    assert "smr-5.5w.toml: WATCHDOG_TIMER: " in str(info.value)
