"""Giving an electricity meter new global keys: what the messages that do so have in common.

Both keys are stored before the meter gets the first one, and become the active ones together, once the meter
has answered under both. If a visit ends in between, the next one finds out which keys the meter has, and
finishes the change (osgp/visits/key_recovery.py).
"""

from collections.abc import Callable, Mapping

from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.devices.needed_keys import make_missing_key_fault
from osgp.faults import Component, Fault
from osgp.messages.key_transfer import GLOBAL_KEYS, SECURITY_SETUP, transfer
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms.errors import AccessError

NEEDS = (SECURITY_SETUP,)
MASTER_KEY = KeyType.E_METER_MASTER_KEY


def replace_keys(meter: VisitedMeter, make_keys: Callable[[], Mapping[KeyType, bytes]]) -> None:
    """Give the meter the two keys that ``make_keys`` returns, unless a former attempt has done so.

    Raises Fault 806 without a master key, and what ``make_keys`` raises, before anything is stored.
    """
    if meter.keys.is_done():
        return
    master_key = meter.keys.read_active(MASTER_KEY)[MASTER_KEY]
    new = make_keys()
    meter.keys.store_new(new)
    for key_type in GLOBAL_KEYS:
        _transfer(meter, key_type, new[key_type], master_key)
        meter.keys.use(key_type)
    meter.keys.activate(*GLOBAL_KEYS)


def _transfer(meter: VisitedMeter, key_type: KeyType, key: bytes, master_key: bytes) -> None:
    """Raises a retryable Fault if the meter refuses: it may have the key all the same, as will be found."""
    try:
        transfer(meter.association, meter.profile, key_type, key, master_key)
    except AccessError as refusal:
        raise Fault(
            refusal.code,
            f"The meter refused its new {key_type}: {refusal.message}.",
            component=Component.PROTOCOL_DLMS,
            retryable=True,
        ) from refusal


def require_master_key(device: Device) -> None:
    """Raise Fault 806 for a device without a master key: new keys could not be wrapped for it."""
    if not keystore.has_active(device.pk, MASTER_KEY):
        raise make_missing_key_fault(MASTER_KEY, device.identification)
