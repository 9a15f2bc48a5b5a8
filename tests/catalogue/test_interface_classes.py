"""Interface classes: names, numbers, secrets, versions; and what mistakes in the file are told as."""

import re
from pathlib import Path

import pytest

from osgp import catalogue
from osgp.catalogue import CatalogueError, InterfaceClass, InterfaceClasses, NotInInterfaceClass, classes
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.catalogue.reading import DataFile

NAME = bytes((0, 0, 1, 0, 0, 255))


def known(class_id: int, version: int = 0) -> InterfaceClass:
    found = catalogue.get_interface_classes().get(class_id, version)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("class_id", "version", "attribute_id", "name"),
    [
        (1, 0, 1, "logical_name"),
        (1, 0, 2, "value"),
        (3, 0, 3, "scaler_unit"),
        (4, 0, 5, "capture_time"),
        (5, 0, 4, "scaler_unit"),
        (7, 0, 8, "profile_entries"),
        (7, 1, 4, "capture_period"),
        (8, 0, 3, "time_zone"),
        (15, 0, 2, "object_list"),
        (15, 3, 11, "current_user"),
        (20, 0, 10, "activate_passive_calendar_time"),
        (22, 0, 4, "execution_time"),
        (23, 1, 9, "device_address"),
        (40, 2, 13, "last_confirmation_date_time"),
        (47, 1, 6, "cell_info"),
        (64, 1, 6, "certificates"),
        (70, 0, 3, "control_state"),
        (71, 0, 11, "actions"),
        (72, 1, 14, "encryption_key_status"),
        (77, 0, 9, "capture_time"),
    ],
)
def test_attributes_by_name_and_by_number(class_id: int, version: int, attribute_id: int, name: str) -> None:
    assert known(class_id, version).find_attribute_id(name) == attribute_id
    assert known(class_id, version).find_attribute_name(attribute_id) == name


@pytest.mark.parametrize(
    ("class_id", "version", "method_id", "name"),
    [
        (3, 0, 1, "reset"),
        (7, 0, 4, "get_buffer_by_index"),
        (8, 0, 6, "shift_time"),
        (15, 2, 6, "remove_user"),
        (18, 0, 4, "image_activate"),
        (64, 0, 2, "global_key_transfer"),
        (64, 1, 8, "remove_certificate"),
        (70, 0, 2, "remote_reconnect"),
        (72, 1, 4, "reset_alarm"),
    ],
)
def test_methods_by_name_and_by_number(class_id: int, version: int, method_id: int, name: str) -> None:
    assert known(class_id, version).find_method_id(name) == method_id
    assert known(class_id, version).find_method_name(method_id) == name


def test_numbers_and_names_that_a_class_does_not_have() -> None:
    clock = known(8)
    assert clock.find_attribute_name(10) is None
    assert clock.find_attribute_name(-1) is None
    assert clock.find_method_name(7) is None
    with pytest.raises(NotInInterfaceClass, match=r"^class 8 version 0 \(clock\) has no attribute value$"):
        clock.find_attribute_id("value")
    with pytest.raises(NotInInterfaceClass, match=r"^class 8 version 0 \(clock\) has no method time$"):
        clock.find_method_id("time")


def test_names_of_later_versions_stand_for_the_same_member() -> None:
    assert known(64, 0).find_method_id("key_transfer") == known(64, 1).find_method_id("key_transfer") == 2
    assert known(15, 0).find_attribute_id("secret") == 7
    assert known(64, 0).find_method_name(2) == "global_key_transfer"


def test_the_latest_version() -> None:
    latest = catalogue.get_interface_classes().find_latest(15)
    assert latest is not None
    assert latest.version == 3
    assert catalogue.get_interface_classes().find_latest(9999) is None


def test_profiles_use_the_data_types_of_the_classes() -> None:
    for profile in catalogue.list_profiles():
        for item in profile:
            types = item.interface_class.attribute_types
            for attribute in item.attributes.values():
                assert types[attribute.attribute_id] in (attribute.data_type, classes.CHOICE), (
                    f"{profile.key} {item.tag} {attribute.name}"
                )


def test_all_passwords_keys_and_pins_are_secret() -> None:
    """Whatever is called so; the few that are none are named here."""
    harmless = {
        "security_suite",
        "encryption_key_status",
        "key_agreement",  # carries public keys
        "generate_key_pair",
        "delete_authentication_key",  # by its number
    }
    telling = re.compile(r"key|pass_|password|secret|pin_code|authentication$|protection_parameters")
    for item in catalogue.get_interface_classes():
        for names, secret in (
            (item.attributes, item.secret_attributes),
            (item.methods, item.secret_methods),
        ):
            found = {
                number for number, name in names.items() if telling.search(name) and name not in harmless
            }
            assert found <= secret, f"{item}"


def test_secrets_are_so_whatever_the_version_of_the_object() -> None:
    is_secret = catalogue.is_secret
    assert is_secret(AttributeDescriptor(15, NAME, 7))
    assert is_secret(AttributeDescriptor(40, NAME, 10))  # since version 1
    assert is_secret(AttributeDescriptor(19, NAME, 0))  # all attributes, with the passwords among them
    assert not is_secret(AttributeDescriptor(64, NAME, 0))
    assert not is_secret(AttributeDescriptor(15, NAME, 2))
    assert is_secret(MethodDescriptor(64, NAME, 2))
    assert not is_secret(MethodDescriptor(64, NAME, 1))
    assert not is_secret(MethodDescriptor(15, NAME, 7))
    assert not is_secret(AttributeDescriptor(9999, NAME, 1))


GOOD = """
[[class]]
id = 8192
versions = [0, 1]
name = "valve"
attributes = [
    [2, "position", "unsigned"],
    [3, "lock_code", "long-unsigned"],
]
methods = [
    [1, "close"],
    [2, "unlock"],
]
aliases = { open = "unlock" }
secret_attributes = ["lock_code"]
secret_methods = ["unlock"]
"""


def load(folder: Path, *contents: str) -> InterfaceClasses:
    paths = [folder / f"{number}.toml" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content, encoding="utf-8")
    return classes.load(DataFile.read(path, path.name) for path in paths)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert [str(item) for item in found] == [
        "class 8192 version 0 (valve)",
        "class 8192 version 1 (valve)",
    ]
    valve = found.get(8192, 1)
    assert valve is not None
    assert valve.find_method_id("open") == 2
    assert found.is_secret(AttributeDescriptor(8192, NAME, 3))
    assert found.is_secret(MethodDescriptor(8192, NAME, 2))
    assert not found.is_secret(MethodDescriptor(8192, NAME, 1))


def test_refuses_a_version_twice(tmp_path: Path) -> None:
    again = GOOD.replace("[0, 1]", "[2, 1]")
    with pytest.raises(CatalogueError, match=r"^1\.toml: class 8192: version 1 is already in 0\.toml$"):
        load(tmp_path, GOOD, again)


@pytest.mark.parametrize(
    ("good", "mistake", "complaint"),
    [
        ("[[class]]", "[[klass]]", "unknown key klass"),
        ("[[class]]", "[class]", "{'id': 8192"),
        ("id = 8192\n", "", "lacks id"),
        ("id = 8192", "id = 65536", "id: 65536 is not a number of 0..65535"),
        ("[0, 1]", "[256]", "class 8192: versions: 256 is not a number of 0..255"),
        ("[0, 1]", "0", "class 8192: versions: 0 is not a list"),
        ("[0, 1]", "[]", "class 8192: versions: must list at least one"),
        ('"valve"', '"Valve"', "class 8192: name: 'Valve' is not a name in lower case"),
        ('"valve"', '"valve"\ncolour = 1', "unknown key colour"),
        ("[2, ", "[1, ", "class 8192: attribute 1: is there twice"),
        ("[2, ", "[128, ", "class 8192: attribute 128: 128 is not a number of 1..127"),
        ('"position"', '"logical_name"', "class 8192: attribute 2: logical_name is there twice"),
        ('"position"', "2", "class 8192: attribute 2: 2 is not a name in lower case"),
        ('"unsigned"', '"octets"', "class 8192: attribute 2: unknown data type 'octets'"),
        ('"unsigned"', "[]", "class 8192: attribute 2: unknown data type []"),
        (
            ', "unsigned"',
            "",
            "class 8192: attributes: [2, 'position'] is not a row of id, name and data type",
        ),
        ('[1, "close"]', '"close"', "class 8192: methods: 'close' is not a row of id and name"),
        ('[1, "close"]', '[2, "close"]', "class 8192: method 2: is there twice"),
        ('"unlock" }', '"lock" }', "class 8192: aliases: 'lock' is none of logical_name, position"),
        ("open =", "close =", "class 8192: aliases: close is a name already"),
        ('{ open = "unlock" }', "1", "class 8192: aliases: 1 is not a table"),
        ('["lock_code"]', '["unlock"]', "class 8192: secret_attributes: 'unlock' is none of"),
        ('["lock_code"]', '"lock_code"', "class 8192: secret_attributes: 'lock_code' is not a list"),
        ('["unlock"]', '["open"]', "class 8192: secret_methods: 'open' is none of close, unlock"),
    ],
)
def test_refuses_mistakes(tmp_path: Path, good: str, mistake: str, complaint: str) -> None:
    assert good in GOOD
    with pytest.raises(CatalogueError, match=re.escape(f"0.toml: {complaint}")):
        load(tmp_path, GOOD.replace(good, mistake, 1))
