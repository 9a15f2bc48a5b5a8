"""GenerateAndReplaceKeys: give a meter new random keys, which nobody but the platform knows."""

import secrets

from osgp.configuration.global_keys import NEEDS, replace_keys, require_master_key
from osgp.devices.keystore import KEY_LENGTH
from osgp.devices.models import Device
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters, NoResult
from osgp.messages.visited_meter import VisitedMeter


@register
class GenerateAndReplaceKeys(MeterOperation[NoParameters, NoResult]):
    """Replace the two global keys of a meter by random ones.

    As ReplaceKeys otherwise; each attempt that has to begin again makes other keys. GetKeys hands them out.
    """

    message = "GenerateAndReplaceKeys"
    service = Service.CONFIGURATION
    needs = NEEDS
    # The meter that seems lost may have the new keys: the next attempt finds out.
    goes_on = True

    def check_device(self, device: Device, parameters: NoParameters) -> None:
        """Raises Fault 806 without a master key."""
        require_master_key(device)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> NoResult:
        replace_keys(meter, lambda: {key_type: secrets.token_bytes(KEY_LENGTH) for key_type in GLOBAL_KEYS})
        return {}
