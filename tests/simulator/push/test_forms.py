"""What meters of each profile push, octet by octet, over real sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from osgp.catalogue.communication import Security
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.meter.meter import Meter

from .conftest import Interface
from .opening import open_push, unwrap
from .receiver import Receiver

IDENTIFICATION = "SIME0000000000001"
ID = IDENTIFICATION.encode().hex()


@contextmanager
def running(
    receiver: Receiver,
    profile: str,
    *,
    start: str = IDENTIFICATION,
    now: datetime = datetime(2026, 7, 16, 12, 30, 31, 250_000, tzinfo=UTC),
    security: Security = Security.HLS5,
    **settings: Any,
) -> Iterator[tuple[Interface, Meter]]:
    """One meter that pushes to the receiver, and whose time stands still."""
    fleet = Fleet.build(
        1,
        profile,
        start=start,
        polyphase=False,
        security=security,
        settings=FleetSettings(clock=lambda: now.timestamp(), push_to=receiver.address, **settings),
    )
    with SimulatorThread(fleet, http_port=0) as simulator:
        yield Interface(simulator), fleet.meters[start]


def test_a_last_gasp_of_dsmr_2_2(receiver: Receiver) -> None:
    now = datetime(2023, 7, 6, 8, 54, 38, tzinfo=UTC)
    with running(receiver, "DSMR-2.2", start="KA6P005039021110", now=now) as (interface, meter):
        told = interface.push(meter.identification, alarms=["LAST_GASP"])
        assert (told["form"], told["transport"]) == ("mx382", "tcp")
        assert receiver.wait()[0].hex() == (
            "000100670066002ac2090c07e70706040a362600ff888000018080808080000209104b413650303035303339303231313130"
        )
        interface.push(meter.identification, alarms=["LAST_GASP"], timed=False)
        assert receiver.wait(2)[1].hex() == (
            "000100670066001dc20000018080808080000209104b413650303035303339303231313130"
        )


def test_a_wake_up_of_dsmr_2_2(receiver: Receiver) -> None:
    now = datetime(2023, 10, 25, 9, 18, 41, tzinfo=UTC)
    with running(receiver, "DSMR-2.2", start="KAL7005088116712", now=now) as (interface, meter):
        assert interface.push(meter.identification, setup="sms")["transport"] == "udp"
        assert receiver.wait_for_datagrams()[0].hex() == (
            "000100670066002ac2090c07e70a19030b122900ff888000010000600101ff0209104b414c37303035303838313136373132"
        )


@pytest.mark.parametrize("profile", ["DSMR-4.2.2", "SMR-4.3"])
def test_text_of_dsmr_4(receiver: Receiver, profile: str) -> None:
    with running(receiver, profile) as (interface, meter):
        assert interface.push(meter.identification, alarms=["POWER_UP", "FRAUD_ATTEMPT"])["form"] == "dsmr4"
        assert receiver.wait()[0] == IDENTIFICATION.encode() + b"," + bytes.fromhex("00002004")
        interface.push(meter.identification, setup="sms")
        assert receiver.wait(2)[1] == IDENTIFICATION.encode() + b"," + bytes.fromhex("0000020300ff")


@pytest.mark.parametrize("profile", ["SMR-5.0.0", "SMR-5.1"])
def test_a_data_notification_of_smr_5(receiver: Receiver, profile: str) -> None:
    with running(receiver, profile) as (interface, meter):
        assert (
            interface.push(meter.identification, alarms=["CLOCK_INVALID"], invoke_id=0xF01)["form"] == "smr5"
        )
        assert receiver.wait()[0].hex() == (
            "0001006700660028" + "0f00000f0100" + f"02030911{ID}" + "09060001190900ff" + "0600000001"
        )
        interface.push(meter.identification, setup="sms")
        assert receiver.wait(2)[1].hex() == (
            "0001006700660023" + "0f0000000200" + f"02020911{ID}" + "09060002190900ff"
        )


@pytest.mark.parametrize("profile", ["SMR-5.2", "SMR-5.2c", "SMR-5.5"])
def test_two_registers_of_smr_5_2(receiver: Receiver, profile: str) -> None:
    with running(receiver, profile, start="E0000000123456789") as (interface, meter):
        alarms = ["POWER_UP", "VOLTAGE_SAG_IN_PHASE_DETECTED_L1"]
        interface.push(meter.identification, alarms=alarms, invoke_id=0xF01)
        assert receiver.wait()[0].hex().upper() == (
            "000100670066002D0F00000F010002040911453030303030303031323334353637383909060001190900FF"
            "06000000040600000001"
        )


def test_a_last_gasp_of_smr_5_5_goes_by_udp(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.5") as (interface, meter):
        told = interface.push(meter.identification, alarms=["LAST_GASP"])
        assert (told["setup"], told["transport"]) == ("udp", "udp")
        assert receiver.wait_for_datagrams()[0].hex() == (
            "0001006700660028" + "0f0000000100" + f"02030911{ID}" + "09060003190900ff" + "0600000001"
        )
        interface.push(meter.identification, alarms=["LAST_GASP_TEST"])
        assert receiver.wait_for_datagrams(2)[1][-4:].hex() == "00000003"  # the first is still set


def test_a_time_of_its_own_and_a_confirmation_that_is_asked_for(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1") as (interface, meter):
        interface.push(
            meter.identification, alarms=["POWER_UP"], timed=True, confirmed=True, source=1, destination=103
        )
        source, destination, apdu = unwrap(receiver.wait()[0])
        assert (source, destination) == (1, 103)
        assert apdu[:18].hex() == "0f40000001" + "0c" + "07ea0710040e1e1f00ff8880"


def test_ciphered_pushes_are_opened_with_the_keys_of_the_meter(receiver: Receiver) -> None:
    with running(receiver, "SMR-5.1", push_ciphered=True, first_counter=7_000) as (interface, meter):
        assert interface.push(meter.identification, alarms=["POWER_UP"])["ciphered"] is True
        first = open_push(receiver.wait()[0], meter)
        interface.push(meter.identification, setup="sms")
        second = open_push(receiver.wait(2)[1], meter)
    assert first.title == second.title == b"SIM\x00\x00\x00\x00\x01"
    assert (first.counter, second.counter) == (7_000, 7_001)
    assert first.apdu.hex() == "0f0000000100" + f"02030911{ID}" + "09060001190900ff" + "0600000004"
    assert second.apdu.hex() == "0f0000000200" + f"02020911{ID}" + "09060002190900ff"


def test_a_ciphered_event_notification(receiver: Receiver) -> None:
    with running(receiver, "DSMR-2.2", push_ciphered=True) as (interface, meter):
        assert interface.push(meter.identification, alarms=["LAST_GASP"])["ciphered"] is False
        (plain,) = receiver.wait()
        interface.push(meter.identification, alarms=["LAST_GASP"], ciphered=True)
        ciphered = receiver.wait(2)[1]
        assert open_push(ciphered, meter).apdu == unwrap(plain)[2]


@pytest.mark.parametrize(
    ("security", "order", "ciphered"),
    [
        (Security.HLS5, {}, True),
        (Security.HLS5, {"ciphered": False}, False),
        (Security.LLS, {}, False),
        (Security.NONE, {"ciphered": True}, True),
    ],
)
def test_which_pushes_are_ciphered(
    receiver: Receiver, security: Security, order: dict[str, Any], ciphered: bool
) -> None:
    with running(receiver, "SMR-5.1", security=security, push_ciphered=True) as (interface, meter):
        assert interface.push(meter.identification, alarms=["POWER_UP"], **order)["ciphered"] is ciphered
        assert unwrap(receiver.wait()[0])[2][0] == (0xDB if ciphered else 0x0F)
