"""Measured values, status flags and M-Bus identities."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp import catalogue
from osgp.catalogue import Profile
from osgp.catalogue.assembly import load, load_classes
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem import mbus
from osgp.cosem.amr_status import find_captured_flags, is_status, list_flag_names
from osgp.cosem.numbers import to_bits
from osgp.cosem.quantities import (
    Quantity,
    find_meter_reading_scale,
    format_decimal,
    parse_number,
    parse_quantity,
    parse_scaler_unit,
    parse_whole_number,
)
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import Data, DataType
from tests.catalogue.generations import BY_KEY, SHIPPED

TST = Path(__file__).parents[1] / "profiles" / "tst-1.0.toml"


def unsigned(value: Any) -> Data:
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def scaling(scaler: Any, unit: Any) -> Data:
    return Data(DataType.STRUCTURE, (Data(DataType.INTEGER, scaler), Data(DataType.ENUM, unit)))


def test_energy_is_shown_in_kilowatt_hours() -> None:
    assert parse_quantity(unsigned(1234567), ScalerUnit(0, Unit.WH), "it") == Quantity(
        Decimal("1234.567"), "kWh"
    )
    assert str(find_meter_reading_scale(ScalerUnit(0, Unit.WH), "it").apply(0).value) == "0.000"


def test_volume_is_shown_in_cubic_metres() -> None:
    for unit in (Unit.M3, Unit.M3_CORRECTED):
        assert parse_quantity(unsigned(5), ScalerUnit(-3, unit), "it") == Quantity(Decimal("0.005"), Unit.M3)
    # Water meters count litres (Blue Book, class 3, units: 19).
    assert parse_quantity(unsigned(5), ScalerUnit(0, Unit.LITRE), "it") == Quantity(Decimal("0.005"), Unit.M3)


@given(st.integers(0, 2**64 - 1), st.integers(-24, 24))
def test_scaling_is_exact(raw: int, scaler: int) -> None:
    value = find_meter_reading_scale(ScalerUnit(scaler, Unit.M3), "it").apply(raw).value
    assert value * Decimal(10) ** -scaler == raw


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-24, 24))
def test_decimal_digits(number: int, exponent: int) -> None:
    assert format_decimal(number, exponent) == format(Decimal(number).scaleb(exponent), "f")


def test_null_data_are_no_value() -> None:
    assert parse_quantity(Data(DataType.NULL_DATA, None), ScalerUnit(0, Unit.WH), "it") is None


@pytest.mark.parametrize(
    "data",
    [
        Data(DataType.BOOLEAN, True),
        Data(DataType.OCTET_STRING, b"1"),
        Data(DataType.FLOAT64, float("nan")),
        Data(DataType.FLOAT64, float("-inf")),
        Data(DataType.FLOAT64, 1e300),
        Data(DataType.VISIBLE_STRING, "1"),
        Data(DataType.BIT_STRING, "1"),
        Data(DataType.ARRAY, ()),
    ],
)
def test_values_that_are_no_numbers(data: Data) -> None:
    with pytest.raises(Fault, match="ENERGY is not a number") as caught:
        parse_quantity(data, ScalerUnit(0, Unit.WH), "ENERGY")
    assert caught.value.code == FaultCode.ILLEGAL_RESPONSE


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (Data(DataType.FLOAT32, 1.5), Decimal("1.5")),
        (Data(DataType.FLOAT64, 0.1), Decimal("0.1")),
        (Data(DataType.FLOAT64, 1234567.0), 1234567),
        (Data(DataType.FLOAT64, -0.0), 0),
        (Data(DataType.LONG64, -(2**63)), -(2**63)),
        (Data(DataType.LONG64_UNSIGNED, 2**64 - 1), 2**64 - 1),
        (Data(DataType.BCD, 12), 12),
        (Data(DataType.ENUM, 3), 3),
    ],
)
def test_every_numeric_type_is_a_number(data: Data, expected: Any) -> None:
    """Blue Book 4.1.5, common data types."""
    number = parse_number(data, "it")
    assert number == expected
    assert type(number) is type(expected)


def test_floats_are_scaled_as_other_numbers() -> None:
    """Blue Book, class 3: value is a choice of all numeric types."""
    data = Data(DataType.FLOAT64, 1234.5)
    assert parse_quantity(data, ScalerUnit(0, Unit.WH), "it") == Quantity(Decimal("1.2345"), "kWh")
    assert format_decimal(Decimal("1234.5"), 2) == "123450"
    assert format_decimal(Decimal("1234.5"), -2) == "12.345"


def test_whole_numbers_may_be_floats() -> None:
    assert parse_whole_number(Data(DataType.FLOAT32, 17.0), "it") == 17
    with pytest.raises(Fault, match="it is not a whole number"):
        parse_whole_number(Data(DataType.FLOAT32, 17.5), "it")


def test_totals_begin_at_nought() -> None:
    for data in (Data(DataType.DOUBLE_LONG, -1), Data(DataType.FLOAT64, -0.5)):
        with pytest.raises(Fault, match="ENERGY is negative"):
            parse_quantity(data, ScalerUnit(0, Unit.WH), "ENERGY")


@pytest.mark.parametrize(("value", "bits"), [(0, 0), (5, 5), ("101", 5), ("00000000", 0), ("1" * 8, 255)])
def test_words_and_bit_strings_are_bits(value: Any, bits: int) -> None:
    assert to_bits(value, 255) == bits


@pytest.mark.parametrize("value", [-1, 256, True, None, 1.0, "", "102", "1" * 9, b"\x01", (1,)])
def test_what_is_no_word_of_bits(value: Any) -> None:
    with pytest.raises(ValueError):
        to_bits(value, 255)


def test_units_that_are_no_energy_or_volume() -> None:
    with pytest.raises(Fault, match="neither energy nor volume"):
        parse_quantity(unsigned(1), ScalerUnit(0, Unit.V), "ENERGY")


def test_scaler_and_unit() -> None:
    assert parse_scaler_unit(scaling(-3, 13), "it") == ScalerUnit(-3, Unit.M3)
    # An enumeration that is sent as a signed octet.
    assert parse_scaler_unit(scaling(0, -1), "it") == ScalerUnit(0, Unit.COUNT)


@pytest.mark.parametrize(
    "data",
    [
        scaling(25, 30),
        scaling(-128, 30),
        scaling(0, 200),
        scaling("0", 30),
        scaling(None, 30),
        Data(DataType.STRUCTURE, ()),
        Data(DataType.STRUCTURE, (Data(DataType.INTEGER, 0),)),
        Data(DataType.NULL_DATA, None),
        unsigned(3),
    ],
)
def test_absurd_scalers(data: Data) -> None:
    with pytest.raises(Fault, match="VOLUME"):
        parse_scaler_unit(data, "VOLUME")


DUTCH_FLAGS = (
    "CRITICAL_ERROR",
    "CLOCK_INVALID",
    "DATA_NOT_VALID",
    "DAYLIGHT_SAVING",
    "NOT_USED",
    "CLOCK_ADJUSTED",
    "RECOVERED_VALUE",
    "POWER_DOWN",
)


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)
def test_flags_of_dutch_statuses(profile: Profile) -> None:
    statuses = [item.tag for item in profile if is_status(item.tag)]
    assert statuses
    for tag in statuses:
        flags = find_captured_flags(profile, ["CLOCK", tag, "ACTIVE_ENERGY_IMPORT"])
        assert flags is not None
        assert flags.decode(0).names == ()
        assert flags.decode(0b1000_0101).names == ("CRITICAL_ERROR", "DATA_NOT_VALID", "POWER_DOWN")
        assert flags.decode(255).names == DUTCH_FLAGS
        for wrong in (-1, 256):
            with pytest.raises(ValueError):
                flags.decode(wrong)


def test_bits_mean_what_the_profile_says() -> None:
    flags = find_captured_flags(BY_KEY["TST-1.0"], ["CLOCK", "AMR_PROFILE_STATUS"])
    assert flags is not None
    assert flags.decode(0b1000_0101).names == ("POWER_DOWN", "DAYLIGHT_SAVING", "DATA_NOT_VALID")
    assert flags.decode(0b0011_1000) == ((), (3, 4, 5))


@pytest.mark.parametrize(
    ("data_type", "width"),
    [("unsigned", 8), ("long-unsigned", 16), ("double-long-unsigned", 32), ("long64-unsigned", 64)],
)
def test_bits_without_meaning(tmp_path: Path, data_type: str, width: int) -> None:
    """A profile may say that there is a status, and not what it means: then its type says how large it is."""
    text = (TST.read_text() + "\n").replace('flags = "LOAD_PROFILE_STATUS"\n', "")
    text = text[: text.index("[flags.LOAD_PROFILE_STATUS]")] + text[text.index("[invocation_counter]") :]
    status, rest = text.index("[AMR_PROFILE_STATUS]"), text.index("# ---- Control")
    text = text[:status] + text[status:rest].replace("unsigned", data_type) + text[rest:]
    (tmp_path / "tst-1.0.toml").write_text(text)
    folders = (catalogue.DATA, tmp_path)
    [profile] = [each for each in load(folders, load_classes(folders)) if each.key == "TST-1.0"]
    flags = find_captured_flags(profile, ["AMR_PROFILE_STATUS"])
    assert flags is not None
    assert flags.largest == (1 << width) - 1
    assert flags.decode(flags.largest) == ((), tuple(range(width)))


def test_no_status_among_what_is_captured() -> None:
    assert find_captured_flags(BY_KEY["TST-1.0"], ["CLOCK", "ACTIVE_ENERGY_IMPORT"]) is None


def test_flags_of_all_profiles() -> None:
    assert list_flag_names() == (*DUTCH_FLAGS, "LIMITER_ACTIVE")


@pytest.mark.parametrize(
    ("raw", "version", "digits"),
    [
        (0x12345678, 0, "12345678"),
        (0x00000042, 0, "00000042"),
        (12345678, 1, "12345678"),
        (99_999_999, 1, "99999999"),
        (0, 0, "00000000"),
        (None, 0, None),
        (None, 1, None),
    ],
)
def test_identification_numbers(raw: int | None, version: int, digits: str | None) -> None:
    assert mbus.parse_identification_number(unsigned(raw), version) == digits


@pytest.mark.parametrize(
    ("raw", "version"), [(0xA2056731, 0), (100_000_000, 1), (-1, 0), (-1, 1), (1 << 40, 0)]
)
def test_identification_numbers_that_are_none(raw: int, version: int) -> None:
    with pytest.raises(Fault, match="eight digits") as caught:
        mbus.parse_identification_number(unsigned(raw), version)
    assert caught.value.code == FaultCode.ILLEGAL_RESPONSE


def test_manufacturers() -> None:
    assert mbus.parse_manufacturer(unsigned(12514)) == "LGB"
    assert mbus.parse_manufacturer(unsigned(1057)) == "AAA"
    assert mbus.parse_manufacturer(unsigned(27482)) == "ZZZ"
    assert mbus.parse_manufacturer(unsigned(0)) is None
    assert mbus.parse_manufacturer(unsigned(None)) is None
    for wrong in (1, 1056, 27483, 0x8000 | 12514, -1, 0xFFFF):
        with pytest.raises(Fault, match="three letters"):
            mbus.parse_manufacturer(unsigned(wrong))


@pytest.mark.parametrize("letters", ["LGB", "AAA", "ZZZ"])
def test_manufacturers_there_and_back(letters: str) -> None:
    assert mbus.parse_manufacturer(unsigned(mbus.encode_manufacturer(letters))) == letters


@pytest.mark.parametrize("wrong", ["", "LG", "LGBX", "lgb", "LG1", "LG@", "LG[", "LGÄ"])
def test_manufacturers_that_have_no_number(wrong: str) -> None:
    with pytest.raises(ValueError, match="three letters A to Z"):
        mbus.encode_manufacturer(wrong)


def test_encryption_key_statuses() -> None:
    told = [mbus.parse_encryption_key_status(Data(DataType.ENUM, number)) for number in range(5)]
    assert told == [
        "NO_ENCRYPTION_KEY",
        "ENCRYPTION_KEY_SET",
        "ENCRYPTION_KEY_TRANSFERRED",
        "ENCRYPTION_KEY_SET_AND_TRANSFERRED",
        "ENCRYPTION_KEY_IN_USE",
    ]
    for wrong in (-1, 5, 255, None, True, b"\x01"):
        with pytest.raises(Fault, match="encryption key status") as caught:
            mbus.parse_encryption_key_status(unsigned(wrong))
        assert caught.value.code == FaultCode.ILLEGAL_RESPONSE


def test_short_ids() -> None:
    read = mbus.parse_short_id(unsigned(0x12345678), unsigned(12514), unsigned(66), unsigned(3), 0)
    assert read == mbus.MbusShortId("12345678", "LGB", 66, 3)
    assert not read.is_empty
    assert mbus.parse_short_id(*[unsigned(0)] * 4, 0).is_empty
    assert mbus.parse_short_id(*[unsigned(None)] * 4, 1).is_empty
    with pytest.raises(Fault, match=r"device type 256 is outside"):
        mbus.parse_short_id(unsigned(1), unsigned(12514), unsigned(1), unsigned(256), 0)
