"""Visits to simulated meters over TCP: from a due request to its outcome."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.catalogue.communication import Framing, Security
from osgp.devices.models import Device, DeviceKey, KeyType
from osgp.protocol_dlms import Step
from osgp.requests import states
from osgp.requests.models import (
    Action,
    ActionState,
    MeterSession,
    Request,
    RequestState,
    SessionState,
)
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter
from osgp.simulator.quirks import Quirk
from osgp.visits.visit import visit_meter
from tests import factories, meters
from tests.counters import counter_of, set_counter

pytestmark = pytest.mark.django_db(transaction=True)

READ_SERIAL = {"class_id": 1, "obis_code": "0-0:96.1.0.255", "attribute": 2}


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(2, "SMR-5.1", gas_meters=1)) as simulator:
        yield simulator


@pytest.fixture
def devices(simulator: SimulatorThread, organisation: Organisation, settings: Settings) -> dict[str, Device]:
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=2),
        "CONNECT_DEADLINE": timedelta(seconds=2),
    }
    return meters.add_meters(organisation, simulator)


@pytest.fixture
def device(devices: dict[str, Device]) -> Device:
    return next(iter(devices.values()))


@pytest.fixture
def simulated(simulator: SimulatorThread, device: Device) -> Meter:
    return simulator.meters[device.identification]


def due(
    organisation: Organisation, device: Device, message: str = "ActualMeterReads", **fields: Any
) -> Request:
    return factories.make_request(
        organisation, device, message, **{"due_at": timezone.now() - timedelta(seconds=5)} | fields
    )


def outcome(request: Request) -> Action:
    request.refresh_from_db()
    return Action.objects.get(request=request)


def test_actual_meter_reads(organisation: Organisation, device: Device, simulated: Meter) -> None:
    request = due(organisation, device)
    before = datetime.now(UTC) - timedelta(seconds=2)
    session = MeterSession.objects.get(pk=meters.visit(device))
    action = outcome(request)
    assert (request.state, request.attempts, request.fault) == (RequestState.SUCCEEDED, 1, None)
    assert action.state == ActionState.DONE
    assert action.result is not None
    assert before <= datetime.fromisoformat(action.result["log_time"]) <= datetime.now(UTC)
    assert action.result["unavailable"] == []
    totals = {name: value for name, value in action.result.items() if name.startswith("active_energy")}
    energy = {name: Decimal(value["value"]) for name, value in totals.items()}
    assert {value["unit"] for value in totals.values()} == {"kWh"}
    assert energy["active_energy_import"] > 0
    rates = energy["active_energy_import_tariff_one"] + energy["active_energy_import_tariff_two"]
    assert abs(rates - energy["active_energy_import"]) <= Decimal("0.001")
    assert session.state == SessionState.CLOSED
    assert session.round_trips > 0
    # One association to read, and before it a public one for the invocation counter, which was not known.
    assert simulated.memory.statistics.associations == simulated.memory.statistics.public_associations == 1
    assert simulated.memory.statistics.releases == 2
    device.refresh_from_db()
    assert device.last_success_at is not None
    assert device.failed_connections == 0


def test_gas_is_read_through_the_gateway(
    organisation: Organisation, devices: dict[str, Device], device: Device, simulated: Meter
) -> None:
    gas_meter = devices["SIMG0000000000011"]
    assert gas_meter.gateway == device
    gas = due(organisation, gas_meter, "ActualMeterReadsGas")
    electricity = due(organisation, device)
    meters.visit(device)
    result = outcome(gas).result
    assert gas.state == RequestState.SUCCEEDED
    assert result is not None
    assert result["consumption"]["unit"] == "m³"
    assert Decimal(result["consumption"]["value"]) > 0
    assert datetime.fromisoformat(result["capture_time"]) <= datetime.fromisoformat(result["log_time"])
    assert outcome(electricity).state == ActionState.DONE
    assert simulated.memory.statistics.associations == 1


@pytest.mark.parametrize(
    "profile", ["DSMR-2.2", "DSMR-4.2.2", "SMR-4.3", "SMR-5.0.0", "SMR-5.2", "SMR-5.2c", "SMR-5.5"]
)
@pytest.mark.parametrize("transport", Framing)
@pytest.mark.parametrize("security", Security)
def test_every_profile_transport_and_security(
    organisation: Organisation, profile: str, transport: Framing, security: Security
) -> None:
    fleet = Fleet.build(1, profile, framing=transport, security=security, gas_meters=1)
    with SimulatorThread(fleet) as simulator:
        device, gas_meter = meters.add_meters(organisation, simulator).values()
        requests = [
            due(organisation, device),
            due(organisation, gas_meter, "ActualMeterReadsGas"),
            due(organisation, device, "SynchronizeTime"),
            due(organisation, device, "GetSpecificConfigurationObject", parameters=READ_SERIAL),
        ]
        meters.visit(device)
        faults = {outcome(request).message: outcome(request).fault for request in requests}
        assert faults == dict.fromkeys(faults)
        assert {request.state for request in requests} == {RequestState.SUCCEEDED}
        assert next(iter(simulator.meters.values())).memory.statistics.associations == 1


def test_the_most_urgent_first_over_one_association(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    requests = {
        priority: due(organisation, device, effective_priority=priority, priority=priority)
        for priority in (2, 9, 5, 0)
    }
    meters.visit(device)
    finished = Request.objects.filter(state=RequestState.SUCCEEDED).order_by("completed_at", "-priority")
    assert [request.priority for request in finished] == [9, 5, 2, 0]
    assert len(requests) == len(finished)
    assert simulated.memory.statistics.associations == 1


def test_work_that_arrives_during_the_visit_is_done_as_well(
    organisation: Organisation, device: Device, simulated: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Request] = []
    succeed = states.succeed

    def succeed_and_receive_more(*args: Any) -> states.Success | None:
        if not late:
            late.append(due(organisation, device))
        return succeed(*args)

    monkeypatch.setattr(states, "succeed", succeed_and_receive_more)
    due(organisation, device)
    meters.visit(device)
    assert outcome(late[0]).state == ActionState.DONE
    assert simulated.memory.statistics.associations == 1


def test_what_arrives_during_the_visit_and_is_more_urgent_goes_first(
    organisation: Organisation, device: Device, simulated: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = [
        {"priority": 9},
        {"priority": 4},
        # Neither of these may be taken together with others, or at all.
        {"priority": 9, "crashes": 1},
        {"priority": 9, "due_at": timezone.now() + timedelta(hours=1)},
    ]
    finished: list[int] = []
    late: list[Request] = []
    succeed = states.succeed

    def succeed_and_receive_more(request_id: int, *args: Any) -> states.Success | None:
        if not late:
            late.extend(
                due(organisation, device, effective_priority=fields["priority"], **fields)
                for fields in arrivals
            )
        finished.append(request_id)
        return succeed(request_id, *args)

    monkeypatch.setattr(states, "succeed", succeed_and_receive_more)
    first = [due(organisation, device, effective_priority=4, priority=4) for _ in range(3)]
    meters.visit(device)
    urgent, equal, suspicious, later = late
    in_order = [first[0], urgent, first[1], first[2], equal, suspicious]
    assert finished == [request.pk for request in in_order]
    assert Request.objects.get(pk=later.pk).state == RequestState.QUEUED
    assert {Request.objects.get(pk=request.pk).attempts for request in in_order} == {1}
    assert simulated.memory.statistics.associations == 1


def test_synchronize_time_sets_the_clock_and_the_devices_zone(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    request = due(organisation, device, "SynchronizeTime", parameters={"timezone": "America/New_York"})
    meters.visit(device)
    action = outcome(request)
    assert action.result is not None
    assert action.result["timezone"] == "America/New_York"
    device.refresh_from_db()
    assert device.time_zone == "America/New_York"
    reading = due(organisation, device)
    meters.visit(device)
    result = outcome(reading).result
    assert result is not None
    drift = datetime.fromisoformat(result["log_time"]) - datetime.now(UTC)
    assert abs(drift) < timedelta(minutes=1)


def test_a_specific_object_has_its_dlms_type(organisation: Organisation, device: Device) -> None:
    request = due(organisation, device, "GetSpecificConfigurationObject", parameters=READ_SERIAL)
    meters.visit(device)
    result = outcome(request).result
    assert result is not None
    assert result["value"]["type"] == "octet-string"
    assert bytes.fromhex(result["value"]["value"])


def test_what_the_meter_refuses_is_a_permanent_fault(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    unknown = {"class_id": 1, "obis_code": "9-9:9.9.9.9", "attribute": 2}
    refused = due(organisation, device, "GetSpecificConfigurationObject", parameters=unknown)
    read = due(organisation, device)
    meters.visit(device)
    action = outcome(refused)
    assert (refused.state, refused.attempts, action.state) == (RequestState.FAILED, 1, ActionState.FAULT)
    assert action.fault == refused.fault
    assert action.fault is not None
    assert action.fault["code"] == 412
    assert "object-undefined" in action.fault["message"]
    assert outcome(read).state == ActionState.DONE
    assert simulated.memory.statistics.associations == 1


FAULTS = [
    (FaultKind.REFUSE_CONNECTION, {229, 226}),
    (FaultKind.REFUSE_ASSOCIATION, {228, 223}),
    (FaultKind.DROP_MID_ANSWER, {229, 226}),
    (FaultKind.GARBAGE, {231}),
    (FaultKind.ENDLESS, {231, 232}),
    (FaultKind.HANG, {233}),
    (FaultKind.WRONG_ADDRESS, {233}),
]


@pytest.mark.parametrize(("kind", "codes"), FAULTS)
def test_a_meter_that_misbehaves_is_tried_three_times(
    organisation: Organisation,
    device: Device,
    simulated: Meter,
    settings: Settings,
    kind: FaultKind,
    codes: set[int],
) -> None:
    settings.OSGP = settings.OSGP | {"APDU_DEADLINE": timedelta(seconds=0.3)}
    simulated.faults.switch_on(kind)
    request = due(organisation, device)
    priorities = []
    for attempt in (1, 2, 3):
        Request.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        session = MeterSession.objects.get(pk=meters.visit(device))
        action = outcome(request)
        priorities.append(request.effective_priority)
        assert session.state == SessionState.CLOSED
        assert request.fault is not None
        assert request.fault["code"] in codes, request.fault
        assert session.fault is not None
        step = session.fault.pop("step")
        assert step in Step.__members__
        assert session.fault == request.fault
        assert (request.attempts, request.crashes) == (attempt, 0)
        assert request.state == (RequestState.RETRYING if attempt < 3 else RequestState.FAILED)
        assert action.state == (ActionState.PENDING if attempt < 3 else ActionState.FAULT)
    assert action.fault == request.fault
    assert priorities == [3, 2, 2]
    device.refresh_from_db()
    assert device.failed_connections == 3
    assert device.last_failure_at is not None


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.WRONG_TAG,
        FaultKind.REPLAYED_COUNTER,
        FaultKind.UNCIPHERED,
        FaultKind.CUT_SHORT,
        FaultKind.WRONG_INVOKE_ID,
    ],
)
def test_an_answer_that_cannot_be_trusted_is_not_stored(
    organisation: Organisation, device: Device, simulated: Meter, kind: FaultKind
) -> None:
    request = due(organisation, device)
    simulated.faults.switch_on(kind)
    meters.visit(device)
    action = outcome(request)
    # A wrong tag, or none, would be there the next time, too; the rest may be a stray frame.
    fails = kind in {FaultKind.WRONG_TAG, FaultKind.UNCIPHERED}
    assert (request.state, action.result) == (RequestState.FAILED if fails else RequestState.RETRYING, None)
    assert request.fault is not None
    # An answer with the invoke id of a former request is a late one; the one that counts does not come.
    assert request.fault["code"] in {230, 232, 233}
    simulated.faults.switch_off()
    if fails:
        return
    Request.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    meters.visit(device)
    action = outcome(request)
    assert (request.state, request.attempts, request.fault) == (RequestState.SUCCEEDED, 2, None)
    assert action.fault is None


def test_a_meter_that_is_off(organisation: Organisation, device: Device, simulator: SimulatorThread) -> None:
    simulator.stop()
    request = due(organisation, device, bypass_retry=True)
    meters.visit(device)
    outcome(request)
    assert (request.state, request.attempts) == (RequestState.FAILED, 1)
    assert request.fault is not None
    assert (request.fault["code"], request.fault["name"]) == (225, "CONNECTION_REFUSED")
    assert request.fault["retryable"] is True


def test_a_wrong_key_is_not_tried_again(organisation: Organisation, device: Device, simulated: Meter) -> None:
    from osgp.devices import keystore

    keystore.store_new(device, {KeyType.E_METER_AUTHENTICATION_KEY: bytes(16)})
    keystore.activate(device, [KeyType.E_METER_AUTHENTICATION_KEY])
    request = due(organisation, device)
    meters.visit(device)
    outcome(request)
    assert request.fault is not None
    assert request.fault["code"] in {223, 228, 229, 230, 232}
    assert simulated.memory.statistics.associations == 0
    assert simulated.memory.statistics.refused_associations == 1


def test_wrong_keys_told_by_exception_are_not_tried_again_either(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    """Seen in the field: service-not-allowed (1), deciphering-error (5) instead of an AARE."""
    from osgp.devices import keystore

    simulated.memory.quirks = frozenset({Quirk.KEYS_TOLD_BY_EXCEPTION})
    keystore.store_new(device, {KeyType.E_METER_ENCRYPTION_KEY_UNICAST: bytes(16)})
    keystore.activate(device, [KeyType.E_METER_ENCRYPTION_KEY_UNICAST])
    request = due(organisation, device)
    meters.visit(device)
    outcome(request)
    assert request.state == RequestState.FAILED
    assert request.fault is not None
    assert (request.fault["code"], request.fault["retryable"]) == (230, False)
    assert "does not accept the keys" in request.fault["message"]
    assert "deciphering-error (5)" in request.fault["message"]


def test_a_missing_key_is_806_and_nobody_is_dialled(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    DeviceKey.objects.filter(key_type=KeyType.E_METER_ENCRYPTION_KEY_UNICAST).delete()
    request = due(organisation, device)
    meters.visit(device)
    outcome(request)
    assert request.state == RequestState.FAILED
    assert request.fault is not None
    assert request.fault["code"] == 806
    assert "E_METER_ENCRYPTION_KEY_UNICAST" in request.fault["message"]
    assert simulated.memory.statistics.connections == 0


def test_security_without_support_is_413_and_nobody_is_dialled(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    """No way in stores such a device; a database may hold one all the same."""
    Device.objects.filter(pk=device.pk).update(security="HLS3")
    request = due(organisation, device)
    meters.visit(device)
    outcome(request)
    assert request.state == RequestState.FAILED
    assert request.fault is not None
    assert (request.fault["code"], request.fault["retryable"]) == (413, False)
    assert simulated.memory.statistics.connections == 0


def test_an_unknown_invocation_counter_is_read_from_the_meter(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    request = due(organisation, device)
    meters.visit(device)
    set_counter(None)
    again = due(organisation, device)
    meters.visit(device)
    assert outcome(request).state == outcome(again).state == ActionState.DONE
    assert simulated.memory.statistics.public_associations >= 1
    assert simulated.memory.statistics.invocation_counter_refusals == 0
    assert (counter_of(device) or 0) > 0


def test_a_counter_that_is_too_low_is_raised_within_the_visit(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    for _ in range(2):
        due(organisation, device)
        meters.visit(device)
    set_counter(0)
    request = due(organisation, device)
    meters.visit(device)
    outcome(request)
    assert (request.state, request.attempts) == (RequestState.SUCCEEDED, 1)
    assert (counter_of(device) or 0) > 64


def test_no_counter_value_is_used_twice_even_if_the_worker_dies(
    organisation: Organisation, device: Device, simulated: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(organisation, device)
    with monkeypatch.context() as patch:
        patch.setattr(states, "succeed", lambda *_: (_ for _ in ()).throw(SystemExit))
        session = meters.open_session(device)
        with pytest.raises(SystemExit):
            visit_meter(session.pk, session.token, "dies")
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert states.reap() == 1
    meters.visit(device)
    assert Request.objects.get().state == RequestState.SUCCEEDED
    assert simulated.memory.statistics.invocation_counter_refusals == 0
    assert simulated.memory.statistics.concurrent_associations == 0
    assert simulated.memory.statistics.associations == 2


def test_late_and_doubled_hints_do_nothing(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    due(organisation, device)
    session = meters.open_session(device)
    assert visit_meter(session.pk, session.token, "first")
    assert not visit_meter(session.pk, session.token, "second")
    assert simulated.memory.statistics.associations == 1


def test_two_workers_with_the_same_hint(organisation: Organisation, device: Device, simulated: Meter) -> None:
    request = due(organisation, device)
    session = meters.open_session(device)
    results: list[bool] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        results.append(visit_meter(session.pk, session.token, "worker"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]
    assert outcome(request).state == ActionState.DONE
    assert simulated.memory.statistics.associations == 1


def test_a_visit_itself_opens_no_database_connection(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has thousands of visits in flight and only its lanes' connections."""
    from osgp.messages import visited_meter as meter_module

    opened: list[bool] = []
    get_all = meter_module.VisitedMeter.get_all

    def watch(self: meter_module.VisitedMeter, attributes: Any) -> Any:
        opened.append(connections["default"].connection is not None)
        return get_all(self, attributes)

    monkeypatch.setattr(meter_module.VisitedMeter, "get_all", watch)
    due(organisation, device)
    due(organisation, device)
    session = meters.open_session(device)

    def visit() -> None:
        visit_meter(session.pk, session.token, "worker")
        opened.append(connections["default"].connection is not None)

    thread = threading.Thread(target=visit)
    thread.start()
    thread.join()
    assert opened == [False, False, False]


def test_a_worker_that_lost_its_lease_stores_nothing(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    from osgp.messages import visited_meter as meter_module

    request = due(organisation, device)
    get_all = meter_module.VisitedMeter.get_all

    def freeze(self: meter_module.VisitedMeter, attributes: Any) -> Any:
        values = get_all(self, attributes)
        MeterSession.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
        assert states.reap() == 1
        return values

    monkeypatch.setattr(meter_module.VisitedMeter, "get_all", freeze)
    session = meters.open_session(device)
    assert visit_meter(session.pk, session.token, "frozen")
    action = outcome(request)
    assert (request.state, action.state) == (RequestState.RETRYING, ActionState.PENDING)
    session.refresh_from_db()
    assert session.state == SessionState.LOST
