"""New keys for M-Bus devices that use them, and what their gateways say of it."""

from typing import Any

import pytest

from osgp import catalogue
from osgp.catalogue import MbusKeyWrapping
from osgp.devices.models import KeyType
from osgp.faults import Fault
from osgp.simulator import FaultKind
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.configuration.mbus_client import find_device, make_keys_of
from tests.memory_keys import MemoryKeys
from tests.visited import Visits, perform

SET = "SetEncryptionKeyExchangeOnGMeter"
CHANNEL = 2
USER = KeyType.G_METER_ENCRYPTION_KEY
OTHERS = {
    KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY: KeyName.MBUS_FIRMWARE_UPDATE_AUTHENTICATION,
    KeyType.G_METER_OPTICAL_PORT_KEY: KeyName.MBUS_P0,
}
TAKING = [
    profile.key
    for profile in catalogue.list_profiles()
    if profile.mbus_key_wrapping is not MbusKeyWrapping.NONE
]


def send(
    visits: Visits, simulated: SimulatedMeter, keys: MemoryKeys, parameters: dict[str, Any] | None = None
) -> None:
    with visits.visit(simulated, channel=CHANNEL, keys=keys) as meter:
        perform(meter, SET, parameters)


def status_of(visits: Visits, simulated: SimulatedMeter) -> str:
    result = visits.perform(simulated, "GetMbusEncryptionKeyStatusByChannel", {"channel": CHANNEL})
    return str(result["encryption_key_status"])


@pytest.mark.parametrize("profile", TAKING)
def test_the_device_uses_the_key_that_is_stored(visits: Visits, profile: str) -> None:
    simulated = visits.simulated(profile)
    keys = make_keys_of(simulated, CHANNEL)
    former = keys.active[USER]
    # The clocks say the same second, perhaps: the counter rises all the same.
    for _ in range(3):
        send(visits, simulated, keys)
        assert (
            simulated.mbus_key(find_device(simulated, CHANNEL), KeyName.MBUS_USER)
            == keys.active[USER]
            != former
        )
        former = keys.active[USER]
    assert status_of(visits, simulated) == "ENCRYPTION_KEY_IN_USE"


@pytest.mark.parametrize("profile", TAKING)
def test_the_device_on_a_channel(visits: Visits, profile: str) -> None:
    simulated = visits.simulated(profile)
    device, keys = find_device(simulated, CHANNEL), make_keys_of(simulated, CHANNEL)
    known = {(device.identification_number, device.manufacturer): keys}
    with visits.visit(simulated, find_mbus_keys=lambda *name: known[name]) as meter:
        perform(meter, "SetMbusUserKeyByChannel", {"channel": CHANNEL})
    assert simulated.mbus_key(device, KeyName.MBUS_USER) == keys.active[USER]


@pytest.mark.parametrize("profile", [key for key in TAKING if key != "DSMR-4.2.2"])
def test_other_keys(visits: Visits, profile: str) -> None:
    simulated = visits.simulated(profile)
    device, keys = find_device(simulated, CHANNEL), make_keys_of(simulated, CHANNEL)
    for key_type, name in OTHERS.items():
        send(visits, simulated, keys, {"secret_type": key_type.value})
        assert simulated.mbus_key(device, name) == keys.active[key_type]
    optical = KeyType.G_METER_OPTICAL_PORT_KEY
    before = keys.active[optical]
    assert not simulated.make_mbus_keys(device).optical_port_closed
    send(visits, simulated, keys, {"secret_type": optical.value, "close_optical_port": True})
    assert simulated.make_mbus_keys(device).optical_port_closed
    assert keys.active[optical] == before
    send(visits, simulated, keys, {"secret_type": optical.value})
    assert not simulated.make_mbus_keys(device).optical_port_closed


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.MBUS_TRANSFER_KEY_REFUSED, "ENCRYPTION_KEY_IN_USE"),
        (FaultKind.MBUS_TRANSFER_KEY_CLOSES, "ENCRYPTION_KEY_TRANSFERRED"),
        (FaultKind.MBUS_SET_ENCRYPTION_KEY_REFUSED, "ENCRYPTION_KEY_TRANSFERRED"),
        (FaultKind.MBUS_SET_ENCRYPTION_KEY_CLOSES, "ENCRYPTION_KEY_IN_USE"),
    ],
)
@pytest.mark.parametrize("profile", ["DSMR-4.2.2", "SMR-5.5"])
def test_another_attempt_makes_good_what_was_half_done(
    visits: Visits, profile: str, kind: FaultKind, status: str
) -> None:
    simulated = visits.simulated(profile)
    device, keys = find_device(simulated, CHANNEL), make_keys_of(simulated, CHANNEL)
    before = dict(keys.active)
    simulated.faults.switch_on(kind)
    try:
        with pytest.raises(Fault):
            send(visits, simulated, keys)
    finally:
        simulated.faults.switch_off()
    assert status_of(visits, simulated) == status
    assert (keys.active, set(keys.new)) == (before, {USER})
    send(visits, simulated, keys)
    assert status_of(visits, simulated) == "ENCRYPTION_KEY_IN_USE"
    assert simulated.mbus_key(device, KeyName.MBUS_USER) == keys.active[USER]


def test_a_wrong_default_key(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    keys = make_keys_of(simulated, CHANNEL)
    keys.active[KeyType.G_METER_MASTER_KEY] = bytes(16)
    before = simulated.mbus_key(find_device(simulated, CHANNEL), KeyName.MBUS_USER)
    with pytest.raises(Fault, match="other-reason"):
        send(visits, simulated, keys)
    assert keys.steps == [f"store {USER}"]
    assert simulated.mbus_key(find_device(simulated, CHANNEL), KeyName.MBUS_USER) == before
