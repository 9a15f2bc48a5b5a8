"""Which URLs and addresses notifications may be sent to.

A caller chooses the URL, and the platform dials it from inside of its own network: without these checks it
could be used to reach what only the platform can (server-side request forgery). The form of a URL is checked
where it comes in; addresses are checked again each time one is dialled, because names may change their minds.
"""

import re
from ipaddress import IPv4Address, IPv6Network, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from osgp.ip_addresses import Address, Network, find_meant, parse_address
from osgp.ip_networks import list_networks

LONGEST_URL = 2000
"""Characters."""
PORTS = {"https": 443, "http": 80}
LONGEST_NAME = 253
"""Characters in a host name (RFC 1035)."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
"""The last part of a host that C libraries take for an IPv4 address in a form of their own (``127.1``)."""

_GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All that was given out for global unicast."""
_NOT_GLOBAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",  # Teredo, ORCHID and other protocols: none of them leads to a web server.
        "2001:db8::/32",
        "3fff::/20",
    )
)
"""What IANA's registries of special-purpose addresses list within what is otherwise global unicast."""


class ReceiverUrl(NamedTuple):
    """A URL in parts. ``target`` is path and query; ``host`` has no brackets."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The Host header: without the port that the scheme has anyway."""
        return self._bracketed if self.port == PORTS[self.scheme] else f"{self._bracketed}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port, which all URLs over one connection share."""
        return f"{self.scheme}://{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_url(text: str) -> ReceiverUrl:
    """Check the form of a URL of a receiver, and its address if it names one; return its parts.

    Raises ValueError with what is wrong, for the caller who sent it.
    """
    if len(text) > LONGEST_URL:
        raise ValueError(f"Must have {LONGEST_URL} characters at most.")
    if not all("!" <= character <= "~" for character in text) or "\\" in text:
        raise ValueError("Must be a URL of printable ASCII characters; other ones are percent-encoded.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("Must be a URL with a valid host and port.") from None
    if parts.scheme not in PORTS or not parts.netloc:
        raise ValueError("Must be an absolute URL that begins with https://.")
    if parts.scheme == "http" and not settings.OSGP["WEBHOOK_ALLOW_HTTP"]:
        raise ValueError("Must begin with https://.")
    if "@" in parts.netloc:
        raise ValueError("Must not contain a user name or password.")
    if "#" in text:
        raise ValueError("Must not have a fragment.")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("Must have a port from 1 to 65535, or none.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = _check_host((parts.hostname or "").lower(), is_bracketed="[" in parts.netloc)
    return ReceiverUrl(parts.scheme, host, port or PORTS[parts.scheme], target)


def _check_host(host: str, *, is_bracketed: bool) -> str:
    address = parse_address(host)
    if address is not None:
        if (address.version == 6) != is_bracketed or "%" in host:
            raise ValueError("Must have a host name, an IPv4 address, or an IPv6 address in brackets.")
        if not is_permitted(address):
            raise ValueError("Must not have an address of a private or special network.")
        return str(address)
    labels = host.split(".")
    is_name = len(host) <= LONGEST_NAME and all(map(_LABEL.fullmatch, labels))
    if is_bracketed or not is_name or _NUMBER.fullmatch(labels[-1]):
        raise ValueError("Must have a valid host name; international ones in their ASCII form (xn--…).")
    if labels[-1] == "localhost" and not is_permitted(IPv4Address("127.0.0.1")):
        raise ValueError("Must not have an address of a private or special network.")
    return host


def is_permitted(address: Address) -> bool:
    """Whether an address may be dialled: it is global unicast, or in one of the networks that are allowed.

    IPv6 addresses that stand for IPv4 ones are judged as these.
    """
    meant = find_meant(address)
    return _is_global(meant) or any(meant in network for network in list_allowed_networks())


def list_allowed_networks() -> tuple[Network, ...]:
    """Return WEBHOOK_ALLOWED_NETWORKS. Raises ImproperlyConfigured."""
    return list_networks("WEBHOOK_ALLOWED_NETWORKS")


def _is_global(address: Address) -> bool:
    if address.version == 6 and address not in _GLOBAL_IPV6:
        return False
    return address.is_global and not any(address in network for network in _NOT_GLOBAL)
