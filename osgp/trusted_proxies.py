"""What a proxy says of a call: who made it, how, and to which host.

Headers can be sent by anybody. Those of the proxies that ``OSGP_TRUSTED_PROXIES`` names are believed, and put
in place of what the connection itself tells; everything behind this middleware asks the request as usual.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from osgp.ip_networks import list_networks

Address = IPv4Address | IPv6Address


class TrustedProxyMiddleware:
    """Believes trusted proxies; first of all middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        believe(request.META)
        return self._get_response(request)


def believe(environ: dict[str, Any]) -> None:
    """Put address, scheme and host of the caller in place of the proxy's, if it comes from a trusted one.

    Of several values in a header the last one is that of the proxy itself: others may be the caller's.
    Addresses are read from the end up to the first that is no trusted proxy. What cannot be read stays as it
    is.
    """
    if not _is_trusted(_parse(environ.get("REMOTE_ADDR", ""))):
        return
    for text in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        address = _parse(text.strip())
        if address is None:
            break
        environ["REMOTE_ADDR"] = str(address)
        if not _is_trusted(address):
            break
    scheme = _last(environ, "HTTP_X_FORWARDED_PROTO").lower()
    if scheme in {"http", "https"}:
        environ["wsgi.url_scheme"] = scheme
    if host := _last(environ, "HTTP_X_FORWARDED_HOST"):
        environ["HTTP_HOST"] = host


def _last(environ: dict[str, Any], name: str) -> str:
    value: str = environ.get(name, "")
    return value.rpartition(",")[2].strip()


def _parse(text: str) -> Address | None:
    """An address, with or without a port."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_trusted(address: Address | None) -> bool:
    return address is not None and any(address in network for network in list_networks("TRUSTED_PROXIES"))
