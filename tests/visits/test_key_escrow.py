"""New keys in their second place: written before a meter gets them, and recovered after a restore."""

import os
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.devices import key_escrow, keystore, transport_keys
from osgp.devices.models import CounterGeneration, Device, DeviceKey, KeyCounter, KeyState, KeyType
from osgp.devices.second_place import Place
from osgp.faults import Fault, FaultCode
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.processes.database import lanes
from osgp.requests.models import Request, RequestState
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter
from tests import factories, meters
from tests.escrow import SecondPlace
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db(transaction=True)

AUTHENTICATION, ENCRYPTION = GLOBAL_KEYS
NAMES = {AUTHENTICATION: KeyName.AUTHENTICATION, ENCRYPTION: KeyName.ENCRYPTION}
USER_KEY = KeyType.G_METER_ENCRYPTION_KEY


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.5", gas_meters=1)) as running:
        yield running
        assert running.fleet.nonces.list_repeats() == []


@pytest.fixture
def simulated(simulator: SimulatorThread) -> Meter:
    return next(iter(simulator.meters.values()))


@pytest.fixture
def devices(organisation: Organisation, simulator: SimulatorThread) -> list[Device]:
    """The electricity meter and the gas meter behind it."""
    return list(meters.add_meters(organisation, simulator).values())


@pytest.fixture
def device(devices: list[Device]) -> Device:
    return devices[0]


@pytest.fixture
def place(settings: Settings, tmp_path: Path) -> SecondPlace:
    second = SecondPlace(tmp_path)
    second.configure(settings)
    return second


def send(organisation: Organisation, device: Device, message: str, **parameters: Any) -> Request:
    """Carry out a request, as far as one visit gets."""
    request = factories.make_request(organisation, device, message, parameters=parameters)
    meters.visit(device.gateway or device)
    request.refresh_from_db()
    return request


def encrypt(secret: bytes) -> str:
    return transport_keys.encrypt_for_platform(transport_keys.export_public_key(), secret)


def replace(organisation: Organisation, device: Device, number: int = 1) -> Request:
    return send(
        organisation,
        device,
        "ReplaceKeys",
        authentication_key=encrypt(make_pair(number)[AUTHENTICATION]),
        encryption_key=encrypt(make_pair(number)[ENCRYPTION]),
    )


def make_pair(number: int) -> dict[KeyType, bytes]:
    return {AUTHENTICATION: bytes([number]) * 16, ENCRYPTION: bytes([128 + number]) * 16}


def is_reachable(organisation: Organisation, device: Device) -> bool:
    Request.objects.filter(state=RequestState.RETRYING).update(due_at=timezone.now() - timedelta(seconds=1))
    return send(organisation, device, "ActualMeterReads").state == RequestState.SUCCEEDED


def assert_matching(device: Device, simulated: Meter) -> None:
    active = keystore.read_active_keys(device, GLOBAL_KEYS)
    assert active == {key_type: simulated.key(name) for key_type, name in NAMES.items()}


class Backup:
    """Of the keys and counters."""

    def __init__(self) -> None:
        self.counters, self.keys = list(KeyCounter.objects.all()), list(DeviceKey.objects.all())
        self.times = {key.pk: key.state_changed_at for key in self.keys}

    def restore(self, *, new_generation: bool = True) -> None:
        # Rows of requests do not matter here: what is to be done is not done again.
        Request.objects.all().delete()
        with states_by_hand():
            DeviceKey.objects.all().delete()
            KeyCounter.objects.all().delete()
            KeyCounter.objects.bulk_create(self.counters)
            DeviceKey.objects.bulk_create(self.keys)
            for pk, time in self.times.items():
                DeviceKey.objects.filter(pk=pk).update(state_changed_at=time)
        if new_generation:
            CounterGeneration.objects.update_or_create(
                pk=1, defaults={"number": int(timezone.now().timestamp()), "mark": "restored"}
            )


def recover(place: SecondPlace, *options: str) -> str:
    out = StringIO()
    call_command(
        "recover_keys",
        str(place.directory),
        f"--private-key={place.private_key_file}",
        *options,
        stdout=out,
        stderr=out,
    )
    return out.getvalue()


def test_keys_are_in_the_second_place_before_the_meter_has_them(
    organisation: Organisation, device: Device, simulated: Meter, place: SecondPlace
) -> None:
    simulated.faults.switch_on(FaultKind.KEY_REFUSED, 1)
    former = simulated.key(KeyName.AUTHENTICATION)
    assert replace(organisation, device).state == RequestState.RETRYING
    assert simulated.key(KeyName.AUTHENTICATION) == former
    assert place.open_all() == [make_pair(1)]
    assert place.list_files(key_escrow.MARKER) == []
    assert is_reachable(organisation, device)
    assert keystore.read_active_keys(device, GLOBAL_KEYS) == make_pair(1)
    [marker] = place.list_files(key_escrow.MARKER)
    # The second attempt has the same keys: one file.
    assert place.list_files() == [marker, marker.with_suffix(key_escrow.KEYS)]


def test_each_message_that_gives_keys(
    organisation: Organisation, devices: list[Device], simulated: Meter, place: SecondPlace
) -> None:
    meter, gas_meter = devices
    [simulated_gas_meter] = simulated.gas_meters
    requests = [
        replace(organisation, meter),
        send(organisation, meter, "GenerateAndReplaceKeys"),
        send(organisation, gas_meter, "SetEncryptionKeyExchangeOnGMeter"),
        send(organisation, meter, "SetMbusUserKeyByChannel", channel=1),
    ]
    assert [(request.state, request.fault) for request in requests] == [(RequestState.SUCCEEDED, None)] * 4
    files = [key_escrow.read(path) for path in place.list_files(key_escrow.KEYS)]
    of_device = {
        device.identification: [file for file in files if file.device == device.identification]
        for device in devices
    }
    assert [len(found) for found in of_device.values()] == [2, 2]
    assert len(place.list_files(key_escrow.MARKER)) == 4
    latest = [max(found, key=lambda file: file.at).open(place.key) for found in of_device.values()]
    assert latest[0] == {key_type: simulated.key(name) for key_type, name in NAMES.items()}
    assert latest[1] == {USER_KEY: simulated.mbus_key(simulated_gas_meter, KeyName.MBUS_USER)}


@pytest.mark.parametrize("message", ["GenerateAndReplaceKeys", "SetMbusUserKeyByChannel"])
def test_nothing_is_sent_when_it_cannot_be_written(
    organisation: Organisation,
    devices: list[Device],
    simulated: Meter,
    place: SecondPlace,
    caplog: pytest.LogCaptureFixture,
    message: str,
) -> None:
    meter, _ = devices
    keys = [simulated.key(name) for name in NAMES.values()]
    mbus_key = simulated.mbus_key(simulated.gas_meters[0], KeyName.MBUS_USER)
    assert is_reachable(organisation, meter)
    for_one_association = simulated.memory.statistics.actions
    stored = set(DeviceKey.objects.values_list("pk", "state"))
    place.directory.rmdir()
    request = send(organisation, meter, message, **({"channel": 1} if "Mbus" in message else {}))
    assert request.state == RequestState.RETRYING
    assert request.fault is not None
    assert request.fault["code"] == FaultCode.ENCRYPTION_EXCEPTION
    assert request.fault["component"] == "SECRET_MANAGEMENT"
    assert simulated.memory.statistics.actions == 2 * for_one_association
    assert [simulated.key(name) for name in NAMES.values()] == keys
    assert simulated.mbus_key(simulated.gas_meters[0], KeyName.MBUS_USER) == mbus_key
    assert set(DeviceKey.objects.values_list("pk", "state")) == stored
    assert "second place" in caplog.text
    place.directory.mkdir()
    assert is_reachable(organisation, meter)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    assert len(place.list_files()) == 2


def test_a_marker_that_cannot_be_written_fails_nothing(
    organisation: Organisation,
    device: Device,
    place: SecondPlace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write = Place.write

    def refuse(self: Place, at: Any, name: str, content: bytes) -> None:
        if name.endswith(key_escrow.MARKER):
            raise OSError(30, os.strerror(30))
        write(self, at, name, content)

    monkeypatch.setattr(Place, "write", refuse)
    assert replace(organisation, device).state == RequestState.SUCCEEDED
    assert "does not say that new keys" in caplog.text
    assert len(place.list_files()) == 1


def test_the_next_attempt_writes_the_marker_of_a_visit_that_died(
    organisation: Organisation, device: Device, place: SecondPlace
) -> None:
    def die(*_: Any) -> None:
        raise Fault(FaultCode.UNABLE_TO_PROCESS_REQUEST, "The worker died.", retryable=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_escrow, "mark_active", die)
        request = replace(organisation, device)
    assert request.state == RequestState.RETRYING
    assert keystore.read_active_keys(device, GLOBAL_KEYS) == make_pair(1)
    assert place.list_files(key_escrow.MARKER) == []
    assert is_reachable(organisation, device)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    [marker] = place.list_files(key_escrow.MARKER)
    assert key_escrow.read(marker.with_suffix(key_escrow.KEYS)).open(place.key) == make_pair(1)


def test_a_call_that_is_repeated_does_no_harm(
    organisation: Organisation, device: Device, place: SecondPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database carries out the calls of the visit, but its answers are lost."""
    run = lanes.run

    def run_twice(function: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(function, "__name__", "") in {"_store_new", "_activate"}:
            run(function, *args, **kwargs)
        return run(function, *args, **kwargs)

    monkeypatch.setattr(lanes, "run", run_twice)
    assert replace(organisation, device).state == RequestState.SUCCEEDED
    assert place.open_all() == [make_pair(1)]
    assert len(place.list_files()) == 2


@pytest.mark.parametrize("new_generation", [True, False])
def test_changes_after_the_backup(
    organisation: Organisation,
    device: Device,
    simulated: Meter,
    place: SecondPlace,
    new_generation: bool,
) -> None:
    assert is_reachable(organisation, device)
    backup = Backup()
    for number in (1, 2):
        assert replace(organisation, device, number).state == RequestState.SUCCEEDED
        assert is_reachable(organisation, device)
    backup.restore(new_generation=new_generation)
    assert "Nothing was changed." in recover(place, "--dry-run")
    assert keystore.read_active_keys(device, GLOBAL_KEYS) != make_pair(2)
    printed = recover(place)
    assert f"{device.identification}: {AUTHENTICATION}, {ENCRYPTION} of " in printed
    assert "are ACTIVE again" in printed
    assert "1 devices looked at; 1 older changes left out." in printed
    assert_matching(device, simulated)
    after = list(DeviceKey.objects.order_by("pk").values())
    recover(place)
    assert list(DeviceKey.objects.order_by("pk").values()) == after
    assert is_reachable(organisation, device)
    assert is_reachable(organisation, device)
    [entry] = AuditEntry.objects.filter(event=AuditEvent.KEYS_RECOVERED)
    assert (entry.organisation_identification, entry.actor) == (organisation.identification, "command line")
    assert entry.device_identification == device.identification
    assert entry.details["state"] == "ACTIVE"
    assert replace(organisation, device, 3).state == RequestState.SUCCEEDED
    assert_matching(device, simulated)


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("with_former_change", [False, True])
def test_a_change_that_was_cut_off(
    organisation: Organisation,
    device: Device,
    simulated: Meter,
    place: SecondPlace,
    after: int,
    with_former_change: bool,
) -> None:
    """The meter has the first of the new keys, or both; a visit after the restore finishes the change."""
    assert is_reachable(organisation, device)
    backup = Backup()
    if with_former_change:
        assert replace(organisation, device, 1).state == RequestState.SUCCEEDED
    simulated.faults.switch_on(FaultKind.KEY_SWITCHED_CLOSES, 1, after=after)
    assert replace(organisation, device, 2).state == RequestState.RETRYING
    assert simulated.key(KeyName.AUTHENTICATION) == make_pair(2)[AUTHENTICATION]
    assert (simulated.key(KeyName.ENCRYPTION) == make_pair(2)[ENCRYPTION]) == (after == 1)
    backup.restore()
    printed = recover(place)
    assert ("are ACTIVE again" in printed) == with_former_change
    assert "are NEW" in printed
    states = DeviceKey.objects.filter(state=KeyState.NEW).values_list("key_type", flat=True)
    assert set(states) == set(GLOBAL_KEYS)
    recover(place)
    assert is_reachable(organisation, device)
    assert keystore.read_active_keys(device, GLOBAL_KEYS) == make_pair(2)
    assert_matching(device, simulated)
    assert len(place.list_files(key_escrow.MARKER)) == (2 if with_former_change else 1)
    assert is_reachable(organisation, device)


def test_a_backup_in_the_middle_of_a_change(
    organisation: Organisation, device: Device, simulated: Meter, place: SecondPlace
) -> None:
    simulated.faults.switch_on(FaultKind.KEY_SWITCHED_CLOSES, 1)
    assert replace(organisation, device).state == RequestState.RETRYING
    backup = Backup()
    assert is_reachable(organisation, device)
    backup.restore()
    assert "were NEW, and are ACTIVE again" in recover(place)
    assert_matching(device, simulated)
    assert is_reachable(organisation, device)


def test_keys_of_mbus_devices(
    organisation: Organisation, devices: list[Device], simulated: Meter, place: SecondPlace
) -> None:
    _, gas_meter = devices
    backup = Backup()
    for _ in range(2):
        request = send(organisation, gas_meter, "SetEncryptionKeyExchangeOnGMeter")
        assert request.state == RequestState.SUCCEEDED
    backup.restore()
    recover(place)
    key = simulated.mbus_key(simulated.gas_meters[0], KeyName.MBUS_USER)
    assert keystore.read_active_keys(gas_meter, [USER_KEY]) == {USER_KEY: key}


def test_a_device_that_was_added_again(
    organisation: Organisation, device: Device, simulated: Meter, place: SecondPlace
) -> None:
    """The platform knows the keys of the factory only, but since after the change: the meter decides."""
    factory = Backup()
    assert replace(organisation, device).state == RequestState.SUCCEEDED
    identification = device.identification
    Device.objects.filter(pk=device.pk).update(identification="GONE")
    with pytest.raises(CommandError, match="1 problem"):
        recover(place)
    Device.objects.filter(pk=device.pk).update(identification=identification)
    factory.restore()
    DeviceKey.objects.update(state_changed_at=timezone.now())
    for _ in range(2):
        recover(place)
        assert keystore.read_active_keys(device, GLOBAL_KEYS) != make_pair(1)
    assert is_reachable(organisation, device)
    assert_matching(device, simulated)
