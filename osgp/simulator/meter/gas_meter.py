"""A gas meter behind an electricity meter."""

from typing import NamedTuple


class GasMeter(NamedTuple):
    """A gas meter on a channel, as M-Bus knows it."""

    identification: str
    channel: int
    identification_number: str
    manufacturer: str = "SIM"
    version: int = 80
    device_type: int = 3
    primary_address: int = 1
    model: str = "SIM-G4"
