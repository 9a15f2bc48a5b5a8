"""Pushes that go wrong because they were told to."""

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.push.delivery import Deadlines

from .conftest import Interface
from .opening import open_push, unwrap
from .receiver import Receiver, receiving, wait_until
from .test_forms import IDENTIFICATION, running

ALARM: dict[str, Any] = {"alarms": ["POWER_UP"]}


def test_doubled(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1") as (interface, meter):
        interface.push(IDENTIFICATION, **ALARM, ciphered=True, fault="doubled")
        first, second = (open_push(push, meter) for push in receiver.wait(2))
        assert first.counter < second.counter
        assert unwrap(receiver.pushes[0])[:2] == (0x67, 0x66)
        assert first.apdu[6:] == second.apdu[6:]


def test_replayed(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1") as (interface, meter):
        interface.push(IDENTIFICATION, **ALARM, ciphered=True, fault="replayed")
        first, second = receiver.wait(2)
        assert first == second
        assert meter.settings.nonces.list_repeats() == []


def test_a_lower_counter(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1", first_counter=50) as (interface, meter):
        interface.push(IDENTIFICATION, **ALARM, ciphered=True)
        before = open_push(receiver.wait()[0], meter)
        interface.push(IDENTIFICATION, **ALARM, ciphered=True)
        receiver.wait(2)
        interface.push(IDENTIFICATION, **ALARM, fault="counter-lowered")
        lowered = open_push(receiver.wait(3)[2], meter)
        assert (before.counter, lowered.counter) == (50, 50)
        assert [use.repeated for use in meter.settings.nonces.list_repeats()] == [(50,)]


def test_a_bad_tag(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1") as (interface, meter):
        interface.push(IDENTIFICATION, **ALARM, fault="bad-tag")
        (push,) = receiver.wait()
        with pytest.raises(InvalidTag):
            open_push(push, meter)
        mended = push[:-1] + bytes((push[-1] ^ 1,))
        assert open_push(mended, meter).apdu[0] == 0x0F


def test_a_wrong_system_title(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1") as (interface, meter):
        interface.push(IDENTIFICATION, **ALARM, fault="wrong-system-title")
        opened = open_push(receiver.wait()[0], meter)
        assert opened.title != meter.system_title
        assert opened.title[:3] == b"SIM"
        assert opened.apdu[0] == 0x0F


def test_truncated(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1") as (interface, _):
        interface.push(IDENTIFICATION, **ALARM)
        (whole,) = receiver.wait()
        interface.push(IDENTIFICATION, **ALARM, invoke_id=1, fault="truncated")
        assert receiver.wait(2)[1] == whole[: len(whole) // 2]
        interface.push(IDENTIFICATION, **ALARM, invoke_id=1, fault="truncated", transport="udp", block=10)
        assert sum(map(len, receiver.wait_for_datagrams(2))) > 0


@pytest.mark.parametrize(("profile", "shown"), [("SMR-5.1", "06" + "00000024"), ("DSMR-4.2.2", "00000024")])
def test_a_bit_that_means_nothing(receiver: Receiver, profile: str, shown: str) -> None:
    with running(receiver, profile) as (interface, _):
        interface.push(IDENTIFICATION, **ALARM, fault="unknown-bits")
        assert receiver.wait()[0].hex().endswith(shown)


def test_octet_by_octet() -> None:
    pieces: list[int] = []

    def note_pieces(connection: object, octets: bytes) -> bool:
        pieces.append(len(octets))
        return len(octets) == 22

    with receiving(note_pieces) as slow:
        fleet = Fleet.build(1, "DSMR-4.2.2", settings=FleetSettings(push_to=slow.address))
        deadlines = Deadlines(octet=0.02)
        with SimulatorThread(fleet, http_port=0, push_deadlines=deadlines) as simulator:
            Interface(simulator).push(IDENTIFICATION, **ALARM, fault="slow")
            assert slow.wait()[0] == IDENTIFICATION.encode() + b"," + bytes.fromhex("00000004")
    assert len(pieces) > 10


def test_a_peer_that_hangs_up_on_slow_octets() -> None:
    with receiving(lambda connection, octets: len(octets) == 3) as hasty:
        fleet = Fleet.build(1, "DSMR-4.2.2", settings=FleetSettings(push_to=hasty.address))
        with SimulatorThread(fleet, http_port=0, push_deadlines=Deadlines(octet=0.02)) as simulator:
            interface = Interface(simulator)
            interface.push(IDENTIFICATION, **ALARM, fault="slow")
            wait_until(lambda: interface.count()["failed"] == 1)
            form = interface.count()["forms"]["dsmr4/tcp"]
            assert (form["sent"], form["attempts"]) == (0, {"refused": 1})


@pytest.mark.parametrize(
    ("profile", "order", "detail"),
    [
        ("DSMR-4.2.2", {"fault": "bad-tag"}, "fault: bad-tag is one of ciphered pushes"),
        ("SMR-5.1", {"fault": "bad-tag", "ciphered": False}, "fault: bad-tag is one of ciphered pushes"),
        ("SMR-5.1", {"fault": "slow", "transport": "udp"}, "fault: slow is one of pushes over TCP"),
        ("DSMR-4.2.2", {"ciphered": True}, "ciphered: text is not ciphered"),
        ("DSMR-4.2.2", {"block": 20}, "block: text has no blocks"),
    ],
)
def test_faults_that_a_push_cannot_have(
    receiver: Receiver, profile: str, order: dict[str, Any], detail: str
) -> None:
    with running(receiver, profile) as (interface, _):
        answer = interface.call("POST", f"/meters/{IDENTIFICATION}/push", order)
        assert answer == (422, {"detail": detail})
