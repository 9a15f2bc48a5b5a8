"""Several want to change the keys of one device: one after the other, and nobody gets another one's keys."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.configuration import mbus_keys
from osgp.devices import keystore, transport_keys
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.faults import FaultCode
from osgp.installation.supplied_keys import KEY_TYPES
from osgp.messages import key_transfer
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.requests.models import MeterSession, Request, RequestState
from osgp.simulator import Behaviour, Fleet, SimulatorThread
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter
from osgp.visits.platform_requests import perform_due
from tests import meters, processes
from tests.devices.concurrency import at_once
from tests.factories import make_organisation, make_request

pytestmark = pytest.mark.django_db(transaction=True)

AUTHENTICATION, ENCRYPTION = GLOBAL_KEYS
USER_KEY = KeyType.G_METER_ENCRYPTION_KEY
SET_USER_KEY = "SetEncryptionKeyExchangeOnGMeter"
ROUND_TRIP = 0.05
"""Seconds that the slow meter takes for an answer."""
CALLERS = 3
KEYS_REFUSED = FaultCode.AUTHENTICATION_ERROR


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(2, "SMR-5.1", gas_meters=2)) as simulator:
        yield simulator
        assert simulator.fleet.nonces.list_repeats() == []
        for meter in simulator.meters.values():
            assert meter.memory.statistics.concurrent_associations == 0


@pytest.fixture
def devices(organisation: Organisation, simulator: SimulatorThread) -> dict[str, Device]:
    """Two meters, and behind each a gas meter."""
    return meters.add_meters(organisation, simulator)


@pytest.fixture
def simulated(simulator: SimulatorThread) -> Meter:
    """The first meter."""
    return next(iter(simulator.meters.values()))


@pytest.fixture
def device(devices: dict[str, Device], simulated: Meter) -> Device:
    return devices[simulated.identification]


@pytest.fixture
def gas_meter(devices: dict[str, Device], simulated: Meter) -> Device:
    return devices[simulated.gas_meters[0].identification]


def seal(secret: bytes) -> str:
    return transport_keys.encrypt_for_platform(transport_keys.export_public_key(), secret)


def ask_to_replace(
    organisation: Organisation, device: Device, keys: dict[KeyType, bytes], **fields: Any
) -> Request:
    parameters = {
        "authentication_key": seal(keys[AUTHENTICATION]),
        "encryption_key": seal(keys[ENCRYPTION]),
    }
    return make_request(organisation, device, "ReplaceKeys", parameters=parameters, **fields)


def make_pair(number: int) -> dict[KeyType, bytes]:
    return {AUTHENTICATION: b"authentication %d" % number, ENCRYPTION: b"the encryption %d" % number}


def states_of(device: Device) -> dict[KeyState, int]:
    """How many of its global keys are in each state."""
    rows = DeviceKey.objects.filter(device=device, key_type__in=GLOBAL_KEYS).values_list("state", flat=True)
    states = list(rows)
    return {KeyState(state): states.count(state) for state in set(states)}


def in_meter(simulated: Meter) -> dict[KeyType, bytes]:
    return {
        AUTHENTICATION: simulated.key(KeyName.AUTHENTICATION),
        ENCRYPTION: simulated.key(KeyName.ENCRYPTION),
    }


def outcome(request: Request) -> tuple[str, int, int | None]:
    """State, attempts, code of the fault."""
    request.refresh_from_db()
    return request.state, request.attempts, request.fault and request.fault["code"]


def once(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, meanwhile: Callable[[], None]) -> None:
    """Let something happen before the next call of a function."""
    original = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(module, name, original)
        meanwhile()
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, call)


def test_three_callers_during_a_visit(organisation: Organisation, device: Device, simulated: Meter) -> None:
    """Two workers compete for the hints; the three changes come one after the other."""
    simulated.behaviour = Behaviour(latency=(ROUND_TRIP, ROUND_TRIP))
    pairs = [make_pair(number) for number in range(CALLERS)]
    with ExitStack() as stack:
        if processes.are_shared():
            stack.enter_context(processes.worker())
        stack.enter_context(processes.running())
        reads = [make_request(organisation, device, "ActualMeterReads") for _ in range(3)]
        processes.eventually(lambda: simulated.memory.statistics.associations, "a visit")
        changes = at_once(
            CALLERS,
            lambda number: ask_to_replace(
                organisation, device, pairs[number], application=f"caller {number}"
            ),
        )
        processes.eventually(
            lambda: not Request.objects.exclude(state=RequestState.SUCCEEDED).exists(), "all to succeed"
        )
        reads.append(make_request(organisation, device, "ActualMeterReads"))
        processes.eventually(lambda: outcome(reads[-1])[0] == "SUCCEEDED", "an answer under the last keys")
    processes.disconnect_others()
    for request in [*changes, *reads]:
        assert isinstance(request, Request)
        assert outcome(request) == ("SUCCEEDED", 1, None)
    active = keystore.read_active_keys(device, GLOBAL_KEYS)
    assert active in pairs
    assert active == in_meter(simulated)
    assert states_of(device) == {KeyState.ACTIVE: 2, KeyState.EXPIRED: 2 * CALLERS}
    [change] = set(
        DeviceKey.objects.filter(device=device, key_type__in=GLOBAL_KEYS, state=KeyState.ACTIVE).values_list(
            "change", flat=True
        )
    )
    assert change is not None


def test_the_twin_of_a_meter_is_left_with_former_keys(
    organisation: Organisation, device: Device, simulator: SimulatorThread, simulated: Meter
) -> None:
    """Its visits fail and say so, and use no nonce that the meter has seen; the new keys help."""
    other = make_organisation("OTHER")
    twin = next(iter(meters.add_meters(other, simulator, prefix="TWIN").values()))
    for owner, row in ((organisation, device), (other, twin)):
        make_request(owner, row, "ActualMeterReads")
        meters.visit(row)
    ask_to_replace(organisation, device, make_pair(0))
    meters.visit(device)
    assert not Request.objects.exclude(state=RequestState.SUCCEEDED).exists()
    assert in_meter(simulated) == make_pair(0)

    for _ in range(3):
        request = make_request(other, twin, "ActualMeterReads", bypass_retry=True)
        meters.visit(twin)
        assert outcome(request) == ("FAILED", 1, KEYS_REFUSED)
    change = ask_to_replace(other, twin, make_pair(1), bypass_retry=True)
    meters.visit(twin)
    assert outcome(change) == ("FAILED", 1, KEYS_REFUSED)
    assert (in_meter(simulated), states_of(twin)) == (make_pair(0), {KeyState.ACTIVE: 2})
    request = make_request(organisation, device, "ActualMeterReads")
    meters.visit(device)
    assert outcome(request) == ("SUCCEEDED", 1, None)

    keystore.store_new(twin, make_pair(0))
    keystore.activate(twin, GLOBAL_KEYS)
    request = make_request(other, twin, "ActualMeterReads")
    meters.visit(twin)
    assert outcome(request) == ("SUCCEEDED", 1, None)


def test_an_mbus_device_that_moves_in_the_middle_of_a_change(
    organisation: Organisation,
    devices: dict[str, Device],
    device: Device,
    gas_meter: Device,
    simulated: Meter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A change through its new gateway waits until that through the former one is over."""
    other = next(row for row in devices.values() if row.gateway is None and row != device)
    Device.objects.filter(gateway=other).update(channel=2)
    later: list[Request] = []

    def move_and_change() -> None:
        move(gas_meter, other)
        later.append(make_request(organisation, gas_meter, SET_USER_KEY))
        meters.visit(other)
        move(gas_meter, device)

    once(monkeypatch, mbus_keys, "wrap_with_gcm", move_and_change)
    first = make_request(organisation, gas_meter, SET_USER_KEY)
    meters.visit(device)
    assert outcome(first) == ("SUCCEEDED", 1, None)
    assert outcome(later[0]) == ("RETRYING", 1, 414)
    assert later[0].fault is not None
    assert "being changed" in later[0].fault["message"]
    Request.objects.filter(pk=later[0].pk).update(meter=device, due_at=timezone.now() - timedelta(seconds=1))
    meters.visit(device)
    assert outcome(later[0]) == ("SUCCEEDED", 2, None)
    [behind] = simulated.gas_meters
    assert keystore.read_active_keys(gas_meter, [USER_KEY]) == {
        USER_KEY: simulated.mbus_key(behind, KeyName.MBUS_USER)
    }
    rows = DeviceKey.objects.filter(device=gas_meter, key_type=USER_KEY).values_list("state", flat=True)
    assert sorted(rows) == ["ACTIVE", "EXPIRED", "EXPIRED"]


def move(gas_meter: Device, gateway: Device) -> None:
    gas_meter.gateway = gateway
    gas_meter.save(update_fields=["gateway"])


def test_add_device_with_other_keys_waits_for_a_change(
    organisation: Organisation,
    api: APIClient,
    device: Device,
    simulator: SimulatorThread,
    simulated: Meter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    supplied = {"master_key": b"supplied master!", "authentication_key": b"supplied authen!"}
    supplied["encryption_key"] = b"supplied encryp!"
    fields = next(iter(simulator.fleet.describe()))["add_device"]
    body = fields | {name: seal(secret) for name, secret in supplied.items()} | {"overwrite": True}

    def add() -> None:
        answer = api.post("/api/v1/installation/add-device/", body, format="json")
        assert answer.status_code == 202, answer.content
        assert perform_due(10) == 1
        assert outcome(added()) == ("RETRYING", 1, 414)

    def added() -> Request:
        return Request.objects.get(message="AddDevice")

    once(monkeypatch, key_transfer, "aes_key_wrap", add)
    change = ask_to_replace(organisation, device, make_pair(0))
    meters.visit(device)
    assert outcome(change) == ("SUCCEEDED", 1, None)
    assert keystore.read_active_keys(device, GLOBAL_KEYS) == in_meter(simulated) == make_pair(0)
    assert not MeterSession.objects.filter(state__in=("OPENED", "CLAIMED")).exists()
    Request.objects.filter(pk=added().pk).update(due_at=timezone.now() - timedelta(seconds=1))
    assert perform_due(10) == 1
    assert outcome(added()) == ("SUCCEEDED", 2, None)
    expected = {KEY_TYPES[name]: secret for name, secret in supplied.items()}
    assert keystore.read_active_keys(device, list(expected)) == expected
    assert states_of(device) == {KeyState.ACTIVE: 2, KeyState.EXPIRED: 4}
