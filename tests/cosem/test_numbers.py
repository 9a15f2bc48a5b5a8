"""Numbers and bits of every type that meters have for them (Blue Book 4.1.5, common data types)."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.cosem.numbers import align, to_bits, to_number
from osgp.cosem.repeated_cells import GAP, fill
from osgp.protocol_dlms import axdr
from osgp.protocol_dlms.data import Delta, Float32


@pytest.mark.parametrize(
    ("encoded", "number"),
    [
        ("00", None),
        ("06000004d2", 1234),
        ("15ffffffffffffffff", 2**64 - 1),
        ("0d42", 66),
        ("1607", 7),
        ("1c05", 5),
        ("1dfffe", -2),
        ("21000000ff", 255),
        ("173dcccccd", Decimal("0.1")),
        ("1747f12000", 123456),
        ("18409348f5c28f5c29", Decimal("1234.24")),
        ("184093480000000000", 1234),
    ],
)
def test_every_numeric_type_is_a_number(encoded: str, number: object) -> None:
    found = to_number(axdr.decode_native(bytes.fromhex(encoded)))
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "a truth value"),
        ("12", "a text"),
        (b"\x01", "octets"),
        ((1, 2), "a structure"),
        (float("nan"), "no number"),
        (float("inf"), "no number"),
        (1e300, "beyond all bounds"),
    ],
)
def test_what_is_no_number(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        to_number(value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**64), max_value=2.0**64))
def test_a_float32_is_the_shortest_decimal_that_gives_it(value: float) -> None:
    number = to_number(Float32(value))
    assert number is not None
    assert struct.pack(">f", float(number)) == struct.pack(">f", value + 0.0 if value else 0.0)
    assert isinstance(number, int) or len(number.as_tuple().digits) <= 9


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e20, max_value=1e20))
def test_a_float64_is_the_shortest_decimal_that_gives_it(value: float) -> None:
    number = to_number(value)
    assert number is not None
    assert float(number) == value


def test_bits_come_as_words_or_as_bit_strings() -> None:
    """The leftmost bit of a bit-string is the most significant one, as it is written."""
    assert to_bits(0x81, 255) == 0x81
    assert to_bits("00001000", 255) == 8
    assert to_bits("1000000000000001", 0xFFFF) == 0x8001
    for wrong in (-1, 256, "100000000", "", "012", True, b"\x01", None, 1.0, "1" * 100_000):
        with pytest.raises(ValueError, match="bits"):
            to_bits(wrong, 255)


def test_fractions_get_a_common_exponent() -> None:
    assert align([1, None, 2], 3) == ([1, None, 2], 0)
    assert align([1, Decimal("2.5"), None], 3) == ([10, 25, None], -1)
    assert align([Decimal("1.23456"), 7], 3) == ([1235, 7000], -3)
    assert align([Decimal("1e3")], 3) == ([1000], 0)


def test_null_data_is_the_value_of_the_row_before() -> None:
    """Blue Book, class 7, buffer. From the first row on there is none."""
    assert fill([None, None, 5, None, b"x", None]) == [None, None, 5, 5, b"x", b"x"]
    assert fill([5, GAP, None, 6, None]) == [5, None, None, 6, 6]


def test_deltas_add_to_the_row_before() -> None:
    """Blue Book, common data types: tags 28 to 33."""
    assert fill([100, Delta(5), Delta(-1), None, Delta(0)]) == [100, 105, 104, 104, 104]
    assert fill([1.5, Delta(1)]) == [1.5, Decimal("2.5")]
    for before in ([], [None], [b"x"], [5, GAP]):
        assert type(fill([*before, Delta(1)])[-1]) is Delta


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1), st.data())
def test_whatever_is_left_out_or_sent_as_a_delta_the_numbers_are_the_same(
    numbers: list[int], data: st.DataObject
) -> None:
    cells: list[object] = []
    for before, number in zip([None, *numbers], numbers, strict=False):
        forms: list[object] = [number]
        if before is not None:
            forms.append(Delta(number - before))
            forms += [None] if number == before else []
        cells.append(data.draw(st.sampled_from(forms)))
    assert [to_number(cell) for cell in fill(cells)] == numbers
