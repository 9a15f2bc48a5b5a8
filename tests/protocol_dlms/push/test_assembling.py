"""Messages in blocks of general-block-transfer, in and out of order."""

from collections.abc import Callable

import pytest

from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.joining import Joiner
from osgp.protocol_dlms.push.message import PushedMessage
from tests.protocol_dlms.push.framed import (
    NOTIFICATION,
    OTHER,
    frame_hdlc,
    frame_mbus,
    frame_wrapper,
    make_block,
    make_blocks,
    make_ciphered,
)
from tests.protocol_dlms.push.joined import feed, kinds, show

FRAMES: dict[str, Callable[[bytes], bytes]] = {
    "wrapper": frame_wrapper,
    "hdlc": frame_hdlc,
    "mbus": frame_mbus,
    "bare": bytes,
}


@pytest.mark.parametrize("form", FRAMES)
def test_blocks(form: str) -> None:
    for apdu in (NOTIFICATION, make_ciphered(b"abc" * 100)):
        octets = b"".join(FRAMES[form](block) for block in make_blocks(apdu, 30))
        [found] = feed(octets)
        assert isinstance(found, PushedMessage)
        assert (found.apdu, found.octets) == (apdu, octets)


def test_blocks_without_llc_after_the_first() -> None:
    first, *others = make_blocks(NOTIFICATION, 9)
    octets = frame_hdlc(first) + b"".join(frame_hdlc(block, llc=False) for block in others)
    assert kinds(feed(octets)) == [NOTIFICATION]


ORDERS = {
    # Blocks of OTHER, an L at the last.
    "in order": ("1 2 3L", [OTHER]),
    "begun anew": ("1 2 1 2 3L", [PushFault.TRUNCATED, OTHER]),
    "twice begun": ("1 1 2 3L", [PushFault.TRUNCATED, OTHER]),
    "repeated": ("1 2 2 3L 1 2 3L", [PushFault.BLOCK_REPEATED, OTHER]),
    "repeated later": ("1 2 3 1 2 3L", [PushFault.TRUNCATED, OTHER]),
    "gap": ("1 3L 1 2 3L", [PushFault.BLOCK_MISSING, OTHER]),
    "4 before 3": ("1 2 4 3 5L 1 2 3L", [PushFault.BLOCK_MISSING, OTHER]),
    "spoilt and begun anew": ("1 3 1 2 3L", [PushFault.BLOCK_MISSING, OTHER]),
    "first missing": ("2 3L 1 2 3L", [PushFault.BLOCK_MISSING, OTHER]),
    "last one twice": ("1 2 3L 3L 1 2 3L", [OTHER, PushFault.BLOCK_MISSING, OTHER]),
    "number 0": ("0 1 2 3L", [PushFault.BLOCK_MISSING, OTHER]),
}


def make_order(order: str) -> list[bytes]:
    parts = {1: OTHER[:5], 2: OTHER[5:9], 3: OTHER[9:]}
    return [
        make_block(int(each[0]), parts.get(int(each[0]), b"?"), last=each.endswith("L"))
        for each in order.split()
    ]


@pytest.mark.parametrize("name", ORDERS)
def test_order_of_blocks(name: str) -> None:
    order, expected = ORDERS[name]
    frames = [frame_wrapper(block) for block in make_order(order)]
    found = feed(b"".join(frames))
    assert kinds(found) == expected
    # Nothing is lost, nor told twice.
    assert b"".join(each.octets for each in found) == b"".join(frames)
    joiner = Joiner()
    in_datagrams = [outcome for frame in frames for outcome in joiner.feed_datagram(frame)]
    assert [show(each) for each in in_datagrams] == [show(each) for each in found]


def test_blocks_and_whole_messages_between() -> None:
    first, *others = (frame_wrapper(block) for block in make_blocks(NOTIFICATION, 12))
    assert kinds(feed(first + frame_wrapper(OTHER) + b"".join(others))) == [OTHER, NOTIFICATION]


@pytest.mark.parametrize(
    "block", ["e0", "e040000100", "e04000010000050f", "e0c000010000010f0f", "e0c0000100008500"]
)
def test_malformed_blocks(block: str) -> None:
    octets = frame_wrapper(bytes.fromhex(block))
    [error] = feed(octets)
    assert isinstance(error, PushError)
    assert (error.kind, error.octets) == (PushFault.MALFORMED, octets)


@pytest.mark.parametrize("apdu", ["", "e0c000010000010f", "c401"])
def test_blocks_that_carry_no_push(apdu: str) -> None:
    octets = frame_wrapper(make_block(1, bytes.fromhex(apdu), last=True))
    [error] = feed(octets)
    assert isinstance(error, PushError)
    assert error.kind in (PushFault.UNKNOWN_FORM, PushFault.MALFORMED)
    assert error.octets == octets
