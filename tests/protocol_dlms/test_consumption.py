"""What one visit may consume: it decodes much at the cost of its own time; useless answers have an end."""

import threading
from collections.abc import Callable, Iterator
from weakref import WeakSet

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import Data, DataType, axdr, budget, consumption, errors, reply_room
from osgp.protocol_dlms.budget import MAX_ELEMENTS, STEP, Budget
from osgp.protocol_dlms.consumption import (
    FREE_SECONDS,
    LOOK_AFTER,
    MOST_WASTED,
    SHARE_OF_OTHERS,
    Consumption,
)
from osgp.protocol_dlms.reply_limits import (
    MOST_ELEMENTS,
    MOST_LISTED,
    MOST_SMALL_BLOCKS,
    SMALLEST_BLOCK,
    find_most_elements,
    find_reply_size,
)
from osgp.protocol_dlms.reply_room import SMALL, HeldReply
from osgp.protocol_dlms.settings import Limits
from tests.protocol_dlms.peers import WrapperMeter
from tests.protocol_dlms.sessions import CLOCK, ENERGY, LOAD_PROFILE, session

OBJECT_LIST = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 2)
BLOCK = 32_000
MIB = 1024 * 1024
Answer = Callable[[bytes], bytes]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether the turn was taken, each time that most of the time is left to others."""
    turn = threading.BoundedSemaphore(1)
    taken: list[bool] = []
    monkeypatch.setattr(consumption, "_turn", turn)

    def leave(seconds: float) -> None:
        assert seconds >= 0
        free = turn.acquire(blocking=False)
        if free:
            turn.release()
        taken.append(not free)

    monkeypatch.setattr(consumption, "_leave_most_to_others", leave)
    yield taken
    # Whoever took the turn has given it back.
    assert turn.acquire(blocking=False)


def many(count: int) -> bytes:
    return b"\1" + axdr.encode_length(count) + count * b"\0"


def in_blocks(value: bytes, size: int) -> Answer:
    """Answers each get-request with ``value`` in blocks."""

    def answer(request: bytes) -> bytes:
        number = int.from_bytes(request[3:7], "big") + 1 if request[1] == 2 else 1
        block = value[(number - 1) * size : number * size]
        is_last = number * size >= len(value)
        head = bytes((0xC4, 2, request[2], is_last)) + number.to_bytes(4, "big") + b"\0"
        return head + axdr.encode_length(len(block)) + block

    return answer


# Decoding


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    """Each reading is so much CPU time later: that is what a step of decoding takes."""
    clock = Clock()
    monkeypatch.setattr(budget.time, "thread_time", clock.read)
    return clock


class Clock:
    """CPU time of a thread."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = FREE_SECONDS / 100

    def read(self) -> float:
        """The time."""
        self.now += self.step
        return self.now


def test_a_usual_visit_leaves_nothing_to_others(left: list[bool], clock: Clock) -> None:
    visit = Consumption()
    for _ in range(10):
        axdr.decode(many(4 * STEP), Budget(100_000, consumption=visit))
    assert 0.5 * FREE_SECONDS < visit.seconds < FREE_SECONDS
    assert left == []


@pytest.mark.parametrize("is_plain", [False, True])
def test_what_is_beyond_leaves_most_of_the_time_to_others(
    left: list[bool], clock: Clock, is_plain: bool
) -> None:
    visit = Consumption(seconds=FREE_SECONDS)
    decode = axdr.decode_native if is_plain else axdr.decode
    decode(many(4 * STEP), Budget(100_000, consumption=visit))
    assert len(left) >= 4
    assert all(left)


def test_many_small_replies_are_much_as_well(left: list[bool], clock: Clock) -> None:
    visit = Consumption(seconds=FREE_SECONDS)
    clock.step = 2 * LOOK_AFTER
    for _ in range(3):
        axdr.decode(many(10), Budget(100, consumption=visit))
    assert left == [True] * 3
    # Together they are much at some time, if each is next to nothing.
    clock.step = LOOK_AFTER / 2.5
    for _ in range(3):
        axdr.decode(many(10), Budget(100, consumption=visit))
    assert left == [True] * 4


def test_the_turn_ends_with_a_value_that_is_none(left: list[bool], clock: Clock) -> None:
    visit = Consumption(seconds=FREE_SECONDS)
    with pytest.raises(errors.DecodeError):
        axdr.decode(many(4 * STEP)[:-1] + b"\x63", Budget(100_000, consumption=visit))
    assert left


@pytest.mark.parametrize(
    ("used", "looks"), [(0.0, 1), (0.2, 1), (0.3, SHARE_OF_OTHERS), (1.0, SHARE_OF_OTHERS)]
)
def test_others_get_the_time_as_long_as_they_need_it(
    used: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``used``: what they use of the processor while this visit waits."""
    slept: list[float] = []
    monkeypatch.setattr(consumption.time, "sleep", slept.append)
    monkeypatch.setattr(consumption.time, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(consumption.time, "process_time", lambda: used * sum(slept))
    consumption._leave_most_to_others(consumption.LOOK_AFTER)
    assert looks <= len(slept) <= looks + 1


# Answers that are too large


def test_a_meter_whose_answers_are_too_large_is_asked_for_nothing_more() -> None:
    asked: list[int] = []
    respond = in_blocks(b"\x09" + axdr.encode_length(500_000) + bytes(500_000), BLOCK)

    def answer(request: bytes) -> bytes:
        asked.append(request[1])
        return respond(request)

    limits = Limits()
    with session(WrapperMeter(answer), limits=limits) as meter:
        values = meter.get_each([ENERGY] * 100)
        for _ in range(MOST_WASTED // limits.value_size):
            assert isinstance(next(values), errors.ValueTooLarge)
        with pytest.raises(errors.ReplyTooLarge, match="it is not asked for more") as end:
            list(values)
        assert not end.value.retryable
        assert not meter.is_open
        assert meter.statistics.bytes_received < 1.5 * MOST_WASTED
    assert asked.count(1) <= MOST_WASTED // limits.value_size + 1


def test_values_that_are_too_much_are_counted_as_well() -> None:
    respond = in_blocks(b"\1\x82\0\xc8" + 200 * many(100), BLOCK)
    with session(WrapperMeter(respond)) as meter:
        with pytest.raises(errors.ValueTooLarge, match="more elements"):
            meter.get(ENERGY)
        next(iter(meter.get_each([ENERGY])))
        with pytest.raises(errors.ReplyTooLarge, match="it is not asked for more"):
            list(meter.get_each([ENERGY] * 10))


def test_one_such_attribute_costs_the_others_nothing() -> None:
    """Neither alone nor among others that are asked for with it in one request."""
    large = in_blocks(b"\x09" + axdr.encode_length(300_000) + bytes(300_000), BLOCK)
    is_asked = False

    def answer(request: bytes) -> bytes:
        nonlocal is_asked
        if request[1] != 2:
            is_asked = ENERGY.logical_name in request
        if is_asked:
            return large(request)
        head = bytes((0xC4, request[1], request[2]))
        number = bytes.fromhex("001105")
        return head + (request[3:4] + request[3] * number if request[1] == 3 else number)

    with session(WrapperMeter(answer), with_list_max=32) as meter:
        first, *others = meter.get_each([ENERGY] + [CLOCK] * 31)
        assert isinstance(first, errors.ValueTooLarge)
        assert others == [Data(DataType.UNSIGNED, 5)] * 31
        assert meter.is_open


def test_blocks_of_next_to_nothing_end_the_association() -> None:
    asked = 0
    respond = in_blocks(bytes(100_000), SMALLEST_BLOCK - 1)

    def answer(request: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return respond(request)

    with session(WrapperMeter(answer)) as meter:
        with pytest.raises(errors.IllegalResponse, match=f"{MOST_SMALL_BLOCKS} blocks"):
            meter.get(ENERGY)
        assert not meter.is_open
    assert asked == MOST_SMALL_BLOCKS


def test_small_blocks_of_real_meters_are_taken() -> None:
    octets = b"\x09" + axdr.encode_length(4_000) + bytes(4_000)
    with session(WrapperMeter(in_blocks(octets, SMALLEST_BLOCK))) as meter:
        assert meter.get(ENERGY) == Data(DataType.OCTET_STRING, bytes(4_000))


@pytest.fixture
def three_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is so much room, all of which is free."""
    monkeypatch.setattr(reply_room, "MOST_HELD", 3 * MIB)
    monkeypatch.setattr(reply_room, "_held", WeakSet())


@pytest.mark.usefixtures("three_mib")
def test_the_largest_reply_gives_way_if_there_is_no_room_for_all() -> None:
    small, large, larger = (HeldReply() for _ in range(3))
    small.grow(SMALL)
    large.grow(MIB)
    larger.grow(2 * MIB)
    large.grow(MIB + 1)
    with pytest.raises(errors.ReplyTooLarge, match="no room") as refusal:
        larger.grow(2 * MIB + 1)
    assert refusal.value.retryable
    del refusal
    large.grow(3 * MIB)
    with pytest.raises(errors.ReplyTooLarge):
        large.grow(3 * MIB + 1)
    small.grow(2 * MIB)


@pytest.mark.usefixtures("three_mib")
def test_a_reply_that_is_over_needs_no_room() -> None:
    octets = b"\x09" + axdr.encode_length(2 * MIB) + bytes(2 * MIB)
    with session(WrapperMeter(in_blocks(octets, BLOCK))) as meter:
        for _ in range(3):
            assert meter.get(LOAD_PROFILE).value == bytes(2 * MIB)
        HeldReply().grow(2 * MIB)
        still_under_way = HeldReply()
        still_under_way.grow(MIB + 1)
        with pytest.raises(errors.ReplyTooLarge, match="no room"):
            meter.get(LOAD_PROFILE)
        assert not meter.is_open
    still_under_way.grow(3 * MIB)


@pytest.mark.parametrize(
    ("attributes", "size", "elements"),
    [
        ([ENERGY], "value_size", MOST_ELEMENTS),
        ([ENERGY, CLOCK], "value_size", MOST_ELEMENTS),
        ([OBJECT_LIST], "object_list_size", MOST_LISTED),
        ([ENERGY, OBJECT_LIST], "object_list_size", MOST_LISTED),
        ([OBJECT_LIST._replace(class_id=12)], "object_list_size", MOST_LISTED),
        ([OBJECT_LIST._replace(attribute_id=3)], "value_size", MOST_ELEMENTS),
        ([LOAD_PROFILE], "buffer_size", MAX_ELEMENTS),
        ([LOAD_PROFILE, ENERGY], "object_list_size", MAX_ELEMENTS),
        ([LOAD_PROFILE._replace(attribute_id=3)], "value_size", MOST_ELEMENTS),
    ],
)
def test_limits_go_by_what_is_asked_for(
    attributes: list[AttributeDescriptor], size: str, elements: int
) -> None:
    limits = Limits()
    assert find_reply_size(attributes, limits) == getattr(limits, size)
    assert find_most_elements(attributes) == elements
