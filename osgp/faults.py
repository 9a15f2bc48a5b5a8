"""The fault catalogue of the platform: stable codes that callers may rely on.

A :class:`Fault` is raised anywhere between the API and the meter and reaches the caller as
``{"code", "name", "message", "component", "retryable"}``. Codes and names are those of the smart-metering
platform that this project re-implements, so that web applications can keep their error handling.
"""

from enum import IntEnum, StrEnum
from typing import Any


class FaultCode(IntEnum):
    """Functional error codes. Their names are part of the API as well."""

    UNKNOWN_ORGANISATION = 101
    DISABLED_ORGANISATION = 104
    UNKNOWN_DEVICE = 201
    EXISTING_DEVICE = 204
    PROTOCOL_UNKNOWN_FOR_DEVICE = 205
    UNKNOWN_PROTOCOL_NAME_OR_VERSION_OR_VARIANT = 206
    INACTIVE_DEVICE = 207
    DEVICES_NOT_COUPLED = 208
    CHANNEL_ON_DEVICE_ALREADY_COUPLED = 209
    CONNECTION_ERROR = 211
    INVALID_IP_ADDRESS = 212
    CHALLENGE_LENGTH_OUT_OF_RANGE = 213
    COMMUNICATION_TIMEOUT = 214
    NO_MBUS_DEVICE_CHANNEL_FOUND = 215
    GIVEN_MBUS_DEVICE_ALREADY_COUPLED = 216
    ALL_MBUS_CHANNELS_OCCUPIED = 217
    NO_MATCHING_MBUS_DEVICE_FOUND = 218
    NO_DEVICE_FOUND_ON_CHANNEL = 219
    GATEWAY_DEVICE_NOT_SET_FOR_MBUS_DEVICE = 220
    GATEWAY_DEVICE_INVALID_FOR_MBUS_DEVICE = 221
    MBUS_DEVICE_NOT_MOVED_TO_ANOTHER_EMETER = 222
    AUTHENTICATION_ERROR = 223
    AUTHENTICATION_REQUIRED = 224
    CONNECTION_REFUSED = 225
    CONNECTION_RESET = 226
    CONNECTION_TIMED_OUT = 227
    CONNECTION_ESTABLISH_ERROR = 228
    SOCKET_CLOSED_BY_REMOTE = 229
    UNABLE_TO_DECYPHER = 230
    WRAPPER_HEADER_INVALID = 231
    ILLEGAL_RESPONSE = 232
    RESPONSE_TIMEOUT = 233
    UNKNOWN_ASSOCIATION_RESULT = 234
    UNAUTHORIZED = 301
    VALIDATION_ERROR = 401
    UNKNOWN_CORRELATION_UID = 405
    UNSUPPORTED_DEVICE_ACTION = 407
    ERROR_RETRIEVING_ATTRIBUTE_VALUE = 412
    UNSUPPORTED_COMMUNICATION_SETTING = 413
    UNABLE_TO_PROCESS_REQUEST = 414
    OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL = 416
    MAX_SCHEDULE_TIME_EXCEEDED = 417
    INVALID_DLMS_KEY_ENCRYPTION = 801
    INVALID_DLMS_KEY_FORMAT = 802
    ENCRYPTION_EXCEPTION = 803
    DECRYPTION_EXCEPTION = 804
    READING_KEY_EXCEPTION = 805
    KEY_NOT_PRESENT = 806
    INVALID_KEY_FORMAT = 807
    ATTEMPT_TO_LOWER_INVOCATION_COUNTER = 808


class Component(StrEnum):
    """Where in the platform a fault arose."""

    WEB_SERVICE = "WS_SMART_METERING"
    DOMAIN = "DOMAIN_SMART_METERING"
    CORE = "OSGP_CORE"
    PROTOCOL_DLMS = "PROTOCOL_DLMS"
    SECRET_MANAGEMENT = "SECRET_MANAGEMENT"  # noqa: S105 (a name)


class Fault(Exception):
    """A failure with a stable code.

    ``retryable`` says whether another attempt may succeed without any change.
    ``pointer`` names the offending request field as a JSON pointer, e.g. ``/authentication_key``.
    ``message`` is shown to API clients and operators: it must never hold a secret.
    """

    def __init__(
        self,
        code: FaultCode,
        message: str,
        *,
        component: Component = Component.DOMAIN,
        retryable: bool = False,
        pointer: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.component = component
        self.retryable = retryable
        self.pointer = pointer

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as it is stored with an action and shown in API answers."""
        shown: dict[str, Any] = {
            "code": int(self.code),
            "name": self.code.name,
            "message": self.message,
            "component": str(self.component),
            "retryable": self.retryable,
        }
        return {**shown, "pointer": self.pointer} if self.pointer else shown
