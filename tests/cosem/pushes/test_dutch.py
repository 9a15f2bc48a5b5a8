"""Alarms and wake-ups of Dutch meters, in all their forms, and what only resembles them."""

from datetime import UTC, datetime

import pytest

from osgp.cosem.pushes import AlarmPush, Layout, PushTrigger, UnknownPush, ValuesPush, WakeUpPush, decode
from osgp.protocol_dlms import Data
from osgp.protocol_dlms.push.errors import PushError, PushFault
from tests.cosem.pushes.building import array, entry, name, notify, octets, structure, text, u16, u32
from tests.protocol_dlms.push import apdus

METER = "E0000000123456789"
IDENTIFIER = octets(METER.encode())
ALARM, LAST_GASP, SMS = "0.1.25.9.0", "0.3.25.9.0", "0.2.25.9.0"


def dashed(dotted: str) -> str:
    a, b, *others = dotted.split(".")
    return f"{a}-{b}:{'.'.join(others)}.255"


def dsmr4(content: bytes) -> bytes:
    return METER.encode() + b"," + content


# DSMR 4


def test_dsmr4_alarm() -> None:
    expected = AlarmPush(METER, None, {1: 0x91040203})
    assert decode(dsmr4(bytes.fromhex("91040203"))) == expected
    assert decode(dsmr4(bytes(4))) == AlarmPush(METER, None, {1: 0})


@pytest.mark.parametrize(
    ("dotted", "trigger"),
    [("0.0.2.3.0", PushTrigger.SMS_WAKEUP), ("0.0.2.2.0", PushTrigger.CSD_WAKEUP)],
    ids=["sms", "csd"],
)
def test_dsmr4_wake_up(dotted: str, trigger: PushTrigger) -> None:
    logical_name = name(dotted).value
    assert isinstance(logical_name, bytes)
    assert decode(dsmr4(logical_name)) == WakeUpPush(METER, dashed(dotted), trigger)


def test_dsmr4_of_a_scheduler() -> None:
    push = decode(dsmr4(bytes.fromhex("00000f0004ff")))
    assert push == ValuesPush(Layout.NAMED_LIST, METER, "0-0:15.0.4.255", None, None, ())


@pytest.mark.parametrize("length", [0, 1, 3, 5, 7, 17])
def test_dsmr4_of_another_length(length: int) -> None:
    with pytest.raises(PushError, match=f"{length} octets follow") as info:
        decode(dsmr4(bytes(length)))
    assert info.value.kind is PushFault.MALFORMED


@pytest.mark.parametrize(
    "message",
    [b"E000000012345678,\0\0\0\0", b"E0000000123456789;\0\0\0\0", b"E00000001234567 9,\0\0\0\0", b"E"],
    ids=["sixteen", "semicolon", "blank", "one"],
)
def test_no_dsmr4(message: bytes) -> None:
    with pytest.raises(PushError) as info:
        decode(message)
    assert info.value.kind is PushFault.UNKNOWN_FORM


# MX382


def mx382(identifier: bytes, time: bytes = b"\0", descriptor: str = "000180808080800002") -> bytes:
    return b"\xc2" + time + bytes.fromhex(descriptor) + b"\x09" + bytes((len(identifier),)) + identifier


@pytest.mark.parametrize("identifier", ["KA6P005039021110", "KA6P0050390211101"])
def test_mx382_without_time(identifier: str) -> None:
    apdu = mx382(identifier.encode())
    assert len(apdu) in (29, 30)
    assert decode(apdu) == AlarmPush(identifier, "128-128:128.128.128.0", {3: 1})


def test_mx382_of_an_incomplete_time() -> None:
    time = b"\x09\x0c" + bytes.fromhex("ffffffffffffffffffff8000")
    push = decode(mx382(b"KA6P005039021110", time))
    assert push == AlarmPush("KA6P005039021110", "128-128:128.128.128.0", {3: 1})


@pytest.mark.parametrize(
    "apdu",
    [
        mx382(b"KA6P00503902111"),
        mx382(b"KA6P00503902111012"),
        mx382(b"KA6P 05039021110"),
        mx382(b""),
        mx382(b"KA6P005039021110")[:-1],
        mx382(b"KA6P005039021110") + b"0",
        mx382(b"KA6P005039021110").replace(b"\x09\x10", b"\x0a\x10"),
        mx382(b"KA6P00503902111", descriptor="00010000600101ff02"),
    ],
    ids=["fifteen", "eighteen", "blank", "empty", "cut", "more", "visible-string", "wake-up"],
)
def test_malformed_mx382(apdu: bytes) -> None:
    with pytest.raises(PushError) as info:
        decode(apdu)
    assert info.value.kind is PushFault.MALFORMED
    assert info.value.octets == apdu


def test_events_of_other_attributes_are_values() -> None:
    push = decode(b"\xc2\0" + bytes.fromhex("00010000616200ff02") + b"\x06\0\0\0\x05")
    assert isinstance(push, ValuesPush)
    assert push.layout is Layout.EVENT
    [value] = push.values
    assert (value.class_id, value.obis, value.attribute, value.number) == (1, "0-0:97.98.0.255", 2, 5)
    assert push.alarm_registers == {1: 5}


# SMR 5


@pytest.mark.parametrize("dotted", ["0.0.16.1.0", ALARM])
def test_smr5_alarm(dotted: str) -> None:
    one = decode(notify(structure(IDENTIFIER, name(dotted), u32(5))))
    assert one == AlarmPush(METER, dashed(dotted), {1: 5})
    two = decode(notify(structure(IDENTIFIER, name(dotted), u32(0), u32(0xFFFFFFFF))))
    assert two == AlarmPush(METER, dashed(dotted), {1: 0, 2: 0xFFFFFFFF})


def test_smr5_last_gasp() -> None:
    expected = AlarmPush(METER, "0-3:25.9.0.255", {3: 1})
    assert decode(notify(structure(IDENTIFIER, name(LAST_GASP), u32(1)))) == expected
    assert decode(notify(structure(IDENTIFIER, name(LAST_GASP), u32(1), u32(9)))) == expected


@pytest.mark.parametrize("dotted", ["0.0.2.2.0", SMS])
def test_smr5_wake_up(dotted: str) -> None:
    assert decode(notify(structure(IDENTIFIER, name(dotted)))) == WakeUpPush(METER, dashed(dotted))


@pytest.mark.parametrize("dotted", ["0.0.15.0.4", "0.0.25.9.0"])
def test_smr5_of_a_scheduler_tells_who_and_no_more(dotted: str) -> None:
    push = decode(notify(structure(IDENTIFIER, name(dotted))))
    assert push == ValuesPush(Layout.NAMED_LIST, METER, dashed(dotted), None, None, ())


def test_the_time_of_the_header() -> None:
    time = bytes.fromhex("07ea0716040e1e1900ff8880")
    push = decode(notify(structure(IDENTIFIER, name(ALARM), u32(5)), time))
    assert isinstance(push, AlarmPush)
    assert push.time == datetime(2026, 7, 22, 12, 30, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        structure(octets(b"ISK1030775213859"), name(ALARM), u32(5)),
        structure(IDENTIFIER, name("0.5.25.9.0"), u32(5)),
        structure(IDENTIFIER, name(ALARM), u16(5)),
        structure(IDENTIFIER, name(ALARM), u32(5), octets(b"")),
        structure(IDENTIFIER, name(ALARM), u32(5), u32(5), u32(5)),
        structure(text(METER), name(ALARM), u32(5)),
        structure(IDENTIFIER, name(ALARM)),
        structure(IDENTIFIER, name(LAST_GASP)),
    ],
    ids=["sixteen", "other-setup", "u16", "text", "five", "visible-string", "alarm-of-none", "gasp-of-none"],
)
def test_what_only_resembles_an_alarm_is_a_list_of_raw_values(body: Data) -> None:
    push = decode(notify(body))
    assert isinstance(push, ValuesPush)
    assert push.layout is Layout.NAMED_LIST
    assert isinstance(body.value, tuple)
    assert tuple(value.value for value in push.values) == body.value[2:]
    assert {value.obis for value in push.values} <= {None}


def test_other_beginnings() -> None:
    for apdu in (b"", b"\xdb\0", b"\0", b"\xe0\xc0"):
        with pytest.raises(PushError) as info:
            decode(apdu)
        assert info.value.kind is PushFault.UNKNOWN_FORM


def test_a_p1_telegram_is_kept_for_others() -> None:
    assert decode(b"/KFM5\r\n\r\n!\r\n") == UnknownPush("It is a P1 telegram, not an APDU.")


def test_the_protected_form_is_not_decoded_here() -> None:
    with pytest.raises(PushError):
        decode(apdus.WAN_ALARM)


def test_a_list_of_the_setup_with_its_own_list_is_no_alarm() -> None:
    body = structure(
        array(entry(40, ALARM), entry(1, "0.0.42.0.0"), entry(1, "0.0.97.98.0")),
        octets(b"E000000012345678"),
        u32(2),
    )
    push = decode(notify(body))
    assert isinstance(push, ValuesPush)
    assert (push.identification, push.alarm_registers) == ("E000000012345678", {1: 2})
