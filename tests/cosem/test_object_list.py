"""Object lists, from octets as the Blue Book has them and from meters that know better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.cosem.object_list import (
    MOST_OBJECTS,
    MOST_RIGHTS,
    AttributeAccessMode,
    MethodAccessMode,
    ObjectList,
    Protection,
    decode_attribute_access,
    decode_method_access,
    parse_object_list,
)
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import Data, DataType, axdr
from osgp.protocol_dlms.answers import MOST_SENSELESS_OBJECTS
from osgp.protocol_dlms.errors import DecodeError
from tests.protocol_dlms.trees import trees

ASSOCIATION = bytes((0, 0, 40, 0, 0, 255))
REGISTER = "0204 120003 1100 09060100010800ff "
CLOCK = "0204 120008 1100 09060000010000ff "
OWN = "0204 12000f 11{version:02x} 09060000280000ff 0202 0100 0100"


def parse(*elements: str, version: int = 1) -> ObjectList:
    octets = bytes.fromhex(f"01{len(elements):02x}" + "".join(elements))
    return axdr.decode_parts(octets, lambda entries: parse_object_list(entries, ASSOCIATION, version))


def test_a_register_and_a_clock() -> None:
    found = parse(
        REGISTER + "0202 0102 0203 0f01 1601 00 0203 0f02 1601 00 0101 0202 0f01 1600",
        CLOCK + "0202 0102 0203 0f02 1603 00 0203 0f03 1604 0101 0f02 0101 0202 0f01 1602",
    )
    assert found.unreadable == []
    assert found.is_complete
    register, clock = found.objects
    assert (register.class_id, register.version, register.logical_name.hex()) == (3, 0, "0100010800ff")
    assert [(right.attribute_id, right.mode) for right in register.attributes] == [
        (1, AttributeAccessMode.READ_ONLY),
        (2, AttributeAccessMode.READ_ONLY),
    ]
    assert [(right.method_id, right.mode) for right in register.methods] == [(1, MethodAccessMode.NO_ACCESS)]
    assert [(right.mode, right.selectors) for right in clock.attributes] == [
        (AttributeAccessMode.READ_AND_WRITE, ()),
        (AttributeAccessMode.AUTHENTICATED_READ_ONLY, (2,)),
    ]
    assert clock.methods[0].mode is MethodAccessMode.AUTHENTICATED_ACCESS


def test_version_0_has_booleans_for_methods() -> None:
    rights = "0202 0100 0102 0202 0f01 0300 0202 0f02 03ff"
    [clock] = parse(CLOCK + rights, version=0).objects
    assert [right.mode for right in clock.methods] == [MethodAccessMode.NO_ACCESS, MethodAccessMode.ACCESS]


def test_the_version_is_that_of_the_association_in_its_own_list() -> None:
    reading = CLOCK + "0202 0101 0203 0f02 1605 00 0100"
    for version, mode in (
        (1, AttributeAccessMode.AUTHENTICATED_WRITE_ONLY),
        (3, AttributeAccessMode.AUTHENTICATED_READ_ONLY),
    ):
        found = parse(reading, OWN.format(version=version), version=0)
        assert found.version == version
        assert found.objects[0].attributes[0].mode is mode
    # Another association does not count, nor one that tells nonsense.
    found = parse(reading, OWN.format(version=3).replace("280000", "280001"), version=1)
    assert found.version == 1


@pytest.mark.parametrize(
    ("code", "attribute", "method", "protection"),
    [
        (0x00, "NO_ACCESS", "NO_ACCESS", []),
        (0x01, "READ_ONLY", "ACCESS", []),
        (0x02, "WRITE_ONLY", "NO_ACCESS", []),
        (0x03, "READ_AND_WRITE", "ACCESS", []),
        (0x04, "NO_ACCESS", "NO_ACCESS", ["AUTHENTICATED_REQUEST"]),
        (0x05, "AUTHENTICATED_READ_ONLY", "AUTHENTICATED_ACCESS", ["AUTHENTICATED_REQUEST"]),
        (0x06, "AUTHENTICATED_WRITE_ONLY", "NO_ACCESS", ["AUTHENTICATED_REQUEST"]),
        (0x07, "AUTHENTICATED_READ_AND_WRITE", "AUTHENTICATED_ACCESS", ["AUTHENTICATED_REQUEST"]),
        (0x13, "READ_AND_WRITE", "ACCESS", ["DIGITALLY_SIGNED_REQUEST"]),
        (
            0x6F,
            "AUTHENTICATED_READ_AND_WRITE",
            "AUTHENTICATED_ACCESS",
            ["AUTHENTICATED_REQUEST", "ENCRYPTED_REQUEST", "AUTHENTICATED_RESPONSE", "ENCRYPTED_RESPONSE"],
        ),
        (0xFF, "AUTHENTICATED_READ_AND_WRITE", "AUTHENTICATED_ACCESS", [str(item) for item in Protection]),
    ],
)
def test_bits_of_version_3(code: int, attribute: str, method: str, protection: list[str]) -> None:
    assert decode_attribute_access(code, 3) == (attribute, tuple(protection))
    assert decode_method_access(code, 3) == (method, tuple(protection))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_modes_that_are_not_enumerated(version: int) -> None:
    assert decode_attribute_access(6, version) == (AttributeAccessMode.AUTHENTICATED_READ_AND_WRITE, ())
    assert decode_attribute_access(7, version) == (AttributeAccessMode.UNKNOWN, ())
    assert decode_method_access(3, version) == (MethodAccessMode.UNKNOWN, ())


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ("1105", "The object: not a structure of 4."),
        ("0203 120003 1100 09060100010800ff", "The object: not a structure of 4."),
        (
            REGISTER.replace("0906", "0905").replace("ff ", " ") + "00",
            "The logical name is not an octet-string of six",
        ),
        (REGISTER + "00", "The access rights: not a structure of 2."),
        (REGISTER.replace("120003", "10ffff") + "0202 00 00", "The class id is not a number of 0 to 65535."),
        (REGISTER.replace("1100", "0900") + "0202 00 00", "The class version is not a number of 0 to 255."),
    ],
)
def test_an_object_that_makes_no_sense_costs_itself_alone(element: str, reason: str) -> None:
    good = CLOCK + "0202 0100 0100"
    found = parse(good, element, good)
    assert len(found.objects) == 2
    [unreadable] = found.unreadable
    assert unreadable.index == 1
    assert unreadable.reason.startswith(reason)


def test_a_right_that_makes_no_sense_costs_itself_alone() -> None:
    rights = (
        "0202 0103 0203 0f02 1601 00 0203 0f03 0901ff 00 0203 12ffff 1601 00 0102 0202 0f01 1601 0202 0f02 00"
    )
    found = parse(CLOCK + rights)
    [clock] = found.objects
    assert [right.attribute_id for right in clock.attributes] == [2]
    assert [right.method_id for right in clock.methods] == [1]
    assert [item.index for item in found.unreadable] == [0, 0, 0]
    [clock] = parse(CLOCK + "0202 0101 0203 0f02 1601 1105 1100").objects
    assert (clock.attributes, clock.methods) == ((), ())


@pytest.mark.parametrize("octets", ["00", "1101", "020100", "0901ff"])
def test_what_is_no_list_at_all(octets: str) -> None:
    with pytest.raises(Fault) as fault:
        axdr.decode_parts(bytes.fromhex(octets), lambda entries: parse_object_list(entries, ASSOCIATION, 1))
    assert fault.value.code == FaultCode.ILLEGAL_RESPONSE


def test_lists_beyond_any_meter_are_cut() -> None:
    one = axdr.decode(bytes.fromhex(CLOCK + "0202 0101 0203 0f02 1601 00 0100"))
    found = parse_object_list((one,) * (MOST_OBJECTS + 1), ASSOCIATION, 1)
    assert (len(found.objects), found.is_complete) == (MOST_OBJECTS, False)
    right = "0203 0f02 1601 00"
    many = axdr.decode(bytes.fromhex(CLOCK + "0202 0164" + right * 100 + "0100"))
    found = parse_object_list((many,) * (MOST_RIGHTS // 100 + 5), ASSOCIATION, 1)
    assert (len(found.objects), found.is_complete) == (MOST_RIGHTS // 100, False)


def test_more_entries_in_a_row_that_make_no_sense_than_any_list_has_are_no_list() -> None:
    one = axdr.decode(bytes.fromhex(CLOCK + "0202 0100 0100"))
    nonsense = (Data(DataType.NULL_DATA, None),) * MOST_SENSELESS_OBJECTS
    found = parse_object_list((*nonsense, one, *nonsense), ASSOCIATION, 1)
    assert (len(found.objects), len(found.unreadable)) == (1, 2 * MOST_SENSELESS_OBJECTS)
    entries = iter((one, *nonsense, *nonsense))
    with pytest.raises(DecodeError, match="33 entries in a row make no sense"):
        parse_object_list(entries, ASSOCIATION, 1)
    assert len(list(entries)) == MOST_SENSELESS_OBJECTS - 1  # Nobody asked for these.


def test_the_own_entry_says_how_those_before_it_are_coded() -> None:
    rights = "0202 0101 0203 0f02 1605 00 0101 0202 0f01 1605"
    found = parse(REGISTER + rights, OWN.format(version=3), version=1)
    assert found.version == 3
    assert found == parse(REGISTER + rights, OWN.format(version=3), version=3)
    right = found.objects[0].attributes[0]
    assert (right.mode, right.protection) == (
        AttributeAccessMode.AUTHENTICATED_READ_ONLY,
        (Protection.AUTHENTICATED_REQUEST,),
    )


def test_an_entry_of_the_own_association_tells_its_version_whatever_its_rights_are() -> None:
    own = OWN.format(version=3).replace("0202 0100 0100", "00")
    found = parse(own, CLOCK + "0202 0100 0100", version=1)
    assert (found.version, len(found.objects), len(found.unreadable)) == (3, 1, 1)


@given(st.lists(trees(), max_size=5), st.integers(0, 3))
def test_any_data_end_in_a_list_or_a_fault(elements: list[Data], version: int) -> None:
    found = parse_object_list(elements, ASSOCIATION, version)
    assert len(found.objects) + len({item.index for item in found.unreadable}) >= len(elements)
