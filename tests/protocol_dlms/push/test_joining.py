"""Messages of real families, rubbish, limits, and ends."""

import pytest

from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.joining import LEAST_LIMIT, LONGEST_RUBBISH, Joiner
from osgp.protocol_dlms.push.message import Framing, PushedMessage
from tests.protocol_dlms.push import examples
from tests.protocol_dlms.push.framed import (
    NOTIFICATION,
    OTHER,
    WITH_NAME,
    frame_hdlc,
    frame_mbus,
    frame_wrapper,
    make_block,
    make_blocks,
    make_ciphered,
    make_telegram,
    message,
)
from tests.protocol_dlms.push.joined import feed, kinds

EXAMPLES = {
    "kamstrup": (examples.KAMSTRUP, Framing.HDLC, 0x21, 0x2B),
    "kaifa": (examples.KAIFA, Framing.HDLC, 0x0201, 0x01),
    "aidon": (examples.AIDON, Framing.HDLC, 0x0883, 0x41),
    "lower-austria": (examples.LOWER_AUSTRIA, Framing.MBUS, 1, 0x67),
    "kamstrup-denmark": (examples.KAMSTRUP_DENMARK, Framing.HDLC, 0x03, 0x41),
    "e450": (examples.E450, Framing.HDLC, 0x03, 0xCEFF),
    "am550": (examples.AM550, Framing.HDLC, 0x0223, 0xCF),
    "wan-alarm": (examples.WAN_ALARM, Framing.WRAPPER, 1, 103),
    "wan-load-profile": (examples.WAN_LOAD_PROFILE, Framing.WRAPPER, 1, 102),
    "smr5-alarm": (examples.SMR5_ALARM, Framing.WRAPPER, 103, 102),
}
# How the APDU begins and ends, and its length.
PEELED = {
    "kamstrup": ("0f000000000c07ea", "0700ff1200e7", 140),
    "kaifa": ("0f40000000090c07", "0600000907", 108),
    "aidon": ("0f4000000000", "02020f01161e", 163),
    "lower-austria": ("db084d4d4d0000bc614e81f8", "4060477f", 260),
    "kamstrup-denmark": ("db084d4d4d0000bc614e7d30", "86fdb1c9", 136),
    "e450": ("0f0000c0010c", "06004af4811200ea", 161),
    "am550": ("0f00000d010c", "02020f00161e", 120),
    "wan-alarm": ("db084d4d4d0000bc614e8188", "3c2bd5b1", 148),
    "wan-load-profile": ("0f00000e010c", "0600000000", 106),
    "smr5-alarm": ("0f00000f010002", "0600000001", 45),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_families(name: str) -> None:
    octets, framing, source, destination = EXAMPLES[name]
    [found] = feed(octets)
    assert isinstance(found, PushedMessage)
    assert (found.framing, found.source, found.destination) == (framing, source, destination)
    assert found.octets == octets
    begins, ends, length = PEELED[name]
    assert found.apdu.startswith(bytes.fromhex(begins))
    assert found.apdu.endswith(bytes.fromhex(ends))
    assert len(found.apdu) == length


@pytest.mark.parametrize("name", EXAMPLES)
def test_families_in_datagrams(name: str) -> None:
    octets = EXAMPLES[name][0]
    joiner = Joiner()
    assert joiner.feed_datagram(octets) == feed(octets)
    assert joiner.pending == 0


def test_families_after_one_another() -> None:
    every = [octets for octets, *_ in EXAMPLES.values()]
    found = feed(b"".join(every))
    assert [each.octets for each in found] == every


MX382 = {
    "alarm": "000100670066002ac2090c07e70706040a362600ff88800001808080808000"
    + "02"
    + "0910"
    + b"KA6P005039021110".hex(),
    "wakeup": "000100670066002ac2090c07e70a19030b122900ff888000010000600101ff"
    + "02"
    + "0910"
    + b"KAL7005088116712".hex(),
}


@pytest.mark.parametrize("name", MX382)
def test_mx382(name: str) -> None:
    octets = bytes.fromhex(MX382[name])
    expected = [PushedMessage(Framing.WRAPPER, octets, octets[8:], 0x67, 0x66)]
    assert feed(octets) == expected
    assert Joiner().feed_datagram(octets) == expected
    bare = octets[8:]
    assert feed(bare) == [message(Framing.NONE, bare, bare)]
    assert Joiner().feed_datagram(bare) == feed(bare)


@pytest.mark.parametrize(
    "rubbish", [b"\xff", b"hello", b"\0" * 40, bytes(range(256)) * 3, b"/" * 50, b"\x68" * 90]
)
def test_rubbish_is_one_error(rubbish: bytes) -> None:
    good = frame_hdlc(OTHER)
    outcomes = feed(frame_wrapper(OTHER) + rubbish + good + rubbish + good * 9, ended=True)
    assert kinds(outcomes).count(OTHER) == 11
    errors = [each for each in outcomes if isinstance(each, PushError)]
    assert [error.octets for error in errors] == [rubbish] * 2


def test_much_rubbish_is_one_error_at_once() -> None:
    joiner = Joiner()
    [error] = joiner.feed(b"\xff" * 5 * LONGEST_RUBBISH)
    assert isinstance(error, PushError)
    assert (error.kind, error.octets) == (PushFault.UNKNOWN_FORM, b"\xff" * LONGEST_RUBBISH)
    assert joiner.pending == 0
    assert joiner.feed(b"\xff" * 99) == []
    assert joiner.pending == 0
    assert kinds(joiner.feed(b"\xff" * 99 + frame_wrapper(OTHER) + b"\xff")) == [OTHER]
    assert kinds(joiner.end()) == [PushFault.UNKNOWN_FORM]


LONG = {
    "wrapper": "000100010066fffe0f",
    "ciphered": "db084d4d4d0000bc614e84ffffffff",
    "block": "e04000010000837fffff",
    "notification": "0f0000000100018401000000",
    "octets": "0f00000001000201098401000000",
}


@pytest.mark.parametrize("name", LONG)
def test_huge_lengths_are_refused_at_once(name: str) -> None:
    octets = bytes.fromhex(LONG[name])
    joiner = Joiner(limit=0x1000)
    [error] = joiner.feed(octets)
    assert isinstance(error, PushError)
    assert error.kind is PushFault.TOO_LONG
    assert octets.startswith(error.octets)
    assert kinds(feed(octets + b"\xff" * 0x3000 + frame_wrapper(OTHER), limit=0x1000)) == [
        PushFault.TOO_LONG,
        OTHER,
    ]


def test_text_without_an_end() -> None:
    head = make_telegram([])[:20]
    found = feed(head + b"1-0:1.8.0(1)\r\n" * 1000 + frame_wrapper(OTHER), limit=0x1000)
    assert kinds(found) == [PushFault.TOO_LONG, OTHER]


def test_blocks_without_an_end() -> None:
    frames = [frame_wrapper(make_block(n, bytes(100), last=False)) for n in range(1, 50)]
    found = feed(b"".join(frames) + b"".join(frame_wrapper(b) for b in make_blocks(OTHER, 5)), limit=0x400)
    assert kinds(found)[0] is PushFault.TOO_LONG
    assert kinds(found)[-1] == OTHER


def test_the_longest_message() -> None:
    limit = 0x400
    fits = make_ciphered(bytes(limit - 1 - 8 - 18))
    octets = frame_wrapper(fits)
    assert len(octets) == limit - 1
    assert kinds(feed(octets * 2, limit=limit)) == [fits] * 2
    longer = frame_wrapper(fits + b"\0")
    assert kinds(feed(longer, limit=limit))[0] is PushFault.TOO_LONG
    assert kinds(Joiner(limit=limit).feed_datagram(longer)) == [PushFault.TOO_LONG]


def test_limit() -> None:
    with pytest.raises(ValueError, match="limit"):
        Joiner(limit=LEAST_LIMIT - 1)


@pytest.mark.parametrize("name", [*EXAMPLES, "alarm", "telegram"])
def test_a_message_without_its_end(name: str) -> None:
    octets = {"alarm": WITH_NAME, "telegram": make_telegram([b"0-0:96.1.1(1234)"])}.get(name) or EXAMPLES[
        name
    ][0]
    # Where a pause says that it is complete: a register before all of a name, a telegram before its CRC.
    complete_before = {"alarm": {22, 23}, "telegram": {len(octets) - 4}}.get(name, set())
    for size in range(2, len(octets) - 1):
        if size in complete_before:
            continue
        for found in (feed(octets[:size], ended=True), Joiner().feed_datagram(octets[:size])):
            assert not any(isinstance(each, PushedMessage) for each in found)
        # One for the pieces that are whole, one for the one that is not.
        assert kinds(feed(octets[:size], ended=True)) in ([PushFault.TRUNCATED], [PushFault.TRUNCATED] * 2)


def test_datagrams_are_whole() -> None:
    joiner = Joiner()
    both = frame_wrapper(OTHER) + frame_wrapper(NOTIFICATION)
    assert kinds(joiner.feed_datagram(both)) == [OTHER, NOTIFICATION]
    error, found = [*joiner.feed_datagram(both[:-1])[::-1]]
    assert kinds([error, found]) == [PushFault.TRUNCATED, OTHER]
    assert joiner.pending == 0
    # The octet that was missing is no part of anything now.
    assert kinds(joiner.feed_datagram(both[-1:])) == [PushFault.UNKNOWN_FORM]


def test_bare_apdus_are_not_looked_for_in_broken_frames() -> None:
    """Nobody has seen that their checksum is right."""
    for frame in (frame_hdlc(OTHER), frame_mbus(OTHER)):
        for position in range(len(frame) - len(OTHER) - 3):
            bad = bytearray(frame)
            bad[position] ^= 0x04
            found = feed(bytes(bad) + b"\xff", ended=True)
            assert not any(isinstance(each, PushedMessage) for each in found)


def test_bare_apdus_are_not_looked_for_after_frames() -> None:
    """Rubbish where frames came before is a broken frame, even if its start is gone."""
    good = frame_hdlc(OTHER)
    assert kinds(feed(good + b"\xff" + OTHER + good)) == [OTHER, PushFault.UNKNOWN_FORM, OTHER]
    assert kinds(feed(good + OTHER + good)) == [OTHER] * 3
    found = feed(good + OTHER + b"\xff" + OTHER + good)
    assert kinds(found) == [OTHER, OTHER, PushFault.UNKNOWN_FORM, OTHER]


def test_bare_apdus_are_found_after_rubbish() -> None:
    middle_of_one = make_ciphered(bytes(range(0x80, 0xC0)))[20:]
    assert kinds(feed(middle_of_one + OTHER * 2)) == [PushFault.UNKNOWN_FORM, OTHER, OTHER]


def test_empty_input() -> None:
    joiner = Joiner()
    assert joiner.feed(b"") == joiner.feed_datagram(b"") == joiner.end() == []
    assert kinds(joiner.feed(frame_wrapper(b"") + frame_wrapper(OTHER))) == [PushFault.MALFORMED, OTHER]


def test_errors_show_no_octets() -> None:
    [error] = Joiner().feed_datagram(b"\xff" * 9 + WITH_NAME[:10])
    assert isinstance(error, PushError)
    assert "E000" not in repr(error) + str(error)
    [found] = feed(WITH_NAME)
    assert "E000" not in repr(found)
