"""What came during a visit, as pushes: whose they are, and over which carrier they came."""

from datetime import timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.alarms import decoding, visited
from osgp.alarms.counting import Arrival
from osgp.alarms.models import Alarm, PushCount, PushOutcome, ReceivedPush, Transport
from osgp.catalogue.communication import Carrier
from osgp.devices.models import Device
from osgp.protocol_dlms import MeterAddress
from osgp.protocol_dlms.push.errors import PushFault
from osgp.protocol_dlms.transport.line import LONGEST_NOTIFICATION
from osgp.requests.work import load_meter
from osgp.visits.unsolicited import MOST_APDUS, MOST_OCTETS, Unsolicited, UnsolicitedApdu
from tests.alarms.pushing import NAME, add_meter, cipher, make_alarm
from tests.factories import make_device

pytestmark = pytest.mark.django_db

EVENT = bytes.fromhex("c200 0001 0000600715ff 02 120107")
"""Which meter it is of it does not say."""


def came(
    device: Device, *apdus: bytes, carrier: Carrier = Carrier.TCP, address: str = "192.0.2.9"
) -> Unsolicited:
    where = MeterAddress("meter.example", 4059, 7, carrier=carrier)
    received = [
        UnsolicitedApdu(apdu, timezone.now() + timedelta(minutes=2 * number))
        for number, apdu in enumerate(apdus)
    ]
    return Unsolicited(load_meter(device.pk), where, address, received)


def decode() -> list[ReceivedPush]:
    decoding.decode_waiting()
    return list(ReceivedPush.objects.order_by("pk"))


@pytest.fixture
def device(organisation: Organisation) -> Device:
    return add_meter(organisation)


@pytest.mark.parametrize("carrier", Carrier)
def test_alarms_plain_ciphered_and_in_blocks(device: Device, carrier: Carrier) -> None:
    alarm = make_alarm(0x10)
    blocks = [
        bytes((0xE0, 0x80 if number == 2 else 0, 0, number, 0, 0, len(half))) + half
        for number, half in enumerate((alarm[:20], alarm[20:]), 1)
    ]
    unsolicited = came(device, alarm, cipher(alarm, 5), *blocks, carrier=carrier)
    visited.keep(unsolicited)
    waiting = list(ReceivedPush.objects.order_by("pk"))
    assert [push.outcome for push in waiting] == [PushOutcome.WAITING] * 3
    assert {push.transport for push in waiting} == {Transport(carrier.value)}
    assert {(push.source_address, push.source_port) for push in waiting} == {("192.0.2.9", 4059)}
    received = [unsolicited.apdus[number].received_at for number in (0, 1, 3)]
    assert [push.received_at for push in waiting] == received
    pushes = decode()
    assert [push.outcome for push in pushes] == [PushOutcome.ALARM] * 3
    assert [push.is_verified for push in pushes] == [False, True, False]
    assert {alarm.device for alarm in Alarm.objects.all()} == {device}


def count_pushes() -> dict[str, int]:
    """Pushes by outcome, of all hours: one may change meanwhile."""
    return dict(PushCount.objects.order_by().values_list("outcome").annotate(Sum("number")))


def test_they_are_stored_once(device: Device) -> None:
    unsolicited = came(device, make_alarm(0x10), EVENT)
    visited.keep(unsolicited)
    visited.keep(unsolicited)
    assert ReceivedPush.objects.count() == 2
    assert count_pushes() == {Arrival.RECEIVED: 2}


def test_one_that_is_too_long_to_be_stored(device: Device) -> None:
    """As long as a wrapper frame holds; those of HDLC frames are no longer."""
    longest = b"\x0f" + bytes(LONGEST_NOTIFICATION - 1)
    visited.keep(came(device, EVENT, longest, EVENT))
    outcomes = ReceivedPush.objects.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == [PushOutcome.WAITING, PushFault.TOO_LONG.name, PushOutcome.WAITING]


def test_the_visit_tells_whose_an_event_is(organisation: Organisation, device: Device) -> None:
    """Several meters at the address of a gateway: by the address alone it would be of none of them."""
    for number in range(2):
        make_device(f"E{number}", owner=organisation, network_address="192.0.2.9")
    visited.keep(came(device, EVENT))
    [push] = decode()
    assert (push.outcome, push.device) == (PushOutcome.VALUES, device)


def test_what_a_push_says_itself_counts_for_more(organisation: Organisation, device: Device) -> None:
    other = make_device("E1", owner=organisation)
    visited.keep(came(other, make_alarm(0x10), make_alarm(0x10, name="E9999999999999999")))
    pushes = decode()
    assert [push.device for push in pushes] == [device, None]
    assert pushes[1].outcome == PushOutcome.UNKNOWN_SENDER
    assert device.identification == NAME


def test_what_makes_no_sense(device: Device) -> None:
    unfinished = bytes.fromhex("e0 00 0001 0000 02 0f00")
    visited.keep(came(device, b"\x0f", unfinished))
    assert [push.outcome for push in decode()] == [PushFault.MALFORMED.name, PushFault.TRUNCATED.name]
    assert count_pushes() == {Arrival.RECEIVED: 1, PushFault.MALFORMED.name: 1, PushFault.TRUNCATED.name: 1}


def test_an_address_of_version_6(device: Device) -> None:
    visited.keep(came(device, EVENT, address="2001:db8::7"))
    assert ReceivedPush.objects.get().source_address == "2001:db8::7"


def test_a_visit_holds_no_more_than_there_is_room_for(device: Device) -> None:
    many = came(device)
    for _ in range(MOST_APDUS + 3):
        many.take(EVENT)
    assert (len(many.apdus), many.dropped) == (MOST_APDUS, 3)
    long = came(device)
    for _ in range(10):
        long.take(EVENT + bytes(60_000))
    assert sum(len(apdu.octets) for apdu in long.apdus) <= MOST_OCTETS
    assert (len(long.apdus), long.dropped) == (4, 6)
