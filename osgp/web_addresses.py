"""Who calls: the address of a client of the web application."""

from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the address of the client, an IPv4 or IPv6 address; empty where none is known.

    It is that of the connection.
    """
    return str(request.META.get("REMOTE_ADDR") or "")
