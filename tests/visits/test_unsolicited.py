"""What meters send during a visit without being asked ends up as pushes, and harms no visit."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.alarms import decoding
from osgp.alarms.counting import Arrival
from osgp.alarms.models import Alarm, PushCount, PushOutcome, ReceivedPush, Transport
from osgp.catalogue.communication import Security
from osgp.devices.models import Device
from osgp.protocol_dlms.push.errors import PushFault
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from osgp.simulator import Fleet, SimulatorThread, between
from osgp.simulator.between import Between
from osgp.simulator.faults import FaultKind
from osgp.simulator.quirks import Quirk
from osgp.visits import leases, unsolicited
from tests import factories, meters
from tests.alarms.pushing import make_alarm

pytestmark = pytest.mark.django_db(transaction=True)

QUIRK = frozenset({Quirk.NOTIFIES_BETWEEN})


@pytest.fixture(params=[Security.NONE, Security.HLS5])
def simulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorThread]:
    """Meters that send something before every answer."""
    monkeypatch.setattr(between, "EVERY", 1)
    with SimulatorThread(Fleet.build(2, "SMR-5.1", security=request.param)) as simulator:
        for meter in simulator.meters.values():
            meter.memory.quirks = QUIRK
        yield simulator


@pytest.fixture
def device(simulator: SimulatorThread, organisation: Organisation, settings: Settings) -> Device:
    """The first of two meters at one address."""
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=20),
        "CONNECT_DEADLINE": timedelta(seconds=20),
    }
    return next(iter(meters.add_meters(organisation, simulator).values()))


def notify_with(monkeypatch: pytest.MonkeyPatch, *apdus: bytes) -> None:
    """Have meters send these, again and again."""
    waiting = list(apdus)

    def next_one(*_: Any) -> bytes:
        waiting.append(waiting.pop(0))
        return waiting[-1]

    monkeypatch.setattr(Between, "_make_notification", next_one)


def read(organisation: Organisation, device: Device) -> Request:
    due_at = timezone.now() - timedelta(seconds=5)
    request = factories.make_request(organisation, device, "ActualMeterReads", due_at=due_at)
    session = MeterSession.objects.get(pk=meters.visit(device))
    assert session.state == SessionState.CLOSED
    request.refresh_from_db()
    return request


def decode() -> list[ReceivedPush]:
    while decoding.decode_waiting():
        pass
    return list(ReceivedPush.objects.order_by("pk"))


def test_notifications_become_pushes(
    organisation: Organisation, device: Device, simulator: SimulatorThread
) -> None:
    before = timezone.now()
    assert read(organisation, device).state == RequestState.SUCCEEDED
    waiting = list(ReceivedPush.objects.order_by("pk"))
    assert waiting
    for push in waiting:
        assert (push.outcome, push.transport, push.is_verified) == (PushOutcome.WAITING, Transport.TCP, False)
        assert (push.source_address, push.source_port) == (device.network_address, device.port)
        assert before <= push.received_at <= timezone.now()
        assert bytes(push.octets)[8] in (0x0F, 0xC2)
    received = PushCount.objects.filter(outcome=Arrival.RECEIVED).values_list("number", flat=True)
    assert sum(received) == len(waiting)
    found = decode()
    # Two meters are at this address; an event does not say which it is of, but the visit knows.
    assert {push.device_id for push in found} == {device.pk}
    assert {push.outcome for push in found} <= {PushOutcome.VALUES, PushOutcome.READINGS, PushOutcome.DOUBLED}


def test_an_alarm_during_a_visit(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    Device.objects.filter(pk=device.pk).update(identification="E0000000123456789")
    device.refresh_from_db()
    notify_with(monkeypatch, make_alarm(0x10))
    assert read(organisation, device).state == RequestState.SUCCEEDED
    decode()
    alarm = Alarm.objects.first()
    assert alarm is not None
    # Nothing proves who has sent a push in plain, within an association or not.
    assert (alarm.device, alarm.is_verified) == (device, False)


def test_blocks_are_joined(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Green Book, general block transfer: a notification that is too long for one APDU."""
    alarm = make_alarm(0x10)
    halves = alarm[:20], alarm[20:]
    blocks = [
        bytes((0xE0, 0x80 if number == 2 else 0, 0, number, 0, 0, len(half))) + half
        for number, half in enumerate(halves, 1)
    ]
    notify_with(monkeypatch, *blocks)
    assert read(organisation, device).state == RequestState.SUCCEEDED
    whole = ReceivedPush.objects.filter(outcome=PushOutcome.WAITING).first()
    assert whole is not None
    assert halves[0] in bytes(whole.octets)
    assert halves[1] in bytes(whole.octets)


def test_what_makes_no_sense_is_kept_with_the_reason(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify_with(monkeypatch, b"\x0f\x00\x00")
    assert read(organisation, device).state == RequestState.SUCCEEDED
    assert {push.outcome for push in decode()} == {PushFault.MALFORMED.name}


def test_a_visit_that_fails_keeps_them(
    organisation: Organisation, device: Device, simulator: SimulatorThread, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"APDU_DEADLINE": timedelta(seconds=0.5)}
    simulated = simulator.meters[device.identification]
    simulated.faults.switch_on(FaultKind.DROP_MID_ANSWER, after=1)
    assert read(organisation, device).state == RequestState.RETRYING
    assert ReceivedPush.objects.exists()


def test_a_failure_to_keep_them_harms_nothing(
    organisation: Organisation,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: object) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(unsolicited, "_keepers", [fail])
    with caplog.at_level(logging.ERROR, logger=unsolicited.logger.name):
        assert read(organisation, device).state == RequestState.SUCCEEDED
    assert "were not kept" in caplog.text
    assert not ReceivedPush.objects.exists()


def test_they_are_kept_once_after_a_lost_answer(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    [keeper] = unsolicited._keepers
    calls: list[unsolicited.Unsolicited] = []
    held: list[int] = []

    def lose_the_answer(came: unsolicited.Unsolicited) -> None:
        keeper(came)
        calls.append(came)
        held.append(leases.keeper.count_held())
        if len(calls) == 1:
            raise OperationalError("the answer was lost")

    monkeypatch.setattr(unsolicited, "_keepers", [lose_the_answer])
    assert read(organisation, device).state == RequestState.SUCCEEDED
    assert len(calls) == 2
    assert ReceivedPush.objects.count() == len(calls[0].apdus) > 1
    assert held == [0, 0], "a lease that is extended would be found lost: its session is closed"


def test_there_are_never_too_many(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify_with(monkeypatch, make_alarm(0x10) + bytes(40_000))
    assert read(organisation, device).state == RequestState.SUCCEEDED
    held = sum(len(push.octets) for push in ReceivedPush.objects.all())
    assert 40_000 < held <= unsolicited.MOST_OCTETS + 16 * 8


def test_nothing_came(
    organisation: Organisation,
    device: Device,
    simulator: SimulatorThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(unsolicited, "_keepers", [fail])
    simulator.meters[device.identification].memory.quirks = None
    assert read(organisation, device).state == RequestState.SUCCEEDED
    assert not ReceivedPush.objects.exists()
