"""Networks that settings name, as CIDR texts."""

from functools import lru_cache
from ipaddress import ip_network

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from osgp.ip_addresses import Network


def list_networks(setting: str) -> tuple[Network, ...]:
    """Return the networks of a setting in OSGP. Raises ImproperlyConfigured for one that is none."""
    return _parse(setting, tuple(settings.OSGP[setting]))


@lru_cache(maxsize=16)
def _parse(setting: str, texts: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise ImproperlyConfigured(f"OSGP_{setting}: {error}.") from error
