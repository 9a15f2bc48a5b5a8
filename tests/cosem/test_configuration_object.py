"""The configuration object: both forms, flags of each profile, merging that leaves the rest alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp import catalogue
from osgp.cosem.configuration_object import Configuration, GprsOperationMode, has_mode, list_flag_names, parse
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import Data, DataType, axdr

OLD = catalogue.find_profile("SMR", "4.3")
NEW = catalogue.find_profile("SMR", "5.1")
DSMR_4 = (
    "DISCOVER_ON_OPEN_COVER",
    "DISCOVER_ON_POWER_ON",
    "DYNAMIC_MBUS_ADDRESS",
    "PO_ENABLE",
    "HLS_3_ON_P3_ENABLE",
    "HLS_4_ON_P3_ENABLE",
    "HLS_5_ON_P3_ENABLE",
    "HLS_3_ON_P0_ENABLE",
    "HLS_4_ON_P0_ENABLE",
    "HLS_5_ON_P0_ENABLE",
)
SMR_4 = (*DSMR_4, "DIRECT_ATTACH_AT_POWER_ON")
SMR_5 = {
    3: "PO_ENABLE",
    6: "HLS_5_ON_P3_ENABLE",
    9: "HLS_5_ON_P0_ENABLE",
    10: "DIRECT_ATTACH_AT_POWER_ON",
    11: "HLS_6_ON_P3_ENABLE",
    12: "HLS_7_ON_P3_ENABLE",
    13: "HLS_6_ON_P0_ENABLE",
    14: "HLS_7_ON_P0_ENABLE",
}


@pytest.mark.parametrize(
    ("name", "version", "expected", "mode"),
    [
        ("DSMR", "4.2.2", dict(enumerate(DSMR_4)), True),
        ("SMR", "4.3", dict(enumerate(SMR_4)), True),
        *[("SMR", version, SMR_5, False) for version in ("5.0.0", "5.1", "5.2", "5.2c", "5.5")],
    ],
)
def test_profiles(name: str, version: str, expected: dict[int, str], mode: bool) -> None:
    profile = catalogue.find_profile(name, version)
    flags = profile["CONFIGURATION_OBJECT"].flags
    assert flags is not None
    assert (flags.width, dict(flags.names)) == (16, expected)
    assert has_mode(profile) is mode


def test_names_of_all_profiles() -> None:
    assert list_flag_names() == (*SMR_4, *list(SMR_5.values())[4:])
    assert not has_mode(catalogue.find_profile("DSMR", "2.2"))


def test_the_first_bit_is_the_most_significant_of_the_first_octet() -> None:
    old = parse(axdr.decode(bytes.fromhex("0202160204108001")), OLD)
    assert (old.mode, old.bits, old.list_unknown_bits()) == (GprsOperationMode.TRIGGERED, 1 << 15 | 1, [15])
    assert [name for name, enabled in old.list_flags().items() if enabled] == ["DISCOVER_ON_OPEN_COVER"]
    assert str(old) == "[TRIGGERED, DISCOVER_ON_OPEN_COVER, bit 15]"
    new = parse(axdr.decode(bytes.fromhex("04100220")), NEW)
    assert [name for name, enabled in new.list_flags().items() if enabled] == [
        "HLS_5_ON_P3_ENABLE",
        "DIRECT_ATTACH_AT_POWER_ON",
    ]
    assert (new.mode_number, new.mode, new.has_unknown_mode) == (None, None, False)
    assert axdr.encode(old.encode()).hex() == "0202160204108001"
    assert axdr.encode(new.encode()).hex() == "04100220"


@given(st.integers(0, 0xFFFF), st.integers(0, 255), st.sampled_from([OLD, NEW]))
def test_every_value_comes_back(bits: int, mode: int, profile: catalogue.Profile) -> None:
    flags = profile["CONFIGURATION_OBJECT"].flags
    assert flags is not None
    value = Configuration(bits, flags, mode if profile is OLD else None)
    assert parse(axdr.decode(axdr.encode(value.encode())), profile) == value
    named = {bit for bit, name in flags.names.items() if value.list_flags()[name]}
    assert sum(1 << bit for bit in named | set(value.list_unknown_bits())) == bits


@given(
    st.integers(0, 0xFFFF),
    st.dictionaries(st.sampled_from(SMR_4), st.booleans()),
    st.none() | st.sampled_from(GprsOperationMode),
)
def test_merging_leaves_the_rest_alone(
    bits: int, asked: dict[str, bool], mode: GprsOperationMode | None
) -> None:
    flags = OLD["CONFIGURATION_OBJECT"].flags
    assert flags is not None
    value = Configuration(bits, flags, 2)
    merged = value.merge(asked, mode)
    assert merged.list_flags() == value.list_flags() | asked
    assert merged.list_unknown_bits() == value.list_unknown_bits()
    assert merged.mode == (mode or GprsOperationMode.TRIGGERED)
    assert value.merge({}) == value


def test_flags_of_other_profiles_cannot_be_merged() -> None:
    value = parse(Data(DataType.BIT_STRING, "0" * 16), NEW)
    with pytest.raises(ValueError, match="DISCOVER_ON_OPEN_COVER"):
        value.merge({"DISCOVER_ON_OPEN_COVER": False})


@pytest.mark.parametrize("number", [0, 3, 255])
def test_modes_that_mean_nothing(number: int) -> None:
    value = parse(axdr.decode(bytes([2, 2, 22, number, 4, 16, 0, 0])), OLD)
    assert (value.mode, value.mode_number, value.has_unknown_mode) == (None, number, True)
    assert str(value) == f"[GPRS operation mode {number}]"


@pytest.mark.parametrize(
    ("profile", "octets"),
    [
        (OLD, "00"),
        (OLD, "04100000"),  # the form of SMR 5
        (OLD, "020104100000"),
        (OLD, "0203160104100000 1601"),
        (OLD, "0102160104100000"),  # an array
        (OLD, "020200 04100000"),
        (OLD, "02020301 04100000"),
        (OLD, "0202120100 04100000"),  # mode 256
        (OLD, "02020fff 04100000"),  # mode -1
        (OLD, "02021601 0900"),
        (OLD, "02021601 040f0000"),
        (OLD, "02021601 0a02 3030"),
        (NEW, "00"),
        (NEW, "0202160104100000"),  # the form of SMR 4.3
        (NEW, "0400"),
        (NEW, "0411000000"),
        (NEW, "120000"),
        (NEW, "0a10" + "30" * 16),  # text of 16 times 0
    ],
)
def test_answers_that_make_no_sense(profile: catalogue.Profile, octets: str) -> None:
    try:
        data = axdr.decode(bytes.fromhex(octets))
    except ValueError as error:  # pragma: no cover
        raise AssertionError("the test is wrong") from error
    with pytest.raises(Fault) as info:
        parse(data, profile)
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE
