"""The methods that replace keys: of the meter (security setup), and of the M-Bus devices behind it (M-Bus
client)."""

from typing import NamedTuple

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from osgp.catalogue import MbusKeyWrapping

from ..codec.axdr import DataType
from ..codec.ciphering import KEY_OCTETS
from ..codec.errors import DecipheringError
from ..codec.mbus_keys import WrappedKey, make_fixed_field, unwrap_cbc, unwrap_gcm
from ..codec.results import ActionResult
from ..faults import FaultKind, HangUp
from . import shapes
from .gas_meter import GasMeter
from .identity import KeyName, manufacturer_id
from .mbus_keys import MbusKeys
from .methods import SUCCESS, TYPE_UNMATCHED, method
from .query import Invocation, LogicalDevice, Outcome

_OTHER_REASON: Outcome = (ActionResult.OTHER_REASON, None)

_TRANSFERRED_KEYS = shapes.array(shapes.structure(shapes.ENUM, shapes.OCTET_STRING), maximum=4)
_KEY_IDS = {0: KeyName.ENCRYPTION, 2: KeyName.AUTHENTICATION}
_TRANSFER_FAULTS = (
    FaultKind.KEY_REFUSED,
    FaultKind.KEY_SWITCHED_REFUSED,
    FaultKind.KEY_SWITCHED_CLOSES,
    FaultKind.KEY_IGNORED,
)

_SENT_DATA = shapes.array(
    shapes.structure(shapes.OCTET_STRING, shapes.OCTET_STRING, shapes.OCTET_STRING), maximum=1
)
_KEY_EXCHANGE = (b"\x0d", b"\xfd\x19")
"""Data information block (variable length) and value information block (key exchange) of M-Bus."""
_USER_KEY_ID = 0
_OTHER_KEY_IDS = {1: KeyName.MBUS_FIRMWARE_UPDATE_AUTHENTICATION, 2: KeyName.MBUS_P0}


@method("security_setup", "global_key_transfer")
@method("security_setup", "key_transfer")
def transfer_keys(call: Invocation) -> Outcome:
    """Security setup: new global keys, each wrapped (RFC 3394) with the master key. All of them or none.

    The answer still goes out under the old keys; after it the association goes on under the new ones.
    """
    if call.parameter is None or not _TRANSFERRED_KEYS.fits(call.parameter):
        return TYPE_UNMATCHED
    master = call.meter.key(KeyName.MASTER)
    keys: dict[KeyName, bytes] = {}
    for item in call.parameter.value:
        key_id, wrapped = (part.value for part in item.value)
        try:
            key = aes_key_unwrap(master, wrapped)
        except (InvalidUnwrap, ValueError):
            return _OTHER_REASON
        if key_id not in _KEY_IDS or len(key) != KEY_OCTETS:
            return _OTHER_REASON
        keys[_KEY_IDS[key_id]] = key
    fault = call.meter.take_fault(*_TRANSFER_FAULTS)
    if fault is FaultKind.KEY_REFUSED:
        return _OTHER_REASON
    if fault is not FaultKind.KEY_IGNORED:
        for name, key in keys.items():
            call.meter.replace_key(name, key)
    if fault is FaultKind.KEY_SWITCHED_CLOSES:
        raise HangUp
    return _OTHER_REASON if fault is FaultKind.KEY_SWITCHED_REFUSED else SUCCESS


class _Device(NamedTuple):
    """An M-Bus device that takes keys, in the form that the meter in front of it wants."""

    meter: LogicalDevice
    gas_meter: GasMeter
    wrapping: MbusKeyWrapping

    @property
    def keys(self) -> MbusKeys:
        """Its keys."""
        return self.meter.make_mbus_keys(self.gas_meter)

    def unwrap(self, wrapped: bytes) -> WrappedKey:
        """A new key; DecipheringError when it is none for the device, or came before."""
        default_key = self.meter.mbus_key(self.gas_meter, KeyName.MBUS_DEFAULT)
        if self.wrapping is MbusKeyWrapping.CBC:
            # Nothing says which key it is, so it can only be the one that is needed most.
            return WrappedKey(_USER_KEY_ID, unwrap_cbc(default_key, wrapped), 0)
        fixed_field = make_fixed_field(
            self.gas_meter.identification_number, manufacturer_id(self.gas_meter.manufacturer)
        )
        unwrapped = unwrap_gcm(default_key, fixed_field, wrapped)
        self.meter.settings.nonces.use(default_key, fixed_field, unwrapped.key_change_counter)
        if unwrapped.key_change_counter <= self.keys.key_change_counter:
            raise DecipheringError("the key change counter does not rise")
        return unwrapped

    def accept(self, unwrapped: WrappedKey) -> None:
        """Note the key change counter of a key that is taken."""
        if self.wrapping is MbusKeyWrapping.GCM:
            self.keys.key_change_counter = unwrapped.key_change_counter


def _find_device(call: Invocation) -> _Device | None:
    """The device on the channel; None when there is none, or the meter does not take keys for it."""
    gas_meter = call.meter.gas_meter(call.entry.channel or 0)
    wrapping = call.meter.type.profile.mbus_key_wrapping
    if gas_meter is None or wrapping is MbusKeyWrapping.NONE:
        return None
    return _Device(call.meter, gas_meter, wrapping)


@method("mbus_client", "transfer_key")
def transfer_mbus_key(call: Invocation) -> Outcome:
    """M-Bus client: a new user key for the device, wrapped with its default key."""
    if call.parameter is None or call.parameter.type is not DataType.OCTET_STRING:
        return TYPE_UNMATCHED
    device = _find_device(call)
    if device is None or call.meter.take_fault(FaultKind.MBUS_TRANSFER_KEY_REFUSED):
        return _OTHER_REASON
    try:
        unwrapped = device.unwrap(call.parameter.value)
    except DecipheringError:
        return _OTHER_REASON
    if unwrapped.key_id != _USER_KEY_ID:
        return _OTHER_REASON
    device.accept(unwrapped)
    device.keys.transfer(unwrapped.key)
    return _answer(call, FaultKind.MBUS_TRANSFER_KEY_CLOSES)


@method("mbus_client", "set_encryption_key")
def set_mbus_encryption_key(call: Invocation) -> Outcome:
    """M-Bus client: the user key with which the meter reads the device, in plain."""
    if call.parameter is None or call.parameter.type is not DataType.OCTET_STRING:
        return TYPE_UNMATCHED
    device = _find_device(call)
    if device is None or call.meter.take_fault(FaultKind.MBUS_SET_ENCRYPTION_KEY_REFUSED):
        return _OTHER_REASON
    if len(call.parameter.value) != KEY_OCTETS:
        return _OTHER_REASON
    device.keys.set(call.parameter.value)
    return _answer(call, FaultKind.MBUS_SET_ENCRYPTION_KEY_CLOSES)


@method("mbus_client", "data_send")
def send_mbus_data(call: Invocation) -> Outcome:
    """M-Bus client: a wrapped key for firmware updates or for the optical port goes on to the device.

    A key of zeros closes the optical port. There is nothing else that the simulated device can be sent.
    """
    if call.parameter is None or not _SENT_DATA.fits(call.parameter):
        return TYPE_UNMATCHED
    device = _find_device(call)
    if (
        device is None
        or device.wrapping is not MbusKeyWrapping.GCM
        or not call.parameter.value
        or call.meter.take_fault(FaultKind.MBUS_DATA_SEND_REFUSED)
    ):
        return _OTHER_REASON
    *kind, wrapped = (part.value for part in call.parameter.value[0].value)
    if tuple(kind) != _KEY_EXCHANGE:
        return _OTHER_REASON
    try:
        unwrapped = device.unwrap(wrapped)
    except DecipheringError:
        return _OTHER_REASON
    name = _OTHER_KEY_IDS.get(unwrapped.key_id)
    if name is None:
        return _OTHER_REASON
    device.accept(unwrapped)
    device.keys.others[name] = unwrapped.key
    return _answer(call, FaultKind.MBUS_DATA_SEND_CLOSES)


def _answer(call: Invocation, closes: FaultKind) -> Outcome:
    """Success, unless the meter hangs up instead of saying so."""
    if call.meter.take_fault(closes):
        raise HangUp
    return SUCCESS
