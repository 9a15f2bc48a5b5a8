"""Pushes over the HTTP interface: what is refused, storms, and the counts."""

from collections.abc import Iterator
from typing import Any

import pytest

from osgp.simulator import Fleet, FleetSettings, SimulatorThread

from ..meters import read
from .conftest import Interface
from .receiver import Receiver, receiving, wait_until

METER = "/meters/SIME0000000000001/push"


@pytest.fixture(scope="module")
def interface() -> Iterator[Interface]:
    """A meter of each profile, whose pushes all arrive."""
    with receiving() as receiver:
        fleet = Fleet.build(8, "mix", settings=FleetSettings(push_to=receiver.address))
        with SimulatorThread(fleet, http_port=0) as simulator:
            yield Interface(simulator)


@pytest.mark.parametrize(
    ("order", "detail"),
    [
        ({"alarm": "POWER_UP"}, "alarm: is none of alarms, setup, form"),
        ({"alarms": "POWER_UP"}, "alarms: is a list of at most 96 names of alarms"),
        ({"alarms": [5]}, "alarms: is a list of at most 96 names of alarms"),
        ({"alarms": ["SNOW"]}, "alarms: SNOW is no alarm of SMR-5.0.0"),
        ({"setup": "fax"}, "setup: 'fax' is none of alarm, sms, udp"),
        ({"form": "body"}, "form: 'body' is none of dsmr4, mx382, smr5"),
        ({"form": "smr5", "body": {"layout": "E"}}, "form: goes without body"),
        ({"fault": "sulk"}, "fault: 'sulk' is none of doubled, replayed"),
        ({"to": 5}, "to: 5 is no destination such as 192.0.2.1:9598"),
        ({"to": "head-end"}, "to: 'head-end' is no destination such as 192.0.2.1:9598"),
        ({"to": "192.0.2.1:0"}, "to: '192.0.2.1:0' is no destination"),
        ({"to": "192.0.2.1:65536"}, "to: '192.0.2.1:65536' is no destination"),
        ({"block": 0}, "block: is a whole number from 1 to 2030"),
        ({"information": 5}, "information: is a whole number from 16 to 2030"),
        ({"invoke_id": 1 << 32}, "invoke_id: is a whole number from 0 to 4294967295"),
        ({"ciphered": "yes"}, "ciphered: is true or false"),
        ({"form": "dsmr4", "ciphered": True}, "ciphered: text is not ciphered"),
        ([], "the body is an object"),
    ],
)
def test_orders_that_make_no_sense(interface: Interface, order: Any, detail: str) -> None:
    status, answer = interface.call("POST", "/meters/SIME0000000000004/push", order)
    assert status == 422
    assert answer["detail"].startswith(detail)


def test_alarms_of_different_setups_do_not_go_together(interface: Interface) -> None:
    order = {"alarms": ["POWER_UP", "LAST_GASP"]}
    answer = interface.call("POST", "/meters/SIME0000000000008/push", order)
    assert answer == (422, {"detail": "alarms: go by different push setups"})


def test_meters_of_dsmr_2_2_push_their_last_gasp_only(interface: Interface) -> None:
    answer = interface.call("POST", METER, {"alarms": ["POWER_UP"]})
    assert answer == (409, {"detail": "of alarms, such meters push their last gasp only"})


def test_there_has_to_be_a_meter(interface: Interface) -> None:
    assert interface.call("POST", "/meters/SIME9999999999999/push", {})[0] == 404


def test_an_alarm_that_is_pushed_is_set(interface: Interface) -> None:
    register = "/meters/SIME0000000000004/attributes/1/0-0:97.98.0.255/2"
    interface.push("SIME0000000000004", alarms=["RAM_ERROR"])
    assert interface.call("GET", register)[1]["value"] & 1 << 9


def test_a_push_to_a_given_place_goes_around_setup_and_filter(receiver: Receiver) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.1"), http_port=0) as simulator:
        interface = Interface(simulator)
        told = interface.push("SIME0000000000001", alarms=["POWER_UP"], to=receiver.address)
        assert told == {
            "form": "smr5",
            "setup": "alarm",
            "transport": "tcp",
            "to": receiver.address,
            "ciphered": False,
        }
        assert receiver.wait()[0].hex().endswith("09060001190900ff" + "0600000004")


@pytest.mark.parametrize(
    ("form", "begin"),
    [("dsmr4", b"SIME0000000000001,"), ("smr5", b"\x00\x01\x00\x67"), ("mx382", b"\x00\x01")],
)
def test_forms_of_other_meters(receiver: Receiver, form: str, begin: bytes) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.1"), http_port=0) as simulator:
        Interface(simulator).push("SIME0000000000001", form=form, to=receiver.address)
        assert receiver.wait()[0].startswith(begin)


# Storms


def test_a_storm_comes_from_all_meters_and_is_counted(receiver: Receiver) -> None:
    fleet = Fleet.build(40, ["SMR-5.1", "DSMR-4.2.2"], settings=FleetSettings(push_to=receiver.address))
    with SimulatorThread(fleet, http_port=0) as simulator:
        interface = Interface(simulator)
        storm = {"rate": 200, "seconds": 1, "alarms": ["POWER_UP"]}
        assert interface.call("POST", "/push/storm", storm) == (202, {"meters": 40, "total": 200})
        assert interface.call("POST", "/push/storm", storm)[0] == 409
        pushes = receiver.wait(200)
        wait_until(lambda: not interface.count()["storm"]["running"])
        wait_until(lambda: interface.count()["acknowledged"] == 200)
        counts = interface.count()
        assert {name: each["acknowledged"] for name, each in counts["forms"].items()} == {
            "smr5/tcp": 100,
            "dsmr4/tcp": 100,
        }
        assert counts["storm"] == {"running": False, "total": 200, "begun": 200, "withheld": 0}
        assert (counts["failed"], counts["dropped"], counts["withheld"]) == (0, 0, {})
        # Registers stay as they are: what a storm says is not kept.
        assert {register.value for register in map(_read_alarms, fleet.meters.values())} == {0}
    text = {push[:17] for push in pushes if push[:1] == b"S"}
    assert len(text) == 20


def _read_alarms(meter: Any) -> Any:
    return read(meter, "ALARM_REGISTER_1")


def test_a_storm_of_some_meters_is_bounded_and_can_be_stopped() -> None:
    with receiving(lambda connection, octets: False) as silent:
        fleet = Fleet.build(5, "SMR-5.1", settings=FleetSettings(push_to=silent.address))
        with SimulatorThread(fleet, http_port=0) as simulator:
            pusher = simulator.server.pusher
            assert pusher is not None
            pusher.sending = 3
            interface = Interface(simulator)
            storm = {"rate": 1_000, "seconds": 3_600, "meters": 2, "alarms": ["POWER_UP"]}
            assert interface.call("POST", "/push/storm", storm)[1]["meters"] == 2
            wait_until(lambda: interface.count()["pending"] == 3)
            assert interface.call("DELETE", "/push/storm")[0] == 204
            counts = interface.count()
            assert counts["storm"]["running"] is False
            assert counts["storm"]["begun"] == counts["ordered"] == 3


@pytest.mark.parametrize(
    ("storm", "status", "detail"),
    [
        ({"seconds": 1}, 422, "rate: is missing"),
        ({"rate": 1}, 422, "seconds: is missing"),
        ({"rate": 0, "seconds": 1}, 422, "rate: 0 is no number above 0, up to 100000"),
        ({"rate": True, "seconds": 1}, 422, "rate: True is no number"),
        ({"rate": 1, "seconds": 1e9}, 422, "seconds: 1000000000.0 is no number above 0"),
        ({"rate": 1, "seconds": 1, "meters": 0}, 422, "meters: is a whole number from 1"),
        ({"rate": 1, "seconds": 1, "alarms": ["SNOW"]}, 422, "alarms: SNOW is no alarm of"),
        ({"rate": 1, "seconds": 1, "snow": 1}, 422, "snow: is none of alarms"),
        (5, 422, "the body is an object"),
    ],
)
def test_storms_that_make_no_sense(interface: Interface, storm: Any, status: int, detail: str) -> None:
    answered, answer = interface.call("POST", "/push/storm", storm)
    assert answered == status
    assert answer["detail"].startswith(detail)


def test_a_storm_of_meters_that_push_nothing() -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.1"), http_port=0) as simulator:
        storm = {"rate": 1, "seconds": 1, "alarms": ["POWER_UP"]}
        answer = Interface(simulator).call("POST", "/push/storm", storm)
        assert answer == (409, {"detail": "no alarm passes the filters"})


def test_pushes_by_udp_are_sent_and_not_acknowledged(receiver: Receiver) -> None:
    fleet = Fleet.build(1, "SMR-5.5", settings=FleetSettings(push_to=receiver.address))
    with SimulatorThread(fleet, http_port=0) as simulator:
        interface = Interface(simulator)
        interface.push("SIME0000000000001", alarms=["LAST_GASP"])
        receiver.wait_for_datagrams()
        wait_until(lambda: interface.count()["pending"] == 0)
        counts = interface.count()
        assert (counts["sent"], counts["acknowledged"], counts["failed"]) == (1, 0, 0)


def test_an_unreachable_meter_sends_nothing(receiver: Receiver) -> None:
    fleet = Fleet.build(1, "SMR-5.1", settings=FleetSettings(push_to=receiver.address))
    with SimulatorThread(fleet, http_port=0) as simulator:
        interface = Interface(simulator)
        assert interface.call("POST", "/occurrences", {"kind": "unreachable"})[0] == 201
        interface.push("SIME0000000000001", alarms=["POWER_UP"])
        wait_until(lambda: interface.count()["failed"] == 1)
    assert receiver.pushes == []
