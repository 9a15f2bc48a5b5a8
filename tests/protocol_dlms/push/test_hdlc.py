"""HDLC frames that meters push: flags, addresses, broken frames, segments."""

import pytest

from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.message import Framing, PushedMessage
from osgp.protocol_dlms.transport import hdlc
from tests.protocol_dlms.push.framed import (
    NOTIFICATION,
    OTHER,
    frame_hdlc,
    make_blocks,
    message,
    segment_hdlc,
)
from tests.protocol_dlms.push.joined import feed, kinds


def test_shared_flags_and_several() -> None:
    one, other = frame_hdlc(NOTIFICATION), frame_hdlc(OTHER)
    octets = b"~~" + one[:-1] + other + b"~~~" + one + other
    assert kinds(feed(octets, ended=True)) == [NOTIFICATION, OTHER, NOTIFICATION, OTHER]


def test_flags_inside_a_frame() -> None:
    apdu = OTHER + b"\x7e\x7e\xa0\x7e"
    for ending in range(0x10000):
        frame = frame_hdlc(apdu + ending.to_bytes(2, "big"))
        if frame.endswith(b"~~"):
            break
    else:
        pytest.fail("no check sequence ends with a flag")
    assert kinds(feed(frame + frame[1:])) == [frame[12:-3]] * 2


ADDRESSES = ("03", "ceff", "000003", "00020023")


@pytest.mark.parametrize("source", ADDRESSES)
@pytest.mark.parametrize("destination", ADDRESSES)
def test_addresses(destination: str, source: str) -> None:
    if len(destination) == len(source) == 2:
        source = "21"
    octets = encode_hdlc(
        bytes.fromhex(destination), bytes.fromhex(source), 0x13, b"\xe6\xe7\0" + NOTIFICATION
    )
    [found] = feed(octets)
    assert found == PushedMessage(Framing.HDLC, octets, NOTIFICATION, int(source, 16), int(destination, 16))


def encode_hdlc(destination: bytes, source: bytes, control: int, information: bytes) -> bytes:
    return hdlc.encode(destination, source, control, information, segmented=False)


@pytest.mark.parametrize("control", [0x03, 0x13, 0x10, 0x32])
@pytest.mark.parametrize("llc", ["e6e700", "e6e600", ""])
def test_controls_and_llc(control: int, llc: str) -> None:
    octets = encode_hdlc(b"\x41", b"\x03", control, bytes.fromhex(llc) + NOTIFICATION)
    assert kinds(feed(octets)) == [NOTIFICATION]


@pytest.mark.parametrize(
    ("control", "information"), [(0x93, NOTIFICATION), (0x11, NOTIFICATION), (0x53, b""), (0x11, b"")]
)
def test_frames_that_carry_no_push(control: int, information: bytes) -> None:
    octets = encode_hdlc(b"\x41", b"\x03", control, information)
    [error] = feed(octets, ended=True)
    assert isinstance(error, PushError)
    assert (error.kind, error.octets) == (PushFault.UNKNOWN_FORM, octets[:-1])


@pytest.mark.parametrize("position", range(1, 24))
def test_frames_with_a_wrong_bit(position: int) -> None:
    good = frame_hdlc(OTHER)
    for bit in range(8):
        bad = bytearray(good)
        bad[position] ^= 1 << bit
        # A length that grew takes the octets of several frames to be found out.
        outcomes = feed(bytes(bad) + good * 2, ended=True)
        assert [each for each in kinds(outcomes) if isinstance(each, bytes)] == [OTHER] * 2
        assert len(outcomes) == 3


def test_each_check_sequence_counts() -> None:
    good = frame_hdlc(OTHER)
    header_end = good.index(hdlc.LLC_RESPONSE) - 2
    body = good[1:header_end] + b"\0\0" + good[header_end + 2 : -3]
    wrong_header = b"~" + body + hdlc.compute_check_sequence(body) + b"~"
    wrong_frame = good[:-3] + b"\0\0~"
    no_flag = good[:-1] + b"\0"
    expected = {
        wrong_header: PushFault.BAD_CHECKSUM,
        wrong_frame: PushFault.BAD_CHECKSUM,
        no_flag: PushFault.TRUNCATED,
    }
    for octets, kind in expected.items():
        assert kinds(feed(octets + good)) == [kind, OTHER]


def test_frame_with_missing_octets() -> None:
    good = frame_hdlc(NOTIFICATION)
    for size in range(1, len(good) - 1):
        found = kinds(feed(good[:size] + good[size + 1 :] + good + good, ended=True))
        assert found[-2:] == [NOTIFICATION] * 2
        assert all(isinstance(each, PushFault) for each in found[:-2])
        assert len(found) <= 3


def test_segments() -> None:
    octets = segment_hdlc(NOTIFICATION, 10)
    assert feed(octets) == [message(Framing.HDLC, octets, NOTIFICATION)]
    blocks = b"".join(segment_hdlc(block, 10) for block in make_blocks(NOTIFICATION, 20))
    assert feed(blocks) == [message(Framing.HDLC, blocks, NOTIFICATION)]


def test_a_new_first_segment_ends_a_message() -> None:
    begun = frame_hdlc(NOTIFICATION[:20], last=False)
    whole = segment_hdlc(OTHER, 8)
    error, found = feed(begun + whole)
    assert kinds([error, found]) == [PushFault.TRUNCATED, OTHER]
    assert isinstance(error, PushError)
    assert error.octets == begun
    assert found == message(Framing.HDLC, whole, OTHER)


def test_segments_without_the_first_are_one_error() -> None:
    rest = [
        frame_hdlc(part, llc=False, last=last)
        for part, last in ((b"ab", False), (b"cd", False), (b"ef", True))
    ]
    octets = b"".join(rest)
    error, found = feed(octets + frame_hdlc(OTHER))
    assert kinds([error, found]) == [PushFault.BLOCK_MISSING, OTHER]
    assert isinstance(error, PushError)
    assert error.octets == octets


def test_first_segment_without_llc() -> None:
    octets = frame_hdlc(OTHER[:6], llc=False, last=False) + frame_hdlc(OTHER[6:], llc=False)
    assert kinds(feed(octets)) == [OTHER]
