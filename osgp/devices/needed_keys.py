"""The keys without which the platform cannot dial a meter."""

from collections.abc import Collection, Mapping

from osgp.catalogue.communication import Security
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.sql import is_one_of

NEEDED_KEY_TYPES: Mapping[str, tuple[KeyType, ...]] = {
    Security.NONE: (),
    Security.LLS: (KeyType.LLS_PASSWORD,),
    Security.HLS5: (KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST),
}


def find_missing_keys(meter_ids: Collection[int]) -> dict[int, KeyType]:
    """Return the first key that is needed and not ACTIVE of each meter that lacks one; two queries."""
    if not meter_ids:
        return {}
    active = DeviceKey.objects.filter(is_one_of("device", meter_ids), state=KeyState.ACTIVE)
    known = set(active.values_list("device", "key_type"))
    meters = Device.objects.filter(is_one_of("pk", meter_ids)).values_list("pk", "security")
    missing: dict[int, KeyType] = {}
    for meter_id, security in meters:
        for key_type in NEEDED_KEY_TYPES.get(security, ()):
            if (meter_id, key_type) not in known:
                missing.setdefault(meter_id, key_type)
    return missing


def make_missing_key_fault(key_type: KeyType, meter: str = "The meter") -> Fault:
    """Return the fault of a meter that has no ACTIVE key of a type that it needs."""
    return Fault(
        FaultCode.KEY_NOT_PRESENT, f"{meter} has no active {key_type}.", component=Component.SECRET_MANAGEMENT
    )
