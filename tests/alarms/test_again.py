"""Pushes that are decoded once more."""

import pytest

from osgp.accounts.models import Organisation
from osgp.alarms import again, decoding
from osgp.alarms.models import Alarm, PushOutcome, ReceivedPush
from tests.alarms.pushing import NAME, add_meter, cipher, frame, make_alarm, receive
from tests.factories import make_device

pytestmark = pytest.mark.django_db


def outcomes() -> list[str]:
    return list(ReceivedPush.objects.order_by("pk").values_list("outcome", flat=True))


def test_a_stranger_that_was_registered_since(organisation: Organisation) -> None:
    receive(frame(make_alarm(4)))
    receive(frame(cipher(make_alarm(4), 1)))
    decoding.decode_waiting()
    assert outcomes() == [PushOutcome.UNKNOWN_SENDER, PushOutcome.UNKNOWN_SENDER]
    add_meter(organisation)
    assert again.decode_again(ReceivedPush.objects.all()) == 2
    decoding.decode_waiting()
    assert outcomes() == [PushOutcome.ALARM, PushOutcome.ALARM]
    assert Alarm.objects.count() == 2


def test_what_was_used_or_refused_stays(organisation: Organisation) -> None:
    add_meter(organisation)
    octets = frame(cipher(make_alarm(4), 1))
    receive(octets)
    receive(octets)
    decoding.decode_waiting()
    assert again.decode_again(ReceivedPush.objects.all()) == 0
    assert outcomes() == [PushOutcome.ALARM, "REPLAYED"]


def test_an_accepted_counter_is_not_taken_for_a_replay(organisation: Organisation) -> None:
    device = add_meter(organisation, "E9999999999999999")
    receive(frame(cipher(make_alarm(4), 1)))
    decoding.decode_waiting()
    assert outcomes() == ["WRONG_SYSTEM_TITLE"]
    type(device).objects.filter(pk=device.pk).update(identification=NAME)
    assert again.decode_again(ReceivedPush.objects.all()) == 1
    decoding.decode_waiting()
    assert outcomes() == [PushOutcome.ALARM]


def test_plain_values_that_the_profile_knows_since(organisation: Organisation) -> None:
    device = make_device("1234567890123456", owner=organisation)
    body = (
        "0f00000001 0c07ea0710040c1e1e00ff8880 0204"
        "09060000600100ff 0a1031323334353637383930313233343536 09060100010800ff 060012d687"
    )
    receive(frame(bytes.fromhex(body)))
    decoding.decode_waiting()
    assert outcomes() == [PushOutcome.VALUES]
    type(device).objects.update(stores_unverified_pushes=True)
    assert again.decode_again(ReceivedPush.objects.all()) == 1
    decoding.decode_waiting()
    assert outcomes() == [PushOutcome.READINGS]


def test_bits_are_named_as_the_profile_knows_them_now(organisation: Organisation) -> None:
    make_device(NAME, owner=organisation)
    receive(frame(make_alarm(4)))
    decoding.decode_waiting()
    Alarm.objects.update(alarm_types=[], unknown_bits=["1.2"])
    assert again.name_again(Alarm.objects.all()) == 1
    alarm = Alarm.objects.get()
    assert (alarm.alarm_types, alarm.unknown_bits) == (["POWER_UP"], [])
    assert again.name_again(Alarm.objects.all()) == 0
