"""Firmware identifiers: text for people in electricity meters, octets in M-Bus devices."""

from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import Data

MOST_OCTETS = 127
"""Of an identifier. Real ones have some tens of octets."""
_CONTROL_CHARACTERS = dict.fromkeys(range(0x20))


def parse_identifier(data: Data) -> str:
    """Return an identifier as text, without control characters; what is no UTF-8 becomes U+FFFD.

    Raises Fault for anything but an octet-string of at most ``MOST_OCTETS``.
    """
    return _find_octets(data).decode(errors="replace").translate(_CONTROL_CHARACTERS)


def parse_version_info(data: Data) -> str:
    """Return the version information of an M-Bus device in lower-case hexadecimal.

    Raises Fault as :func:`parse_identifier` does, and for an empty one: nobody is on the channel.
    """
    octets = _find_octets(data)
    if not octets:
        raise make_illegal_response("The firmware version is empty; the channel may be empty, too.")
    return octets.hex()


def _find_octets(data: Data) -> bytes:
    if not isinstance(data.value, bytes):
        raise make_illegal_response("The firmware version is no octet-string.")
    if len(data.value) > MOST_OCTETS:
        raise make_illegal_response(
            f"The firmware version has {len(data.value)} octets, more than {MOST_OCTETS}."
        )
    return data.value
