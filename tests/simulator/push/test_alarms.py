"""When meters push: what happens to them, their filters, and what clients have set up."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from osgp.catalogue.cosem import MethodDescriptor
from osgp.simulator import Fleet, FleetSettings, Scenario, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.meter.alarm_bits import list_coming_alarms
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter
from osgp.simulator.nonces import make_key_id
from osgp.simulator.push.delivery import Deadlines

from ..client import connected
from ..meters import Clock
from .conftest import Interface
from .opening import open_push
from .receiver import Receiver, receiving, wait_until

START = datetime(2026, 6, 15, 12, tzinfo=UTC)
METER = "SIME0000000000001"
ALL = 0xFFFF_FFFF


class Running:
    """One meter whose time tests move, and the way to it."""

    def __init__(self, simulator: SimulatorThread, clock: Clock) -> None:
        self.simulator = simulator
        self.clock = clock
        self.meter: Meter = next(iter(simulator.meters.values()))
        self.interface = Interface(simulator)

    def let_happen(self, **occurrence: Any) -> None:
        """Something happens to the meter now."""
        status, _ = self.interface.call(
            "POST", f"/meters/{self.meter.identification}/occurrences", occurrence
        )
        assert status == 201

    def write(self, *values: tuple[str, int, Data]) -> None:
        """A client writes attributes over an association."""
        with connected(self.simulator, self.meter) as client:
            client.counter = self.meter.memory.counters.highest + 1
            client.associate()
            for tag, attribute_id, value in values:
                descriptor = self.meter.type.profile[tag].address_attribute(attribute_id)
                assert client.set(descriptor, value) == 0

    def ordered(self) -> int:
        """How many pushes the meter has begun."""
        return int(self.interface.count()["ordered"])

    def withheld(self) -> int:
        """How many it has not."""
        return sum(self.interface.count()["withheld"].values())


@contextmanager
def running(
    profile: str = "SMR-5.5",
    *,
    polyphase: bool = False,
    moment: datetime | float = START,
    deadlines: Deadlines | None = None,
    **settings: Any,
) -> Iterator[Running]:
    """A fleet of one meter."""
    clock = Clock(moment)
    fleet = Fleet.build(1, profile, polyphase=polyphase, settings=FleetSettings(clock=clock, **settings))
    with SimulatorThread(fleet, http_port=0, push_deadlines=deadlines) as simulator:
        yield Running(simulator, clock)


def uint32(value: int) -> Data:
    """A double-long-unsigned."""
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(DataType.OCTET_STRING, value)


def destination(address: str, transport: int = 0, message: int = 0) -> Data:
    """The value of send_destination_and_method."""
    parts = (Data(DataType.ENUM, transport), octets(address.encode()), Data(DataType.ENUM, message))
    return Data(DataType.STRUCTURE, parts)


def object_list(*definitions: tuple[int, str, int, int]) -> Data:
    """The value of push_object_list."""
    return Data(
        DataType.ARRAY,
        tuple(
            Data(
                DataType.STRUCTURE,
                (
                    Data(DataType.LONG_UNSIGNED, class_id),
                    octets(bytes.fromhex(logical_name)),
                    Data(DataType.INTEGER, attribute_id),
                    Data(DataType.LONG_UNSIGNED, data_index),
                ),
            )
            for class_id, logical_name, attribute_id, data_index in definitions
        ),
    )


# Filters and destinations


def test_a_meter_that_nobody_has_set_up_pushes_nothing() -> None:
    with running() as it:
        it.let_happen(kind="alarm", name="POWER_UP")
        wait_until(lambda: it.withheld() == 1)
        it.write(("ALARM_FILTER_1", 2, uint32(ALL)))
        it.let_happen(kind="alarm", name="POWER_UP")
        wait_until(lambda: it.withheld() == 2)
        withheld = it.interface.count()["withheld"]
        assert withheld == {"no alarm passes the filters": 1, "there is no destination": 1}
        assert it.ordered() == 0
        answer = it.interface.call("POST", f"/meters/{METER}/push", {"alarms": ["POWER_UP"]})
        assert answer == (409, {"detail": "there is no destination"})


def test_what_the_filter_keeps_back_is_not_pushed(receiver: Receiver) -> None:
    with running(push_to=receiver.address) as it:
        it.write(("ALARM_FILTER_1", 2, uint32(1 << 13)))
        it.let_happen(kind="alarm", name="POWER_UP")
        wait_until(lambda: it.withheld() == 1)
        it.let_happen(kind="alarm", name="FRAUD_ATTEMPT")
        assert receiver.wait()[0].hex().endswith("0600002000" + "0600000000")
        it.write(("ALARM_FILTER_1", 2, uint32(0)))
        it.let_happen(kind="alarm", name="FRAUD_ATTEMPT")
        wait_until(lambda: it.withheld() == 2)
        assert it.ordered() == 1


def test_pushes_go_where_clients_tell_the_meter(receiver: Receiver) -> None:
    with running("SMR-5.1", push_to=receiver.address) as it, receiving() as elsewhere:
        it.let_happen(kind="event", name="TERMINAL_COVER_REMOVED")
        assert receiver.wait()[0].hex().endswith("0600002000")
        it.write(
            ("PUSH_SETUP_ALARM", 3, destination(elsewhere.address)),
            ("PUSH_SETUP_ALARM", 2, object_list((1, "0000616200ff", 2, 0), (40, "0001190900ff", 1, 0))),
        )
        it.let_happen(kind="event", name="METER_COVER_REMOVED")
        assert elsewhere.wait()[0].hex() == (
            "0001006700660015" + "0f0000000200" + "0202" + "0600002000" + "09060001190900ff"
        )
        it.write(("PUSH_SETUP_ALARM", 3, destination(elsewhere.address, transport=1)))
        it.let_happen(kind="event", name="METER_COVER_REMOVED")
        assert len(elsewhere.wait_for_datagrams()) == 1
        it.write(("PUSH_SETUP_ALARM", 3, destination(elsewhere.address, message=128)))
        it.let_happen(kind="event", name="METER_COVER_REMOVED")
        assert elsewhere.wait(2)[1].hex() == "00002000" + "2c" + "0001190900ff"
    assert len(receiver.pushes) == 1


@pytest.mark.parametrize(
    "value",
    [
        destination("192.0.2.1:9598", transport=4),
        destination("192.0.2.1:9598", message=1),
        destination("here"),
    ],
    ids=["by SMS", "as XML", "no address"],
)
def test_setups_that_cannot_be_carried_out(value: Data) -> None:
    with running() as it:
        it.write(("PUSH_SETUP_ALARM", 3, value), ("ALARM_FILTER_1", 2, uint32(ALL)))
        it.let_happen(kind="alarm", name="POWER_UP")
        wait_until(lambda: it.withheld() == 1)
        assert it.interface.count()["withheld"] == {"the push setup cannot be carried out": 1}


def test_other_setups_have_places_of_their_own(receiver: Receiver) -> None:
    with running() as it, receiving() as elsewhere:
        it.write(
            ("PUSH_SETUP_SMS", 3, destination(receiver.address)),
            ("PUSH_SETUP_UDP", 3, destination(elsewhere.address, transport=1)),
            ("ALARM_FILTER_3", 2, uint32(ALL)),
        )
        it.interface.push(METER, setup="sms")
        assert receiver.wait()[0].hex().endswith("09060002190900ff")
        it.let_happen(kind="alarm", name="LAST_GASP_TEST")
        assert elsewhere.wait_for_datagrams()[0].hex().endswith("09060003190900ff" + "0600000002")


def test_the_method_push_pushes_what_is_set(receiver: Receiver) -> None:
    push = MethodDescriptor(40, bytes((0, 1, 25, 9, 0, 255)), 1)
    with running("SMR-5.1") as it:
        with connected(it.simulator, it.meter) as client:
            client.associate()
            assert client.action(push, Data(DataType.INTEGER, 0)) == 2  # temporary failure: to nowhere
            assert client.action(push, Data(DataType.INTEGER, 1)) == 12  # type unmatched
        it.write(("PUSH_SETUP_ALARM", 3, destination(receiver.address)), ("ALARM_FILTER_1", 2, uint32(ALL)))
        with connected(it.simulator, it.meter) as client:
            client.counter = it.meter.memory.counters.highest + 1
            client.associate()
            assert client.action(push, Data(DataType.INTEGER, 0)) == 0
        assert receiver.wait()[0].hex().endswith("09060001190900ff" + "0600000000")


# What happens


def test_an_outage_gasps_and_tells_when_power_is_back(receiver: Receiver) -> None:
    with running(push_to=receiver.address) as it:
        it.write(("PUSH_SETUP_UDP", 5, Data(DataType.LONG_UNSIGNED, 0)))
        it.let_happen(kind="power-failure", duration="10m")
        assert receiver.wait_for_datagrams()[0].hex().endswith("09060003190900ff" + "0600000001")
        it.let_happen(kind="alarm", name="FRAUD_ATTEMPT")  # there is no power to tell of it
        wait_until(lambda: it.interface.count()["failed"] == 1)
        assert receiver.pushes == []
        it.clock.advance(minutes=11)
        assert receiver.wait()[0].hex().endswith("0600002004" + "0600000000")


def test_a_last_gasp_needs_no_push_setup_in_dsmr_2_2(receiver: Receiver) -> None:
    with running("DSMR-2.2", push_to=receiver.address) as it:
        it.let_happen(kind="alarm", name="POWER_UP")
        it.let_happen(kind="power-failure", duration="10m")
        assert receiver.wait()[0][8] == 0xC2
        it.clock.advance(minutes=11)
        it.let_happen(kind="power-failure", duration="10m")
        assert [push[8] for push in receiver.wait(2)] == [0xC2, 0xC2]
        assert it.ordered() == 2


def test_a_last_gasp_needs_a_network(receiver: Receiver) -> None:
    with running(push_to=receiver.address) as it:
        it.write(("PUSH_SETUP_UDP", 5, Data(DataType.LONG_UNSIGNED, 0)))
        it.let_happen(kind="unreachable")
        it.let_happen(kind="power-failure", duration="10m")
        wait_until(lambda: it.interface.count()["failed"] == 1)
    assert receiver.datagrams == []


def test_a_test_pushes_at_the_time_that_was_written(receiver: Receiver) -> None:
    local = datetime(2026, 6, 15, 14, 30)  # noqa: DTZ001 -- by the clock of the meter
    time, date = bytes((local.hour, local.minute, 0, 0)), local.year.to_bytes(2, "big") + bytes((6, 15, 255))
    with running(polyphase=True, push_to=receiver.address) as it:
        moment = Data(DataType.STRUCTURE, (octets(time), octets(date)))
        it.write(
            ("LAST_GASP_TEST", 4, Data(DataType.ARRAY, (moment,))),
            ("PUSH_SETUP_UDP", 5, Data(DataType.LONG_UNSIGNED, 0)),
        )
        it.clock.advance(minutes=29)
        it.let_happen(kind="alarm", name="POWER_UP")
        receiver.wait()
        assert receiver.datagrams == []
        it.clock.advance(minutes=1)
        assert receiver.wait_for_datagrams()[0].hex().endswith("0600000002")


def test_a_new_m_bus_device_is_told_of(receiver: Receiver) -> None:
    with running("DSMR-4.2.2", push_to=receiver.address) as it:
        it.let_happen(kind="mbus-install", channel=2)
        assert receiver.wait()[0] == METER.encode() + b"," + (1 << 25).to_bytes(4, "big")


def test_incidents_that_are_drawn_push_at_their_time(receiver: Receiver) -> None:
    """The log of the meter says when the alarm has to come."""
    with running("SMR-5.1", calm_from=None) as it:
        coming = list_coming_alarms(it.meter, it.clock.now, it.clock.now + 90 * 86_400)
        due = coming[0].moment
    with running("SMR-5.1", calm_from=None, push_to=receiver.address, moment=due - 600) as it:
        it.let_happen(kind="alarm", name="PROGRAM_MEMORY_ERROR")
        receiver.wait()
        assert it.ordered() == 1
        it.clock.advance(seconds=600)
        register = int.from_bytes(receiver.wait(2)[1][-4:], "big")
        assert register & 1 << coming[0].bit


def test_alarms_at_random(receiver: Receiver) -> None:
    with running("SMR-5.1", push_to=receiver.address, alarms_per_hour=3_600.0) as it:
        for _ in range(3):
            before = it.ordered()
            it.clock.advance(minutes=5)
            wait_until(lambda before=before: it.ordered() > before)  # type: ignore[misc]
        assert all(push[8] == 0x0F for push in receiver.wait(3))


def test_what_a_scenario_says_of_the_past_is_not_pushed(receiver: Receiver) -> None:
    past = {"at": "-2d", "kind": "event", "name": "TERMINAL_COVER_REMOVED"}
    present = {"at": "+1s", "kind": "event", "name": "TERMINAL_COVER_REMOVED"}
    clock = Clock(START)
    fleet = Fleet.build(1, "SMR-5.1", settings=FleetSettings(clock=clock, push_to=receiver.address))
    scenario = Scenario.of({"occurrences": [past, present]}, fleet)
    with SimulatorThread(fleet, http_port=0, scenario=scenario) as simulator:
        interface = Interface(simulator)
        wait_until(lambda: len(simulator.server.scenario) == 1)
        clock.advance(seconds=2)
        receiver.wait()
        assert interface.count()["ordered"] == 1


# Repetitions


def test_a_push_that_is_refused_is_repeated_as_the_setup_says() -> None:
    with receiving() as gone:
        address = gone.address
    with running("SMR-5.1") as it:
        it.write(
            ("PUSH_SETUP_ALARM", 3, destination(address)),
            ("PUSH_SETUP_ALARM", 6, Data(DataType.UNSIGNED, 3)),
            ("PUSH_SETUP_ALARM", 7, Data(DataType.LONG_UNSIGNED, 0)),
            ("ALARM_FILTER_1", 2, uint32(ALL)),
        )
        it.let_happen(kind="alarm", name="POWER_UP")
        wait_until(lambda: it.interface.count()["failed"] == 1)
        counts = it.interface.count()
        assert counts["forms"]["smr5/tcp"] == {
            "ordered": 1,
            "sent": 0,
            "acknowledged": 0,
            "failed": 1,
            "retries": 3,
            "attempts": {"unreachable": 4},
        }
        assert counts["pending"] == 0


def test_each_repetition_is_ciphered_anew() -> None:
    deadlines = Deadlines(close=0.2)
    with receiving(lambda connection, octets: False) as silent, running("SMR-5.1", deadlines=deadlines) as it:
        it.write(
            ("PUSH_SETUP_ALARM", 3, destination(silent.address)),
            ("PUSH_SETUP_ALARM", 6, Data(DataType.UNSIGNED, 2)),
            ("PUSH_SETUP_ALARM", 7, Data(DataType.LONG_UNSIGNED, 0)),
        )
        it.interface.push(METER, ciphered=True)
        opened = [open_push(push, it.meter) for push in silent.wait(3)]
        first = opened[0].counter
        assert [each.counter for each in opened] == [first, first + 1, first + 2]
        wait_until(lambda: it.interface.count()["failed"] == 1)
        form = it.interface.count()["forms"]["smr5/tcp"]
        assert (form["sent"], form["attempts"]) == (1, {"unanswered": 3})


def test_pushes_and_answers_have_one_counter(receiver: Receiver) -> None:
    with running("SMR-5.1", push_to=receiver.address) as it:
        counters = []
        with connected(it.simulator, it.meter) as client:
            client.associate()
            for number in range(1, 4):
                it.interface.push(METER, ciphered=True)
                counters.append(open_push(receiver.wait(number)[-1], it.meter).counter)
                client.get(it.meter.type.profile["CLOCK"].address_attribute(2))
        used = [*client.server_counters, *counters]
        assert len(set(used)) == len(used)
        assert counters == sorted(counters)
        assert max(used) == it.meter.memory.server_counter - 1
        uses = {(use.key_id, use.fixed_field): use for use in it.simulator.fleet.nonces.list_uses()}
        own = uses[make_key_id(it.meter.key(KeyName.ENCRYPTION)), it.meter.system_title]
        assert (own.highest, own.repeated) == (counters[-1], ())


def test_a_meter_that_waits_keeps_no_other_from_pushing(receiver: Receiver) -> None:
    clock = Clock(START)
    fleet = Fleet.build(2, "SMR-5.1", settings=FleetSettings(clock=clock))
    first, second = fleet.meters.values()
    with (
        receiving(lambda connection, octets: False) as silent,
        SimulatorThread(fleet, http_port=0) as simulator,
    ):
        interface = Interface(simulator)
        interface.push(first.identification, to=silent.address)
        interface.push(second.identification, to=receiver.address)
        receiver.wait()
        wait_until(lambda: interface.count()["acknowledged"] == 1)
        assert interface.count()["pending"] == 1


# Windows and random delays


def test_a_closed_window_holds_pushes_back(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osgp.simulator.push.pusher.WINDOW_SECONDS", 0.01)
    begin, end = bytes.fromhex("ffffffffff14000000800000"), bytes.fromhex("ffffffffff16000000800000")
    window = Data(DataType.STRUCTURE, (octets(begin), octets(end)))
    with running("SMR-5.1", push_to=receiver.address) as it:
        it.write(("PUSH_SETUP_ALARM", 4, Data(DataType.ARRAY, (window,))))
        it.let_happen(kind="alarm", name="POWER_UP")
        wait_until(lambda: it.interface.count()["pending"] == 1)
        assert it.interface.count()["sent"] == 0
        it.clock.advance(hours=6, minutes=1)  # 20:01
        assert len(receiver.wait()) == 1
