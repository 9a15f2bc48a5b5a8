"""Pushes as frames, built for tests."""

from collections.abc import Sequence

from osgp.protocol_dlms.axdr import encode_length
from osgp.protocol_dlms.push.message import Framing, PushedMessage
from osgp.protocol_dlms.push.text import compute_crc
from osgp.protocol_dlms.transport import hdlc, wrapper

SOURCE, DESTINATION = 1, 103
HDLC_SOURCE, HDLC_DESTINATION = b"\x02\x23", b"\xcf"

NOTIFICATION = (
    bytes.fromhex("0f000000010002020911") + b"E0000000123456789" + bytes.fromhex("09060000190900ff")
)
OTHER = bytes.fromhex("0f00000002000201060000002a")
NAME = b"E0000000123456789"
WITH_REGISTER = NAME + b"," + bytes.fromhex("00000002")
WITH_NAME = NAME + b"," + bytes.fromhex("0000020300ff")


def frame_wrapper(apdu: bytes) -> bytes:
    return wrapper.build_frame(SOURCE, DESTINATION, apdu)


def frame_hdlc(information: bytes, *, llc: bool = True, last: bool = True, control: int = 0x13) -> bytes:
    if llc:
        information = hdlc.LLC_RESPONSE + information
    return hdlc.encode(HDLC_DESTINATION, HDLC_SOURCE, control, information, segmented=not last)


def frame_mbus(payload: bytes, *, number: int = 0, last: bool = True) -> bytes:
    content = bytes((0x53, 0xFF, number | (0x10 if last else 0), SOURCE, DESTINATION)) + payload
    length = len(content) % 256
    return bytes((0x68, length, length, 0x68)) + content + bytes((sum(content) % 256, 0x16))


def make_block(number: int, data: bytes, *, last: bool) -> bytes:
    control = 0xC0 if last else 0x40
    return bytes((0xE0, control)) + number.to_bytes(2, "big") + b"\0\0" + encode_length(len(data)) + data


def make_blocks(apdu: bytes, size: int) -> list[bytes]:
    parts = cut(apdu, size)
    return [make_block(i, part, last=i == len(parts)) for i, part in enumerate(parts, 1)]


def make_ciphered(content: bytes, title: bytes = b"MMM\0\0\0\0\1") -> bytes:
    protected = b"\x30\0\0\0\1" + content
    return b"\xdb" + encode_length(len(title)) + title + encode_length(len(protected)) + protected


def make_telegram(lines: Sequence[bytes], *, crc: bool = True) -> bytes:
    """A P1 telegram without the end of its last line."""
    telegram = b"/KFM5KAIFA-METER\r\n\r\n" + b"".join(line + b"\r\n" for line in lines) + b"!"
    return telegram + (b"%04X" % compute_crc(telegram) if crc else b"")


def cut(octets: bytes, size: int) -> list[bytes]:
    return [octets[i : i + size] for i in range(0, len(octets), size)]


def segment_hdlc(apdu: bytes, size: int) -> bytes:
    parts = cut(apdu, size)
    frames = [
        frame_hdlc(part, llc=not i, last=i == len(parts) - 1, control=0x13 if i == len(parts) - 1 else 0x03)
        for i, part in enumerate(parts)
    ]
    return b"".join(frames)


def segment_mbus(apdu: bytes, size: int) -> bytes:
    parts = cut(apdu, size)
    return b"".join(frame_mbus(part, number=i, last=i == len(parts) - 1) for i, part in enumerate(parts))


def message(framing: Framing, octets: bytes, apdu: bytes) -> PushedMessage:
    """The message expected of ``octets``, framed as above."""
    addresses: tuple[int | None, int | None] = (SOURCE, DESTINATION)
    if framing is Framing.HDLC:
        addresses = (int.from_bytes(HDLC_SOURCE, "big"), int.from_bytes(HDLC_DESTINATION, "big"))
    elif framing is Framing.NONE:
        addresses = (None, None)
    return PushedMessage(framing, octets, apdu, *addresses)
