"""Changes of a meter's global keys, through whatever happens in between, against simulated meters."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.catalogue.communication import Framing, Security
from osgp.devices import keystore, transport_keys
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.requests.models import Request, RequestState
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter
from osgp.simulator.quirks import Quirk
from tests import factories, meters
from tests.counters import counter_of

pytestmark = pytest.mark.django_db(transaction=True)

AUTHENTICATION, ENCRYPTION = KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST
GLOBAL = {AUTHENTICATION: KeyName.AUTHENTICATION, ENCRYPTION: KeyName.ENCRYPTION}
NEW = {AUTHENTICATION: b"new auth key 16b", ENCRYPTION: b"new encr key 16b"}
PROFILES = ("DSMR-2.2", "DSMR-4.2.2", "SMR-4.3", "SMR-5.0.0", "SMR-5.5")
BLOCK = 64


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, getattr(request, "param", "SMR-5.1"))) as running:
        yield running
        assert running.fleet.nonces.list_repeats() == []


@pytest.fixture
def simulated(simulator: SimulatorThread) -> Meter:
    return next(iter(simulator.meters.values()))


@pytest.fixture
def device(organisation: Organisation, simulator: SimulatorThread) -> Device:
    return next(iter(meters.add_meters(organisation, simulator).values()))


def encrypt(secret: bytes) -> str:
    return transport_keys.encrypt_for_platform(transport_keys.export_public_key(), secret)


def replace(organisation: Organisation, device: Device, keys: dict[KeyType, bytes] = NEW) -> Request:
    parameters = {
        "authentication_key": encrypt(keys[AUTHENTICATION]),
        "encryption_key": encrypt(keys[ENCRYPTION]),
    }
    return factories.make_request(organisation, device, "ReplaceKeys", parameters=parameters)


def read(organisation: Organisation, device: Device) -> Request:
    return factories.make_request(organisation, device, "ActualMeterReads")


def due_again() -> None:
    Request.objects.filter(state=RequestState.RETRYING).update(due_at=timezone.now() - timedelta(seconds=1))


def is_reachable(organisation: Organisation, device: Device) -> bool:
    due_again()
    request = read(organisation, device)
    meters.visit(device)
    request.refresh_from_db()
    return request.state == RequestState.SUCCEEDED


def states_of(device: Device) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in DeviceKey.objects.filter(device=device, key_type__in=GLOBAL).order_by("pk"):
        found.setdefault(str(key.state), []).append(str(key.key_type))
    return found


def assert_matching(device: Device, simulated: Meter) -> None:
    """What is ACTIVE is in the meter: one key of each type, and both of one change."""
    active = keystore.read_active_keys(device, GLOBAL)
    assert active == {key_type: simulated.key(name) for key_type, name in GLOBAL.items()}
    rows = DeviceKey.objects.filter(device=device, key_type__in=GLOBAL, state=KeyState.ACTIVE)
    assert len(rows) == 2
    assert len({row.change for row in rows}) == 1


@pytest.mark.parametrize("at_change", ["restart", "keep"])
@pytest.mark.parametrize("simulator", PROFILES, indirect=True)
def test_every_profile(
    organisation: Organisation, device: Device, simulated: Meter, set_behaviour: Any, at_change: str
) -> None:
    set_behaviour(simulated, at_change)
    assert is_reachable(organisation, device)
    request = replace(organisation, device)
    after = read(organisation, device)
    meters.visit(device)
    request.refresh_from_db()
    after.refresh_from_db()
    assert (request.state, request.fault) == (RequestState.SUCCEEDED, None)
    assert (after.state, after.fault) == (RequestState.SUCCEEDED, None)
    assert keystore.read_active_keys(device, GLOBAL) == NEW
    assert_matching(device, simulated)
    assert states_of(device).keys() == {"ACTIVE", "EXPIRED"}
    assert simulated.memory.statistics.associations == 2
    if at_change == "restart":
        assert counter_of(device) == 250 + BLOCK
    assert is_reachable(organisation, device)
    assert request.actions.get().parameters == {}
    entry = AuditEntry.objects.get(event=AuditEvent.KEYS_REPLACED)
    assert (entry.device_identification, entry.actor) == (device.identification, "portal")
    assert entry.correlation_uid == request.correlation_uid
    assert set(entry.details["replaced"]) == set(GLOBAL)


@pytest.fixture
def set_behaviour() -> Any:
    def behave(simulated: Meter, at_change: str) -> None:
        simulated.behaviour = dataclasses.replace(simulated.behaviour, counter_at_key_change=at_change)

    return behave


FAULTS = [
    (kind, after)
    for kind in (
        FaultKind.KEY_REFUSED,
        FaultKind.KEY_SWITCHED_REFUSED,
        FaultKind.KEY_SWITCHED_CLOSES,
        FaultKind.KEY_IGNORED,
    )
    for after in (0, 1)
]


@pytest.mark.parametrize("at_change", ["restart", "keep"])
@pytest.mark.parametrize(("kind", "after"), FAULTS)
def test_half_done_changes_are_finished_or_begun_again(
    organisation: Organisation,
    device: Device,
    simulated: Meter,
    set_behaviour: Any,
    kind: FaultKind,
    after: int,
    at_change: str,
) -> None:
    set_behaviour(simulated, at_change)
    assert is_reachable(organisation, device)
    simulated.faults.switch_on(kind, 1, after=after)
    request = replace(organisation, device)
    meters.visit(device)
    request.refresh_from_db()
    assert request.state == RequestState.RETRYING
    assert is_reachable(organisation, device)
    assert_matching(device, simulated)
    request.refresh_from_db()
    assert (request.state, request.attempts) == (RequestState.SUCCEEDED, 2)
    assert keystore.read_active_keys(device, GLOBAL) == NEW
    assert_matching(device, simulated)
    assert is_reachable(organisation, device)


@pytest.mark.parametrize("after", [0, 1])
def test_pending_keys_are_tried_when_the_meter_tells_wrong_keys_by_exception(
    organisation: Organisation, device: Device, simulated: Meter, after: int
) -> None:
    """Seen in the field: service-not-allowed (1), deciphering-error (5) instead of an AARE."""
    simulated.memory.quirks = frozenset({Quirk.KEYS_TOLD_BY_EXCEPTION})
    assert is_reachable(organisation, device)
    simulated.faults.switch_on(FaultKind.KEY_SWITCHED_CLOSES, 1, after=after)
    request = replace(organisation, device)
    meters.visit(device)
    refused = simulated.memory.statistics.authentication_failures
    assert is_reachable(organisation, device)
    assert simulated.memory.statistics.authentication_failures > refused
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    assert_matching(device, simulated)


@pytest.mark.parametrize("security", [Security.LLS, Security.NONE])
@pytest.mark.parametrize("framing", [Framing.WRAPPER, Framing.HDLC])
def test_meters_whose_association_is_not_ciphered_have_keys_as_well(
    organisation: Organisation, security: Security, framing: Framing
) -> None:
    with SimulatorThread(Fleet.build(1, "DSMR-4.2.2", security=security, framing=framing)) as simulator:
        (device,) = meters.add_meters(organisation, simulator).values()
        (simulated,) = simulator.meters.values()
        request = replace(organisation, device)
        meters.visit(device)
        request.refresh_from_db()
        assert (request.state, request.fault) == (RequestState.SUCCEEDED, None)
        assert_matching(device, simulated)
        assert is_reachable(organisation, device)


def test_three_at_once_are_one_after_the_other(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    pairs = [
        {AUTHENTICATION: bytes([65 + number]) * 16, ENCRYPTION: bytes([97 + number]) * 16}
        for number in range(3)
    ]
    requests = [replace(organisation, device, pair) for pair in pairs]
    meters.visit(device)
    for request in requests:
        request.refresh_from_db()
        assert (request.state, request.fault) == (RequestState.SUCCEEDED, None)
    assert keystore.read_active_keys(device, GLOBAL) == pairs[-1]
    assert_matching(device, simulated)
    assert len(states_of(device)["EXPIRED"]) == 6
    assert simulated.memory.statistics.associations == 1


def test_generated_keys_are_new_each_time(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    pairs = []
    for _ in range(2):
        request = factories.make_request(organisation, device, "GenerateAndReplaceKeys")
        meters.visit(device)
        request.refresh_from_db()
        assert (request.state, request.fault) == (RequestState.SUCCEEDED, None)
        pairs.append(keystore.read_active_keys(device, GLOBAL))
        assert_matching(device, simulated)
    assert len({secret for pair in pairs for secret in pair.values()}) == 4


def test_a_key_that_comes_back_goes_on_counting(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    former = keystore.read_active_keys(device, GLOBAL)
    assert is_reachable(organisation, device)
    for keys in (NEW, former, NEW):
        request = replace(organisation, device, keys)
        meters.visit(device)
        request.refresh_from_db()
        assert (request.state, request.fault) == (RequestState.SUCCEEDED, None)
        assert is_reachable(organisation, device)
    assert_matching(device, simulated)
