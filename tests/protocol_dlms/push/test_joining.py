"""Messages in streams and datagrams: forms, pieces, order, rubbish and limits."""

import pytest

from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.joining import LEAST_LIMIT, LONGEST_RUBBISH, Joiner, Outcome
from osgp.protocol_dlms.push.message import Framing, PushedMessage
from osgp.protocol_dlms.push.text import compute_crc
from osgp.protocol_dlms.transport import hdlc
from tests.protocol_dlms.push import examples
from tests.protocol_dlms.push.framed import (
    frame_hdlc,
    frame_mbus,
    frame_wrapper,
    make_block,
    make_blocks,
    make_ciphered,
    make_telegram,
    message,
    segment_hdlc,
    segment_mbus,
)

NOTIFICATION = (
    bytes.fromhex("0f000000010002020911") + b"E0000000123456789" + bytes.fromhex("09060000190900ff")
)
OTHER = bytes.fromhex("0f00000002000201060000002a")
NAME = b"E0000000123456789"
WITH_REGISTER = NAME + b"," + bytes.fromhex("00000002")
WITH_NAME = NAME + b"," + bytes.fromhex("0000020300ff")

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


def feed(octets: bytes, *, limit: int = 0x4000, ended: bool = False) -> list[Outcome]:
    """What comes of a stream: at once, and the same octet by octet."""
    whole = Joiner(limit=limit)
    found = whole.feed(octets) + (whole.end() if ended else [])
    slow = Joiner(limit=limit)
    piecemeal: list[Outcome] = []
    for octet in octets:
        piecemeal += slow.feed(bytes((octet,)))
        assert slow.pending <= limit
    piecemeal += slow.end() if ended else []
    assert [show(outcome) for outcome in piecemeal] == [show(outcome) for outcome in found]
    return found


def show(outcome: Outcome) -> object:
    if isinstance(outcome, PushError):
        return outcome.kind, outcome.text, outcome.octets
    return outcome


def kinds(found: list[Outcome]) -> list[PushFault | bytes]:
    """The APDU of each message, the kind of each error."""
    return [each.kind if isinstance(each, PushError) else each.apdu for each in found]


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


# HDLC


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
def test_hdlc_frames_with_a_wrong_bit(position: int) -> None:
    good = frame_hdlc(OTHER)
    for bit in range(8):
        bad = bytearray(good)
        bad[position] ^= 1 << bit
        # A length that grew takes the octets of several frames to be found out.
        outcomes = feed(bytes(bad) + good * 2, ended=True)
        assert [each for each in kinds(outcomes) if isinstance(each, bytes)] == [OTHER] * 2
        assert len(outcomes) == 3


def test_hdlc_frame_with_missing_octets() -> None:
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


# M-Bus


@pytest.mark.parametrize("size", [20, 200, 245])
def test_mbus_segments(size: int) -> None:
    apdu = make_ciphered(bytes(size * 15))
    octets = segment_mbus(apdu, size)
    assert octets.count(b"\x53\xff") == 16
    assert feed(octets) == [message(Framing.MBUS, octets, apdu)]


@pytest.mark.parametrize("size", range(250, 300))
def test_mbus_lengths_that_wrap(size: int) -> None:
    apdu = b"\xdb" + bytes(size - 1)
    octets = frame_mbus(apdu)
    assert kinds(feed(octets + frame_mbus(OTHER))) == [apdu, OTHER]


def test_mbus_length_that_wraps_where_a_stop_stands_by_chance() -> None:
    apdu = b"\xdb" + b"\x16" * 299
    octets = frame_mbus(apdu)
    assert octets[octets[1] + 5] == 0x16
    assert kinds(feed(octets + frame_mbus(OTHER))) == [apdu, OTHER]


def test_mbus_order() -> None:
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
def test_mbus_frame_with_a_wrong_octet(position: int) -> None:
    good = frame_mbus(OTHER)
    bad = bytearray(good)
    bad[position] ^= 0x41
    found = feed(bytes(bad) + good * 20, ended=True)
    assert kinds(found)[1:] == [OTHER] * 20
    assert isinstance(found[0], PushError)


def test_mbus_checksum() -> None:
    bad = bytearray(frame_mbus(OTHER))
    bad[-2] ^= 1
    [error] = feed(bytes(bad), ended=True)
    assert isinstance(error, PushError)
    assert (error.kind, error.octets) == (PushFault.BAD_CHECKSUM, bytes(bad))


# Blocks

FRAMES = {"wrapper": frame_wrapper, "hdlc": frame_hdlc, "mbus": frame_mbus, "bare": bytes}


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


# Texts


def test_alarm_with_a_logical_name_is_complete_at_once() -> None:
    assert feed(WITH_NAME) == [message(Framing.NONE, WITH_NAME, WITH_NAME)]
    assert kinds(feed(WITH_NAME * 3)) == [WITH_NAME] * 3


def test_alarm_with_a_register_is_complete_at_a_pause() -> None:
    joiner = Joiner()
    assert joiner.feed(WITH_REGISTER[:-1]) == []
    assert not joiner.complete_at_pause
    assert joiner.feed(WITH_REGISTER[-1:]) == []
    assert joiner.complete_at_pause
    assert joiner.end() == [message(Framing.NONE, WITH_REGISTER, WITH_REGISTER)]
    assert not joiner.complete_at_pause
    assert joiner.pending == 0
    # And goes on.
    assert joiner.feed(WITH_NAME) == [message(Framing.NONE, WITH_NAME, WITH_NAME)]


NEXT = {
    "wrapper": frame_wrapper(OTHER),
    "hdlc": frame_hdlc(OTHER),
    "mbus": frame_mbus(OTHER),
    "bare": OTHER,
    "ciphered": make_ciphered(b"abc"),
    "telegram": make_telegram([]),
    "alarm": WITH_NAME,
}


@pytest.mark.parametrize("name", NEXT)
def test_alarm_with_a_register_before_another_message(name: str) -> None:
    found = kinds(feed(WITH_REGISTER + NEXT[name]))
    assert found[0] == WITH_REGISTER
    assert len(found) == 2
    assert isinstance(found[1], bytes)


def test_alarms_in_datagrams() -> None:
    joiner = Joiner()
    for octets in (WITH_REGISTER, WITH_NAME):
        assert joiner.feed_datagram(octets) == [message(Framing.NONE, octets, octets)]
        assert joiner.pending == 0
    for octets in (WITH_REGISTER[:-1], WITH_NAME[:-1], WITH_NAME + b"\0"):
        assert PushFault.TRUNCATED in kinds(joiner.feed_datagram(octets)) or octets != WITH_REGISTER[:-1]
        assert joiner.pending == 0


def test_telegrams() -> None:
    telegram = make_telegram([b"1-0:1.8.0(000123.456*kWh)", b"0-0:96.13.0(48!454C4C4F)"])
    assert feed(telegram) == [message(Framing.NONE, telegram, telegram)]
    assert kinds(feed((telegram + b"\r\n") * 3, ended=True)) == [telegram] * 3
    assert kinds(feed(telegram + frame_wrapper(OTHER))) == [telegram, OTHER]


def test_crc_of_the_standard_text() -> None:
    # The check value of CRC-16/ARC for the digits 1 to 9.
    assert compute_crc(b"123456789") == 0xBB3D


def test_telegrams_of_old_meters_have_no_crc() -> None:
    telegram = make_telegram([b"0-0:96.1.1(1234)"], crc=False)
    assert kinds(feed((telegram + b"\r\n") * 2)) == [telegram] * 2
    joiner = Joiner()
    assert joiner.feed(telegram) == []
    assert joiner.complete_at_pause
    assert joiner.end() == [message(Framing.NONE, telegram, telegram)]


def test_telegram_with_a_wrong_crc() -> None:
    good = make_telegram([b"1-0:1.8.0(000123.456*kWh)"])
    bad = good.replace(b"123.456", b"123.457")
    error, found = feed(bad + b"\r\n" + good)
    assert isinstance(error, PushError)
    assert (error.kind, error.octets) == (PushFault.BAD_CHECKSUM, bad)
    assert kinds([found]) == [good]


def test_telegram_cut_short_before_the_next() -> None:
    good = make_telegram([b"1-0:1.8.0(000123.456*kWh)"])
    for size in (6, 20, 30, len(good) - 6):
        error, found = feed(good[:size] + good)
        assert isinstance(error, PushError)
        assert (error.kind, error.octets) == (PushFault.TRUNCATED, good[:size])
        assert kinds([found]) == [good]
        assert kinds(feed(good[:size] + frame_hdlc(OTHER)))[1:] == [OTHER]


@pytest.mark.parametrize("title", [b"", b"MMM\0\0\0\0\1"])
@pytest.mark.parametrize("ends", [b"\r\n", b"\r\n\r\n"])
def test_telegram_with_a_ciphered_apdu(title: bytes, ends: bytes) -> None:
    apdu = make_ciphered(b"\n!1234" * 40, title)
    octets = b"/ELG5METER" + ends + apdu
    assert feed(octets) == [message(Framing.NONE, octets, apdu)]
    assert Joiner().feed_datagram(octets) == feed(octets)


# Bare APDUs

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
    bad = bytes.fromhex("0f00000001000202201101")
    assert kinds(feed(bad + frame_wrapper(OTHER))) == [PushFault.MALFORMED, OTHER]


# Rubbish and limits


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
