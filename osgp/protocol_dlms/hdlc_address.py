"""Server addresses of HDLC: an upper address, the logical device, and a lower one, the physical device.

Both have 7 bits each in an address of two octets, 14 bits each in one of four; an address of one octet has
only the upper one (Green Book 8.4.2.2). The all-station address and the no-station address belong to no
meter.
"""

from osgp.protocol_dlms import errors

LENGTHS = (1, 2, 4)
NO_STATION = 0
ALL_STATION_SHORT = 0x7F
"""The all-station address in 7 bits: of clients, and of servers in addresses of one and two octets."""
ALL_STATION_LONG = 0x3FFF
"""The all-station address in 14 bits, in server addresses of four octets."""


def choose_length(upper: int, lower: int | None, length: int | None) -> int:
    """Return ``length``, or the octets of the shortest address that can hold both parts."""
    if length is not None:
        return length
    if upper < ALL_STATION_SHORT and (lower is None or lower < ALL_STATION_SHORT):
        return 1 if lower is None else 2
    return 4


def check_server_address(upper: int, lower: int | None, length: int | None) -> None:
    """Raise InvalidSettings unless these make the address of one meter.

    ``lower`` None: the meter is not called by a lower address, which is 0 where the length has room for one.
    ``length`` is in octets, None for the shortest.
    """
    if length is not None and length not in LENGTHS:
        raise errors.InvalidSettings(f"an HDLC server address has 1, 2 or 4 octets, not {length}")
    octets = choose_length(upper, lower, length)
    all_station = ALL_STATION_LONG if octets == 4 else ALL_STATION_SHORT
    if not NO_STATION < upper < all_station:
        raise errors.InvalidSettings(f"logical device address {upper} is out of range")
    if lower is None:
        return
    if octets == 1:
        raise errors.InvalidSettings("an HDLC server address of 1 octet has no lower address")
    if not NO_STATION < lower < all_station:
        raise errors.InvalidSettings(f"lower HDLC server address {lower} is out of range")


def encode_server_address(upper: int, lower: int | None = None, length: int | None = None) -> bytes:
    """Return the address as it is sent; see :func:`check_server_address`."""
    octets = choose_length(upper, lower, length)
    lower = lower or NO_STATION
    if octets == 1:
        return bytes((upper << 1 | 1,))
    if octets == 2:
        return bytes((upper << 1, lower << 1 | 1))
    return bytes((upper >> 7 << 1, (upper & 0x7F) << 1, lower >> 7 << 1, (lower & 0x7F) << 1 | 1))


def parse_server_address(address: bytes) -> tuple[int, int | None]:
    """Return the upper and the lower address in an address of 1, 2 or 4 octets; None: it has no lower one."""
    if len(address) == 1:
        return address[0] >> 1, None
    if len(address) == 2:
        return address[0] >> 1, address[1] >> 1
    return address[0] >> 1 << 7 | address[1] >> 1, address[2] >> 1 << 7 | address[3] >> 1
