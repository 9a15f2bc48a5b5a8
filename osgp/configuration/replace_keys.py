"""ReplaceKeys: give a meter the authentication key and the encryption key of the caller."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from osgp.configuration.global_keys import NEEDS, replace_keys, require_master_key
from osgp.devices import transport_keys
from osgp.devices.models import Device, KeyType
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import SecretField
from osgp.messages.shapes import NoResult
from osgp.messages.visited_meter import VisitedMeter


class ReplaceKeysParameters(TypedDict):
    """The new keys, 16 octets each."""

    authentication_key: Annotated[str, SecretField(), "Global authentication key."]
    encryption_key: Annotated[str, SecretField(), "Global unicast encryption key."]


KEY_TYPES: Mapping[str, KeyType] = {
    "authentication_key": KeyType.E_METER_AUTHENTICATION_KEY,
    "encryption_key": KeyType.E_METER_ENCRYPTION_KEY_UNICAST,
}


@register
class ReplaceKeys(MeterOperation[ReplaceKeysParameters, NoResult]):
    """Replace the two global keys of a meter, wrapped with its master key.

    The platform keeps the new keys before it sends them, and goes on with whichever the meter has: after a
    connection that was cut, the next visit finishes the change. The former keys are kept for a while. With a
    new encryption key the invocation counter begins anew.
    """

    message = "ReplaceKeys"
    service = Service.CONFIGURATION
    needs = NEEDS
    # The meter that seems lost may have the new keys: the next attempt finds out.
    goes_on = True

    def check_device(self, device: Device, parameters: ReplaceKeysParameters) -> None:
        """Raises Fault 804 and 802 for keys, as far as this process can tell; 806 without a master key."""
        for name, text in _list_keys(parameters):
            transport_keys.check(text, f"/{name}", KEY_TYPES[name])
        require_master_key(device)

    def perform(self, meter: VisitedMeter, parameters: ReplaceKeysParameters) -> NoResult:
        replace_keys(meter, lambda: _decrypt(parameters))
        return {}


def _list_keys(parameters: ReplaceKeysParameters) -> list[tuple[str, str]]:
    return [
        ("authentication_key", parameters["authentication_key"]),
        ("encryption_key", parameters["encryption_key"]),
    ]


def _decrypt(parameters: ReplaceKeysParameters) -> dict[KeyType, bytes]:
    return {
        KEY_TYPES[name]: transport_keys.decrypt(text, f"/{name}", KEY_TYPES[name])
        for name, text in _list_keys(parameters)
    }
