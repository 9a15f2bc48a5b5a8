"""M-Bus long frames that meters push: segments, lengths that wrap, broken frames."""

import pytest

from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.message import Framing
from tests.protocol_dlms.push.framed import (
    OTHER,
    frame_mbus,
    make_ciphered,
    message,
    segment_mbus,
)
from tests.protocol_dlms.push.joined import feed, kinds


@pytest.mark.parametrize("size", [20, 200, 245])
def test_segments(size: int) -> None:
    apdu = make_ciphered(bytes(size * 15))
    octets = segment_mbus(apdu, size)
    assert octets.count(b"\x53\xff") == 16
    assert feed(octets) == [message(Framing.MBUS, octets, apdu)]


@pytest.mark.parametrize("size", range(250, 300))
def test_lengths_that_wrap(size: int) -> None:
    apdu = b"\xdb" + bytes(size - 1)
    octets = frame_mbus(apdu)
    assert kinds(feed(octets + frame_mbus(OTHER))) == [apdu, OTHER]


def test_length_that_wraps_where_a_stop_stands_by_chance() -> None:
    apdu = b"\xdb" + b"\x16" * 299
    octets = frame_mbus(apdu)
    assert octets[octets[1] + 5] == 0x16
    assert kinds(feed(octets + frame_mbus(OTHER))) == [apdu, OTHER]


def test_order() -> None:
    def segment(number: int, *, last: bool = False) -> bytes:
        return frame_mbus(OTHER if not number else b"ab", number=number, last=last)

    single = frame_mbus(OTHER)
    cases = {
        (segment(0), segment(0), segment(1, last=True)): [PushFault.TRUNCATED, OTHER + b"ab"],
        (segment(0), segment(1), segment(1), segment(2, last=True), single): [
            PushFault.BLOCK_REPEATED,
            OTHER,
        ],
        (segment(0), segment(2), segment(1), segment(3, last=True), single): [PushFault.BLOCK_MISSING, OTHER],
        (segment(1), segment(2, last=True), single): [PushFault.BLOCK_MISSING, OTHER],
        (segment(0), single): [PushFault.TRUNCATED, OTHER],
    }
    for frames, expected in cases.items():
        assert kinds(feed(b"".join(frames))) == expected


@pytest.mark.parametrize("position", range(4, 24))
def test_frame_with_a_wrong_octet(position: int) -> None:
    good = frame_mbus(OTHER)
    bad = bytearray(good)
    bad[position] ^= 0x41
    found = feed(bytes(bad) + good * 20, ended=True)
    assert kinds(found)[1:] == [OTHER] * 20
    assert isinstance(found[0], PushError)


def test_checksum() -> None:
    bad = bytearray(frame_mbus(OTHER))
    bad[-2] ^= 1
    [error] = feed(bytes(bad), ended=True)
    assert isinstance(error, PushError)
    assert (error.kind, error.octets) == (PushFault.BAD_CHECKSUM, bytes(bad))
