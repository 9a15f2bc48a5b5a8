"""Sources of which decoding found that nobody knows who pushes from there."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.utils import timezone

from osgp.alarms.models import ReceivedPush
from osgp.listener import unknown_senders
from osgp.listener.unknown_senders import REPEATEDLY, find_sources

pytestmark = pytest.mark.django_db

GATEWAY, STRANGER = "192.0.2.1", "2001:db8::7"


def receive(source: str, outcomes: Sequence[str], age: timedelta = timedelta()) -> None:
    ReceivedPush.objects.bulk_create(
        ReceivedPush(
            received_at=timezone.now() - age,
            transport="TCP",
            source_address=source,
            source_port=1,
            octets=b"",
            outcome=outcome,
        )
        for outcome in outcomes
    )


def test_none_at_first() -> None:
    assert find_sources() == []
    receive(GATEWAY, ["ALARM"] * 50)
    assert find_sources() == []


def test_a_stranger_and_a_gateway_with_some_strangers_behind_it() -> None:
    receive(GATEWAY, ["ALARM"] * (REPEATEDLY + 1) + ["UNKNOWN_SENDER"] * REPEATEDLY)
    receive(STRANGER, ["ALARM"] + ["UNKNOWN_SENDER"] * REPEATEDLY)
    assert find_sources() == [STRANGER]


def test_now_and_then_is_no_offence() -> None:
    receive(STRANGER, ["UNKNOWN_SENDER"] * (REPEATEDLY - 1))
    assert find_sources() == []


def test_what_waits_says_nothing_yet() -> None:
    receive(STRANGER, ["UNKNOWN_SENDER"] * REPEATEDLY)
    receive(STRANGER, ["WAITING"] * 500)
    receive(GATEWAY, ["WAITING"] * 500)
    assert find_sources() == [STRANGER]


def test_it_is_forgotten() -> None:
    receive(STRANGER, ["UNKNOWN_SENDER"] * REPEATEDLY, age=unknown_senders.WITHIN + timedelta(minutes=1))
    assert find_sources() == []
