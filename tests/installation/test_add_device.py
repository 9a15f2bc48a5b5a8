"""Devices as AddDevice makes and replaces them."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from osgp.accounts import rights
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType, LifecycleStatus
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from tests.counters import counter_of, set_counter
from tests.devices.concurrency import at_once
from tests.factories import grant, make_device, make_gas_meter, make_organisation
from tests.installation.bodies import (
    ACTIVE_E_METER_KEYS,
    AUTHENTICATION,
    E_METER_KEYS,
    IDENTIFICATION,
    MASTER,
    MBUS_KEYS,
    OTHER,
    add,
    check,
    e_meter,
    encrypted,
    gas_meter,
)

ENCRYPTION_KEY = KeyType.E_METER_ENCRYPTION_KEY_UNICAST


def fault(
    organisation: Organisation, body: dict[str, Any], identification: str = IDENTIFICATION
) -> tuple[FaultCode, str]:
    """Code and field of the fault, the same for checking and for carrying out; nothing is stored."""
    before = list(Device.objects.values()), list(DeviceKey.objects.values())
    with pytest.raises(Fault) as checked:
        check(organisation, body, identification)
    with pytest.raises(Fault) as performed:
        add(organisation, body, identification)
    assert (list(Device.objects.values()), list(DeviceKey.objects.values())) == before
    outcomes = {(error.value.code, error.value.pointer) for error in (checked, performed)}
    assert len(outcomes) == 1
    return outcomes.pop()


def test_it_is_a_message_of_the_installation_service() -> None:
    operation = registry.find_operation("AddDevice")
    assert (operation.service, operation.derive_slug()) == ("installation", "add-device")


def test_a_new_meter_has_defaults_an_owner_and_active_keys(organisation: Organisation) -> None:
    check(organisation, e_meter())
    device, created = add(organisation, e_meter())
    assert created
    assert device.identification == IDENTIFICATION
    assert device.lifecycle_status == LifecycleStatus.NEW_IN_INVENTORY
    assert (device.port, device.logical_device_address, device.challenge_length) == (4059, 1, 16)
    # 0: as its model or profile has it.
    assert (device.with_list_max, device.selective_access, device.polyphase) == (0, True, False)
    assert device.time_zone == "Europe/Amsterdam"
    assert counter_of(device) is None
    assert rights.is_owner(organisation, device)
    assert keystore.read_active_keys(device, KeyType) == ACTIVE_E_METER_KEYS
    assert not DeviceKey.objects.filter(device=device, state=KeyState.NEW).exists()


def test_everything_that_is_said_is_stored(organisation: Organisation) -> None:
    said: dict[str, Any] = {
        "protocol_variant": "LTE",
        "network_address": "meter.example.org",
        "port": 4061,
        "logical_device_address": 7,
        "challenge_length": 32,
        "with_list_max": 16,
        "selective_access": False,
        "polyphase": True,
        "model": "E360",
    }
    device, _ = add(organisation, e_meter(**said, timezone="Europe/London", transport="HDLC"))
    assert {name: getattr(device, name) for name in said} == said
    assert (device.time_zone, device.framing) == ("Europe/London", "HDLC")


def test_when_it_was_installed(organisation: Organisation) -> None:
    device, _ = add(organisation, e_meter(installed_at="2026-11-23T10:05:00+01:00"))
    device.refresh_from_db()
    assert device.installed_at == datetime(2026, 11, 23, 9, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("security", "keys"), [("LLS", {"lls_password": b"password"}), ("NONE", {}), ("HLS5", E_METER_KEYS)]
)
def test_only_the_keys_that_the_security_needs_are_needed(
    organisation: Organisation, security: str, keys: dict[str, bytes]
) -> None:
    device, _ = add(organisation, e_meter(keys, security=security))
    assert sorted(keystore.read_active_keys(device, KeyType).values()) == sorted(keys.values())


def test_a_gas_meter_may_be_coupled_later(organisation: Organisation) -> None:
    device, _ = add(organisation, gas_meter())
    assert (device.gateway, device.channel) == (None, None)
    assert (device.mbus_identification_number, device.mbus_manufacturer) == ("12056731", "LGB")
    assert (device.mbus_version, device.mbus_device_type, device.mbus_primary_address) == (66, 3, None)
    assert keystore.read_active_keys(device, KeyType) == {}


@pytest.mark.parametrize("device_type", ["SMART_METER_G", "SMART_METER_W"])
def test_an_m_bus_device_may_have_its_four_keys(organisation: Organisation, device_type: str) -> None:
    body = gas_meter(device_type=device_type, **encrypted(MBUS_KEYS))
    check(organisation, body)
    device, _ = add(organisation, body)
    assert keystore.read_active_keys(device, KeyType) == {
        KeyType.G_METER_MASTER_KEY: MBUS_KEYS["mbus_default_key"],
        KeyType.G_METER_ENCRYPTION_KEY: MBUS_KEYS["mbus_user_key"],
        KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY: (
            MBUS_KEYS["mbus_firmware_update_authentication_key"]
        ),
        KeyType.G_METER_OPTICAL_PORT_KEY: MBUS_KEYS["mbus_p0_key"],
    }


def test_an_m_bus_device_that_is_replaced_without_keys_keeps_them(organisation: Organisation) -> None:
    device, _ = add(organisation, gas_meter(**encrypted(MBUS_KEYS)))
    keys = keystore.read_active_keys(device, KeyType)
    assert add(organisation, gas_meter(overwrite=True)) == (device, False)
    assert keystore.read_active_keys(device, KeyType) == keys
    changed = MBUS_KEYS | {"mbus_user_key": OTHER}
    add(organisation, gas_meter(overwrite=True, **encrypted(changed)))
    assert keystore.read_active_keys(device, KeyType) == keys | {KeyType.G_METER_ENCRYPTION_KEY: OTHER}


def test_a_gas_meter_may_be_coupled_at_once(organisation: Organisation, device: Device) -> None:
    gas, _ = add(organisation, gas_meter(gateway=device.identification, channel=2))
    assert (gas.gateway, gas.channel) == (device, 2)


def test_an_unknown_gateway_is_201(organisation: Organisation) -> None:
    assert fault(organisation, gas_meter(gateway="E1", channel=1)) == (FaultCode.UNKNOWN_DEVICE, "/gateway")


def test_the_gateway_of_others_is_as_good_as_unknown(
    organisation: Organisation, other_organisation: Organisation
) -> None:
    make_device("E1", owner=other_organisation)
    assert fault(organisation, gas_meter(gateway="E1", channel=1)) == (FaultCode.UNKNOWN_DEVICE, "/gateway")


def test_a_gateway_that_is_visible_but_not_owned_is_301(
    organisation: Organisation, other_organisation: Organisation
) -> None:
    gateway = make_device("E1", owner=other_organisation)
    grant(organisation, gateway, DeviceFunctionGroup.INSTALLATION)
    assert fault(organisation, gas_meter(gateway="E1", channel=1)) == (FaultCode.UNAUTHORIZED, "/gateway")


def test_a_gas_meter_is_no_gateway(organisation: Organisation) -> None:
    make_gas_meter("G1", gateway=None, channel=None, owner=organisation)
    expected = (FaultCode.GATEWAY_DEVICE_INVALID_FOR_MBUS_DEVICE, "/gateway")
    assert fault(organisation, gas_meter(gateway="G1", channel=1)) == expected


def test_a_device_is_not_its_own_gateway(organisation: Organisation) -> None:
    add(organisation, e_meter())
    body = gas_meter(gateway=IDENTIFICATION, channel=1, overwrite=True)
    assert fault(organisation, body) == (FaultCode.GATEWAY_DEVICE_INVALID_FOR_MBUS_DEVICE, "/gateway")


def test_an_occupied_channel_is_209(organisation: Organisation, device: Device) -> None:
    make_gas_meter("G1", gateway=device, channel=2, owner=organisation)
    body = gas_meter(gateway=device.identification, channel=2)
    expected = (FaultCode.CHANNEL_ON_DEVICE_ALREADY_COUPLED, "/channel")
    assert fault(organisation, body) == expected
    make_gas_meter(IDENTIFICATION, gateway=device, channel=3, owner=organisation)
    assert fault(organisation, body | {"overwrite": True}) == expected


def test_an_existing_device_is_204(organisation: Organisation, other_organisation: Organisation) -> None:
    add(organisation, e_meter())
    for caller in (organisation, other_organisation):
        assert fault(caller, e_meter()) == (FaultCode.EXISTING_DEVICE, "/device_identification")


def test_only_an_owner_overwrites(organisation: Organisation, other_organisation: Organisation) -> None:
    device, _ = add(organisation, e_meter())
    grant(other_organisation, device, DeviceFunctionGroup.INSTALLATION, DeviceFunctionGroup.CONFIGURATION)
    expected = (FaultCode.UNAUTHORIZED, "/device_identification")
    assert fault(other_organisation, e_meter(overwrite=True)) == expected


def test_overwriting_replaces_the_row_and_keeps_its_id_status_and_grants(
    organisation: Organisation, other_organisation: Organisation
) -> None:
    before, _ = add(organisation, e_meter(port=4061, model="old", polyphase=True))
    grant(other_organisation, before, DeviceFunctionGroup.MONITORING)
    Device.objects.update(lifecycle_status=LifecycleStatus.IN_USE)
    check(organisation, e_meter(overwrite=True, network_address="10.0.0.2"))
    after, created = add(organisation, e_meter(overwrite=True, network_address="10.0.0.2"))
    assert not created
    assert (after.pk, after.created_at) == (before.pk, before.created_at)
    assert after.network_address == "10.0.0.2"
    assert (after.port, after.model, after.polyphase) == (4059, "", False)
    assert after.lifecycle_status == LifecycleStatus.IN_USE
    assert DeviceAuthorisation.objects.filter(device=after).count() == 2


def test_overwriting_what_does_not_exist_creates_it(organisation: Organisation) -> None:
    assert add(organisation, e_meter(overwrite=True))[1]


def test_a_gas_meter_is_moved_or_uncoupled_by_overwriting(organisation: Organisation, device: Device) -> None:
    add(organisation, gas_meter(gateway=device.identification, channel=1))
    moved, _ = add(organisation, gas_meter(gateway=device.identification, channel=1, overwrite=True))
    assert moved.channel == 1
    moved, _ = add(organisation, gas_meter(gateway=device.identification, channel=2, overwrite=True))
    assert (moved.gateway, moved.channel) == (device, 2)
    uncoupled, _ = add(organisation, gas_meter(overwrite=True))
    assert (uncoupled.gateway, uncoupled.channel) == (None, None)


def test_a_gateway_stays_an_electricity_meter(organisation: Organisation) -> None:
    device, _ = add(organisation, e_meter())
    make_gas_meter("G1", gateway=device)
    expected = (FaultCode.VALIDATION_ERROR, "/device_type")
    assert fault(organisation, gas_meter(overwrite=True)) == expected


def counter_after(organisation: Organisation, *key_sets: dict[str, bytes]) -> int | None:
    """The invocation counter, 5000 at first, of a meter that was added with each set of keys in turn."""
    add(organisation, e_meter(key_sets[0]))
    set_counter(5000)
    for keys in key_sets[1:]:
        add(organisation, e_meter(keys, overwrite=True))
    return counter_of(Device.objects.get())


def test_overwriting_with_the_same_keys_keeps_them_and_the_counter(organisation: Organisation) -> None:
    assert counter_after(organisation, E_METER_KEYS, E_METER_KEYS) == 5000
    assert DeviceKey.objects.count() == 3


def test_a_new_encryption_key_makes_the_counter_unknown(organisation: Organisation) -> None:
    assert counter_after(organisation, E_METER_KEYS, E_METER_KEYS | {"encryption_key": OTHER}) is None
    device = Device.objects.get()
    assert keystore.read_active_keys(device, KeyType) == ACTIVE_E_METER_KEYS | {ENCRYPTION_KEY: OTHER}
    assert DeviceKey.objects.filter(key_type=ENCRYPTION_KEY, state="EXPIRED").count() == 1


def test_a_new_authentication_key_keeps_the_counter(organisation: Organisation) -> None:
    assert counter_after(organisation, E_METER_KEYS, E_METER_KEYS | {"authentication_key": OTHER}) == 5000


def test_the_counter_is_not_reset_for_a_key_that_the_meter_may_have_had(organisation: Organisation) -> None:
    device, _ = add(organisation, e_meter())
    keystore.store_new(device, {ENCRYPTION_KEY: OTHER})  # perhaps sent, and used for frames since
    keys = {"encryption_key": OTHER}
    set_counter(5000)
    add(organisation, e_meter(E_METER_KEYS | keys, overwrite=True))
    assert counter_of(Device.objects.get()) == 5000


def test_overwriting_repairs_keys_that_cannot_be_read(organisation: Organisation) -> None:
    device, _ = add(organisation, e_meter())
    DeviceKey.objects.update(key_encryption_key_id="lost")
    set_counter(5000)
    add(organisation, e_meter(overwrite=True))
    assert keystore.read_active_keys(device, KeyType) == ACTIVE_E_METER_KEYS
    # They may be the same ones, so the counter goes on.
    assert counter_of(Device.objects.get()) == 5000


def test_secrets_are_neither_logged_nor_stored_in_the_clear(
    organisation: Organisation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        add(organisation, e_meter())
    with connection.cursor() as cursor:
        cursor.execute("SELECT wrapped_data_key, ciphertext FROM devices_devicekey")
        stored = b"".join(bytes(part) for row in cursor.fetchall() for part in row)
    for secret in (MASTER, AUTHENTICATION):
        assert secret not in stored
        assert secret.hex() not in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("overwrite", [False, True])
def test_of_two_organisations_that_add_one_meter_at_once_one_wins(overwrite: bool) -> None:
    organisations = [make_organisation(f"ORG{number}") for number in range(4)]
    bodies = [
        e_meter({name: bytes([number]) * 16 for name in E_METER_KEYS}, overwrite=overwrite)
        for number in range(4)
    ]
    outcomes = at_once(4, lambda number: add(organisations[number], bodies[number])[1])
    winners = [number for number, outcome in enumerate(outcomes) if outcome is True]
    assert len(winners) == 1
    refusals = [outcome for outcome in outcomes if outcome is not True]
    expected = FaultCode.UNAUTHORIZED if overwrite else FaultCode.EXISTING_DEVICE
    assert [getattr(refusal, "code", refusal) for refusal in refusals] == [expected] * 3
    device = Device.objects.get()
    assert set(keystore.read_active_keys(device, KeyType).values()) == {bytes(winners) * 16}
    assert [row.organisation for row in DeviceAuthorisation.objects.all()] == [organisations[winners[0]]]


@pytest.mark.django_db(transaction=True)
def test_one_organisation_that_overwrites_at_once_ends_with_one_set_of_keys() -> None:
    organisation = make_organisation()
    bodies = [
        e_meter({name: bytes([number]) * 16 for name in E_METER_KEYS}, overwrite=True) for number in range(4)
    ]
    outcomes = at_once(4, lambda number: add(organisation, bodies[number])[1])
    assert sorted(map(str, outcomes)) == ["False", "False", "False", "True"]
    assert len(set(keystore.read_active_keys(Device.objects.get(), KeyType).values())) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_gas_meters_on_one_channel_one_wins() -> None:
    organisation = make_organisation()
    gateway = make_device(owner=organisation)
    body = gas_meter(gateway=gateway.identification, channel=1)
    outcomes = at_once(4, lambda number: add(organisation, body, f"G{number}")[1])
    assert outcomes.count(True) == 1
    codes = [getattr(outcome, "code", outcome) for outcome in outcomes if outcome is not True]
    assert codes == [FaultCode.CHANNEL_ON_DEVICE_ALREADY_COUPLED] * 3
    assert Device.objects.filter(gateway=gateway).count() == 1
