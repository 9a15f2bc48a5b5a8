"""SetEncryptionKeyExchangeOnGMeter: a new key for an M-Bus device, through its gateway."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.catalogue import MbusKeyWrapping
from osgp.configuration.mbus_keys import (
    FORMS,
    OPTICAL_PORT_KEY,
    TAG,
    USER_KEY,
    check_mbus_name,
    close_optical_port,
    replace_key,
)
from osgp.devices import keystore
from osgp.devices.models import MBUS_DEVICE_TYPES, Device, KeyType
from osgp.devices.needed_keys import make_missing_key_fault
from osgp.faults import FaultCode
from osgp.messages.needs import Needs
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import BooleanField, ChoiceField
from osgp.messages.shapes import NoResult
from osgp.messages.visited_meter import VisitedMeter


class SetEncryptionKeyExchangeOnGMeterParameters(TypedDict):
    """Which key."""

    secret_type: Annotated[
        str,
        ChoiceField([key_type.value for key_type in FORMS], default=USER_KEY.value),
        "Meters before SMR 5 take the encryption key only, if any.",
    ]
    close_optical_port: Annotated[
        bool,
        BooleanField(default=False),
        "Close the optical port with a key of zeros instead; with the optical port key only.",
    ]


@register
class SetEncryptionKeyExchangeOnGMeter(MeterOperation[SetEncryptionKeyExchangeOnGMeterParameters, NoResult]):
    """Give a gas (or hydrogen) meter a new key that the platform generates, through its gateway.

    The device is the M-Bus meter itself. The key is encrypted under the default key of the device, and
    becomes the active one of the platform when the gateway has taken it. If the request fails, the former key
    stays the active one; another attempt generates another key.
    """

    message = "SetEncryptionKeyExchangeOnGMeter"
    service = Service.CONFIGURATION
    device_types = MBUS_DEVICE_TYPES
    needs = (TAG, FORMS[USER_KEY])
    without_gateway = FaultCode.GATEWAY_DEVICE_NOT_SET_FOR_MBUS_DEVICE
    without_channel = FaultCode.NO_MBUS_DEVICE_CHANNEL_FOUND
    # Each attempt has a key of its own, for which the device needs no former one.
    repeatable = True

    def check_parameters(self, parameters: SetEncryptionKeyExchangeOnGMeterParameters) -> None:
        """Raise ValidationError if another key is to close the optical port."""
        if parameters["close_optical_port"] and parameters["secret_type"] != OPTICAL_PORT_KEY:
            raise ValidationError({"close_optical_port": [f"Is for {OPTICAL_PORT_KEY} only."]})

    def list_needs(self, parameters: SetEncryptionKeyExchangeOnGMeterParameters) -> Mapping[str, Needs]:
        return {"secret_type": (FORMS[KeyType(parameters["secret_type"])],)}

    def check_device(self, device: Device, parameters: SetEncryptionKeyExchangeOnGMeterParameters) -> None:
        """Raise Fault 401 if the device cannot be told from others on the M-Bus where that is needed, and 806
        if it has no default key: new keys could not be encrypted for it.
        """
        if device.profile.mbus_key_wrapping is MbusKeyWrapping.GCM:
            check_mbus_name(
                device.identification, device.mbus_identification_number, device.mbus_manufacturer
            )
        if not keystore.has_active(device.pk, KeyType.G_METER_MASTER_KEY):
            raise make_missing_key_fault(KeyType.G_METER_MASTER_KEY, device.identification)

    def perform(
        self, meter: VisitedMeter, parameters: SetEncryptionKeyExchangeOnGMeterParameters
    ) -> NoResult:
        if parameters["close_optical_port"]:
            close_optical_port(meter, meter.keys)
        else:
            replace_key(meter, meter.keys, KeyType(parameters["secret_type"]))
        return {}
