"""Network addresses in the one form in which they are stored, so that equal ones are equal texts."""

import ipaddress


def canonicalise(address: str) -> str:
    """Return an IP address or host name in canonical form; what is neither is only trimmed and lowered.

    IPv6 addresses are compressed, IPv4-mapped ones become IPv4, and host names lose the dot at their end. It
    looks no name up: a host name and its IP address stay two addresses.
    """
    text = address.strip().removesuffix(".")
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return text.lower()
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
