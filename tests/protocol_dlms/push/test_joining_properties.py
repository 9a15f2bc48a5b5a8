"""Any messages in any parts, any octets at all, and what it costs to look at them."""

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from osgp.protocol_dlms import axdr
from osgp.protocol_dlms.data import Data, DataType
from osgp.protocol_dlms.push import joining, text
from osgp.protocol_dlms.push.joining import LEAST_LIMIT, Joiner, Outcome
from osgp.protocol_dlms.push.message import Framing, PushedMessage
from osgp.protocol_dlms.transport import hdlc
from tests.protocol_dlms.push import examples
from tests.protocol_dlms.push.framed import (
    frame_hdlc,
    frame_mbus,
    frame_wrapper,
    make_blocks,
    make_ciphered,
    make_telegram,
    message,
    segment_hdlc,
    segment_mbus,
)
from tests.protocol_dlms.push.joined import show
from tests.protocol_dlms.trees import trees

END_OF_TEXT = text._END_OF_TEXT
EXAMPLES = [value for name, value in sorted(vars(examples).items()) if name.isupper()]
HEADERS = ("0f0000000100", "0f400000000c07ea0110050e1e0aff800000", "0f40000000090c07ea0110050e1e0cff800000")


def make_notification(header: str, elements: list[Data]) -> bytes:
    return bytes.fromhex(header) + axdr.encode(Data(DataType.STRUCTURE, tuple(elements)))


NOTIFICATIONS = st.builds(make_notification, st.sampled_from(HEADERS), st.lists(trees(40), max_size=4))
APDUS = st.one_of(NOTIFICATIONS, st.builds(make_ciphered, st.binary(max_size=400)))
NAMES = st.from_regex(re.compile(r"[0-9A-Z][0-9A-Za-z ]{16}", re.ASCII), fullmatch=True).map(str.encode)
ALARMS = st.builds(
    lambda name, value, rest: name + b"," + value + rest,
    NAMES,
    st.binary(min_size=4, max_size=4),
    st.sampled_from([b"", b"\x00\xff", b"\x04\xff"]),
)
LINES = st.binary().map(lambda octets: b"0-0:96.13.0(" + octets.hex().encode() + b")")
TELEGRAMS = st.lists(LINES, max_size=4).map(make_telegram)
BARE = st.one_of(
    NOTIFICATIONS.filter(lambda apdu: b"\x02\x02\x16" not in apdu),
    st.builds(make_ciphered, st.binary(max_size=100), st.sampled_from([b"", b"MMM\0\0\0\0\1"])),
    ALARMS,
    TELEGRAMS,
)


def has_one_reading(octets: bytes) -> bool:
    """Whether a frame whose length wraps has no good checksum where the length in it ends."""
    end = octets[1] + 5
    is_wrapped = len(octets) > 261
    return not is_wrapped or octets[end] != 0x16 or sum(octets[4 : end - 1]) & 0xFF != octets[end - 1]


def blocks_in(frame: Callable[[bytes], bytes]) -> Callable[[bytes, int], bytes]:
    return lambda apdu, size: b"".join(frame(block) for block in make_blocks(apdu, size))


def blocks_without_llc(apdu: bytes, size: int) -> bytes:
    first, *others = make_blocks(apdu, size)
    return frame_hdlc(first) + b"".join(frame_hdlc(block, llc=False) for block in others)


def make_mbus(apdu: bytes, size: int) -> bytes:
    return segment_mbus(apdu, max(size, len(apdu) // 16 + 1))


def framed(
    framing: Framing, frame: Callable[[bytes, int], bytes]
) -> st.SearchStrategy[tuple[bytes, PushedMessage]]:
    """The octets of a message, and the message."""

    def make(apdu: bytes, size: int) -> tuple[bytes, PushedMessage]:
        octets = frame(apdu, size)
        return octets, message(framing, octets, apdu)

    return st.builds(make, APDUS, st.integers(5, 120))


MESSAGES = st.one_of(
    framed(Framing.WRAPPER, lambda apdu, _: frame_wrapper(apdu)),
    framed(Framing.WRAPPER, blocks_in(frame_wrapper)),
    framed(Framing.HDLC, lambda apdu, _: frame_hdlc(apdu)),
    framed(Framing.HDLC, segment_hdlc),
    framed(Framing.HDLC, blocks_without_llc),
    framed(Framing.HDLC, blocks_in(lambda block: segment_hdlc(block, 40))),
    framed(Framing.MBUS, make_mbus),
    framed(Framing.MBUS, lambda apdu, _: frame_mbus(apdu)).filter(lambda pair: has_one_reading(pair[0])),
    framed(Framing.MBUS, blocks_in(frame_mbus)),
    framed(Framing.NONE, blocks_in(bytes)),
    BARE.map(lambda octets: (octets, message(Framing.NONE, octets, octets))),
)


def cut_at(octets: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(octets) + 1) for place in places), len(octets)]
    return [octets[start:end] for start, end in pairwise(bounds)]


def split(octets: bytes) -> list[bytes]:
    return [bytes((octet,)) for octet in octets]


def feed(joiner: Joiner, parts: list[bytes], limit: int) -> list[Outcome]:
    found: list[Outcome] = []
    for part in parts:
        found += joiner.feed(part)
        assert joiner.pending <= limit
    found += joiner.end()
    assert joiner.pending == 0
    return found


PLACES = st.lists(st.integers(0, 1 << 16), max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, max_size=6), PLACES)
def test_messages_in_any_parts(messages: list[tuple[bytes, PushedMessage]], places: list[int]) -> None:
    stream = b"".join(octets for octets, _ in messages)
    expected = [each for _, each in messages]
    assert feed(Joiner(), cut_at(stream, places), joining.DEFAULT_LIMIT) == expected
    assert feed(Joiner(), split(stream), joining.DEFAULT_LIMIT) == expected


@settings(max_examples=80, deadline=None)
@given(st.lists(MESSAGES, max_size=6))
def test_messages_in_datagrams(messages: list[tuple[bytes, PushedMessage]]) -> None:
    joiner = Joiner()
    for octets, expected in messages:
        assert joiner.feed_datagram(octets) == [expected]
        assert joiner.pending == 0


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.sampled_from("xid"), st.integers(0, 255)), max_size=6
)


def mutate(octets: bytes, mutations: list[tuple[int, str, int]]) -> bytes:
    changed = bytearray(octets)
    for place, kind, octet in mutations:
        place %= len(changed) + 1
        if kind == "i":
            changed.insert(place, octet)
        elif place < len(changed):
            if kind == "d":
                del changed[place : place + octet]
            else:
                changed[place] = octet
    return bytes(changed)


STREAMS = st.one_of(
    st.binary(max_size=600),
    st.builds(
        lambda parts, mutations: mutate(b"".join(parts), mutations),
        st.lists(st.one_of(MESSAGES.map(lambda pair: pair[0]), st.sampled_from(EXAMPLES)), max_size=5),
        MUTATIONS,
    ),
    # Starts of forms, and what comes after them.
    st.lists(
        st.one_of(
            st.sampled_from([b"\x7e\xa0", b"\x7e", b"\x00\x01", b"\x68\x68\x68\x68\x53\xff\x00", b"\x16"]),
            st.sampled_from([b"\xdb\x08", b"\xe0\x40\0\1\0\0", b"\x0f\0\0\0\0\0\2", b"\xc2\0\0"]),
            st.sampled_from([b"/KFM5", b"\n!", b"\r\n", b"E0000000123456789,"]),
            st.binary(max_size=9),
        ),
        max_size=60,
    ).map(b"".join),
)


# No room for the longer of two lengths that an M-Bus frame may have, while a block is held.
BLOCK_THEN_SEGMENTS = examples.E450[:117] + examples.LOWER_AUSTRIA


@settings(max_examples=300, deadline=None)
@example(stream=b"\x7e" * 600, places=[7, 9], limit=LEAST_LIMIT)
@example(stream=BLOCK_THEN_SEGMENTS, places=[], limit=LEAST_LIMIT)
@example(stream=b"\xff\xe6\xe7\0\n!\x0f\0\0\0\0\0\2\1\x11\1", places=[4], limit=LEAST_LIMIT)
@given(STREAMS, PLACES, st.one_of(st.just(joining.DEFAULT_LIMIT), st.integers(LEAST_LIMIT, 700)))
def test_any_octets_in_any_parts(stream: bytes, places: list[int], limit: int) -> None:
    at_once = feed(Joiner(limit=limit), [stream], limit)
    in_parts = feed(Joiner(limit=limit), cut_at(stream, places), limit)
    one_by_one = feed(Joiner(limit=limit), split(stream), limit)
    assert [show(each) for each in in_parts] == [show(each) for each in at_once]
    assert [show(each) for each in one_by_one] == [show(each) for each in at_once]
    # Whatever comes out has come in, in that order, but for flags that two frames share.
    assert sum(len(each.octets) for each in at_once) <= len(stream) + stream.count(b"\x7e")
    assert all(each.octets for each in at_once)


@settings(max_examples=100, deadline=None)
@given(st.lists(STREAMS, max_size=4), st.integers(LEAST_LIMIT, 2000))
def test_any_datagrams(datagrams: list[bytes], limit: int) -> None:
    joiner = Joiner(limit=limit)
    for datagram in datagrams:
        found = joiner.feed_datagram(datagram)
        assert joiner.pending <= limit
        assert bool(found) <= bool(datagram)
    joiner.end()
    assert joiner.pending == 0


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=1500), st.sampled_from(EXAMPLES))
def test_a_message_after_any_octets_and_a_pause(rubbish: bytes, octets: bytes) -> None:
    joiner = Joiner()
    joiner.feed(rubbish)
    joiner.end()
    [found] = joiner.feed(octets)
    assert isinstance(found, PushedMessage)
    assert found.octets == octets


# Linear time: steps are counted, as seconds depend on the machine.


class Steps:
    """Counts lines of code that are carried out, and octets that are given to functions written in C."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._count_octets(monkeypatch, hdlc, "compute_check_sequence")
        self._count_octets(monkeypatch, text, "compute_crc")
        monkeypatch.setattr(text, "_END_OF_TEXT", self)

    def search(self, octets: bytearray, position: int) -> re.Match[bytes] | None:
        """Stand in for the pattern that ends texts."""
        found = END_OF_TEXT.search(octets, position)
        self.count += (found.end() if found else len(octets)) - position
        return found

    def _count_octets(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        original = getattr(module, name)

        def counting(octets: bytes) -> Any:
            self.count += len(octets)
            return original(octets)

        monkeypatch.setattr(module, name, counting)

    def of(self, parts: list[bytes], limit: int) -> int:
        joiner = Joiner(limit=limit)
        self.count = 0
        sys.settrace(self._trace)
        try:
            for part in parts:
                joiner.feed(part)
            joiner.end()
        finally:
            sys.settrace(None)
        return self.count

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if "/push/" not in frame.f_code.co_filename or "/tests/" in frame.f_code.co_filename:
            return None
        self.count += event == "line"
        return self._trace


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def good_header(length: int) -> bytes:
    header = bytes((0xA0 | length >> 8, length & 0xFF)) + b"\x41\x03\x13"
    return b"\x7e" + header + hdlc.compute_check_sequence(header)


HOSTILE = {
    "flags": b"\x7e",
    "frames that overlap": b"\x7e\xa7\xff",
    "good headers of long frames": good_header(0x7FF),
    "good headers of frames that end with a flag": good_header(0x400),
    "wrappers": b"\x00\x01",
    "wrappers of good tags": b"\x00\x01\x00\x01\x00\x66\x08\x00\x0f",
    "starts of M-Bus": b"\x68",
    "M-Bus headers": b"\x68\x68\x68\x68\x53\xff\x00\x01\x67",
    "M-Bus headers and stops": b"\x68\x16\x16\x68\x53\x16\x00\x16\x16\x16",
    "telegrams": b"/KFM5",
    "telegrams that are no text": b"/KFM5" * 40 + b"\x80",
    "telegrams with ends": b"/KFM5\n!12",
    "names": b"E000000012345678",
    "names and commas": b"E0000000123456789,",
    "ciphered": b"\xdb\x08",
    "notifications": b"\x0f\0\0\0\0\0\x02\x7f",
    "notifications that break late": b"\x0f\0\0\0\0\0\x02\x02\x09\x08" + b"\x0f\0\0\0\0\0\x02\x02" + b"\x00",
    "arrays": b"\x01\x01",
    "nested arrays": b"\x0f\0\0\0\0\0" + b"\x01\x01" * 500,
    "compact arrays": b"\x0f\0\0\0\0\0\x02\x7f\x13" + b"\x02\x01" * 50,
    "first blocks": frame_wrapper(make_blocks(bytes(9), 5)[0]),
    "blocks in gaps": frame_wrapper(make_blocks(bytes(40), 5)[4]),
    "segments": frame_hdlc(b"\x0f", last=False, llc=False),
    "small messages": frame_hdlc(b"\x0f"),
    "ends of lines": b"\r\n",
    "zeros": b"\0",
    "rubbish": b"\xff",
}
MOST_STEPS_PER_OCTET = 150
"""With octets one by one; the most expensive of these takes 107."""


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear(name: str, steps: Steps) -> None:
    octets = (HOSTILE[name] * 0x1000)[:0x1000]
    most = MOST_STEPS_PER_OCTET * len(octets)
    assert steps.of([octets], 0x400) <= most
    assert steps.of([octets], joining.DEFAULT_LIMIT) <= most
    assert steps.of(split(octets), joining.DEFAULT_LIMIT) <= most


def test_time_of_any_pattern_is_linear() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        steps = Steps(monkeypatch)

        @settings(max_examples=25, deadline=None)
        @given(STREAMS.filter(bool))
        def check(pattern: bytes) -> None:
            octets = (pattern * 0x800)[:0x800]
            for parts in ([octets], split(octets)):
                assert steps.of(parts, 0x800) <= MOST_STEPS_PER_OCTET * len(octets)

        check()
