"""Who may read the metrics: callers with the token, and callers from networks named in the settings.

The address of a caller means something only without a proxy in between: a call through a proxy needs the
token, or all calls would seem to come from the proxy's address.
"""

import hmac
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from osgp.ip_networks import list_networks

PROXY_HEADERS = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Via",
)


def may_read(request: HttpRequest) -> bool:
    """Return whether the caller has the token or calls directly from an allowed network."""
    return _has_token(request) or _is_in_network(request)


def _has_token(request: HttpRequest) -> bool:
    token = settings.OSGP["METRICS_TOKEN"]
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if not token or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())


def _is_in_network(request: HttpRequest) -> bool:
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in list_networks("METRICS_NETWORKS"))


def check_networks(**_: Any) -> list[CheckMessage]:
    """Check the networks at start-up: a misspelt one is better found then than by a scrape."""
    try:
        list_networks("METRICS_NETWORKS")
    except ImproperlyConfigured as error:
        hint = "See OSGP_METRICS_NETWORKS in docs/how-to/monitor.md."
        return [Error(str(error), hint=hint, id="osgp.E003")]
    return []
