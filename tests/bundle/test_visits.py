"""Bundles carried out with simulated meters: one association, in order, and on after whatever happens."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from osgp.accounts.caller import Caller
from osgp.devices.models import Device
from osgp.requests import states
from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState
from osgp.requests.submission import submit
from osgp.simulator import SimulatorThread
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter
from osgp.visits import visit
from osgp.visits.visit import visit_meter
from tests import meters
from tests.bundle import probes
from tests.bundle.probes import Probe, lasting, passing, times

pytestmark = pytest.mark.django_db(transaction=True)

READ_SERIAL = {
    "message": "GetSpecificConfigurationObject",
    "class_id": 1,
    "obis_code": "0-0:96.1.0.255",
    "attribute": 2,
}
DONE, FAULT, PENDING, STARTED, UNKNOWN = (
    ActionState.DONE,
    ActionState.FAULT,
    ActionState.PENDING,
    ActionState.STARTED,
    ActionState.UNKNOWN,
)


def send(caller: Caller, device: Device, *actions: Any, **common: Any) -> Request:
    """A bundle; a text stands for a probe of that name."""
    return submit(
        caller,
        "Bundle",
        {
            "device_identification": device.identification,
            "actions": [
                {"message": "Probe", "name": action} if isinstance(action, str) else action
                for action in actions
            ],
            **common,
        },
    )


def once(name: str) -> dict[str, str]:
    """A probe that must not be repeated."""
    return {"message": "ProbeOnce", "name": name}


def visit_again(device: Device) -> None:
    Request.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    meters.visit(device)


def outcomes(bundle: Request) -> list[str]:
    bundle.refresh_from_db()
    return list(Action.objects.filter(request=bundle).order_by("position").values_list("state", flat=True))


def fault_codes(bundle: Request) -> list[int | None]:
    rows = Action.objects.filter(request=bundle).order_by("position")
    return [action.fault["code"] if action.fault else None for action in rows]


@pytest.fixture
def drop(simulated: Meter) -> Any:
    """A hook: the meter's next answer ends in its middle, and so does the connection."""
    return lambda: simulated.faults.switch_on(FaultKind.DROP_MID_ANSWER, 1)


def test_ten_reads_cost_one_association(caller: Caller, electricity: Device, simulated: Meter) -> None:
    bundle = send(caller, electricity, *[{"message": "ActualMeterReads"}] * 10)
    meters.visit(electricity)
    assert outcomes(bundle) == [DONE] * 10
    assert (bundle.state, bundle.attempts, bundle.fault) == (RequestState.SUCCEEDED, 1, None)
    assert simulated.memory.statistics.associations == 1
    stored = bundle.actions.order_by("position").values_list("result__log_time", flat=True)
    results = [datetime.fromisoformat(log_time) for log_time in stored]
    assert results == sorted(results)
    assert len(results) == 10


def test_actions_are_carried_out_in_their_order(caller: Caller, electricity: Device) -> None:
    names = ["c", "a", "b", "a", "d"]
    send(caller, electricity, *names)
    meters.visit(electricity)
    assert Probe.performed == names


def test_bundles_and_single_requests_share_an_association(
    caller: Caller, electricity: Device, simulated: Meter
) -> None:
    low = send(caller, electricity, "low", "lower", priority=1)
    high = send(caller, electricity, "high", priority=9)
    single = submit(
        caller,
        "ActualMeterReads",
        {"device_identification": electricity.identification, "priority": 5},
    )
    meters.visit(electricity)
    assert outcomes(low) == [DONE, DONE]
    assert outcomes(high) == outcomes(single) == [DONE]
    assert Probe.performed == ["high", "low", "lower"]
    assert simulated.memory.statistics.associations == 1


def test_a_failed_action_does_not_stop_the_rest(
    caller: Caller, electricity: Device, simulated: Meter
) -> None:
    Probe.hooks["broken"] = lasting
    absent = READ_SERIAL | {"obis_code": "9-9:9.9.9.9"}
    bundle = send(caller, electricity, "first", absent, "broken", READ_SERIAL)
    meters.visit(electricity)
    assert outcomes(bundle) == [DONE, FAULT, FAULT, DONE]
    assert fault_codes(bundle) == [None, 412, 412, None]
    assert (bundle.state, bundle.attempts, bundle.fault) == (RequestState.SUCCEEDED, 1, None)
    assert simulated.memory.statistics.associations == 1


def test_an_internal_error_of_one_action_does_not_stop_the_rest(caller: Caller, electricity: Device) -> None:
    Probe.hooks["wrong"] = lambda: {}["missing"]
    bundle = send(caller, electricity, "wrong", "right", bypass_retry=True)
    meters.visit(electricity)
    assert outcomes(bundle) == [FAULT, DONE]
    assert fault_codes(bundle) == [414, None]
    assert bundle.state == RequestState.SUCCEEDED


def test_gas_inside(caller: Caller, electricity: Device, gas: Device, simulated: Meter) -> None:
    bundle = send(
        caller,
        electricity,
        {"message": "ActualMeterReads"},
        {"message": "ActualMeterReadsGas", "device_identification": gas.identification},
        {"message": "SynchronizeTime", "device_identification": electricity.identification},
    )
    meters.visit(electricity)
    assert outcomes(bundle) == [DONE, DONE, DONE]
    read = bundle.actions.get(position=1)
    assert (read.device, read.result["consumption"]["unit"]) == (gas, "m³")  # type: ignore[index]
    assert simulated.memory.statistics.associations == 1


@pytest.mark.parametrize("moved", [True, False])
def test_a_gas_meter_that_was_moved_meanwhile_is_not_mistaken(
    caller: Caller, devices: dict[str, Device], electricity: Device, gas: Device, moved: bool
) -> None:
    """Its channel is another device's by now."""
    bundle = send(
        caller,
        electricity,
        {"message": "ActualMeterReadsGas", "device_identification": gas.identification},
        "after",
    )
    others = [device for device in devices.values() if not device.is_mbus and device != electricity]
    Device.objects.filter(pk=gas.pk).update(
        gateway=others[0] if moved else None, channel=3 if moved else None
    )
    meters.visit(electricity)
    assert outcomes(bundle) == [FAULT, DONE]
    assert fault_codes(bundle) == [221, None]
    assert (bundle.state, bundle.attempts) == (RequestState.SUCCEEDED, 1)


def test_a_zone_set_by_one_action_is_that_of_the_next(caller: Caller, electricity: Device) -> None:
    bundle = send(
        caller,
        electricity,
        {"message": "SynchronizeTime", "timezone": "America/New_York"},
        {"message": "SynchronizeTime"},
    )
    later = submit(caller, "SynchronizeTime", {"device_identification": electricity.identification})
    meters.visit(electricity)
    zones = bundle.actions.order_by("position").values_list("result__timezone", flat=True)
    assert [*zones, later.actions.get().result["timezone"]] == ["America/New_York"] * 3  # type: ignore[index]


# --- Connections that are lost -------------------------------------------------------------------------


def test_a_lost_connection_ends_the_visit_and_the_next_one_goes_on(
    caller: Caller, electricity: Device, simulated: Meter, drop: Any
) -> None:
    Probe.hooks["b"] = times(1, drop)
    bundle = send(caller, electricity, "a", "b", "c")
    meters.visit(electricity)
    assert outcomes(bundle) == [DONE, PENDING, PENDING]
    assert bundle.state == RequestState.RETRYING
    assert bundle.fault is not None
    assert bundle.fault["code"] in {226, 229}
    visit_again(electricity)
    assert outcomes(bundle) == [DONE, DONE, DONE]
    assert (bundle.state, bundle.attempts, bundle.fault) == (RequestState.SUCCEEDED, 2, None)
    assert Probe.performed == ["a", "b", "b", "c"]
    assert simulated.memory.statistics.associations == 2


def test_what_must_not_be_repeated_is_not(caller: Caller, electricity: Device, drop: Any) -> None:
    Probe.hooks["b"] = times(1, drop)
    bundle = send(caller, electricity, once("a"), once("b"), once("c"))
    meters.visit(electricity)
    assert outcomes(bundle) == [DONE, STARTED, PENDING]
    visit_again(electricity)
    assert outcomes(bundle) == [DONE, UNKNOWN, DONE]
    assert fault_codes(bundle) == [None, 414, None]
    assert Probe.performed == ["a", "b", "c"]
    assert bundle.state == RequestState.SUCCEEDED


def test_a_passing_fault_of_what_must_not_be_repeated_is_not_tried_again(
    caller: Caller, electricity: Device
) -> None:
    Probe.hooks["a"] = passing
    bundle = send(caller, electricity, once("a"), "b")
    meters.visit(electricity)
    assert outcomes(bundle) == [UNKNOWN, DONE]
    assert (bundle.state, bundle.attempts) == (RequestState.SUCCEEDED, 1)
    assert Probe.performed == ["a", "b"]


def test_only_passing_faults_are_tried_again(caller: Caller, electricity: Device) -> None:
    Probe.hooks |= {"passing": times(1, passing), "lasting": lasting}
    bundle = send(caller, electricity, "a", "passing", "lasting", "b")
    meters.visit(electricity)
    assert outcomes(bundle) == [DONE, PENDING, FAULT, DONE]
    assert (bundle.state, bundle.effective_priority) == (RequestState.RETRYING, 3)
    visit_again(electricity)
    assert outcomes(bundle) == [DONE, DONE, FAULT, DONE]
    assert fault_codes(bundle) == [None, None, 412, None]
    assert bundle.state == RequestState.SUCCEEDED
    assert Probe.performed == ["a", "passing", "lasting", "b", "passing"]


def test_passing_faults_before_the_connection_was_lost_are_tried_again_in_order(
    caller: Caller, electricity: Device, drop: Any
) -> None:
    Probe.hooks |= {"passing": times(1, passing), "lost": times(1, drop)}
    bundle = send(caller, electricity, "a", "passing", "lost", "b")
    meters.visit(electricity)
    assert outcomes(bundle) == [DONE, PENDING, PENDING, PENDING]
    visit_again(electricity)
    assert outcomes(bundle) == [DONE] * 4
    assert Probe.performed == ["a", "passing", "lost", "passing", "lost", "b"]


def test_passing_faults_are_given_up_after_the_last_attempt(caller: Caller, electricity: Device) -> None:
    Probe.hooks["passing"] = passing
    bundle = send(caller, electricity, "a", "passing")
    for _ in range(3):
        visit_again(electricity)
    assert outcomes(bundle) == [DONE, FAULT]
    assert fault_codes(bundle) == [None, 232]
    assert (bundle.state, bundle.attempts, bundle.fault) == (RequestState.SUCCEEDED, 3, None)
    assert Probe.performed == ["a", "passing", "passing", "passing"]


def test_bypass_retry(caller: Caller, electricity: Device) -> None:
    Probe.hooks["passing"] = passing
    bundle = send(caller, electricity, "passing", "a", bypass_retry=True)
    meters.visit(electricity)
    assert outcomes(bundle) == [FAULT, DONE]
    assert (bundle.state, bundle.attempts) == (RequestState.SUCCEEDED, 1)


def test_a_meter_that_cannot_be_reached(
    caller: Caller, electricity: Device, simulator: SimulatorThread
) -> None:
    bundle = send(caller, electricity, "a", once("b"))
    simulator.stop()
    for attempt in (1, 2, 3):
        visit_again(electricity)
        assert outcomes(bundle) == ([PENDING] * 2 if attempt < 3 else [FAULT] * 2)
    assert (bundle.state, bundle.attempts) == (RequestState.FAILED, 3)
    assert bundle.fault is not None
    assert bundle.fault["code"] == 225
    assert fault_codes(bundle) == [225, 225]
    assert Probe.performed == []


def test_a_meter_that_is_lost_for_good_keeps_what_was_done(
    caller: Caller, electricity: Device, drop: Any
) -> None:
    Probe.hooks |= {"lasting": lasting, "passing": passing, "lost": drop}
    bundle = send(caller, electricity, "a", "lasting", "passing", "lost", once("b"))
    for _ in range(3):
        visit_again(electricity)
    assert outcomes(bundle) == [DONE, FAULT, FAULT, FAULT, FAULT]
    lost = bundle.fault["code"] if bundle.fault else None
    assert bundle.state == RequestState.FAILED
    assert lost in {226, 229}
    # Each tells its own fault where it has one, and otherwise why the meter was not reached.
    assert fault_codes(bundle) == [None, 412, 232, lost, lost]
    assert bundle.actions.get(position=0).result == {"name": "a"}
    assert Probe.performed == ["a", "lasting", *["passing", "lost"] * 3]


def test_what_was_under_way_when_the_meter_was_lost_for_good_is_unknown(
    caller: Caller, electricity: Device, drop: Any
) -> None:
    Probe.hooks["lost"] = drop
    bundle = send(caller, electricity, once("lost"), "after", bypass_retry=True)
    meters.visit(electricity)
    assert outcomes(bundle) == [UNKNOWN, FAULT]
    assert bundle.state == RequestState.FAILED
    assert Probe.performed == ["lost"]


def test_what_was_done_stays_when_the_rest_comes_too_late(
    caller: Caller, electricity: Device, drop: Any
) -> None:
    Probe.hooks |= {"passing": passing, "lost": drop}
    bundle = send(caller, electricity, "a", "passing", "lost", "b")
    meters.visit(electricity)
    Request.objects.update(max_schedule_time=timezone.now() - timedelta(seconds=1))
    states.fail_overdue()
    assert outcomes(bundle) == [DONE, FAULT, FAULT, FAULT]
    assert bundle.state == RequestState.FAILED
    assert bundle.fault is not None
    lost = bundle.fault["code"]
    assert lost in {226, 229}
    assert fault_codes(bundle) == [None, 232, lost, lost]


def test_cancelled_between_attempts(caller: Caller, electricity: Device, drop: Any) -> None:
    Probe.hooks["lost"] = drop
    bundle = send(caller, electricity, "a", "lost", "b")
    meters.visit(electricity)
    assert states.cancel(bundle.pk)
    assert outcomes(bundle) == [DONE, PENDING, PENDING]
    assert bundle.state == RequestState.CANCELLED


# --- Workers that end ----------------------------------------------------------------------------------


def test_a_dead_worker_repeats_nothing_that_is_known(
    caller: Caller, electricity: Device, simulated: Meter
) -> None:
    def die() -> None:
        raise SystemExit

    Probe.hooks |= {"passing": times(1, passing), "dies": times(1, die)}
    bundle = send(caller, electricity, "a", "passing", once("dies"), "b")
    session = meters.open_session(electricity)
    with pytest.raises(SystemExit):
        visit_meter(session.pk, session.token, "dies")
    assert outcomes(bundle) == [DONE, FAULT, STARTED, PENDING]
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert states.reap() == 1
    visit_again(electricity)
    assert outcomes(bundle) == [DONE, PENDING, UNKNOWN, DONE]
    visit_again(electricity)
    assert outcomes(bundle) == [DONE, DONE, UNKNOWN, DONE]
    assert (bundle.state, bundle.attempts, bundle.crashes) == (RequestState.SUCCEEDED, 3, 1)
    assert Probe.performed == ["a", "passing", "dies", "b", "passing"]
    assert simulated.memory.statistics.invocation_counter_refusals == 0


def test_a_long_bundle_is_cut_into_visits_without_using_up_attempts(
    caller: Caller, electricity: Device, simulated: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "TIME_FOR_BEGINNING", 0)
    bundle = send(caller, electricity, "a", "b", "c", priority=6)
    after = send(caller, electricity, "d", priority=5)
    for done in (1, 2):
        meters.visit(electricity)
        assert outcomes(bundle) == [DONE] * done + [PENDING] * (3 - done)
        assert (bundle.state, bundle.attempts, bundle.effective_priority) == (RequestState.RETRYING, 0, 6)
        assert bundle.fault is None
    meters.visit(electricity)
    assert outcomes(bundle) == [DONE] * 3
    assert (bundle.state, bundle.attempts, bundle.crashes) == (RequestState.SUCCEEDED, 1, 0)
    meters.visit(electricity)
    assert outcomes(after) == [DONE]
    assert (after.state, after.attempts) == (RequestState.SUCCEEDED, 1)
    assert Probe.performed == ["a", "b", "c", "d"]
    assert simulated.memory.statistics.associations == 4
    assert not MeterSession.objects.exclude(fault=None).exists()
    electricity.refresh_from_db()
    assert electricity.failed_connections == 0


def test_nothing_is_stored_after_the_lease_was_lost(caller: Caller, electricity: Device) -> None:
    def lose() -> None:
        MeterSession.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
        assert states.reap() == 1

    Probe.hooks["b"] = times(1, lose)
    bundle = send(caller, electricity, "a", "b", "c")
    session = meters.open_session(electricity)
    assert visit_meter(session.pk, session.token, "frozen")
    assert outcomes(bundle) == [DONE, PENDING, PENDING]
    assert bundle.state == RequestState.RETRYING
    assert Probe.performed == ["a", "b"]
    visit_again(electricity)
    assert outcomes(bundle) == [DONE, DONE, DONE]
    assert probes.Probe.performed == ["a", "b", "b", "c"]
