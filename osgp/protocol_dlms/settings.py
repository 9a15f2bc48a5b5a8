"""The settings of a session with a meter: address, security, keys, deadlines and limits."""

from dataclasses import dataclass, field, replace
from typing import Protocol

from osgp.catalogue.communication import Carrier, Framing, Security
from osgp.protocol_dlms import errors
from osgp.protocol_dlms.ciphering import OVERHEAD
from osgp.protocol_dlms.hdlc_address import ALL_STATION_SHORT, check_server_address

PUBLIC_CLIENT = 16
MANAGEMENT_CLIENT = 1
KEY_LENGTH = 16
SYSTEM_TITLE_LENGTH = 8
CHALLENGE_LENGTHS = range(8, 65)
PASSWORD_LENGTHS = range(1, 65)
# Blue Book, class 23 (IEC HDLC setup), attributes 3 to 6.
HDLC_INFORMATION_SIZES = range(32, 2031)
HDLC_WINDOWS = range(1, 8)
_LEAST_RECEIVED = 1024
"""Octets of an APDU that are taken in any case."""


@dataclass(frozen=True, slots=True)
class MeterAddress:
    """The address of a meter: host name or IP address, port, and logical device in the physical device.

    The logical device address is 1 to 65535 with the wrapper, 1 to 16382 with HDLC, where it is the upper
    address. There a meter may also want a lower address, that of the physical device, and addresses of 2 or
    4 octets; None: no lower address, and the shortest length.
    """

    host: str
    port: int
    logical_device_address: int = 1
    framing: Framing = Framing.WRAPPER
    carrier: Carrier = Carrier.TCP
    server_lower_address: int | None = None
    server_address_length: int | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """A meter's secrets: global authentication key, global unicast (block cipher) key, LLS password."""

    authentication_key: bytes | None = field(default=None, repr=False)
    encryption_key: bytes | None = field(default=None, repr=False)
    lls_password: bytes | None = field(default=None, repr=False)

    def list_values(self) -> tuple[bytes | None, ...]:
        """Return all keys and the password, None for those that are missing."""
        return self.authentication_key, self.encryption_key, self.lls_password


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Maximum seconds to set up the TCP connection, for one APDU and its answer, and for the whole session.

    ``release`` is for the answer to a release request, which some meters never send; ``name`` for looking up
    a host name, which is a part of the time to connect.
    """

    connect: float = 10.0
    apdu: float = 30.0
    session: float = 600.0
    release: float = 5.0
    name: float = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum octets of one received APDU (also proposed to the meter as our receive size), and of one whole
    reply: with the rows of a buffer, with a list of objects, and with any other value or list of values,
    which has no reason to be as large. Of HDLC, the octets of information in one frame and the window,
    proposed for both directions.

    Raises :class:`errors.InvalidSettings` for sizes and windows that HDLC does not have.
    """

    apdu_size: int = 65535
    buffer_size: int = 4 * 1024 * 1024
    object_list_size: int = 1024 * 1024
    value_size: int = 256 * 1024
    hdlc_information_size: int = 1024
    hdlc_window: int = 1

    def __post_init__(self) -> None:
        if self.hdlc_information_size not in HDLC_INFORMATION_SIZES:
            raise errors.InvalidSettings(f"{self.hdlc_information_size} octets in an HDLC frame")
        if self.hdlc_window not in HDLC_WINDOWS:
            raise errors.InvalidSettings(f"a window of {self.hdlc_window} HDLC frames")

    def for_link(self) -> "Limits":
        """Return the limits for APDUs as they arrive.

        Some meters do not count what ciphering adds; an AARE comes before the sizes are agreed on.
        """
        return replace(self, apdu_size=max(self.apdu_size + OVERHEAD, _LEAST_RECEIVED))


class InvocationCounter(Protocol):
    """Hands out invocation counter values, each at most once for a key, also across crashes."""

    def take_value(self) -> int:
        """Return the value for the next ciphered APDU, 0 to 2**32 - 1."""
        ...


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """The settings of an association except the address.

    Raises :class:`errors.InvalidSettings` and its subclasses for missing or invalid ones.
    """

    security: Security
    keys: Keys = field(repr=False)
    counter: InvocationCounter | None
    client_address: int
    client_system_title: bytes
    challenge_length: int

    def __post_init__(self) -> None:
        if self.security is Security.HLS5:
            self._check_hls5()
        elif self.security is Security.LLS:
            if not self.keys.lls_password:
                raise errors.KeyNotPresent("there is no LLS password")
            if len(self.keys.lls_password) not in PASSWORD_LENGTHS:
                raise errors.InvalidSettings("an LLS password has at most 64 octets")

    def _check_hls5(self) -> None:
        for name, key in (
            ("authentication", self.keys.authentication_key),
            ("encryption", self.keys.encryption_key),
        ):
            if not key:
                raise errors.KeyNotPresent(f"there is no {name} key")
            if len(key) != KEY_LENGTH:
                raise errors.InvalidKeyFormat(f"the {name} key has not {KEY_LENGTH} octets")
        if self.counter is None:
            raise errors.InvalidSettings("HLS5 needs an invocation counter")
        if len(self.client_system_title) != SYSTEM_TITLE_LENGTH:
            raise errors.InvalidSettings(f"a system title has {SYSTEM_TITLE_LENGTH} octets")
        if self.challenge_length not in CHALLENGE_LENGTHS:
            raise errors.ChallengeLengthOutOfRange("a challenge has 8 to 64 octets")


def check_address(address: MeterAddress, client_address: int) -> None:
    """Raise InvalidAddress for a blank host, InvalidSettings for a number out of range."""
    if not address.host or not address.host.strip():
        raise errors.InvalidAddress("the meter has no network address")
    if not 1 <= address.port <= 0xFFFF:
        raise errors.InvalidSettings(f"port {address.port} is out of range")
    hdlc = address.framing is Framing.HDLC
    if hdlc and address.carrier is Carrier.UDP:
        raise errors.InvalidSettings("HDLC frames are not carried by UDP, only wrapper frames are")
    if hdlc:
        check_server_address(
            address.logical_device_address, address.server_lower_address, address.server_address_length
        )
    elif not 1 <= address.logical_device_address <= 0xFFFF:
        raise errors.InvalidSettings(
            f"logical device address {address.logical_device_address} is out of range"
        )
    # No client has the all-station address either.
    if not 1 <= client_address <= (ALL_STATION_SHORT - 1 if hdlc else 0xFFFF):
        raise errors.InvalidSettings(f"client address {client_address} is out of range")
