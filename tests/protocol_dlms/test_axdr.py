"""A-XDR: known encodings, round trips, and input made to hurt."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms import Data, DataType, axdr, errors
from osgp.protocol_dlms.data import Delta, Float32
from tests.protocol_dlms.trees import trees

KNOWN = [
    ("00", Data(DataType.NULL_DATA, None)),
    ("0300", Data(DataType.BOOLEAN, False)),
    ("03ff", Data(DataType.BOOLEAN, True)),
    ("0405a8", Data(DataType.BIT_STRING, "10101")),
    ("0400", Data(DataType.BIT_STRING, "")),
    ("05fffffffe", Data(DataType.DOUBLE_LONG, -2)),
    ("06ffffffff", Data(DataType.DOUBLE_LONG_UNSIGNED, 0xFFFFFFFF)),
    ("0906000002020aff", Data(DataType.OCTET_STRING, bytes.fromhex("000002020aff"))),
    ("0a03414243", Data(DataType.VISIBLE_STRING, "ABC")),
    ("0c03e282ac", Data(DataType.UTF8_STRING, "€")),
    ("0d42", Data(DataType.BCD, 0x42)),
    ("0ffd", Data(DataType.INTEGER, -3)),
    ("108000", Data(DataType.LONG, -0x8000)),
    ("11ff", Data(DataType.UNSIGNED, 255)),
    ("12ffff", Data(DataType.LONG_UNSIGNED, 0xFFFF)),
    ("14ffffffffffffffff", Data(DataType.LONG64, -1)),
    ("15ffffffffffffffff", Data(DataType.LONG64_UNSIGNED, 2**64 - 1)),
    ("161e", Data(DataType.ENUM, 30)),
    ("173fc00000", Data(DataType.FLOAT32, 1.5)),
    ("183ff8000000000000", Data(DataType.FLOAT64, 1.5)),
    ("1907e80101ff000000008000ff", Data(DataType.DATE_TIME, bytes.fromhex("07e80101ff000000008000ff"))),
    ("1a07e80101ff", Data(DataType.DATE, bytes.fromhex("07e80101ff"))),
    ("1b0c000000", Data(DataType.TIME, bytes.fromhex("0c000000"))),
    ("1cff", Data(DataType.DELTA_INTEGER, -1)),
    ("1dff00", Data(DataType.DELTA_LONG, -256)),
    ("1e80000000", Data(DataType.DELTA_DOUBLE_LONG, -(2**31))),
    ("1fff", Data(DataType.DELTA_UNSIGNED, 255)),
    ("20ffff", Data(DataType.DELTA_LONG_UNSIGNED, 0xFFFF)),
    ("21ffffffff", Data(DataType.DELTA_DOUBLE_LONG_UNSIGNED, 0xFFFFFFFF)),
    ("ff", Data(DataType.DONT_CARE, None)),
    ("0100", Data(DataType.ARRAY, ())),
    ("02020ffd161e", Data(DataType.STRUCTURE, (Data(DataType.INTEGER, -3), Data(DataType.ENUM, 30)))),
]


@pytest.mark.parametrize(("encoded", "data"), KNOWN, ids=[data.type.name for _, data in KNOWN])
def test_known_encodings(encoded: str, data: Data) -> None:
    octets = bytes.fromhex(encoded)
    assert axdr.encode(data) == octets
    assert axdr.decode(octets) == data
    assert axdr.decode_native(octets) == data.native


def test_what_must_be_told_from_other_numbers() -> None:
    """Deltas mean nothing without the row before; of a float32 fewer digits count than of a float64."""
    numbers = axdr.decode_native(
        bytes.fromhex("0206 0f05 1c05 2100000005 18 3ff8000000000000 17 3fc00000 1600")
    )
    assert numbers == (5, 5, 5, 1.5, 1.5, 0)
    assert [type(number) for number in numbers] == [int, Delta, Delta, float, Float32, int]
    assert axdr.decode(bytes.fromhex("13 1c 02 0506")).native == (5, 6)
    assert [type(each) for each in axdr.decode_native(bytes.fromhex("131c020506"))] == [Delta, Delta]


@given(trees())
def test_round_trip(data: Data) -> None:
    encoded = axdr.encode(data)
    assert axdr.decode(encoded) == data
    assert axdr.decode_native(encoded) == data.native
    assert axdr.decode_prefix(b"??" + encoded + b"more", 2) == (data, 2 + len(encoded))


@given(trees(), st.data())
def test_data_cut_short_anywhere_are_refused(data: Data, cut: st.DataObject) -> None:
    encoded = axdr.encode(data)
    shortened = encoded[: cut.draw(st.integers(0, len(encoded) - 1))]
    for decode in (axdr.decode, axdr.decode_native):
        with pytest.raises(errors.DecodeError):
            decode(shortened)


@given(st.binary(max_size=400))
def test_any_octets_decode_alike_or_are_refused(octets: bytes) -> None:
    try:
        data = axdr.decode(octets)
    except errors.DecodeError:
        with pytest.raises(errors.DecodeError):
            axdr.decode_native(octets)
    else:
        # By representation, since a float may be NaN.
        assert repr(axdr.decode_native(octets)) == repr(data.native)


@given(trees(), st.binary(min_size=1, max_size=4))
def test_what_follows_the_data_is_refused(data: Data, more: bytes) -> None:
    for decode in (axdr.decode, axdr.decode_native):
        with pytest.raises(errors.DecodeError):
            decode(axdr.encode(data) + more)


@pytest.mark.parametrize("length", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000])
def test_lengths_in_their_shortest_form(length: int) -> None:
    encoded = axdr.encode(Data(DataType.OCTET_STRING, bytes(length)))
    size = len(encoded) - 1 - length
    assert size == (1 if length < 0x80 else 2 if length < 0x100 else 3 if length < 0x10000 else 4)
    assert axdr.decode(encoded).value == bytes(length)


def test_compact_array_of_numbers() -> None:
    assert axdr.decode(bytes.fromhex("13120400010002")) == Data(
        DataType.ARRAY, (Data(DataType.LONG_UNSIGNED, 1), Data(DataType.LONG_UNSIGNED, 2))
    )
    assert axdr.decode_native(bytes.fromhex("13120400010002")) == (1, 2)


def test_compact_array_of_structures_with_strings_and_arrays() -> None:
    # structure { octet-string, array of 2 unsigned }, contents of two such elements
    encoded = bytes.fromhex("13 0202 09 01000211 08 01aa 0102 01bb 0304")
    assert axdr.decode_native(encoded) == ((b"\xaa", (1, 2)), (b"\xbb", (3, 4)))
    assert axdr.decode(encoded).native == axdr.decode_native(encoded)
    assert axdr.decode(encoded).type == DataType.ARRAY


HOSTILE = {
    "nothing": "",
    "unknown type": "63",
    "structure in a structure without end": "0201" * 5000,
    "array of 4 GiB elements": "0184ffffffff",
    "octet-string of 4 GiB": "0984ffffffff00",
    "bit-string of 4 Gi bits": "0484ffffffff00",
    "a length of 16 octets": "0990" + "ff" * 16,
    "a length of indefinite form": "0980",
    "date-time cut short": "1907e8",
    "compact array without description": "13",
    "compact array of null": "130001aa",
    "compact array of unknown type": "136301aa",
    "compact array in a compact array": "13131101aa",
    "compact array of too much": "131284ffffffff0001",
    "compact array that does not come out even": "131203000100",
    "compact array of deep descriptions": "13" + "0201" * 5000,
    "compact array of 65535 × 65535 nulls per octet": "13 0202 01ffff01ffff00 11 03 aabbcc",
}


@pytest.mark.parametrize("encoded", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_input_is_refused_without_much_memory(encoded: str) -> None:
    octets = bytes.fromhex(encoded)
    for decode in (axdr.decode, axdr.decode_native):
        tracemalloc.start()
        try:
            with pytest.raises(errors.DecodeError):
                decode(octets)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 64 * 1024 * 1024


def test_the_deepest_nesting_that_is_allowed_and_one_more() -> None:
    data = Data(DataType.NULL_DATA, None)
    for _ in range(axdr.MAX_DEPTH):
        data = Data(DataType.STRUCTURE, (data,))
    encoded = axdr.encode(data)
    assert axdr.decode(encoded) == data
    assert axdr.decode_native(encoded) == data.native
    with pytest.raises(errors.EncodeError):
        axdr.encode(Data(DataType.ARRAY, (data,)))
    for decode in (axdr.decode, axdr.decode_native):
        with pytest.raises(errors.DecodeError):
            decode(b"\x01\x01" + encoded)


def test_text_with_octets_that_are_none_is_still_read() -> None:
    assert axdr.decode(bytes.fromhex("0a02e941")).value == "éA"
    assert axdr.decode(bytes.fromhex("0c02ff41")).value == "\ufffdA"


@pytest.mark.parametrize(
    "data",
    [
        Data(DataType.UNSIGNED, 256),
        Data(DataType.UNSIGNED, -1),
        Data(DataType.LONG64_UNSIGNED, 2**64),
        Data(DataType.UNSIGNED, "1"),
        Data(DataType.UNSIGNED, 1.0),
        Data(DataType.UNSIGNED, True),
        Data(DataType.BOOLEAN, 1),
        Data(DataType.FLOAT32, 1e300),
        Data(DataType.FLOAT64, "1"),
        Data(DataType.NULL_DATA, 0),
        Data(DataType.OCTET_STRING, "text"),
        Data(DataType.VISIBLE_STRING, b"octets"),
        Data(DataType.VISIBLE_STRING, "€"),
        Data(DataType.UTF8_STRING, "\ud800"),
        Data(DataType.BIT_STRING, "012"),
        Data(DataType.BIT_STRING, 5),
        Data(DataType.DATE_TIME, bytes(11)),
        Data(DataType.DATE, bytes(6)),
        Data(DataType.ARRAY, 5),
        Data(DataType.COMPACT_ARRAY, ()),
        Data(DataType.STRUCTURE, (Data(DataType.UNSIGNED, 1), Data(DataType.UNSIGNED, 999))),
    ],
    ids=str,
)
def test_values_that_do_not_fit_their_type_are_not_sent(data: Data) -> None:
    with pytest.raises(errors.EncodeError) as refusal:
        axdr.encode(data)
    assert refusal.value.code == 401
    assert not refusal.value.retryable
