"""Endpoints: network address, port and logical device address, by which meter sessions keep meters apart.

Two device rows may stand for one meter, perhaps of two organisations that do not know of each other. The
meter takes one association at a time, so its lease belongs to where it is dialled: the address that was
announced for it, as long as that is to be tried, or else its network address.
"""

from django.db.models import Case, CharField, Value, When
from django.db.models.functions import Cast, Coalesce, Concat, NullIf

NOWHERE = ""
"""The endpoint of a meter without an address: it keeps nobody from anything."""
LONGEST = 255 + len(" 65535 65535")

OF_METER = Case(
    When(meter__network_address="", meter__announced_address="", then=Value(NOWHERE)),
    default=Concat(
        Coalesce(NullIf("meter__announced_address", Value("")), "meter__network_address"),
        Value(" "),
        Cast("meter__port", CharField()),
        Value(" "),
        Cast("meter__logical_device_address", CharField()),
    ),
    output_field=CharField(),
)
"""ORM expression for :func:`make_endpoint` of the meter of a request."""


def make_endpoint(network_address: str, port: int, logical_device_address: int) -> str:
    """Return the endpoint of a meter; NOWHERE if it has no address.

    Addresses are compared as they are stored, in canonical form (osgp/devices/addresses.py).
    """
    return f"{network_address} {port} {logical_device_address}" if network_address else NOWHERE
