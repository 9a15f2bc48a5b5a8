"""APDUs without framing in a stream."""

import pytest

from osgp.protocol_dlms.push.errors import PushFault
from osgp.protocol_dlms.push.joining import Joiner
from osgp.protocol_dlms.push.message import Framing
from tests.protocol_dlms.push import examples
from tests.protocol_dlms.push.framed import (
    NOTIFICATION,
    OTHER,
    frame_wrapper,
    make_ciphered,
    message,
)
from tests.protocol_dlms.push.joined import feed, kinds

BARE = {
    "plain": OTHER,
    "name": NOTIFICATION,
    "tag too many": examples.KAIFA[12:-3],
    "descriptors without tags": bytes.fromhex(
        "0f0000000100020216010103020200010100600100ff0209083132333435363738"
        "020200030100010800ff020600000001020200010000600d00ff020a00"
    ),
    "array of nothing": bytes.fromhex("0f0000000100020216010100"),
    "pair of A-XDR": bytes.fromhex("0f000000010002021601010102020100090100"),
    "ciphered": make_ciphered(bytes(300)),
    "ciphered without a title": make_ciphered(b"abc", b""),
    "compact array": bytes.fromhex("0f0000000100020213020212010002060a000100000002000000031107"),
    "bits": bytes.fromhex("0f00000001000202040af0c01101"),
}


@pytest.mark.parametrize("name", BARE)
def test_bare_apdus(name: str) -> None:
    apdu = BARE[name]
    assert feed(apdu * 2) == [message(Framing.NONE, apdu, apdu)] * 2
    assert Joiner().feed_datagram(apdu) == [message(Framing.NONE, apdu, apdu)]


def test_bare_notification_with_an_unknown_type() -> None:
    bad = bytes.fromhex("0f00000001000202231101")
    assert kinds(feed(bad + frame_wrapper(OTHER))) == [PushFault.MALFORMED, OTHER]
