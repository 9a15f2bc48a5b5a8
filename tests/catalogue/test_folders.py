"""Profile files of other folders, beside those that are shipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from osgp import catalogue
from osgp.catalogue import CatalogueError, Profile, assembly
from osgp.catalogue.cosem import AttributeDescriptor
from tests.catalogue.generations import ALL
from tests.processes import embedded_environment

WATER = """
protocol = "{protocol}"
version = "1.0"
inherits = "SMR-5.5"
tags = [{tags}]

[WATER_VALUE]
class = 4
obis = "0-x:24.2.3.255"
group = "MBUS"
attributes = [
    [2, "double-long-unsigned", "DYNAMIC", "R"],
    [3, "scal_unit_type", "FIXED_IN_PROFILE", "R", "-3, M3"],
    [5, "octet-string", "DYNAMIC", "R"],
]
"""
VALVE_CLASS = """
[[class]]
id = 8192
versions = [0]
name = "valve"
attributes = [[2, "position", "unsigned"]]
methods = [[1, "unlock"]]
secret_methods = ["unlock"]
"""
VALVE = """
protocol = "VALVE"
version = "1.0"
tags = ["VALVE"]

[VALVE]
class = 8192
obis = "0-0:128.0.0.255"
group = "ABSTRACT"
attributes = [[2, "unsigned", "DYNAMIC", "R"]]
methods = [[1, "unlock"]]
"""


def load(*folders: Path) -> dict[str, Profile]:
    found = (catalogue.DATA, *folders)
    return {profile.key: profile for profile in assembly.load(found, assembly.load_classes(found))}


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.toml").write_text(content, encoding="utf-8")
    return folder


def tags(profile: Profile) -> list[str]:
    return [item.tag for item in profile]


def test_a_profile_of_another_folder_inherits_a_shipped_one(tmp_path: Path) -> None:
    water = WATER.format(protocol="WMR", tags='"WATER_VALUE"')
    found = load(write(tmp_path, water=water))
    assert set(found) == {*ALL, "WMR-1.0"}
    assert found["WMR-1.0"].parent is found["SMR-5.5"]
    assert tags(found["WMR-1.0"]) == [*tags(found["SMR-5.5"]), "WATER_VALUE"]
    assert "WATER_VALUE" not in found["SMR-5.5"]


def test_a_new_tag_goes_behind_the_known_one_that_it_is_listed_after(tmp_path: Path) -> None:
    listed = '"FIRST_NEW", "MBUS_MASTER_VALUE", "WATER_VALUE", "CLOCK", "OTHER"'
    found = load(write(tmp_path, water=WATER.format(protocol="WMR", tags=listed)))
    order = tags(found["WMR-1.0"])
    assert order[order.index("MBUS_MASTER_VALUE") + 1] == "WATER_VALUE"
    assert [tag for tag in order if tag != "WATER_VALUE"] == tags(found["SMR-5.5"])


def test_files_may_share_a_new_tag(tmp_path: Path) -> None:
    one = write(tmp_path / "one", a=WATER.format(protocol="A", tags='"WATER_VALUE"'))
    two = write(tmp_path / "two", b=WATER.format(protocol="B", tags='"WATER_VALUE"'))
    found = load(one, two)
    assert "WATER_VALUE" in found["A-1.0"]
    assert "WATER_VALUE" in found["B-1.0"]


def test_a_shared_tag_means_the_same_everywhere(tmp_path: Path) -> None:
    other = WATER.format(protocol="B", tags='"WATER_VALUE"').replace("0-x:24.2.3.255", "0-1:24.2.3.255")
    folder = write(tmp_path, a=WATER.format(protocol="A", tags='"WATER_VALUE"'), b=other)
    complaint = f"{folder}/b.toml: WATER_VALUE: obis: 0-1:24.2.3.255 contradicts 0-x:24.2.3.255 in {folder}"
    with pytest.raises(CatalogueError, match=complaint):
        load(folder)


@pytest.mark.parametrize(
    ("good", "mistake", "complaint"),
    [
        ('"WATER_VALUE"]', "]", "unknown tag WATER_VALUE; new tags are listed in tags"),
        ('"SMR-5.5"', '"SMR-5.9"', "inherits the unknown profile SMR-5.9"),
        ('"WMR"\nversion = "1.0"', '"SMR"\nversion = "5.1"', "SMR-5.1 is already in smr-5.1.toml"),
        ("[5, ", "[6, ", r"WATER_VALUE: attribute 6: is not in class 4 version 0 \(extended_register\)"),
        ("24.2.3.255", "24.2.1.255", "WATER_VALUE: obis: 0-x:24.2.1.255 is also that of MBUS_MASTER_VALUE"),
    ],
)
def test_mistakes_are_told_with_the_whole_path(
    tmp_path: Path, good: str, mistake: str, complaint: str
) -> None:
    water = WATER.format(protocol="WMR", tags='"WATER_VALUE"')
    assert good in water
    folder = write(tmp_path, water=water.replace(good, mistake, 1))
    with pytest.raises(CatalogueError, match=f"^{folder}/water.toml: {complaint}"):
        load(folder)


def test_a_folder_may_have_interface_classes_of_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path, valve=VALVE)
    with pytest.raises(CatalogueError, match=r"interface-classes\.toml has no class 8192 version 0"):
        load(folder)
    write(tmp_path, **{"interface-classes": VALVE_CLASS})
    valve = load(folder)["VALVE-1.0"]["VALVE"]
    assert valve.address_attribute("position") == AttributeDescriptor(8192, bytes((0, 0, 128, 0, 0, 255)), 2)
    known = assembly.load_classes((catalogue.DATA, folder))
    assert known.is_secret(valve.address_method("unlock"))


def test_a_folder_cannot_change_a_shipped_interface_class(tmp_path: Path) -> None:
    folder = write(tmp_path, **{"interface-classes": VALVE_CLASS.replace("8192", "1")})
    complaint = f"^{folder}/interface-classes.toml: class 1: version 0 is already in interface-classes.toml"
    with pytest.raises(CatalogueError, match=complaint):
        load(folder)


def listed_with(folders: str) -> subprocess.CompletedProcess[str]:
    """What the command that lists the profiles says in that environment."""
    return subprocess.run(
        [sys.executable, "-m", "osgp.catalogue"],
        env={**embedded_environment(), catalogue.FOLDERS_VARIABLE: folders},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_environment_names_the_folders(tmp_path: Path) -> None:
    one = write(tmp_path / "one", a=WATER.format(protocol="A", tags='"WATER_VALUE"'))
    two = write(tmp_path / "two", b=WATER.format(protocol="Z", tags='"WATER_VALUE"'))
    shipped = listed_with("").stdout.splitlines()
    assert [line.partition(":")[0] for line in shipped] == [*ALL]
    assert "SMR-5.5: 165 objects, inherits SMR-5.2c" in shipped
    said = listed_with(f"{one}{os.pathsep}{two}{os.pathsep}")
    own = [f"{name}-1.0: 166 objects, inherits SMR-5.5" for name in "AZ"]
    assert said.returncode == 0
    assert sorted(said.stdout.splitlines()) == sorted([*shipped, *own])


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    said = listed_with(str(missing))
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == f"OSGP_PROFILES: {missing} is not a folder\n"
