"""Class 47, GSM diagnostic: the networks of the modem, a cell and its neighbours."""

from typing import NamedTuple
from zlib import crc32

from ..codec.axdr import (
    array,
    double_long_unsigned,
    enum,
    long_unsigned,
    structure,
    unsigned,
    visible_string,
)
from ..codec.cosem_time import encode_date_time
from .metered import ripple
from .query import Query
from .registry import elements_of_class, value_of_class

CAPTURE_SECONDS = 300
"""The modem looks at its network so often."""

COUNTRY, NETWORK = 204, 4
_CELLS = 500
_NEIGHBOURS = 3


class _Technology(NamedTuple):
    """The packet switched service that a modem uses, and the number of a channel of its network."""

    service: int
    channel: int


_GPRS = _Technology(1, 107)
_TECHNOLOGIES = {"CDMA_DIAGNOSTIC": _Technology(6, 283), "LTE_DIAGNOSTIC": _Technology(5, 6_300)}


def _find_technology(query: Query) -> _Technology:
    return _TECHNOLOGIES.get(query.entry.tag, _GPRS)


def _measure_signal(query: Query, cell: int) -> int:
    """Signal quality, 0 to 31, of a cell; steady, but not quite."""
    identification = query.meter.identification
    level = 12 + crc32(f"{identification}:{query.entry.tag}:{cell}".encode()) % 12
    return level + ripple(identification, query.moment, f"signal{cell}", 4, CAPTURE_SECONDS) - 2


@value_of_class("gsm_diagnostic", "operator")
def modem_operator(query: Query) -> bytes:
    """Name of the mobile network."""
    return visible_string("Simulated Mobile")


@value_of_class("gsm_diagnostic", "status")
def modem_registration_status(query: Query) -> bytes:
    """1: registered in the home network; 5, now and then: roaming."""
    roaming = ripple(query.meter.identification, query.moment, "roaming", 49, 86_400) == 0
    return enum(5 if roaming else 1)


@value_of_class("gsm_diagnostic", "ps_status")
def packet_switched_status(query: Query) -> bytes:
    """1 GPRS, 5 LTE, 6 CDMA."""
    return enum(_find_technology(query).service)


@elements_of_class("gsm_diagnostic", "cell_info")
def cell_elements(query: Query) -> tuple[bytes, ...]:
    """Cell id, location id, signal quality, bit error rate, country, network, channel."""
    cell = query.meter.number % _CELLS
    return (
        double_long_unsigned(77_000 + cell),
        long_unsigned(2_230 + cell // 50),
        unsigned(_measure_signal(query, 0)),
        unsigned(ripple(query.meter.identification, query.moment, "errors", 3, CAPTURE_SECONDS)),
        long_unsigned(COUNTRY),
        long_unsigned(NETWORK),
        double_long_unsigned(_find_technology(query).channel),
    )


@value_of_class("gsm_diagnostic", "cell_info")
def cell_info(query: Query) -> bytes:
    """The cell in which the modem is."""
    return structure(*cell_elements(query))


@value_of_class("gsm_diagnostic", "adjacent_cells")
def adjacent_cells(query: Query) -> bytes:
    """The neighbours with their signal quality, weaker than that of the cell itself."""
    own, cell = _measure_signal(query, 0), query.meter.number % _CELLS
    return array(
        structure(
            double_long_unsigned(77_000 + (cell + place) % _CELLS),
            unsigned(max(min(_measure_signal(query, place), own - place), 0)),
        )
        for place in range(1, _NEIGHBOURS + 1)
    )


@value_of_class("gsm_diagnostic", "capture_time")
def modem_capture_time(query: Query) -> bytes:
    """When the modem last looked: a date-time of its own type."""
    captured = query.moment // CAPTURE_SECONDS * CAPTURE_SECONDS
    return b"\x19" + encode_date_time(query.local_time(captured))
