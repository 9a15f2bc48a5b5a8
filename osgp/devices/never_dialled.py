"""What is never dialled as a meter: the platform's own services, and what OSGP_NEVER_DIALLED names.

They are refused inside of networks with meters as well. A service of this machine is refused at all
addresses of this machine, since most listen at all of them.
"""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from osgp.ip_addresses import Address, Network, find_meant, is_of_this_machine, parse_address

LOOKED_UP_SECONDS = 60.0
"""How long the addresses of services are taken to be the same."""
DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
POSTGRESQL_PORT = 5432


@dataclass(frozen=True)
class Service:
    """A host name or address, and its port; None stands for all ports."""

    host: str
    port: int | None


@dataclass(frozen=True)
class _Places:
    """Where services are."""

    networks: tuple[Network, ...]
    ports: frozenset[tuple[Address, int | None]]
    local_ports: frozenset[int | None]

    def have(self, address: Address, port: int) -> bool:
        if any((address, each) in self.ports for each in (port, None)):
            return True
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        return not self.local_ports.isdisjoint((port, None)) and _is_local(address)


def is_refused(address: Address, port: int) -> bool:
    """Whether something is there that is never dialled. Host names are looked up once a minute."""
    return _guide.find().have(address, port)


def parse(texts: tuple[str, ...]) -> tuple[tuple[Network, ...], tuple[Service, ...]]:
    """Return the networks and the services of OSGP_NEVER_DIALLED. Raises ImproperlyConfigured."""
    try:
        return _parse(texts)
    except ValueError as error:
        raise ImproperlyConfigured(f"OSGP_NEVER_DIALLED: {error}.") from error


def add_local_port(port: int) -> None:
    """Refuse a port of this machine, on which a part of the platform in this process listens."""
    _guide.own_ports = (*_guide.own_ports, port)


def remove_local_port(port: int) -> None:
    """Take :func:`add_local_port` back."""
    _guide.own_ports = tuple(own for own in _guide.own_ports if own != port)


@lru_cache(maxsize=16)
def _parse(texts: tuple[str, ...]) -> tuple[tuple[Network, ...], tuple[Service, ...]]:
    networks, services = [], []
    for text in texts:
        if "/" in text:
            networks.append(ip_network(text))
        elif parse_address(text) is not None:
            services.append(Service(text, None))
        else:
            parts = urlsplit(f"//{text}")
            if not parts.hostname or parts.netloc != text or "@" in text:
                raise ValueError(f"{text!r} is no network, no host and no host:port")
            services.append(Service(parts.hostname, parts.port))
    return tuple(networks), tuple(services)


def _list_configured() -> Iterator[Service]:
    """List database and broker, as far as they are reached over a network."""
    database = settings.DATABASES["default"]
    hosts = [host for host in str(database.get("HOST") or "").split(",") if host and not host.startswith("/")]
    ports = str(database.get("PORT") or POSTGRESQL_PORT).split(",")
    for number, host in enumerate(hosts):
        yield Service(host, int(ports[min(number, len(ports) - 1)] or POSTGRESQL_PORT))
    for url in str(settings.CELERY_BROKER_URL).split(";"):
        parts = urlsplit(url)
        if parts.hostname and parts.scheme in DEFAULT_PORTS:
            yield Service(parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])


class _Known(NamedTuple):
    """Where services are, for what was configured; good until then (monotonic clock)."""

    wanted: tuple[str | int, ...]
    places: _Places
    good_until: float


class _Guide:
    """Knows where services are. One thread at a time finds out anew; others take what is known."""

    def __init__(self) -> None:
        self.own_ports: tuple[int, ...] = ()
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._addresses: dict[str, tuple[Address, ...]] = {}

    def find(self) -> _Places:
        wanted = (*settings.OSGP["NEVER_DIALLED"], *self.own_ports)
        known = self._known
        is_usable = known is not None and known.wanted == wanted
        if known is not None and is_usable and time.monotonic() < known.good_until:
            return known.places
        if not self._lock.acquire(blocking=not is_usable):
            assert known is not None
            return known.places
        try:
            # Another one may have found out while this one waited.
            if self._known is known:
                places = self._look_around()
                self._known = known = _Known(wanted, places, time.monotonic() + LOOKED_UP_SECONDS)
                return known.places
        finally:
            self._lock.release()
        return self.find()

    def _look_around(self) -> _Places:
        networks, services = parse(tuple(settings.OSGP["NEVER_DIALLED"]))
        local_ports: set[int | None] = set(self.own_ports)
        ports: set[tuple[Address, int | None]] = set()
        for service in (*_list_configured(), *services):
            for address in self._find_addresses(service.host):
                ports.add((address, service.port))
                if _is_local(address):
                    local_ports.add(service.port)
        return _Places(networks, frozenset(ports), frozenset(local_ports))

    def _find_addresses(self, host: str) -> tuple[Address, ...]:
        """Return the addresses of a host; those that it had before if it has none now."""
        try:
            found = [parse_address(str(entry[4][0])) for entry in socket.getaddrinfo(host, None)]
        except (OSError, UnicodeError):
            return self._addresses.get(host, ())
        addresses = tuple({find_meant(address) for address in found if address is not None})
        self._addresses[host] = addresses
        return addresses


_guide = _Guide()


def _is_local(address: Address) -> bool:
    return address.is_loopback or is_of_this_machine(address)
