"""The parameters of AddDevice, and the columns of the device row that they set."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

from django.core.validators import RegexValidator
from django.db import models
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.catalogue.communication import Framing, Security
from osgp.devices.addresses import canonicalise
from osgp.devices.meter_networks import NOT_DIALLED, is_dialled
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import (
    MBUS_DEVICE_TYPES,
    CommunicationMethod,
    Device,
    DeviceType,
    device_identification_validator,
)
from osgp.devices.securities import UNSUPPORTED_SECURITIES, make_unsupported_fault
from osgp.devices.setting_changes import COLUMNS, InvalidSettings, check_own, store_own
from osgp.devices.settings_resolution import Layers
from osgp.faults import Fault, FaultCode
from osgp.messages.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    IntegerField,
    SecretField,
    TimeZoneField,
)

CHALLENGE_LENGTHS = range(8, 65)
LARGEST_HDLC_ADDRESS = 16382
"""16383 is all stations (Green Book 8.4.2.3)."""

E_METER_SECRETS = ("master_key", "authentication_key", "encryption_key", "lls_password")
E_METER_ONLY = (
    *E_METER_SECRETS,
    "system_title",
    "address_is_static",
    # Was taken for all devices before there were others.
    *(name for name in SETTINGS if name != "with_list_max"),
)
MBUS_SECRETS = (
    "mbus_default_key",
    "mbus_user_key",
    "mbus_firmware_update_authentication_key",
    "mbus_p0_key",
)
"""All of them or none."""
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
        "security",
        "challenge_length",
        "selective_access",
        "polyphase",
        "model",
        "installed_at",
        "system_title",
        "address_is_static",
        *MBUS_ONLY[1:],
    )
} | {"timezone": "time_zone", "transport": "framing"}

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?=[a-z0-9-]*[a-z-])"
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z",
    re.IGNORECASE | re.ASCII,
)


class SecurityField(ChoiceField):
    """The security of associations. What has no support is taken as well: it is refused by its own fault."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Security, **options)

    def to_internal_value(self, data: Any) -> Any:
        return data if data in UNSUPPORTED_SECURITIES else super().to_internal_value(data)


class AddDeviceParameters(TypedDict):
    """Fields that only one kind of device has are refused for the other.

    The settings of meters are fields beside these (osgp/devices/meter_settings.py).
    """

    device_type: DeviceType
    protocol_name: Annotated[str, CharField(max_length=10)]
    protocol_version: Annotated[str, CharField(max_length=10)]
    protocol_variant: NotRequired[Annotated[str, CharField(max_length=10, allow_blank=True)]]

    communication_method: NotRequired[Annotated[CommunicationMethod, "E-meters need it."]]
    network_address: NotRequired[
        Annotated[
            str,
            CharField(allow_blank=True),
            "IP address or host name; E-meters need it unless address_is_static is false.",
        ]
    ]
    port: NotRequired[Annotated[int, IntegerField(min_value=1, max_value=65535), "4059 unless given."]]
    logical_device_address: Annotated[
        int, IntegerField(min_value=1, max_value=65535, default=1), "With HDLC 16382 at most."
    ]
    transport: NotRequired[Annotated[Framing, "E-meters need it."]]
    security: NotRequired[
        Annotated[
            Security,
            SecurityField(),
            "E-meters need it. HLS5 needs master, authentication and encryption key; LLS the password. "
            "HLS3 and HLS4 are refused with code 413.",
        ]
    ]
    challenge_length: NotRequired[Annotated[int, "Bytes, 8 to 64; 16 unless given."]]
    selective_access: NotRequired[Annotated[bool, "True unless given."]]
    polyphase: NotRequired[Annotated[bool, "False unless given."]]
    timezone: NotRequired[Annotated[str, TimeZoneField(), "IANA name; Europe/Amsterdam unless given."]]
    model: NotRequired[Annotated[str, CharField(allow_blank=True), "Manufacturer's model code."]]
    installed_at: NotRequired[
        Annotated[datetime, "When it was installed: from before, no values are expected of it."]
    ]

    system_title: NotRequired[
        Annotated[
            str,
            CharField(
                validators=[RegexValidator(r"^[0-9A-Fa-f]{16}\Z", "Must be 16 hexadecimal digits.")],
            ),
            "E-meters: 16 hexadecimal digits; learned when the meter associates unless given.",
        ]
    ]
    address_is_static: NotRequired[
        Annotated[
            bool,
            "True unless given. If false, the meter may announce another network address, which is kept once "
            "the meter has authenticated itself there.",
        ]
    ]

    master_key: NotRequired[Annotated[str, SecretField(), "E-meters."]]
    authentication_key: NotRequired[Annotated[str, SecretField(), "E-meters: global authentication key."]]
    encryption_key: NotRequired[Annotated[str, SecretField(), "E-meters: global unicast encryption key."]]
    lls_password: NotRequired[Annotated[str, SecretField(), "E-meters: 1 to 64 bytes."]]
    mbus_default_key: NotRequired[
        Annotated[
            str, SecretField(), "M-Bus devices: default (master) key; with the other three or not at all."
        ]
    ]
    mbus_user_key: NotRequired[Annotated[str, SecretField(), "M-Bus devices: user (encryption) key."]]
    mbus_firmware_update_authentication_key: NotRequired[Annotated[str, SecretField(), "M-Bus devices."]]
    mbus_p0_key: NotRequired[Annotated[str, SecretField(), "M-Bus devices: key of the optical port."]]

    gateway: NotRequired[
        Annotated[
            str,
            CharField(max_length=40, validators=[device_identification_validator]),
            "M-Bus devices: the E-meter that it is coupled to; with channel or not at all.",
        ]
    ]
    channel: NotRequired[Annotated[int, IntegerField(min_value=1, max_value=4), "M-Bus devices."]]
    mbus_identification_number: NotRequired[
        Annotated[str, CharField(validators=[RegexValidator(r"^[0-9]{8}\Z", "Must be 8 digits.")])]
    ]
    mbus_manufacturer: NotRequired[
        Annotated[str, CharField(validators=[RegexValidator(r"^[A-Z]{3}\Z", "Must be 3 letters A to Z.")])]
    ]
    mbus_version: NotRequired[Annotated[int, IntegerField(min_value=0, max_value=255)]]
    mbus_device_type: NotRequired[Annotated[int, IntegerField(min_value=0, max_value=255)]]
    mbus_primary_address: NotRequired[Annotated[int, IntegerField(min_value=0, max_value=255)]]

    overwrite: Annotated[bool, BooleanField(default=False), "Replace a device of yours that exists already."]


def check_combination(parameters: AddDeviceParameters) -> None:
    """Refuse fields that do not go together. Raises ValidationError with all that are faulty."""
    errors: dict[str, list[str]] = {}
    if parameters["device_type"] in MBUS_DEVICE_TYPES:
        errors |= _refuse_given(parameters, E_METER_ONLY, "Is for electricity meters only.")
        for name, companion in (("gateway", "channel"), ("channel", "gateway")):
            if name not in parameters and companion in parameters:
                errors[name] = [f"Must be given together with {companion}."]
    else:
        errors |= _refuse_given(parameters, (*MBUS_ONLY, *MBUS_SECRETS), "Is for M-Bus devices only.")
        errors |= {name: ["Is required."] for name in E_METER_REQUIRES if name not in parameters}
        errors |= {name: [text] for name, text in _check_settings(parameters).items()}
    if (
        parameters.get("transport") == Framing.HDLC
        and parameters["logical_device_address"] > LARGEST_HDLC_ADDRESS
    ):
        errors["logical_device_address"] = [f"Must be at most {LARGEST_HDLC_ADDRESS} with HDLC."]
    if errors:
        raise ValidationError(errors)


def get_settings(parameters: AddDeviceParameters) -> dict[str, Any]:
    """Return the settings that are given, by name."""
    return {name: value for name, value in parameters.items() if name in SETTINGS}


def _check_settings(parameters: AddDeviceParameters) -> dict[str, str]:
    own = get_settings(parameters)
    device = Device(
        framing=parameters.get("transport", Framing.WRAPPER),
        logical_device_address=parameters["logical_device_address"],
        system_title=parameters.get("system_title", "").upper(),
    )
    try:
        check_own(device, own, Layers(own, {}, {}))
    except InvalidSettings as error:
        return error.errors
    return {}


def _refuse_given(parameters: Mapping[str, object], names: Iterable[str], why: str) -> dict[str, list[str]]:
    return {name: [why] for name in names if name in parameters}


def make_columns(parameters: AddDeviceParameters) -> dict[str, Any]:
    """Return all columns that AddDevice sets, except the gateway; missing parameters get their defaults.

    Raises Fault 206 for an unknown profile, 212 for a missing or malformed network address of an E-meter
    and for one where no meters are dialled, 213 for a challenge length that is not 8 to 64, and 413 for HLS 3
    and HLS 4.
    """
    if (security := parameters.get("security")) in UNSUPPORTED_SECURITIES:
        raise make_unsupported_fault(str(security), "/security")
    given: Mapping[str, Any] = parameters
    columns = {
        column: given[name] if name in given else _find_default(column) for name, column in _COLUMNS.items()
    }
    is_mbus = parameters["device_type"] in MBUS_DEVICE_TYPES
    if is_mbus and "security" not in parameters:
        columns["security"] = Security.NONE
    # No profile depends on the variant: as with the reference platform, an unknown one counts as none.
    columns["protocol_name"] = _find_profile(parameters).protocol_name
    _check_network_address(
        columns["network_address"], needed=not is_mbus and parameters.get("address_is_static", True)
    )
    columns["system_title"] = columns["system_title"].upper()
    columns["announced_address"] = ""
    # What was learned before may be of another meter.
    columns |= {"knowledge_id": None, "knowledge_checked": None, **_make_settings_columns(parameters)}
    columns["network_address"] = canonicalise(columns["network_address"])
    if not is_mbus and not is_dialled(columns["network_address"], columns["port"]):
        raise Fault(FaultCode.INVALID_IP_ADDRESS, NOT_DIALLED, pointer="/network_address")
    if columns["challenge_length"] not in CHALLENGE_LENGTHS:
        raise Fault(
            FaultCode.CHALLENGE_LENGTH_OUT_OF_RANGE,
            f"The challenge length must be {CHALLENGE_LENGTHS.start} to {CHALLENGE_LENGTHS.stop - 1}.",
            pointer="/challenge_length",
        )
    return columns


def _make_settings_columns(parameters: AddDeviceParameters) -> dict[str, Any]:
    device = Device()
    store_own(device, get_settings(parameters))
    return {name: getattr(device, name) for name in COLUMNS}


def _find_default(column: str) -> Any:
    field = Device._meta.get_field(column)
    assert isinstance(field, models.Field)
    return field.get_default()


def _find_profile(parameters: AddDeviceParameters) -> catalogue.Profile:
    try:
        return catalogue.find_profile(parameters["protocol_name"], parameters["protocol_version"])
    except catalogue.UnknownProfile as error:
        known = ", ".join(profile.key for profile in catalogue.list_profiles())
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
