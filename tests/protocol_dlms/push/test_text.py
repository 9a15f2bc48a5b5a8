"""Alarms of DSMR 4 and P1 telegrams among other messages."""

import pytest

from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.joining import Joiner
from osgp.protocol_dlms.push.message import Framing
from osgp.protocol_dlms.push.text import compute_crc
from tests.protocol_dlms.push.framed import (
    NAME,
    OTHER,
    WITH_NAME,
    WITH_REGISTER,
    frame_hdlc,
    frame_mbus,
    frame_wrapper,
    make_ciphered,
    make_telegram,
    message,
)
from tests.protocol_dlms.push.joined import feed, kinds


def test_alarm_with_a_logical_name_is_complete_at_once() -> None:
    assert feed(WITH_NAME) == [message(Framing.NONE, WITH_NAME, WITH_NAME)]
    assert kinds(feed(WITH_NAME * 3)) == [WITH_NAME] * 3


@pytest.mark.parametrize("name", ["00000f0004ff", "000019090fff", "0000190900fe", "0000190900ff"])
def test_logical_names(name: str) -> None:
    octets = NAME + b"," + bytes.fromhex(name)
    assert kinds(feed(octets + frame_wrapper(OTHER))) == [octets, OTHER]


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
    assert kinds(joiner.feed_datagram(WITH_REGISTER[:-1])) == [PushFault.TRUNCATED]
    assert kinds(joiner.feed_datagram(WITH_NAME + b"\0")) == [WITH_NAME, PushFault.TRUNCATED]


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
