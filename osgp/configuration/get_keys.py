"""GetKeys: hands out keys of a device to an application, under the public key of that."""

from typing import Annotated, Any, TypedDict

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.accounts.application_keys import encrypt_for_application, find_key
from osgp.accounts.models import ApplicationKey
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.known_devices import KnownDeviceOperation
from osgp.messages.operation import Sender, Service
from osgp.messages.registry import register
from osgp.messages.serializers import CharField, ChoiceField

SECRET_TYPES = [member.value for member in KeyType if member != KeyType.LLS_PASSWORD]
"""Keys that are handed out; passwords are not."""
MOST_TYPES = 4
LONGEST_CIPHERTEXT = 1400
"""Base64 characters: 1,368 under an RSA key of 8192 bits."""


class SecretTypesField(serializers.ListField):
    """1 to 4 types of keys, each once."""

    child = ChoiceField(SECRET_TYPES)

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_length": 1, "max_length": MOST_TYPES} | options)

    def to_internal_value(self, data: Any) -> list[str]:
        types: list[str] = super().to_internal_value(data)
        repeated = [position for position, each in enumerate(types) if each in types[:position]]
        if repeated:
            raise ValidationError({str(position): ["Is named already."] for position in repeated})
        return types


class GetKeysParameters(TypedDict):
    """Which keys of the device."""

    secret_types: Annotated[list[str], SecretTypesField(), f"1 to {MOST_TYPES} of them, each once."]


class HandedOutKey(TypedDict):
    """A key of the device."""

    secret_type: Annotated[str, ChoiceField(SECRET_TYPES)]
    secret_value: Annotated[
        str | None,
        CharField(max_length=LONGEST_CIPHERTEXT),
        "Base64 of the key, encrypted with the application's public key by RSA-OAEP with SHA-256 and "
        "MGF1-SHA-256. Null: the device has no active key of this type.",
    ]


class GetKeysResult(TypedDict):
    """The active keys, for the application that sent the request and nobody else."""

    keys: Annotated[list[HandedOutKey], "In the order of the request."]
    public_key_fingerprint: Annotated[
        str,
        CharField(max_length=64),
        "Which public key they are encrypted with: SHA-256 of its SubjectPublicKeyInfo in DER, hexadecimal.",
    ]


@register
class GetKeys(KnownDeviceOperation[GetKeysParameters, GetKeysResult]):
    """Hand out active keys of a device, encrypted with the public key of the application that asks.

    An administrator of the organisation registers that public key before, see
    `PUT /api/v1/applications/{name}/public-key/`; without one the request is refused with 806. Each request
    that hands out keys is in the audit trail. No meter is contacted.
    """

    message = "GetKeys"
    service = Service.CONFIGURATION

    def check_change(self, sender: Sender, device: Device, parameters: GetKeysParameters) -> None:
        """Raises Fault 806 when no public key is registered for the application."""
        _find_public_key(sender)

    def change(self, sender: Sender, device: Device, parameters: GetKeysParameters) -> GetKeysResult:
        """Reads only, beside the audit entry. Raises Fault 805 for a key that cannot be decrypted."""
        public_key = _find_public_key(sender)
        wanted = [KeyType(secret_type) for secret_type in parameters["secret_types"]]
        secrets = keystore.read_active_keys(device, wanted)
        record(
            AuditEvent.KEYS_HANDED_OUT,
            organisation=sender.organisation.identification,
            actor=sender.application,
            device=device.identification,
            correlation_uid=sender.correlation_uid,
            details={
                "handed_out": [key_type.value for key_type in wanted if key_type in secrets],
                "absent": [key_type.value for key_type in wanted if key_type not in secrets],
                "public_key_fingerprint": public_key.fingerprint,
            },
        )
        keys: list[HandedOutKey] = [
            {
                "secret_type": key_type.value,
                "secret_value": (
                    encrypt_for_application(public_key.public_key, secrets[key_type])
                    if key_type in secrets
                    else None
                ),
            }
            for key_type in wanted
        ]
        return {"keys": keys, "public_key_fingerprint": public_key.fingerprint}


def _find_public_key(sender: Sender) -> ApplicationKey:
    public_key = find_key(sender.organisation, sender.application)
    if public_key is None:
        raise Fault(
            FaultCode.KEY_NOT_PRESENT,
            f'No public key is registered for the application "{sender.application}" of '
            f"{sender.organisation.identification}, so no keys can be handed out to it. An administrator "
            "registers one with PUT /api/v1/applications/{name}/public-key/, in the admin, or with manage.py "
            "application_key.",
            component=Component.SECRET_MANAGEMENT,
        )
    return public_key
