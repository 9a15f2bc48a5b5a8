"""What becomes of pushes, from the octets to alarms, readings, addresses and counts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.alarms import decoding
from osgp.alarms.gains import Gains
from osgp.alarms.models import Alarm, AlarmGroup, PushCount, PushCounter, PushOutcome, ReceivedPush, Transport
from osgp.catalogue.communication import Security
from osgp.cosem.pushes import decode
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType, SettingsKind, SharedSettings
from osgp.events.models import Event
from osgp.networks.models import CommunicationNetwork
from osgp.readings.models import Delivery, Series
from tests.alarms.pushing import (
    NAME,
    RECEIVED_AT,
    SOURCE,
    TITLE,
    add_meter,
    cipher,
    frame,
    make_alarm,
    receive,
    receive_again,
)
from tests.factories import make_device, make_gas_meter, make_organisation
from tests.protocol_dlms.push.examples import KAMSTRUP_DENMARK, SMR5_ALARM, WAN_ALARM, WAN_LOAD_PROFILE

pytestmark = pytest.mark.django_db

MX382_ALARM = bytes.fromhex(
    "000100670066002ac2090c07e70706040a362600ff888000018080808080000209104b413650303035303339303231313130"
)
MX382_WAKE_UP = bytes.fromhex(
    "000100670066002ac2090c07e70a19030b122900ff888000010000600101ff0209104b414c37303035303838313136373132"
)


def decode_one(octets: bytes, **fields: object) -> ReceivedPush:
    push = receive(octets, **fields)  # type: ignore[arg-type]
    assert decoding.decode_waiting() == 1
    push.refresh_from_db()
    return push


def count(outcome: str, transport: str = "TCP") -> int:
    numbers = PushCount.objects.filter(outcome=outcome, transport=transport).values_list("number", flat=True)
    return sum(numbers)


# --- Alarms ---


def test_a_plain_alarm_is_unverified(organisation: Organisation) -> None:
    network = CommunicationNetwork.objects.create(name="LTE-M")
    device = make_device(NAME, owner=organisation, network=network)
    push = decode_one(SMR5_ALARM)
    assert (push.outcome, push.device, push.is_verified) == (PushOutcome.ALARM, device, False)
    assert push.decoded_at is not None
    [alarm] = Alarm.objects.all()
    assert (alarm.device, alarm.push, alarm.received_at) == (device, push, RECEIVED_AT)
    assert alarm.alarm_types == ["POWER_UP", "VOLTAGE_SAG_IN_PHASE_DETECTED_L1"]
    assert (alarm.registers, alarm.unknown_bits) == ({"1": 4, "2": 1}, [])
    assert (alarm.trigger, alarm.is_verified) == ("Push alarm monitor", False)
    [group] = AlarmGroup.objects.all()
    assert (group.kind, group.number, group.unacknowledged) == (
        "POWER_UP, VOLTAGE_SAG_IN_PHASE_DETECTED_L1",
        1,
        1,
    )
    assert (group.organisation, group.network) == (organisation, network)
    [event] = Event.objects.all()
    assert (event.organisation, event.subject) == (organisation, alarm.uid)
    assert event.body == {
        "type": "alarm.received",
        "data": {
            "alarm_uid": str(alarm.uid),
            "device_identification": NAME,
            "received_at": "2026-07-16T12:30:40Z",
            "happened_at": None,
            "trigger": "Push alarm monitor",
            "alarm_types": ["POWER_UP", "VOLTAGE_SAG_IN_PHASE_DETECTED_L1"],
            "unknown_bits": [],
            "is_verified": False,
        },
    }
    assert count("ALARM") == 1


def test_unknown_bits_are_kept(organisation: Organisation) -> None:
    make_device(NAME, owner=organisation)
    push = decode_one(frame(make_alarm(1 << 5 | 4)))
    [alarm] = Alarm.objects.all()
    assert alarm.alarm_types == ["POWER_UP"]
    assert alarm.unknown_bits == ["1.5"]
    assert push.details["unknown_bits"] == ["1.5"]


def test_mx382_tells_its_last_gasp(organisation: Organisation) -> None:
    make_device("KA6P005039021110", owner=organisation, protocol_name="DSMR", protocol_version="2.2")
    assert decode_one(MX382_ALARM).outcome == PushOutcome.ALARM
    [alarm] = Alarm.objects.all()
    assert alarm.alarm_types == ["LAST_GASP"]
    assert alarm.happened_at == datetime(2023, 7, 6, 8, 54, 38, tzinfo=UTC)


def test_dsmr4_text(organisation: Organisation) -> None:
    make_device(NAME, owner=organisation, protocol_name="DSMR", protocol_version="4.2.2")
    decode_one(NAME.encode() + b"," + bytes.fromhex("00000001"))
    assert Alarm.objects.get().alarm_types == ["CLOCK_INVALID"]


def test_a_ciphered_alarm_is_verified(organisation: Organisation) -> None:
    device = add_meter(organisation, "MMM0000012345678")
    push = decode_one(WAN_ALARM)
    assert (push.outcome, push.device, push.is_verified) == (PushOutcome.ALARM, device, True)
    [alarm] = Alarm.objects.all()
    assert alarm.is_verified
    assert alarm.happened_at == datetime(2026, 7, 16, 10, 30, 31, tzinfo=UTC)
    assert alarm.registers == {"1": 0x22}
    [counter] = PushCounter.objects.all()
    assert (counter.system_title, counter.highest, counter.replayed) == (TITLE.hex().upper(), 0xC01, 0)


def test_all_owners_are_told(organisation: Organisation) -> None:
    other = make_organisation("OTHER")
    device = make_device(NAME, owner=organisation)
    device.authorisations.create(organisation=other, function_group="OWNER")
    device.authorisations.create(organisation=make_organisation("THIRD"), function_group="MONITORING")
    decode_one(frame(make_alarm(4)))
    assert set(Event.objects.values_list("organisation", flat=True)) == {organisation.pk, other.pk}
    assert Alarm.objects.count() == 1


def test_a_storm_is_one_group(organisation: Organisation) -> None:
    names = [f"E{number:016}" for number in range(300)]
    for name in names:
        make_device(name, owner=organisation)
        receive(frame(make_alarm(4, name=name)))
    while decoding.decode_waiting(100):
        pass
    assert Alarm.objects.count() == 300
    [group] = AlarmGroup.objects.all()
    assert (group.number, group.unacknowledged) == (300, 300)


def test_alarms_after_a_quiet_time_are_another_group(organisation: Organisation) -> None:
    make_device(NAME, owner=organisation)
    decode_one(frame(make_alarm(4)))
    receive_again(frame(make_alarm(4)), minutes=59)
    receive_again(frame(make_alarm(4)), minutes=130)
    decoding.decode_waiting()
    assert sorted(AlarmGroup.objects.values_list("number", flat=True)) == [1, 2]


def test_alarms_that_were_delivered_late_are_in_the_group_of_their_time(organisation: Organisation) -> None:
    """A listener keeps in its spool what it cannot store."""
    make_device(NAME, owner=organisation)
    decode_one(frame(make_alarm(4)))
    receive_again(frame(make_alarm(4)), minutes=-59)
    decoding.decode_waiting()
    [group] = AlarmGroup.objects.all()
    assert (group.number, group.last_at - group.first_at) == (2, timedelta(minutes=59))
    receive_again(frame(make_alarm(4)), minutes=-600)
    decoding.decode_waiting()
    assert sorted(AlarmGroup.objects.values_list("number", flat=True)) == [1, 2]


# --- Who sent it ---


def test_strangers_are_counted_and_kept_up_to_a_number(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"KEPT_STRANGE_PUSHES": 3}
    for number in range(5):
        receive(frame(make_alarm(number)))
    decoding.decode_waiting()
    assert ReceivedPush.objects.count() == 3
    assert count("UNKNOWN_SENDER") == 5
    assert not Alarm.objects.exists()
    assert {push.details["says_to_be"] for push in ReceivedPush.objects.all()} == {NAME}


@pytest.mark.parametrize("title", ["4D4D4D0000BC614F", "0000000000000000"])
def test_an_unknown_system_title(organisation: Organisation, title: str) -> None:
    add_meter(organisation)
    push = decode_one(frame(cipher(make_alarm(4), 1, title=bytes.fromhex(title))))
    assert (push.outcome, push.device) == (PushOutcome.UNKNOWN_SENDER, None)
    assert push.details["system_title"] == title
    assert not Alarm.objects.exists()


def test_a_system_title_that_is_left_out(organisation: Organisation) -> None:
    """It is of nobody, also not of a device of which no title is known and that pushed just before."""
    make_device(NAME, owner=organisation)
    ciphered = cipher(make_alarm(4), 1)
    plain = receive(frame(make_alarm(4)))
    push = receive(frame(ciphered[:1] + b"\0" + ciphered[10:]))
    assert decoding.decode_waiting() == 2
    for each in (plain, push):
        each.refresh_from_db()
    assert (plain.outcome, push.outcome, push.device) == ("ALARM", "UNKNOWN_SENDER", None)
    assert push.details["reason"] == "It leaves its system title out."


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("is_ciphered", [True, False])
def test_several_blocks(organisation: Organisation, transport: Transport, is_ciphered: bool) -> None:
    """As the listener stores them: each block with its wrapper frame, over UDP each of a datagram."""
    add_meter(organisation)
    apdu = cipher(make_alarm(4), 1) if is_ciphered else make_alarm(4)
    parts = [apdu[at : at + 12] for at in range(0, len(apdu), 12)]
    blocks = [
        bytes((0xE0, 0xC0 if number == len(parts) else 0x40, 0, number, 0, 0, len(part))) + part
        for number, part in enumerate(parts, 1)
    ]
    push = decode_one(b"".join(map(frame, blocks)), transport=transport)
    assert (push.outcome, push.is_verified) == (PushOutcome.ALARM, is_ciphered), push.details
    lacking = decode_one(b"".join(map(frame, [*blocks[:1], *blocks[2:]])), transport=transport)
    assert lacking.outcome == "BLOCK_MISSING"
    assert Alarm.objects.count() == 1


def test_a_wrong_tag_moves_no_counter(organisation: Organisation) -> None:
    device = add_meter(organisation)
    octets = bytearray(frame(cipher(make_alarm(4), 4_000_000_000)))
    octets[-1] ^= 1
    push = decode_one(bytes(octets))
    assert (push.outcome, push.device) == ("BAD_TAG", device)
    assert not Alarm.objects.exists()
    assert count("BAD_TAG") == 1
    assert decode_one(frame(cipher(make_alarm(4), 1))).outcome == PushOutcome.ALARM


def test_a_replay_is_refused_and_counted(organisation: Organisation) -> None:
    add_meter(organisation)
    octets = frame(cipher(make_alarm(4), 10))
    assert decode_one(octets).outcome == PushOutcome.ALARM
    assert decode_one(octets, source_address="192.0.2.99").outcome == "REPLAYED"
    assert decode_one(frame(cipher(make_alarm(4), 9))).outcome == PushOutcome.ALARM, "overtaken"
    assert decode_one(frame(cipher(make_alarm(4), 9))).outcome == "REPLAYED"
    assert decode_one(frame(cipher(make_alarm(4), 200))).outcome == PushOutcome.ALARM
    assert decode_one(frame(cipher(make_alarm(4), 100))).outcome == "REPLAYED", "too old to tell"
    assert PushCounter.objects.get().replayed == 3
    assert Alarm.objects.count() == 3
    assert count("REPLAYED") == 3


def test_replays_within_a_slice(organisation: Organisation) -> None:
    add_meter(organisation)
    octets = frame(cipher(make_alarm(4), 10))
    pushes = [receive(octets), receive(octets)]
    assert decoding.decode_waiting() == 2
    assert [ReceivedPush.objects.get(pk=push.pk).outcome for push in pushes] == ["ALARM", "REPLAYED"]


def test_a_new_key_begins_anew(organisation: Organisation) -> None:
    device = add_meter(organisation)
    decode_one(frame(cipher(make_alarm(4), 1000)))
    new = {KeyType.E_METER_ENCRYPTION_KEY_UNICAST: b"n" * 16}
    keystore.store_new(device, new)
    octets = frame(cipher(make_alarm(4), 1, encryption_key=b"n" * 16))
    assert decode_one(octets).outcome == PushOutcome.ALARM, "the meter has it, and we do not know yet"
    keystore.activate(device, list(new))
    assert decode_one(octets).outcome == "REPLAYED"
    assert decode_one(frame(cipher(make_alarm(4), 1001))).outcome == "BAD_TAG", "the former key"


def test_a_meter_cannot_speak_for_another_one(organisation: Organisation) -> None:
    add_meter(organisation)
    make_device("E9999999999999999", owner=organisation)
    push = decode_one(frame(cipher(make_alarm(4, name="E9999999999999999"), 1)))
    assert push.outcome == "WRONG_SYSTEM_TITLE"
    assert not Alarm.objects.exists()


def test_a_meter_that_is_registered_twice(organisation: Organisation) -> None:
    add_meter(organisation, "MMM0000012345678")
    add_meter(make_organisation("OTHER"), "TWIN0000012345678")
    assert decode_one(WAN_ALARM).outcome == PushOutcome.ALARM
    assert Alarm.objects.count() == 2
    assert Event.objects.count() == 2
    assert decode_one(WAN_ALARM).outcome == "REPLAYED"


def test_a_meter_that_is_registered_twice_and_names_a_third(organisation: Organisation) -> None:
    """It ends, too: nothing else would be decoded if it went on waiting."""
    add_meter(organisation)
    add_meter(make_organisation("OTHER"), "E7777777777777777")
    push = decode_one(frame(cipher(make_alarm(4, name="E9999999999999999"), 1)))
    assert push.outcome == "WRONG_SYSTEM_TITLE"
    assert decoding.decode_waiting() == 0
    assert not Alarm.objects.exists()


def test_a_meter_that_is_registered_twice_is_told_by_the_name_that_it_says(
    organisation: Organisation,
) -> None:
    device = add_meter(organisation)
    add_meter(make_organisation("OTHER"), "E7777777777777777")
    assert decode_one(frame(cipher(make_alarm(4), 1))).outcome == PushOutcome.ALARM
    assert Alarm.objects.get().device == device


def test_a_key_that_cannot_be_read(organisation: Organisation) -> None:
    device = add_meter(organisation)
    device.keys.update(key_encryption_key_id="gone")
    push = decode_one(frame(cipher(make_alarm(4), 1)))
    assert push.outcome == PushOutcome.KEYS_UNREADABLE
    assert "gone" in push.details["reason"]


def test_a_plain_push_that_comes_twice(organisation: Organisation) -> None:
    make_device(NAME, owner=organisation)
    octets = frame(make_alarm(4))
    receive(octets)
    second = receive(octets, received_at=RECEIVED_AT + timedelta(seconds=30))
    assert decoding.decode_waiting() == 2
    later = receive_again(octets)
    assert decoding.decode_waiting() == 1
    assert ReceivedPush.objects.get(pk=second.pk).outcome == PushOutcome.DOUBLED
    assert ReceivedPush.objects.get(pk=later.pk).outcome == PushOutcome.ALARM
    assert Alarm.objects.count() == 2


@pytest.mark.parametrize("is_one_slice", [True, False])
def test_a_push_without_a_tag_that_comes_twice(organisation: Organisation, is_one_slice: bool) -> None:
    """Its counter proves nothing, but the same octets under the same counter are never news."""
    add_meter(organisation)
    octets = frame(cipher(make_alarm(4), 10, has_tag=False))
    first = receive(octets)
    assert is_one_slice or decoding.decode_waiting() == 1
    pushes = [
        first,
        receive_again(octets, source_address="192.0.2.99"),
        receive(frame(cipher(make_alarm(4), 9, has_tag=False))),
    ]
    assert decoding.decode_waiting() == (3 if is_one_slice else 2)
    found = [ReceivedPush.objects.get(pk=push.pk) for push in pushes]
    assert [push.outcome for push in found] == ["ALARM", "DOUBLED", "ALARM"]
    assert not any(push.is_verified for push in found)
    assert list(Alarm.objects.values_list("is_verified", flat=True)) == [False, False]
    assert count("DOUBLED") == 1
    assert not PushCounter.objects.filter(highest__isnull=False).exists()


# --- Readings ---


def test_values_become_readings_if_they_are_proven(organisation: Organisation) -> None:
    add_meter(organisation)
    # Layout B as Kamstrup's, with a register that the profile has; no scale in the push: the profile's.
    body = bytes.fromhex("0f00000001 0c07ea0710040c1e1e00ff8880 0202 09060100010800ff 060012d687")
    push = decode_one(frame(cipher(body, 1)))
    assert push.outcome == PushOutcome.READINGS, push.details
    [series] = Series.objects.all()
    assert (series.quantity, series.period, series.unit) == ("1-0:1.8.0.255", "ACTUAL", "kWh")
    [delivery] = Delivery.objects.all()
    assert (delivery.correlation_uid, delivery.message) == (push.uid, "Push")


@pytest.mark.parametrize(
    ("changes", "stored"),
    [
        ({}, False),
        ({"stores_unverified_pushes": True}, True),
        ({"security": Security.NONE}, True),
    ],
    ids=str,
)
def test_plain_values(organisation: Organisation, changes: dict[str, object], stored: bool) -> None:
    make_device("1234567890123456", owner=organisation, **changes)
    body = bytes.fromhex(
        "0f00000001 0c07ea0710040c1e1e00ff8880 0204"
        "09060000600100ff 0a1031323334353637383930313233343536 09060100010800ff 060012d687"
    )
    push = decode_one(frame(body))
    assert push.outcome == (PushOutcome.READINGS if stored else PushOutcome.VALUES), push.details
    assert Series.objects.exists() == stored
    assert ("reason" in push.details) != stored


def test_a_family_without_a_profile_is_shown(organisation: Organisation) -> None:
    add_meter(organisation, keeps_standard_time=True)
    push = decode_one(KAMSTRUP_DENMARK)
    assert push.details["time"] == "2026-07-16T12:30:20Z"
    shown = {value["obis"]: value for value in push.details["values"] if "obis" in value}
    assert shown["1-1:1.8.0.255"] == {"obis": "1-1:1.8.0.255", "value": "12345670", "unit": "Wh"}
    assert Decimal(shown["1-1:32.7.0.255"]["value"]) == 229


@pytest.mark.parametrize("kind", ["", SettingsKind.MODEL, SettingsKind.PROFILE])
def test_a_meter_that_turns_the_sign_of_its_deviation(organisation: Organisation, kind: str) -> None:
    opposite = {"deviation_sign": "OPPOSITE"}
    changes: dict[str, object] = {"model": "Turned"} if kind else {"own_settings": opposite}
    meter = make_device("1234567890123456", owner=organisation, security=Security.NONE, **changes)
    if kind:
        name = meter.model if kind == SettingsKind.MODEL else meter.profile.key
        SharedSettings.objects.create(kind=kind, name=name, settings=opposite)
    body = bytes.fromhex(
        "0f00000001 0c07ea0710040c1e1e00007880 0204"
        "09060000600100ff 0a1031323334353637383930313233343536 09060100010800ff 060012d687"
    )
    assert decode_one(frame(body)).details["time"] == "2026-07-16T10:30:30Z"


def test_rows_of_a_buffer(organisation: Organisation) -> None:
    make_device("MMM0000012345678", owner=organisation, security=Security.NONE)
    push = decode_one(WAN_LOAD_PROFILE)
    assert push.outcome == PushOutcome.READINGS, push.details
    series = {row.quantity: row for row in Series.objects.all()}
    assert set(series) == {"1-0:1.8.0.255", "1-0:2.8.0.255"}
    assert {row.period for row in series.values()} == {"INTERVAL"}


def test_values_of_mbus_devices_are_theirs(organisation: Organisation) -> None:
    meter = add_meter(organisation)
    gas = make_gas_meter(gateway=meter, channel=1, owner=organisation)
    body = bytes.fromhex(
        "0f00000001 0c07ea0710040c1e1e00ff8880 0101 0203 0906 0001180201ff 06000003e8 0202 0ffd 160e"
    )
    push = decode_one(frame(cipher(body, 1)))
    assert push.outcome == PushOutcome.READINGS, push.details
    assert Series.objects.get().device == gas


def test_mbus_devices_of_many_meters_are_found_together(
    organisation: Organisation,
) -> None:
    gains = Gains()
    for number in range(20):
        meter = make_device(f"E{number}", owner=organisation, security=Security.NONE)
        make_gas_meter(f"G{number}", gateway=meter, channel=1, owner=organisation)
        body = "0f00000001 0c07ea0710040c1e1e00ff8880 0101 0203 0906 0001180201ff 06000003e8 0202 0ffd 160e"
        gains.take(decode(bytes.fromhex(body)), receive(b""), meter, is_verified=True)
    with CaptureQueriesContext(connection) as queries:
        gains.store_readings()
    of_devices = [query["sql"] for query in queries if "devices_device" in query["sql"]]
    assert len(of_devices) == 1
    assert Series.objects.values("device").distinct().count() == 20


# --- Addresses ---


def test_a_wake_up_proposes_its_address(organisation: Organisation, settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"WAKE_UP_NETWORKS": ["192.0.2.0/24"]}
    device = make_device("KAL7005088116712", owner=organisation, address_is_static=False)
    push = decode_one(MX382_WAKE_UP, transport=Transport.UDP)
    device.refresh_from_db()
    assert push.outcome == PushOutcome.ADDRESS
    assert device.announced_address == SOURCE
    assert device.network_address != SOURCE
    assert device.lifecycle_status == Device.objects.get(pk=device.pk).lifecycle_status
    assert count("ADDRESS", "UDP") == 1


@pytest.mark.parametrize(
    ("networks", "changes"),
    [
        ([], {"address_is_static": False}),
        (["192.0.2.0/24"], {}),
        (["2001:db8::/32"], {"address_is_static": False}),
    ],
    ids=str,
)
def test_addresses_that_are_not_tried(
    organisation: Organisation, settings: Settings, networks: list[str], changes: dict[str, bool]
) -> None:
    settings.OSGP = settings.OSGP | {"WAKE_UP_NETWORKS": networks}
    device = make_device("KAL7005088116712", owner=organisation, **changes)
    decode_one(MX382_WAKE_UP)
    device.refresh_from_db()
    assert device.announced_address == ""


def test_an_address_where_no_meters_are_dialled_is_not_tried(
    organisation: Organisation, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {
        "WAKE_UP_NETWORKS": ["192.0.2.0/24"],
        "METER_NETWORKS": ["10.0.0.0/8"],
    }
    device = make_device("KAL7005088116712", owner=organisation, address_is_static=False)
    push = decode_one(MX382_WAKE_UP, transport=Transport.UDP)
    device.refresh_from_db()
    assert device.announced_address == ""
    assert push.details["reason"] == "Meters are not dialled at this address."


# --- Bad ones ---


@pytest.mark.parametrize(
    ("octets", "outcome"),
    [
        ("00010067006600ff0f", "TRUNCATED"),
        ("deadbeef", "UNKNOWN_FORM"),
        ("0001006700660005c2090c07e7", "MALFORMED"),
        ("00010067006600080f00000f01000200", "UNKNOWN_FORM"),
        ("", "TRUNCATED"),
    ],
)
def test_pushes_that_are_no_good(organisation: Organisation, octets: str, outcome: str) -> None:
    push = decode_one(bytes.fromhex(octets))
    assert push.outcome == outcome
    assert not Alarm.objects.exists()


def test_one_that_makes_the_slice_fail_fails_alone(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_device(NAME, owner=organisation)
    pushes = [receive(frame(make_alarm(number))) for number in (1, 2, 4)]
    take = decoding.Gains.take

    def fail(self: decoding.Gains, said: object, push: ReceivedPush, *rest: object, **more: object) -> object:
        if push.pk == pushes[1].pk:
            self.alarms.append(None)  # type: ignore[arg-type]
            return PushOutcome.ALARM, {}
        return take(self, said, push, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding.Gains, "take", fail)
    assert decoding.decode_some() == 3
    assert [ReceivedPush.objects.get(pk=push.pk).outcome for push in pushes] == ["ALARM", "ERROR", "ALARM"]
    assert Alarm.objects.count() == 2
    assert decoding.decode_some() == 0
