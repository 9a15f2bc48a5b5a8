"""The states of keys, and that they cannot be read elsewhere than where they belong."""

import logging
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pytest_django import DjangoAssertNumQueries, Settings

from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.faults import Fault, FaultCode
from tests.devices.concurrency import at_once
from tests.devices.conftest import KEK_2, with_platform
from tests.devices.new_keys import read_new_keys
from tests.factories import make_device

MASTER = KeyType.E_METER_MASTER_KEY
AUTHENTICATION = KeyType.E_METER_AUTHENTICATION_KEY
ENCRYPTION = KeyType.E_METER_ENCRYPTION_KEY_UNICAST
PASSWORD = KeyType.LLS_PASSWORD

OLD, NEW, NEWER = (bytes([value]) * 16 for value in (1, 2, 3))


def states(device: Device, key_type: KeyType) -> list[str]:
    """States of the versions of a key, oldest first."""
    return list(
        DeviceKey.objects.filter(device=device, key_type=key_type)
        .order_by("pk")
        .values_list("state", flat=True)
    )


def test_a_key_is_new_before_it_is_active(device: Device) -> None:
    keystore.store_new(device, {ENCRYPTION: OLD})
    assert keystore.read_active_keys(device, [ENCRYPTION]) == {}
    assert read_new_keys(device, [ENCRYPTION]) == {ENCRYPTION: OLD}
    assert keystore.activate(device, [ENCRYPTION]) == {ENCRYPTION}
    assert keystore.read_active_keys(device, [ENCRYPTION]) == {ENCRYPTION: OLD}
    assert read_new_keys(device, [ENCRYPTION]) == {}


def test_activating_expires_the_key_before(device: Device) -> None:
    for secret in (OLD, NEW):
        keystore.store_new(device, {ENCRYPTION: secret})
        keystore.activate(device, [ENCRYPTION])
    assert keystore.read_active_keys(device, [ENCRYPTION]) == {ENCRYPTION: NEW}
    assert states(device, ENCRYPTION) == ["EXPIRED", "ACTIVE"]


def test_storing_withdraws_what_was_new(device: Device) -> None:
    for secret in (OLD, NEW):
        keystore.store_new(device, {ENCRYPTION: secret})
    assert read_new_keys(device, [ENCRYPTION]) == {ENCRYPTION: NEW}
    assert states(device, ENCRYPTION) == ["WITHDRAWN", "NEW"]


def test_activating_without_a_new_key_changes_nothing(device: Device) -> None:
    keystore.store_new(device, {ENCRYPTION: OLD})
    keystore.activate(device, [ENCRYPTION])
    assert keystore.activate(device, [ENCRYPTION, AUTHENTICATION]) == frozenset()
    assert states(device, ENCRYPTION) == ["ACTIVE"]


def test_types_and_devices_are_kept_apart(device: Device) -> None:
    other = make_device("E0000000000000002")
    keystore.store_new(device, {ENCRYPTION: OLD, AUTHENTICATION: NEW})
    keystore.store_new(other, {ENCRYPTION: NEWER})
    assert keystore.activate(device, [ENCRYPTION]) == {ENCRYPTION}
    assert keystore.read_active_keys(device, KeyType) == {ENCRYPTION: OLD}
    assert read_new_keys(device, KeyType) == {AUTHENTICATION: NEW}
    assert keystore.read_active_keys(other, KeyType) == {}
    assert read_new_keys(other, KeyType) == {ENCRYPTION: NEWER}


def test_reading_keys_costs_one_query(
    device: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    keystore.store_new(device, {MASTER: OLD, AUTHENTICATION: NEW, ENCRYPTION: NEWER})
    keystore.activate(device, KeyType)
    with django_assert_num_queries(1):
        assert len(keystore.read_active_keys(device, [AUTHENTICATION, ENCRYPTION])) == 2


@pytest.mark.parametrize(
    ("key_type", "length"), [(ENCRYPTION, 0), (ENCRYPTION, 15), (MASTER, 17), (PASSWORD, 0), (PASSWORD, 65)]
)
def test_wrong_lengths_are_refused_and_nothing_is_stored(
    device: Device, key_type: KeyType, length: int
) -> None:
    with pytest.raises(Fault) as refusal:
        keystore.store_new(device, {AUTHENTICATION: OLD, key_type: bytes(length)})
    assert refusal.value.code == FaultCode.INVALID_DLMS_KEY_FORMAT
    assert not DeviceKey.objects.exists()


@pytest.mark.parametrize("length", [1, 8, 64])
def test_passwords_have_their_own_length(device: Device, length: int) -> None:
    keystore.store_new(device, {PASSWORD: b"p" * length})
    assert read_new_keys(device, [PASSWORD]) == {PASSWORD: b"p" * length}


def test_a_device_that_is_gone_gets_no_keys(device: Device) -> None:
    Device.objects.filter(pk=device.pk).delete()
    for refused in (
        lambda: keystore.store_new(device, {MASTER: OLD}),
        lambda: keystore.activate(device, [MASTER]),
    ):
        with pytest.raises(Fault) as refusal:
            refused()
        assert refusal.value.code == FaultCode.UNKNOWN_DEVICE


@pytest.mark.parametrize("change", ["device", "key_type", "ciphertext", "key_encryption_key"])
def test_a_key_opens_only_where_it_belongs(device: Device, settings: Settings, change: str) -> None:
    keystore.store_new(device, {ENCRYPTION: OLD})
    keystore.activate(device, [ENCRYPTION])
    rows = DeviceKey.objects.all()
    reader, key_type = device, ENCRYPTION
    if change == "device":
        reader = make_device("E0000000000000002")
        rows.update(device=reader)
    elif change == "key_type":
        key_type = AUTHENTICATION
        rows.update(key_type=key_type)
    elif change == "ciphertext":
        rows.update(ciphertext=bytes(44))
    else:
        with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2}")
    with pytest.raises(Fault) as refusal:
        keystore.read_active_keys(reader, [key_type])
    assert refusal.value.code == FaultCode.READING_KEY_EXCEPTION
    # A process that starts later may know the key-encryption key; what is damaged stays so.
    assert refusal.value.retryable == (change == "key_encryption_key")


def test_keys_are_never_shown(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    secret = b"sixteen byte key"
    with caplog.at_level(logging.DEBUG):
        keystore.store_new(device, {ENCRYPTION: secret})
        keystore.activate(device, [ENCRYPTION])
        keystore.read_active_keys(device, [ENCRYPTION])
    row = DeviceKey.objects.get()
    shown = caplog.text + repr(row) + str(row)
    assert secret.decode() not in shown
    assert secret.hex() not in shown
    assert secret not in bytes(row.ciphertext) + bytes(row.wrapped_data_key)


@pytest.mark.django_db(transaction=True)
def test_concurrent_changes_leave_one_key_of_each_state() -> None:
    device = make_device()

    def change(number: int) -> None:
        pair = {AUTHENTICATION: bytes([number]) * 16, ENCRYPTION: bytes([number]) * 16}
        keystore.store_new(device, pair)
        keystore.activate(device, list(pair))

    assert at_once(6, change) == [None] * 6
    active = keystore.read_active_keys(device, [AUTHENTICATION, ENCRYPTION])
    assert active[AUTHENTICATION] == active[ENCRYPTION]
    assert Counter(states(device, ENCRYPTION))["ACTIVE"] == 1
    assert len(states(device, ENCRYPTION)) == 6


@dataclass
class Expected:
    """What a key store of one device and type should hold."""

    active: bytes | None = None
    new: bytes | None = None
    stored: list[bytes] = field(default_factory=list)


class KeyStates(RuleBasedStateMachine):
    """Any order of storing and activating keeps at most one NEW and one ACTIVE key, and forgets nothing."""

    key_types = st.sampled_from([MASTER, AUTHENTICATION, ENCRYPTION])

    @initialize()
    def begin(self) -> None:
        DeviceKey.objects.all().delete()
        Device.objects.all().delete()
        self.device = make_device()
        self.expected = {key_type: Expected() for key_type in (MASTER, AUTHENTICATION, ENCRYPTION)}

    @rule(secrets=st.dictionaries(key_types, st.binary(min_size=16, max_size=16), min_size=1))
    def store(self, secrets: dict[KeyType, bytes]) -> None:
        keystore.store_new(self.device, secrets)
        for key_type, secret in secrets.items():
            self.expected[key_type].new = secret
            self.expected[key_type].stored.append(secret)

    @rule(chosen=st.sets(key_types))
    def activate(self, chosen: set[KeyType]) -> None:
        pending = {key_type for key_type in chosen if self.expected[key_type].new is not None}
        assert keystore.activate(self.device, chosen) == pending
        for key_type in pending:
            self.expected[key_type].active, self.expected[key_type].new = self.expected[key_type].new, None

    @invariant()
    def holds_what_is_expected(self) -> None:
        assert keystore.read_active_keys(self.device, KeyType) == {
            key_type: item.active for key_type, item in self.expected.items() if item.active is not None
        }
        assert read_new_keys(self.device, KeyType) == {
            key_type: item.new for key_type, item in self.expected.items() if item.new is not None
        }
        for key_type, item in self.expected.items():
            found = states(self.device, key_type)
            assert len(found) == len(item.stored)
            assert found.count(KeyState.ACTIVE) <= 1
            assert found.count(KeyState.NEW) <= 1


@pytest.mark.django_db
def test_any_order_of_changes() -> None:
    run_state_machine_as_test(
        KeyStates, settings=hypothesis_settings(max_examples=25, stateful_step_count=15, deadline=None)
    )
