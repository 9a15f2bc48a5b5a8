"""Pushes made to hurt: anything may arrive, and nothing but PushError may come of it."""

import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.catalogue import obis
from osgp.cosem.pushes import AlarmPush, Push, UnknownPush, ValuesPush, WakeUpPush, decode
from osgp.cosem.pushes.decoding import LONGEST_PUSH
from osgp.protocol_dlms import Data, DataType, axdr
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.protection import unprotect
from tests.cosem.pushes.building import (
    WINTER,
    array,
    entry,
    name,
    notify,
    octets,
    scale,
    structure,
    text,
    u16,
    u32,
)
from tests.protocol_dlms.push import apdus
from tests.protocol_dlms.push.test_notification import UNTAGGED
from tests.protocol_dlms.trees import trees

ZONE = ZoneInfo("Europe/Oslo")
OPENED = [
    unprotect(apdu, apdus.ENCRYPTION_KEY, apdus.AUTHENTICATION_KEY) for apdu in apdus.PROTECTED.values()
]
GOOD = [*apdus.PLAIN.values(), *OPENED, notify(u32(0))[:-5] + UNTAGGED, b"E0000000123456789,\0\0\0\x05"]
MEMORY_PER_OCTET = 600
"""Octets that each octet of a push may cost. A compact array costs half of it, all others far less."""


def decode_whatever(apdu: bytes) -> Push | None:
    """Decode, and look at all that came of it; None for a refused push."""
    try:
        push = decode(apdu, zone=ZONE)
    except PushError as error:
        refused = error
    else:
        look_at(push)
        return push
    assert refused.kind in (PushFault.UNKNOWN_FORM, PushFault.MALFORMED)
    assert refused.octets == apdu
    return None


def look_at(push: Push) -> None:
    if not isinstance(push, ValuesPush):
        assert isinstance(push, AlarmPush | WakeUpPush | UnknownPush)
        return
    assert set(push.alarm_registers) <= {1, 2, 3}
    for value in push.values:
        assert isinstance(value.value, Data)
        assert value.obis is None or len(obis.parse(value.obis)) == 6
        assert value.quantity is None or value.quantity.value == Decimal(value.number or 0).scaleb(
            value.scaler or 0
        )
        assert (value.scale_source is None) == (value.scaler is None) == (value.unit is None)


@given(st.binary(max_size=300))
def test_random_octets(apdu: bytes) -> None:
    decode_whatever(apdu)


@given(st.sampled_from([b"\x0f\0\0\0\0\0", b"\xc2\0\0\x01\0\0\x60\x01\1\xff\x02"]), st.binary(max_size=300))
def test_random_bodies(head: bytes, body: bytes) -> None:
    decode_whatever(head + body)


@given(trees())
def test_any_data(body: Data) -> None:
    """Sound data are never refused, and never lost."""
    push = decode_whatever(notify(body))
    assert push is not None
    if isinstance(push, UnknownPush):
        assert axdr.encode(push.data or u32(0)) == axdr.encode(body)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good push with octets changed, taken out, put in, and its end cut off."""
    apdu = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, max(0, len(apdu) - 1)))
        match draw(st.integers(0, 3)):
            case 0:
                apdu[position : position + 1] = bytes((draw(st.integers(0, 255)),))
            case 1:
                del apdu[position : position + draw(st.integers(1, 8))]
            case 2:
                apdu[position:position] = draw(st.binary(min_size=1, max_size=8))
            case _:
                del apdu[position:]
    return bytes(apdu)


@given(mutated())
def test_mutated_pushes(apdu: bytes) -> None:
    decode_whatever(apdu)


@given(st.sampled_from(GOOD), st.data())
def test_pushes_cut_short_are_refused(apdu: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(apdu) - 1))
    assert decode_whatever(apdu[:length]) is None


UNTAGGED_VALUE = (u16(3), name("1.0.1.8.0"), Data(DataType.INTEGER, 2), u32(5))
# Elements of the types in layouts, in any order: far more of these nearly fit a layout.
PARTS = st.sampled_from(
    [
        name("1.0.1.8.0"),
        name("0.0.1.0.0"),
        name("0.1.25.9.0"),
        octets(WINTER),
        octets(b"123456"),
        octets(b""),
        text("Kamstrup_V0001"),
        u32(5),
        scale(-1, 35),
        scale(0, 200),
        entry(40, "0.1.25.9.0"),
        entry(3, "1.0.1.8.0"),
        structure(name("1.0.1.8.0"), u32(5), scale(1, 30)),
        array(entry(40, "0.1.25.9.0"), entry(3, "1.0.1.8.0")),
        array(structure(octets(WINTER), u32(5))),
        Data(DataType.ENUM, 1),
        array(structure(*UNTAGGED_VALUE)),
        array(structure(*UNTAGGED_VALUE[:1], octets(b"12345"), *UNTAGGED_VALUE[2:])),
    ]
)


@given(st.sampled_from([structure, array]), st.lists(PARTS, max_size=12))
def test_parts_in_any_order(outer: object, parts: list[Data]) -> None:
    assert callable(outer)
    push = decode_whatever(notify(outer(*parts)))
    assert push is not None


def wide() -> Iterator[tuple[str, bytes]]:
    yield "empty structures", notify(structure(*[structure()] * 20_000))
    yield "lists in lists", notify(structure(*[array(*[entry(40, "0.1.25.9.0")] * 50)] * 50))
    yield "pairs", notify(structure(*[name("1.0.1.8.0"), u32(5)] * 5_000))
    yield "rows", notify(structure(text("X"), array(*[structure(octets(WINTER), u32(5))] * 5_000)))
    yield "blanks", notify(structure(text(" " * 60_000), name("1.0.1.8.0"), u32(5)))
    nothings = b"\0" * 100 + b"\x11"
    yield "compact", b"\x0f\0\0\0\0\0\x13\x02" + bytes((101,)) + nothings + b"\x82\x4e\x20" + bytes(20_000)
    yield "untagged", b"\x0f\0\0\0\0\0\x02\x02\x16\x01\x01\x82\xff\xff" + b"\x02\x02\0\x01" * 10_000
    yield "zeros", b"\x0f\0\0\0\0\0\x01\x82\xff\xff" + bytes(65_535)
    yield "telegram", b"/" * 60_000


@pytest.mark.parametrize("name_of", [name for name, _ in wide()])
def test_memory_is_proportional_to_the_octets(name_of: str) -> None:
    apdu = dict(wide())[name_of]
    decode_whatever(apdu)
    tracemalloc.start()
    try:
        decode_whatever(apdu)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_PER_OCTET * len(apdu)


def test_the_longest_push() -> None:
    with pytest.raises(PushError) as info:
        decode(b"\x0f" + bytes(LONGEST_PUSH))
    assert info.value.kind is PushFault.TOO_LONG
