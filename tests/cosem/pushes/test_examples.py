"""Pushes of real families, from the APDU to the values that their makers mean."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from osgp.cosem.alarms import find_pushed_alarms
from osgp.cosem.profile_rows import CapturePeriod, RowTimes
from osgp.cosem.pushes import (
    AlarmPush,
    Layout,
    PushTrigger,
    ScaleSource,
    ValuesPush,
    WakeUpPush,
    decode,
)
from osgp.cosem.pushes.dutch import LAST_GASP
from osgp.protocol_dlms.push.protection import unprotect
from tests.cosem.pushes.building import CLOCK, say
from tests.protocol_dlms.push import apdus

ZONE = ZoneInfo("Europe/Oslo")


def utc(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type, misc]


def read(apdu: bytes) -> ValuesPush:
    push = decode(apdu, zone=ZONE)
    assert isinstance(push, ValuesPush), push
    return push


def open_up(apdu: bytes) -> bytes:
    return unprotect(apdu, apdus.ENCRYPTION_KEY, apdus.AUTHENTICATION_KEY)


def test_kamstrup() -> None:
    push = read(apdus.KAMSTRUP)
    assert push.layout is Layout.PAIRS
    assert push.list_name == "Kamstrup_V0001"
    assert push.identification == "1234567890123456"
    assert push.time == push.built_at == utc(2026, 1, 16, 13, 30, 10)
    assert [say(value) for value in push.values] == [
        ("1-1:0.0.5.255", "1234567890123456"),
        ("1-1:96.1.1.255", "000000000000000001"),
        ("1-1:1.7.0.255", "1234 W"),
        ("1-1:2.7.0.255", "0 W"),
        ("1-1:31.7.0.255", "5.37 A"),
        ("1-1:32.7.0.255", "231 V"),
    ]
    assert {value.scale_source for value in push.values[2:]} == {ScaleSource.LIST}


def test_kaifa() -> None:
    push = read(apdus.KAIFA)
    assert push.layout is Layout.POSITIONS
    assert push.list_name == "KFM_001"
    assert push.identification == "1234567890123456"
    assert push.time == push.built_at == utc(2026, 1, 16, 13, 30, 12)
    assert [say(value) for value in push.values] == [
        ("1-1:0.2.129.255", "KFM_001"),
        ("0-0:96.1.0.255", "1234567890123456"),
        ("0-0:96.1.7.255", "MA000000"),
        ("1-0:1.7.0.255", "1500 W"),
        ("1-0:2.7.0.255", "0 W"),
        ("1-0:3.7.0.255", "0 var"),
        ("1-0:4.7.0.255", "88 var"),
        ("1-0:31.7.0.255", "6.543 A"),
        ("1-0:51.7.0.255", "0.000 A"),
        ("1-0:71.7.0.255", "1.200 A"),
        ("1-0:32.7.0.255", "230.5 V"),
        ("1-0:52.7.0.255", "0.0 V"),
        ("1-0:72.7.0.255", "231.1 V"),
    ]


def test_aidon_hourly() -> None:
    push = read(apdus.AIDON)
    assert push.layout is Layout.NESTED
    assert push.list_name == "AIDON_V0001"
    assert push.identification == "1234567890123456"
    assert push.time == utc(2026, 1, 16, 14)
    assert push.built_at is None
    assert [say(value) for value in push.values] == [
        ("1-1:0.2.129.255", "AIDON_V0001"),
        ("0-0:96.1.0.255", "1234567890123456"),
        ("1-0:1.7.0.255", "2500 W"),
        ("1-0:31.7.0.255", "10.9 A"),
        ("1-0:32.7.0.255", "230.4 V"),
        (CLOCK, "07ea0110000f0000ff000000"),
        ("1-0:1.8.0.255", "12345670 Wh"),
    ]
    assert {value.scale_source for value in push.values} == {None, ScaleSource.MESSAGE}


def test_lower_austria() -> None:
    push = read(open_up(apdus.LOWER_AUSTRIA))
    assert push.layout is Layout.TRIPLES
    assert push.list_name is None
    assert push.identification == "123456789012"
    assert push.time == push.built_at == utc(2026, 7, 16, 12, 30, 15)
    assert [say(value) for value in push.values] == [
        (CLOCK, "07ea0710040e1e0f00ff8880"),
        ("1-0:1.8.0.255", "4752000 Wh"),
        ("1-0:2.8.0.255", "123456 Wh"),
        ("1-0:1.7.0.255", "321 W"),
        ("1-0:2.7.0.255", "0 W"),
        ("1-0:32.7.0.255", "233.4 V"),
        ("1-0:52.7.0.255", "232.5 V"),
        ("1-0:72.7.0.255", "232.1 V"),
        ("1-0:31.7.0.255", "0.48 A"),
        ("1-0:51.7.0.255", "0.83 A"),
        ("1-0:71.7.0.255", "1.20 A"),
        ("1-0:13.7.0.255", "0.987"),
        (None, "123456789012"),
    ]


def test_kamstrup_denmark() -> None:
    push = read(open_up(apdus.KAMSTRUP_DENMARK))
    assert push.layout is Layout.PAIRS
    assert push.list_name == "Kamstrup_V0001"
    assert push.time == push.built_at == utc(2026, 7, 16, 12, 30, 20)
    assert [say(value) for value in push.values] == [
        ("1-1:1.8.0.255", "12345670 Wh"),
        ("1-1:2.8.0.255", "10 Wh"),
        ("1-1:1.7.0.255", "432 W"),
        ("0-1:1.0.0.255", "07ea0710040d1e14ff800080"),
        ("1-1:32.7.0.255", "229 V"),
    ]


def test_e450() -> None:
    push = read(apdus.E450)
    assert push.layout is Layout.OWN_LIST
    assert push.list_name == "0-8:25.9.0.255"
    assert push.identification == "12345678"
    assert push.time == push.built_at == utc(2026, 7, 16, 12, 30, 25)
    assert [(value.class_id, value.attribute, *say(value)) for value in push.values] == [
        (40, 1, "0-8:25.9.0.255", "0008190900ff"),
        (1, 2, "0-0:96.1.0.255", "12345678"),
        (3, 2, "1-0:1.7.0.255", "777 W"),
        (3, 2, "1-1:1.8.0.255", "4912257 Wh"),
        (3, 2, "1-0:32.7.0.255", "234 V"),
    ]


def test_am550() -> None:
    push = read(apdus.AM550)
    assert push.layout is Layout.NESTED
    assert push.identification == "12345678"
    assert push.time == utc(2026, 7, 16, 12, 30, 30)
    assert [say(value) for value in push.values] == [
        ("0-0:96.1.0.255", "12345678"),
        ("1-0:1.7.0.255", "182 W"),
        ("1-0:32.7.0.255", "236.4 V"),
        ("1-0:31.7.0.255", "0.63 A"),
        ("1-0:1.8.0.255", "261927 Wh"),
    ]


def test_wan_alarm() -> None:
    push = read(open_up(apdus.WAN_ALARM))
    assert push.layout is Layout.OWN_LIST
    assert push.list_name == "0-4:25.9.0.255"
    assert push.identification == "MMM0000012345678"
    assert push.time == utc(2026, 7, 16, 10, 30, 31)
    assert push.built_at is None
    assert [(value.class_id, *say(value)) for value in push.values] == [
        (1, "0-0:42.0.0.255", "MMM0000012345678"),
        (8, CLOCK, "07ea0710040c1e1f00ff8880"),
        (1, "0-0:97.98.0.255", 0x22),
    ]
    assert push.alarm_registers == {1: 1 << 1 | 1 << 5}


def test_load_profile() -> None:
    push = read(apdus.LOAD_PROFILE)
    assert push.layout is Layout.ROWS
    assert push.list_name == "0-1:25.9.0.255"
    assert push.identification == "MMM0000012345678"
    assert push.time == push.built_at == utc(2026, 7, 16, 12)
    assert push.values == ()
    assert [row.time for row in push.rows] == [utc(2026, 7, 16, 12), None, None]
    cells = [tuple(cell.native for cell in row.cells) for row in push.rows]
    assert [row[1:] for row in cells] == [(0, 100200, 0), (0, 100260, 0), (8, 100300, 0)]
    quarter = RowTimes(ZONE, CapturePeriod.from_seconds(900))
    assert [quarter.find_next(row[0]) for row in cells] == [
        utc(2026, 7, 16, 12) + timedelta(minutes=minutes) for minutes in (0, 15, 30)
    ]


def test_smr5_alarm() -> None:
    push = decode(apdus.SMR5_ALARM)
    assert push == AlarmPush("E0000000123456789", "0-1:25.9.0.255", {1: 4, 2: 1})
    assert find_pushed_alarms(1, 4) == (["POWER_UP"], [])
    assert find_pushed_alarms(2, 1) == (["VOLTAGE_SAG_IN_PHASE_DETECTED_L1"], [])


def test_mx382() -> None:
    assert decode(apdus.MX382_LAST_GASP) == AlarmPush(
        "KA6P005039021110",
        "128-128:128.128.128.0",
        {3: LAST_GASP},
        PushTrigger.ALARM_MONITOR,
        utc(2023, 7, 6, 8, 54, 38),
    )
    assert find_pushed_alarms(3, LAST_GASP) == (["LAST_GASP"], [])
    assert decode(apdus.MX382_WAKE_UP) == WakeUpPush(
        "KAL7005088116712",
        "0-0:96.1.1.255",
        PushTrigger.SMS_WAKEUP,
        utc(2023, 10, 25, 9, 18, 41),
    )
