"""A-XDR: values of the books, round trips, hostile input."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.simulator.codec import axdr
from osgp.simulator.codec.axdr import Data, DataType, decode, encode
from osgp.simulator.codec.errors import LocalProtocolError, RemoteProtocolError

VECTORS = [
    ("00", Data(DataType.NULL_DATA)),
    ("0301", Data(DataType.BOOLEAN, True)),
    ("040c5a50", Data(DataType.BIT_STRING, "010110100101")),
    ("05ffffff9c", Data(DataType.DOUBLE_LONG, -100)),
    ("06000004d2", Data(DataType.DOUBLE_LONG_UNSIGNED, 1234)),
    ("0906000028 0000ff".replace(" ", ""), Data(DataType.OCTET_STRING, bytes((0, 0, 40, 0, 0, 255)))),
    ("0a03414243", Data(DataType.VISIBLE_STRING, "ABC")),
    ("0c02c3a9", Data(DataType.UTF8_STRING, "é")),
    ("0ffd", Data(DataType.INTEGER, -3)),
    ("10ffc4", Data(DataType.LONG, -60)),
    ("11ff", Data(DataType.UNSIGNED, 255)),
    ("120102", Data(DataType.LONG_UNSIGNED, 258)),
    ("141fffffffffffffff", Data(DataType.LONG64, 0x1FFFFFFFFFFFFFFF)),
    ("15ffffffffffffffff", Data(DataType.LONG64_UNSIGNED, 0xFFFFFFFFFFFFFFFF)),
    ("1605", Data(DataType.ENUM, 5)),
    ("173fc00000", Data(DataType.FLOAT32, 1.5)),
    ("02020ffd160d", Data(DataType.STRUCTURE, (Data(DataType.INTEGER, -3), Data(DataType.ENUM, 13)))),
    (
        "0102110111 02".replace(" ", ""),
        Data(DataType.ARRAY, (Data(DataType.UNSIGNED, 1), Data(DataType.UNSIGNED, 2))),
    ),
]


@pytest.mark.parametrize(("octets", "data"), VECTORS)
def test_values_have_the_octets_of_the_books(octets: str, data: Data) -> None:
    assert encode(data).hex() == octets
    assert decode(bytes.fromhex(octets)) == data


_scalars = st.one_of(
    st.just(Data(DataType.NULL_DATA)),
    st.builds(Data, st.just(DataType.BOOLEAN), st.booleans()),
    st.builds(Data, st.just(DataType.LONG), st.integers(-(2**15), 2**15 - 1)),
    st.builds(Data, st.just(DataType.DOUBLE_LONG_UNSIGNED), st.integers(0, 2**32 - 1)),
    st.builds(Data, st.just(DataType.OCTET_STRING), st.binary(max_size=300)),
    st.builds(Data, st.just(DataType.BIT_STRING), st.text("01", max_size=40)),
    st.builds(Data, st.just(DataType.UTF8_STRING), st.text(max_size=40)),
    st.builds(Data, st.just(DataType.DATE_TIME), st.binary(min_size=12, max_size=12)),
    st.builds(Data, st.just(DataType.FLOAT64), st.floats(allow_nan=False)),
)
_data = st.recursive(
    _scalars,
    lambda inner: st.builds(
        Data,
        st.sampled_from((DataType.ARRAY, DataType.STRUCTURE)),
        st.lists(inner, max_size=5).map(tuple),
    ),
    max_leaves=20,
)


@given(_data)
def test_what_is_encoded_decodes_to_itself(data: Data) -> None:
    assert decode(encode(data)) == data


@given(st.binary(max_size=200))
def test_any_octets_decode_or_are_the_peers_error(octets: bytes) -> None:
    try:
        data = decode(octets)
    except RemoteProtocolError:
        return
    assert decode(encode(data)) == data


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "07",
        "06000004",
        "0900 11".replace(" ", ""),
        "0984ffffffff00",
        "0184ffffffff",
        "0985000000000100",
        "0a01ff",
        "0c01ff",
        "02021101",
        "0101" * 40 + "00",
    ],
)
def test_hostile_octets_are_refused(octets: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(bytes.fromhex(octets))


LARGE = {
    "nothings": b"\1\x83\0\xff\0" + bytes(0xFF00),
    "empty structures": b"\1\x82\x7f\0" + b"\2\0" * 0x7F00,
    "deep structures": b"\1\x82\x07\0" + (b"\2\1" * 15 + b"\0") * 0x700,
    "numbers": b"\1\x82\x50\0" + b"\x12\1\2" * 0x5000,
    "bits": b"\4\x83\x07\xf8\0" + bytes(0xFF00),
}
"""About as much as a request may have in blocks."""


@pytest.mark.parametrize("octets", LARGE.values(), ids=LARGE)
def test_memory_is_proportional_to_the_octets(octets: bytes) -> None:
    tracemalloc.start()
    try:
        decode(octets)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 70 * len(octets)


def test_compact_arrays_are_refused() -> None:
    """Clients have no reason to send them, and they may describe more elements than they have octets."""
    with pytest.raises(RemoteProtocolError, match="no known type"):
        decode(bytes.fromhex("13 0202 01fff0 00 11 01 05"))


@pytest.mark.parametrize(
    "data",
    [
        Data(DataType.UNSIGNED, 256),
        Data(DataType.LONG_UNSIGNED, -1),
        Data(DataType.BIT_STRING, "012"),
        Data(DataType.VISIBLE_STRING, "é"),
        Data(DataType.OCTET_STRING, None),
        Data(DataType.DATE_TIME, b"short"),
        Data(DataType.ARRAY, 5),
    ],
)
def test_values_that_do_not_fit_their_type_are_our_error(data: Data) -> None:
    with pytest.raises(LocalProtocolError):
        encode(data)


def test_the_small_functions_agree_with_encode() -> None:
    joined = axdr.structure(axdr.integer(-3), axdr.enum(13), axdr.array([axdr.unsigned(1)]))
    assert decode(joined) == Data(
        DataType.STRUCTURE,
        (
            Data(DataType.INTEGER, -3),
            Data(DataType.ENUM, 13),
            Data(DataType.ARRAY, (Data(DataType.UNSIGNED, 1),)),
        ),
    )
