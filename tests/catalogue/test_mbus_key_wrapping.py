"""In which form meters take keys for M-Bus devices: what profiles say, inherit and must not say."""

import re
from pathlib import Path

import pytest

from osgp import catalogue
from osgp.catalogue import CatalogueError, MbusKeyWrapping, Profile, assembly
from osgp.catalogue.cosem import MethodDescriptor
from tests.catalogue.generations import SHIPPED, SMR5

TAGS = 'tags = ["MBUS_CLIENT_SETUP", "CLOCK"]\n'
HEADER = 'protocol = "TST"\nversion = "1"\n'
CHILD = 'protocol = "TST"\nversion = "2"\ninherits = "TST-1"\n'
CLOCK = """
[CLOCK]
class = 8
obis = "0-0:1.0.0.255"
group = "ABSTRACT"
attributes = [[2, "octet-string", "DYNAMIC", "RW"]]
"""
CLIENT = """
[MBUS_CLIENT_SETUP]
class = 72
version = 1
obis = "0-x:24.1.0.255"
group = "MBUS"
attributes = [[14, "enum", "DYNAMIC", "R"]]
"""


def load(folder: Path, *contents: str) -> tuple[Profile, ...]:
    (folder / "tag-order.toml").write_text(TAGS)
    for number, content in enumerate(contents):
        (folder / f"{number}.toml").write_text(content)
    return assembly.load([folder], catalogue.get_interface_classes())


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)
def test_shipped_profiles(profile: Profile) -> None:
    expected = {"DSMR-4.2.2": MbusKeyWrapping.CBC} | dict.fromkeys(SMR5, MbusKeyWrapping.GCM)
    assert profile.mbus_key_wrapping == expected.get(profile.key, MbusKeyWrapping.NONE)


def test_a_child_takes_it_over_and_can_say_something_else(tmp_path: Path) -> None:
    parent = HEADER + 'mbus_key_wrapping = "CBC"\n' + CLIENT
    for own, expected in (("", "CBC"), ('mbus_key_wrapping = "NONE"\n', "NONE")):
        first, second = load(tmp_path, parent, CHILD + own)
        assert (first.mbus_key_wrapping, second.mbus_key_wrapping) == ("CBC", expected)


def test_a_profile_that_says_nothing(tmp_path: Path) -> None:
    (profile,) = load(tmp_path, HEADER + CLIENT)
    assert profile.mbus_key_wrapping is MbusKeyWrapping.NONE


def test_meanings_are_taken_over_by_profiles_without_mbus(tmp_path: Path) -> None:
    other = CHILD.replace("inherits", "meanings_of") + CLOCK
    _, profile = load(tmp_path, HEADER + 'mbus_key_wrapping = "GCM"\n' + CLIENT, other)
    assert "MBUS_CLIENT_SETUP" not in profile


@pytest.mark.parametrize(
    ("stated", "objects", "complaint"),
    [
        ('"ECB"', CLIENT, "'ECB' is none of NONE, CBC, GCM"),
        ('""', CLIENT, "'' is none of NONE, CBC, GCM"),
        ("1", CLIENT, "1 is none of NONE, CBC, GCM"),
        ('["CBC"]', CLIENT, "['CBC'] is none of NONE, CBC, GCM"),
        ('"CBC"', CLOCK, "goes by MBUS_CLIENT_SETUP, which TST-1 does not have"),
    ],
)
def test_refuses_mistakes(tmp_path: Path, stated: str, objects: str, complaint: str) -> None:
    with pytest.raises(CatalogueError, match=re.escape(f"0.toml: mbus_key_wrapping: {complaint}")):
        load(tmp_path, f"{HEADER}mbus_key_wrapping = {stated}\n{objects}")


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("name", ["data_send", "set_encryption_key", "transfer_key"])
def test_methods_that_carry_keys_are_secret(version: int, name: str) -> None:
    client = catalogue.get_interface_classes().get(72, version)
    assert client is not None
    assert catalogue.is_secret(MethodDescriptor(72, bytes(6), client.find_method_id(name)))
