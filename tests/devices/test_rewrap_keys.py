"""Rotation of key-encryption keys."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from osgp.commands.management.commands import rewrap_keys
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyType
from osgp.faults import Fault, FaultCode
from tests.counters import counter_of, set_counter
from tests.devices.conftest import KEK_1, KEK_2, with_platform

ENCRYPTION = KeyType.E_METER_ENCRYPTION_KEY_UNICAST


@pytest.fixture
def keys(device: Device) -> dict[KeyType, bytes]:
    """Five ACTIVE keys under key-encryption key k1."""
    secrets = {key_type: bytes([number]) * 16 for number, key_type in enumerate(list(KeyType)[:5])}
    keystore.store_new(device, secrets)
    keystore.activate(device, list(secrets))
    return secrets


def run() -> str:
    out = StringIO()
    call_command("rewrap_keys", stdout=out, stderr=out)
    return out.getvalue()


def test_every_key_moves_to_the_current_key_encryption_key(
    device: Device, keys: dict[KeyType, bytes], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewrap_keys, "BATCH", 2)
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2},k1:{KEK_1}")
    assert "Rewrapped 5 " in run()
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2}")
    assert keystore.read_active_keys(device, KeyType) == keys
    assert "Rewrapped 0 " in run()
    # Keys are still recognised: their counters go on.
    set_counter(5000, device)
    keystore.store_new(device, {ENCRYPTION: keys[ENCRYPTION]}, first_counter=250)
    keystore.activate(device, [ENCRYPTION])
    assert counter_of(device) == 5000


def test_when_key_encryption_keys_are_lost_devices_are_added_anew(
    device: Device, keys: dict[KeyType, bytes], settings: Settings
) -> None:
    set_counter(5000, device)
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2}")
    with pytest.raises(Fault) as refusal:
        keystore.store_new(device, {ENCRYPTION: keys[ENCRYPTION]})
    assert (refusal.value.code, refusal.value.retryable) == (FaultCode.READING_KEY_EXCEPTION, True)
    call_command("rewrap_keys", renew_fingerprints=True, stdout=StringIO())
    keystore.store_new(device, keys, first_counter=None)
    keystore.activate(device, list(keys))
    assert keystore.read_active_keys(device, KeyType) == keys
    assert counter_of(device) == 5000


def test_unreadable_keys_are_named_and_the_others_moved(
    device: Device, keys: dict[KeyType, bytes], settings: Settings
) -> None:
    DeviceKey.objects.filter(key_type=ENCRYPTION).update(key_encryption_key_id="lost")
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2},k1:{KEK_1}")
    with pytest.raises(CommandError, match="1 secrets could not be read"):
        run()
    others = [key_type for key_type in keys if key_type != ENCRYPTION]
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2}")
    assert len(keystore.read_active_keys(device, others)) == 4


def test_a_key_that_changed_meanwhile_is_left_alone(
    device: Device, keys: dict[KeyType, bytes], settings: Settings
) -> None:
    row = DeviceKey.objects.get(key_type=ENCRYPTION)
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2},k1:{KEK_1}")
    assert keystore.rewrap(DeviceKey.objects.get(pk=row.pk))
    assert not keystore.rewrap(row)
    assert keystore.read_active_keys(device, [ENCRYPTION]) == {ENCRYPTION: keys[ENCRYPTION]}
