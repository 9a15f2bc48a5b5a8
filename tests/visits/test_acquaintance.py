"""What is learned of meters is kept between visits, shared by those that learn the same, and bounded."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.devices.knowledge_retention import FORGOTTEN_KNOWLEDGE
from osgp.devices.models import Device, MeterKnowledge
from osgp.messages.knowledge import Knowledge
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.actual_meter_reads import ActualMeterReads
from osgp.protocol_dlms import Data, DataType, Meter, axdr
from osgp.requests.models import Request, RequestState
from osgp.requests.work import load_meter
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import acquaintance
from tests import factories, meters

pytestmark = pytest.mark.django_db(transaction=True)

SCALER = AttributeDescriptor(3, bytes.fromhex("0100010800ff"), 3)
BUFFER = AttributeDescriptor(7, bytes.fromhex("0100630100ff"), 3)
SCALER_UNIT = axdr.decode(bytes.fromhex("02020ffd161e"))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def device(organisation: Organisation) -> Device:
    return factories.make_device(owner=organisation)


def run(function: Callable[[], None]) -> None:
    function()


def learn(device: Device, habit: str = "DEVIATION", **scalers: Data | None) -> None:
    """A visit that learns something new."""
    meter = load_meter(device.pk)
    knowledge = acquaintance.load(meter)
    knowledge.learn("REGISTERS", {SCALER: scalers.get("scaler", SCALER_UNIT), BUFFER: None}, NOW)
    knowledge.learn_habit("bounds", habit)
    acquaintance.keep(meter, knowledge, run)


def recall(device: Device) -> Knowledge:
    return acquaintance.load(load_meter(device.pk))


def test_what_is_learned_is_there_in_the_next_visit(device: Device) -> None:
    assert recall(device) == Knowledge()
    learn(device)
    known = recall(device)
    assert known.find(SCALER) == SCALER_UNIT
    assert known.find(BUFFER) is None
    assert BUFFER in known.descriptions
    assert known.find_habit("bounds") == "DEVIATION"
    assert not known.is_due("REGISTERS", NOW + timedelta(hours=23))
    assert known.is_due("REGISTERS", NOW + timedelta(hours=25))
    assert not known.is_changed


def test_a_visit_does_not_change_what_others_share(device: Device) -> None:
    learn(device)
    recall(device).learn_habit("bounds", "FULL_HOURS")
    recall(device).learn("X", {BUFFER: SCALER_UNIT}, NOW)
    assert recall(device).habits == {"bounds": "DEVIATION"}
    assert recall(device).find(BUFFER) is None


def test_meters_that_learn_the_same_share_a_row(organisation: Organisation, device: Device) -> None:
    other = factories.make_device("E2", owner=organisation)
    learn(device)
    learn(other)
    assert MeterKnowledge.objects.count() == 1
    learn(other, habit="FULL_HOURS")
    assert MeterKnowledge.objects.count() == 2
    assert recall(device).find_habit("bounds") == "DEVIATION"
    assert recall(other).find_habit("bounds") == "FULL_HOURS"


def test_what_is_known_costs_a_normal_visit_no_query(
    device: Device, django_assert_num_queries: Callable[[int], Any]
) -> None:
    learn(device)
    meter = load_meter(device.pk)
    acquaintance.load(meter)
    with django_assert_num_queries(0):
        known = acquaintance.load(meter)
        acquaintance.keep(meter, known, run)


def test_a_check_that_finds_nothing_new_stores_no_content(device: Device) -> None:
    learn(device)
    [row] = MeterKnowledge.objects.all()
    meter, later = load_meter(device.pk), NOW + timedelta(days=2)
    known = acquaintance.load(meter)
    known.learn("REGISTERS", {SCALER: SCALER_UNIT}, later)
    acquaintance.keep(meter, known, run)
    assert not recall(device).is_due("REGISTERS", later)
    assert [each.pk for each in MeterKnowledge.objects.all()] == [row.pk]


@pytest.mark.parametrize(
    "octets",
    [
        "02020ffd161e",
        "0102" + "020412000309060100010800ff0f02120000" * 2,
        "0903414243",
        "0a03616263",
        "1907e90301070c000000ffc480",
        "0403a0",
        "00",
        "0301",
    ],
)
def test_every_kind_of_value_comes_back(device: Device, octets: str) -> None:
    value = axdr.decode(bytes.fromhex(octets))
    learn(device, scaler=value)
    acquaintance._load_content.cache_clear()
    assert recall(device).find(SCALER) == value


def test_what_cannot_be_encoded_is_left_out(device: Device) -> None:
    learn(device, scaler=Data(DataType.UNSIGNED, 300))
    assert SCALER not in recall(device).descriptions
    assert BUFFER in recall(device).descriptions


def test_contents_are_bounded(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    """A meter may say what it likes: the largest descriptions are left out, and asked for again."""
    meter, knowledge = load_meter(device.pk), Knowledge()
    for number in range(40):
        attribute = AttributeDescriptor(7, bytes((1, 0, 99, number, 0, 255)), 3)
        size = 60_000 if number == 7 else 500 + number
        knowledge.learn(f"GROUP {number}", {attribute: Data(DataType.OCTET_STRING, bytes(size))}, NOW)
    for number in range(200):
        knowledge.learn_habit(f"habit {number}", "x" * (200 if number == 3 else 10))
        knowledge.learn(f"CHECK {number}", {}, NOW + timedelta(seconds=number))
    acquaintance.keep(meter, knowledge, run)
    content = MeterKnowledge.objects.get().content
    assert len(acquaintance._write(content)) <= acquaintance.LARGEST_CONTENT
    assert len(content["descriptions"]) == 39
    assert "7/1-0:99.7.0.255/3" not in content["descriptions"]
    assert len(content["habits"]) <= acquaintance.MOST_HABITS
    assert max(map(len, content["habits"].values())) == 10
    checked = recall(device).checked
    assert len(checked) == acquaintance.MOST_GROUPS
    assert "CHECK 199" in checked
    assert "too much to keep" in caplog.text


def test_a_failure_is_only_logged(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    def fail(function: Callable[[], None]) -> None:
        raise DatabaseError("no room")

    meter, knowledge = load_meter(device.pk), Knowledge()
    knowledge.learn_habit("bounds", "DEVIATION")
    with caplog.at_level(logging.WARNING):
        acquaintance.keep(meter, knowledge, fail)
    assert "was not stored" in caplog.text


def test_a_content_that_is_gone_is_learned_again(device: Device) -> None:
    learn(device)
    meter = replace(load_meter(device.pk), knowledge_digest="0" * 32)
    known = acquaintance.load(meter)
    assert known == Knowledge()
    known.learn_habit("bounds", "FULL_HOURS")
    acquaintance.keep(meter, known, run)
    assert recall(device).find_habit("bounds") == "FULL_HOURS"


def test_many_workers_learn_the_same_at_once(organisation: Organisation) -> None:
    devices = [factories.make_device(f"E{number}", owner=organisation) for number in range(6)]
    start = threading.Barrier(len(devices))

    def work(device: Device) -> None:
        start.wait()
        learn(device)
        connection.close()

    threads = [threading.Thread(target=work, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert MeterKnowledge.objects.count() == 1
    assert all(recall(device).find_habit("bounds") == "DEVIATION" for device in devices)


def test_what_belongs_to_no_device_is_deleted(organisation: Organisation, device: Device) -> None:
    learn(device)
    learn(device, habit="FULL_HOURS")
    assert not FORGOTTEN_KNOWLEDGE.is_due()  # another meter may learn it soon
    MeterKnowledge.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert FORGOTTEN_KNOWLEDGE.is_due()
    assert FORGOTTEN_KNOWLEDGE.delete_slice() == 1
    assert FORGOTTEN_KNOWLEDGE.delete_slice() == 0
    assert not FORGOTTEN_KNOWLEDGE.is_due()
    assert recall(device).find_habit("bounds") == "FULL_HOURS"


# --- In visits --------------------------------------------------------------------------------------------


@pytest.fixture
def simulated(organisation: Organisation) -> Iterator[Device]:
    with SimulatorThread(Fleet.build(1, "SMR-5.5")) as simulator:
        yield next(iter(meters.add_meters(organisation, simulator).values()))


def test_actions_of_a_visit_share_what_they_learn(
    organisation: Organisation, simulated: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[str | None] = []
    perform = ActualMeterReads.perform

    def learning(self: Any, meter: VisitedMeter, parameters: Any) -> Any:
        known.append(meter.knowledge.find_habit("count"))
        meter.knowledge.learn_habit("count", str(len(known)))
        return perform(self, meter, parameters)

    monkeypatch.setattr(ActualMeterReads, "perform", learning)
    for _ in range(2):
        factories.make_request(organisation, simulated, "ActualMeterReads")
    meters.visit(simulated)
    factories.make_request(organisation, simulated, "ActualMeterReads")
    meters.visit(simulated)
    assert known == [None, "1", "2"]
    assert {request.state for request in Request.objects.all()} == {RequestState.SUCCEEDED}
    assert recall(simulated).find_habit("count") == "3"


def test_a_list_size_that_works_is_used_next_time(
    organisation: Organisation, simulated: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    learned: list[int | None] = []
    connect = Meter.connect
    monkeypatch.setattr(Meter, "list_size_learned", property(lambda meter: learned[-1]))

    def learning(address: Any, **options: Any) -> Meter:
        sizes.append(options.get("with_list_max", 0))
        meter = connect(address, **options)
        learned.append(4 if len(sizes) == 1 else None)
        return meter

    monkeypatch.setattr("osgp.visits.calling.Meter.connect", learning)
    monkeypatch.setattr("osgp.visits.calling.Call._read_latest", lambda call: 0)
    for _ in range(2):
        factories.make_request(organisation, simulated, "ActualMeterReads")
        meters.visit(simulated)
    Device.objects.filter(pk=simulated.pk).update(with_list_max=2)
    factories.make_request(organisation, simulated, "ActualMeterReads")
    meters.visit(simulated)
    assert sizes == [32, 4, 2]
