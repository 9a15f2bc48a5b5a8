"""Replies that would become much more than they are: elements, memory and time are bound by the octets."""

import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import (
    Data,
    DataType,
    Direction,
    TraceRecord,
    axdr,
    budget,
    consumption,
    errors,
    services,
)
from osgp.protocol_dlms.answers import MOST_SENSELESS_OBJECTS, decode_value
from osgp.protocol_dlms.axdr_reader import Reader
from osgp.protocol_dlms.budget import (
    ELEMENTS_AT_LEAST,
    ELEMENTS_PER_OCTET,
    MAX_BITS,
    MAX_ELEMENTS,
    MAX_PLAIN_ELEMENTS,
    STEP,
    Budget,
)
from osgp.protocol_dlms.describe import Describer
from tests.protocol_dlms.peers import WrapperMeter
from tests.protocol_dlms.sessions import CLOCK, ENERGY, LOAD_PROFILE, session

MEMORY_PER_OCTET = 400
"""Octets that each octet of a reply may cost: three elements of 120 octets, and some to spare."""
MEMORY_AT_LEAST = 64 * 1024
"""Of a reply of few octets: its budget, and an error with its traceback."""
Decode = Callable[[bytes], object]
DECODERS: tuple[Decode, ...] = (axdr.decode, axdr.decode_native)

# Compact arrays as meters send them: a type description, the length of the contents, the contents.
ROW = bytes.fromhex("07ea0a19ff00000000ffc480") + b"\x08" + bytes.fromhex("0000303900000005")
ROWS = bytes.fromhex("13 0204 19 11 06 06 83") + (10_000 * 21).to_bytes(3, "big") + 10_000 * ROW
RIGHTS = bytes.fromhex("13 0203 0f 16 00 81f0") + bytes.fromhex("0101") * 120


def compact(description: str, contents: bytes) -> bytes:
    return b"\x13" + bytes.fromhex(description) + axdr.encode_length(len(contents)) + contents


def many(count: int, element: bytes) -> bytes:
    return b"\x01" + axdr.encode_length(count) + element * count


PROMISES = {
    "nothings": compact("0202 01fff0 00 11", b"\5"),
    "nothings in a deep array": compact("0202 010020 010020 010020 00 11", b"\5"),
    "empty structures": compact("0202 01fff0 0200 11", b"\5"),
    "empty arrays": compact("0202 01fff0 010000 11 11", b"\5"),
    "nothings, after a text": compact("0202 01fff0 00 09", b"\1A" * 10),
    "a little too much in each of many": compact("0205 00 00 00 00 11", bytes(5_000)),
    "structures of structures": compact("0201 0201 0201 0201 11", bytes(5_000)),
    "more arrays than all octets": compact("01ffff 01ffff 01ffff 01ffff 09", bytes(100)),
}
"""Compact arrays that describe far more elements than octets."""
GREAT = {
    "nothings": many(8_000, b"\0"),
    "empty structures": many(8_000, b"\2\0"),
    "structures of nothing": many(4_000, b"\2\1\0"),
    "deep structures": many(400, b"\2\1" * 15 + b"\0"),
    "numbers": many(8_000, b"\x12\1\2"),
    "short octet-strings": many(8_000, b"\x09\2\1\2"),
    "short texts": many(8_000, b"\x0a\2\xe1\xe2"),
    "short bit-strings": many(8_000, b"\4\7\xfe"),
    "short texts in UTF-8": many(8_000, b"\x0c\3\xe2\x82\xac"),
    "long octet-string": b"\x09" + axdr.encode_length(4_000_000) + bytes(4_000_000),
    "long text": b"\x0a" + axdr.encode_length(4_000_000) + b"\xe1" * 4_000_000,
    "long text in UTF-8": b"\x0c" + axdr.encode_length(4_000_000) + "\U0001f600".encode() + bytes(3_999_996),
    "long text that is no UTF-8": b"\x0c" + axdr.encode_length(4_000_000) + b"\xff" * 4_000_000,
    "longest bit-string": b"\4" + axdr.encode_length(MAX_BITS) + bytes(MAX_BITS // 8),
    "rows in a compact array": ROWS,
}
"""What is not refused, of the kinds that take most memory for their octets."""


def measure(work: Callable[[], object]) -> int:
    """Octets that were in use at most, what is returned included."""
    tracemalloc.start()
    try:
        result = work()
        _, peak = tracemalloc.get_traced_memory()
        del result
        return peak
    finally:
        tracemalloc.stop()


def count(value: object) -> int:
    """Elements of typed or plain values, at all levels."""
    if isinstance(value, Data):
        value = value.value
    return sum(1 + count(element) for element in value) if isinstance(value, tuple) else 0


def check_bounds(octets: bytes) -> None:
    for decode in DECODERS:

        def work(decode: Decode = decode) -> object:
            with suppress(errors.DecodeError):
                return decode(octets)
            return None

        assert count(work()) <= max(ELEMENTS_AT_LEAST, ELEMENTS_PER_OCTET * len(octets))
        assert measure(work) <= MEMORY_AT_LEAST + MEMORY_PER_OCTET * len(octets)


@pytest.mark.parametrize("octets", PROMISES.values(), ids=PROMISES)
def test_promises_are_refused_before_anything_is_made(octets: bytes) -> None:
    for decode in DECODERS:

        def work(decode: Decode = decode) -> None:
            with pytest.raises(errors.DecodeError, match=r"more elements than"):
                decode(octets)

        assert measure(work) < MEMORY_AT_LEAST


@pytest.mark.parametrize("octets", GREAT.values(), ids=GREAT)
def test_memory_is_proportional_to_the_octets(octets: bytes) -> None:
    for decode in DECODERS:
        decode(octets)
    check_bounds(octets)


@st.composite
def nearly_compact(draw: st.DrawFn) -> bytes:
    """A compact array of any description, and contents of any length, with octets changed."""
    scalars = st.sampled_from([0, 3, 4, 9, 10, 17, 18, 6, 25, 255]).map(lambda tag: bytes((tag,)))
    descriptions = st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from([0, 1, 2, 200, 65_535]), inner).map(
                lambda drawn: b"\1" + drawn[0].to_bytes(2, "big") + drawn[1]
            ),
            st.lists(inner, max_size=4).map(lambda drawn: bytes((2, len(drawn))) + b"".join(drawn)),
        ),
        max_leaves=8,
    )
    contents = draw(st.binary(max_size=8) | st.integers(0, 2_000).map(bytes))
    octets = bytearray(b"\x13" + draw(descriptions) + axdr.encode_length(len(contents)) + contents)
    for _ in range(draw(st.integers(0, 2))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    return bytes(octets)


@given(st.lists(nearly_compact(), min_size=1, max_size=4))
def test_any_compact_arrays_stay_within_bounds(values: list[bytes]) -> None:
    check_bounds(values[0])
    check_bounds(bytes((2, len(values))) + b"".join(values))


def test_a_list_has_one_budget() -> None:
    """Each value would be within that of the whole reply; together they are not."""
    value, last = compact("0202 0100c8 00 11", b"\5"), axdr.encode(Data(DataType.OCTET_STRING, bytes(100)))
    reply = b"\x0d" + 12 * (b"\0" + value) + b"\0" + last
    axdr.decode(value, Budget(len(last)))

    def work() -> None:
        with pytest.raises(errors.DecodeError, match="more elements than"):
            services.decode_list(reply, [LOAD_PROFILE] * 13, Budget())

    work()
    assert measure(work) < MEMORY_AT_LEAST + MEMORY_PER_OCTET * len(reply)
    for decode in DECODERS:
        with pytest.raises(errors.DecodeError, match="more elements than"):
            decode(b"\2\x0d" + 12 * value + last)


def test_all_replies_to_one_read_have_a_limit() -> None:
    """The values are there at the same time. Others that are read with them are not lost."""
    values = [many(16_000, b"\0")] * 7 + [b"\x11\5"]
    answers = iter(values)

    def answer(request: bytes) -> bytes:
        return bytes((0xC4, 1, request[2], 0)) + next(answers)

    with session(WrapperMeter(answer)) as meter:
        first, second, *_, third, last = meter.get_each([ENERGY] * 8)
        assert isinstance(first, Data)
        assert first == second
        assert isinstance(third, errors.DecodeError)
        assert last == Data(DataType.UNSIGNED, 5)
        # Another read is another one.
        answers = iter(values)
        assert meter.get(ENERGY) == first


def test_what_a_reply_leaves_over_is_not_for_the_next() -> None:
    octets = many(50_000, b"\0")
    shared = Budget(len(octets))
    axdr.decode(octets, shared)
    shared.begin(10)
    assert shared.elements == ELEMENTS_AT_LEAST
    shared.begin(1_000_000)
    assert shared.elements == MAX_ELEMENTS - 50_000


def test_an_attribute_that_promises_too_much_costs_the_others_nothing() -> None:
    """The list fails as a whole, and is requested again in parts: the association stays open."""
    promise, number = PROMISES["nothings"].hex(), "1105"

    def answer(request: bytes) -> bytes:
        if request[1] == 3:
            return bytes((0xC4, 3, request[2])) + bytes.fromhex("02 00" + promise + "00" + number)
        asks_energy = request[3:12] == bytes.fromhex("00030100010800ff02")
        return bytes((0xC4, 1, request[2])) + bytes.fromhex("00" + (promise if asks_energy else number))

    with session(WrapperMeter(answer), with_list_max=2) as meter:
        first, second = meter.get_each([ENERGY, CLOCK])
        assert isinstance(first, errors.DecodeError)
        assert second == Data(DataType.UNSIGNED, 5)
        assert meter.is_open


@pytest.mark.parametrize(
    ("decode", "most"), [(axdr.decode, MAX_ELEMENTS), (axdr.decode_native, MAX_PLAIN_ELEMENTS)]
)
def test_too_many_elements_are_refused_before_they_are_made(decode: Decode, most: int) -> None:
    octets = many(most + 1, b"\0")

    def work() -> None:
        with pytest.raises(errors.DecodeError, match="more elements than"):
            decode(octets)

    assert measure(work) < MEMORY_AT_LEAST
    assert count(decode(many(most, b"\0"))) == most


def test_bits_are_limited_in_a_reply() -> None:
    longest = GREAT["longest bit-string"]
    assert axdr.decode_native(longest) == "0" * MAX_BITS
    for octets in (
        b"\4" + axdr.encode_length(MAX_BITS + 1) + bytes(MAX_BITS // 8 + 1),
        b"\2\2" + longest + b"\4\1\x80",
        b"\4" + axdr.encode_length(8 * 4_000_000) + bytes(4_000_000),
    ):
        for decode in DECODERS:
            with pytest.raises(errors.DecodeError, match="bit-strings of more than"):
                decode(octets)
        check_bounds(octets)


def test_bit_strings_of_any_length_keep_their_bits() -> None:
    for length in (0, 1, 7, 8, 9, 16, 65, 40_001):
        bits = ("0011010" * (length // 7 + 1))[:length]
        assert axdr.decode(axdr.encode(Data(DataType.BIT_STRING, bits))).value == bits


# What meters really send


def test_as_many_rows_as_any_buffer_has_in_a_compact_array() -> None:
    rows = axdr.decode_native(ROWS)
    assert len(rows) == 10_000
    assert rows[0] == rows[-1] == (ROW[:12], 8, 12345, 5)
    assert axdr.decode(ROWS).native == rows


def test_entries_of_access_rights_make_two_elements_of_each_octet() -> None:
    assert axdr.decode_native(RIGHTS) == ((1, 1, None),) * 120


def test_columns_without_values() -> None:
    """Rows of a clock, a number, and columns that the meter does not fill."""
    row = bytes.fromhex("07ea0a19ff00000000ffc480") + b"\1"
    value = compact("0214 19 11" + "00" * 18, 10 * row)
    assert axdr.decode_native(value) == ((row[:12], 1, *[None] * 18),) * 10


def test_short_compact_arrays_may_be_mostly_nothing() -> None:
    assert axdr.decode_native(compact("0214 11" + "00" * 19, b"\1\2")) == (
        (1, *[None] * 19),
        (2, *[None] * 19),
    )


def test_arrays_in_compact_arrays() -> None:
    value = compact("0202 11 010003 0202 11 12", bytes.fromhex("01 02 0003 04 0005 06 0007"))
    expected = ((1, ((2, 3), (4, 5), (6, 7))),)
    assert axdr.decode_native(value) == expected
    assert axdr.decode(value).native == expected


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("13 12 03 000100", "do not fit"),
        ("13 0202 11 12 05 0101010101", "do not fit"),
        ("13 09 04 02aabb01", "cut short|do not fit"),
        ("13 0202 00 00 01 01", "without contents"),
        ("13 01000011 01 01", "without contents"),
        ("13 63 01 01", "unknown data type"),
    ],
)
def test_contents_that_do_not_fit_their_description(octets: str, message: str) -> None:
    for decode in DECODERS:
        with pytest.raises(errors.DecodeError, match=message):
            decode(bytes.fromhex(octets))


# Descriptions of messages


@pytest.mark.parametrize("value", [*PROMISES.values(), compact("0202 0103e8 00 11", b"\5\6")])
def test_describing_a_list_costs_no_more_than_its_octets(value: bytes) -> None:
    """A text has an end, so that at most one value is made of which nothing is shown."""
    apdu = bytes.fromhex("c403c1 8201f4") + 500 * (b"\0" + value[:60])

    def work() -> object:
        return Describer().describe(TraceRecord(Direction.RECEIVED, apdu, datetime(2026, 1, 1, tzinfo=UTC)))

    work()
    assert measure(work) < MEMORY_AT_LEAST + MEMORY_PER_OCTET * len(apdu)


# Giving way


@pytest.mark.parametrize(
    "octets",
    [
        many(90_000, b"\0"),
        many(900, many(100, b"\0")),
        many(20_000, b"\2\4\x11\1\0\0\0"),
        compact("0202 11 11", bytes(60_000)),
        compact("01c350 11", bytes(50_000)),
        compact("0202 11 09", b"\1\0" * 30_000),
    ],
    ids=["numbers", "lists", "rows", "compact", "compact array of arrays", "compact, of any size"],
)
def test_long_decoding_gives_way(octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for so many elements; a list of many does so for its own as well."""
    pauses: list[float] = []
    monkeypatch.setattr(consumption.time, "sleep", pauses.append)
    monkeypatch.setattr(consumption, "_leave_most_to_others", pauses.append)
    for decode in DECODERS:
        pauses.clear()
        elements = count(decode(octets))
        assert elements // STEP - 1 <= len(pauses) <= 2 * elements // STEP


def test_usual_replies_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of quarters of an hour."""
    monkeypatch.setattr(consumption.time, "sleep", lambda seconds: pytest.fail("paused"))
    rows = axdr.decode_native(many(96, b"\2\4\x09\x0c" + ROW[:12] + b"\x11\1\x12\0\1\0"))
    assert len(rows) == 96


def test_large_replies_are_made_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since each gives way to others, all would be in memory at the same time. Small ones need not wait."""
    turns = threading.BoundedSemaphore(1)
    monkeypatch.setattr(budget, "_turns", turns)
    large, small = many(12_000, b"\0"), many(3_000, b"\0")
    done = threading.Event()

    def decode_large() -> None:
        assert axdr.decode(large).type == DataType.ARRAY
        done.set()

    with turns:
        waiting = threading.Thread(target=decode_large)
        waiting.start()
        assert axdr.decode(small).type == DataType.ARRAY
        assert not done.wait(0.05)
    waiting.join(60)
    assert done.is_set()
    # A turn ends also when the value turns out to be none.
    for octets in (large[:-1] + b"\x63", large[:-1]):
        with pytest.raises(errors.DecodeError):
            axdr.decode(octets)
    assert axdr.decode(large).type == DataType.ARRAY


PROGRAM = """
from gevent import monkey
monkey.patch_all()
import gevent
from osgp.protocol_dlms import axdr

ticks = 0

def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.0001)

ticking = gevent.spawn(tick)
axdr.decode(b"\\1" + axdr.encode_length(90_000) + bytes(90_000))
print(ticks)
"""


def test_other_greenlets_go_on() -> None:
    """Whose leases run on in the same thread."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 90_000 // STEP - 1


OBJECT_LIST = AttributeDescriptor(15, bytes.fromhex("0000280000ff"), 2)
OBJECT = bytes.fromhex("0204 120003 1100 09060100010800ff 0202 0100 0100")
SENSELESS = {
    "nothing": b"\0",
    "deep structures": b"\2\1" * 14 + b"\0",
    "structures of another size": bytes.fromhex("0203 120003 1100 1100"),
    "arrays of four": bytes.fromhex("0104 1100 1100 1100 1100"),
}


@pytest.mark.parametrize("entry", SENSELESS.values(), ids=SENSELESS)
def test_no_more_of_a_list_of_objects_is_made_than_shows_that_it_is_none(
    entry: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Data] = []
    read_typed = Reader.read_typed

    def read(reader: Reader, depth: int) -> Data:
        made.append(read_typed(reader, depth))
        return made[-1]

    monkeypatch.setattr(Reader, "read_typed", read)
    with pytest.raises(errors.DecodeError, match="33 elements in a row"):
        decode_value(many(1_000, entry), OBJECT_LIST, Budget())
    each = len(made) / (MOST_SENSELESS_OBJECTS + 1)
    assert each <= 15


def test_entries_without_sense_among_objects_cost_themselves_alone() -> None:
    """How many there may be in a row was chosen for meters that have none, not for those with a few."""
    some = OBJECT + b"\0" * MOST_SENSELESS_OBJECTS
    data = decode_value(b"\1" + axdr.encode_length(10 * 33) + some * 10, OBJECT_LIST, Budget())
    assert isinstance(data.value, tuple)
    assert [entry.type for entry in data.value].count(DataType.STRUCTURE) == 10


@pytest.mark.parametrize("other", [b"\0", b"\x11\5", compact("0202 11 11", b"\1\2")])
def test_what_is_no_array_is_decoded_as_it_is(other: bytes) -> None:
    assert decode_value(other, OBJECT_LIST, Budget()) == axdr.decode(other)
