"""What AddDevice is told about a device, and what the row of the device gets from it."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.devices.models import (
    MBUS_DEVICE_TYPES,
    CommunicationMethod,
    Device,
    DeviceType,
    Security,
    Transport,
    device_identification_validator,
)
from osgp.faults import Fault, FaultCode
from osgp.messages.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    IntegerField,
    SecretField,
    StrictSerializer,
    TimeZoneField,
)

CHALLENGE_LENGTHS = range(8, 65)
LARGEST_HDLC_ADDRESS = 16383

E_METER_SECRETS = ("master_key", "authentication_key", "encryption_key", "lls_password")
MBUS_SECRETS = ("mbus_default_key",)
E_METER_REQUIRES = ("communication_method", "transport", "security")
MBUS_ONLY = (
    "gateway",
    "channel",
    "mbus_identification_number",
    "mbus_manufacturer",
    "mbus_version",
    "mbus_device_type",
    "mbus_primary_address",
)

_COLUMNS = {
    name: name
    for name in (
        "device_type",
        "protocol_version",
        "protocol_variant",
        "communication_method",
        "network_address",
        "port",
        "logical_device_address",
        "transport",
        "security",
        "challenge_length",
        "with_list_max",
        "selective_access",
        "polyphase",
        "model",
        *MBUS_ONLY[1:],
    )
} | {"timezone": "time_zone"}

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?=[a-z0-9-]*[a-z-])"
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z",
    re.IGNORECASE | re.ASCII,
)


class AddDeviceParameters(StrictSerializer):
    """Fields that only one kind of device has are refused for the other."""

    secret_fields = frozenset({*E_METER_SECRETS, *MBUS_SECRETS})
    """Fields that are not kept longer than needed, nor shown to anybody."""

    device_type = ChoiceField(DeviceType)
    protocol_name = CharField(max_length=10)
    protocol_version = CharField(max_length=10)
    protocol_variant = CharField(max_length=10, required=False, allow_blank=True)

    communication_method = ChoiceField(CommunicationMethod, required=False, help_text="E-meters need it.")
    network_address = CharField(
        required=False, allow_blank=True, help_text="IP address or host name; E-meters need it."
    )
    port = IntegerField(min_value=1, max_value=65535, required=False, help_text="4059 unless given.")
    logical_device_address = IntegerField(
        min_value=1, max_value=65535, default=1, help_text="With HDLC 16383 at most."
    )
    transport = ChoiceField(Transport, required=False, help_text="E-meters need it.")
    security = ChoiceField(
        Security,
        required=False,
        help_text="E-meters need it. HLS5 needs master, authentication and encryption key; LLS the password.",
    )
    challenge_length = IntegerField(required=False, help_text="Bytes, 8 to 64; 16 unless given.")
    with_list_max = IntegerField(
        min_value=1,
        max_value=255,
        required=False,
        help_text="Attributes in one GET or SET with list; 1 (no lists) unless given.",
    )
    selective_access = BooleanField(required=False, help_text="True unless given.")
    polyphase = BooleanField(required=False, help_text="False unless given.")
    timezone = TimeZoneField(required=False, help_text="IANA name; Europe/Amsterdam unless given.")
    model = CharField(required=False, allow_blank=True, help_text="Manufacturer's model code.")

    master_key = SecretField(required=False, help_text="E-meters.")
    authentication_key = SecretField(required=False, help_text="E-meters: global authentication key.")
    encryption_key = SecretField(required=False, help_text="E-meters: global unicast encryption key.")
    lls_password = SecretField(required=False, help_text="E-meters: 1 to 64 bytes.")
    mbus_default_key = SecretField(required=False, help_text="M-Bus devices: default (master) key.")

    gateway = CharField(
        max_length=40,
        required=False,
        validators=[device_identification_validator],
        help_text="M-Bus devices: the E-meter that it is coupled to; with channel or not at all.",
    )
    channel = IntegerField(min_value=1, max_value=4, required=False, help_text="M-Bus devices.")
    mbus_identification_number = CharField(
        required=False, validators=[RegexValidator(r"^[0-9]{8}\Z", "Must be 8 digits.")]
    )
    mbus_manufacturer = CharField(
        required=False, validators=[RegexValidator(r"^[A-Z]{3}\Z", "Must be 3 letters A to Z.")]
    )
    mbus_version = IntegerField(min_value=0, max_value=255, required=False)
    mbus_device_type = IntegerField(min_value=0, max_value=255, required=False)
    mbus_primary_address = IntegerField(min_value=0, max_value=255, required=False)

    overwrite = BooleanField(default=False, help_text="Replace a device of yours that exists already.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Whether the fields go together."""
        errors: dict[str, list[str]] = {}
        if attrs["device_type"] in MBUS_DEVICE_TYPES:
            _require_absence(attrs, E_METER_SECRETS, "Is for electricity meters only.", errors)
            for name, companion in (("gateway", "channel"), ("channel", "gateway")):
                if name not in attrs and companion in attrs:
                    errors[name] = [f"Must be given together with {companion}."]
        else:
            _require_absence(attrs, (*MBUS_ONLY, *MBUS_SECRETS), "Is for M-Bus devices only.", errors)
            errors |= {name: ["Is required."] for name in E_METER_REQUIRES if name not in attrs}
        if (
            attrs.get("transport") == Transport.HDLC
            and attrs["logical_device_address"] > LARGEST_HDLC_ADDRESS
        ):
            errors["logical_device_address"] = [f"Must be at most {LARGEST_HDLC_ADDRESS} with HDLC."]
        if errors:
            raise ValidationError(errors)
        return attrs


def device_columns(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """All columns of the device row that AddDevice sets, its gateway excepted; what was left out as default.

    Raises Fault 206 for an unknown profile, 212 for a missing or malformed network address of an E-meter,
    and 213 for a challenge length that is not 8 to 64.
    """
    columns = {
        column: parameters[name] if name in parameters else _default(column)
        for name, column in _COLUMNS.items()
    }
    is_mbus = parameters["device_type"] in MBUS_DEVICE_TYPES
    if is_mbus and "security" not in parameters:
        columns["security"] = Security.NONE
    # No profile depends on the variant: as with the reference platform, an unknown one counts as none.
    columns["protocol_name"] = _profile(parameters).protocol_name
    _check_network_address(columns["network_address"], needed=not is_mbus)
    if columns["challenge_length"] not in CHALLENGE_LENGTHS:
        raise Fault(
            FaultCode.CHALLENGE_LENGTH_OUT_OF_RANGE,
            f"The challenge length must be {CHALLENGE_LENGTHS.start} to {CHALLENGE_LENGTHS.stop - 1}.",
            pointer="/challenge_length",
        )
    return columns


def _default(column: str) -> Any:
    field = Device._meta.get_field(column)
    assert isinstance(field, models.Field)
    return field.get_default()


def _require_absence(
    attrs: Mapping[str, Any], names: Iterable[str], why: str, errors: dict[str, list[str]]
) -> None:
    errors |= {name: [why] for name in names if name in attrs}


def _profile(parameters: Mapping[str, Any]) -> catalogue.Profile:
    try:
        return catalogue.profile(parameters["protocol_name"], parameters["protocol_version"])
    except catalogue.UnknownProfile as error:
        known = ", ".join(profile.key for profile in catalogue.profiles())
        raise Fault(
            FaultCode.UNKNOWN_PROTOCOL_NAME_OR_VERSION_OR_VARIANT,
            f"There is no such meter profile; known are {known}.",
            pointer="/protocol_version",
        ) from error


def _check_network_address(text: str, *, needed: bool) -> None:
    if not text and not needed:
        return
    if not _HOST_NAME.match(text):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise Fault(
                FaultCode.INVALID_IP_ADDRESS,
                "The network address must be an IP address or a host name."
                if text.strip()
                else "An electricity meter needs a network address.",
                pointer="/network_address",
            ) from None
