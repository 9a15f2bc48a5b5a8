"""How to talk to a meter that is different: settings of a device, else of its model, else of its profile."""

from dataclasses import dataclass

from osgp.catalogue.communication import DeviationSign, RangeBorders, RangeBounds


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """What holds for one meter. None: what the installation has for all, or what the platform finds out."""

    client_address: int = 1
    server_lower_address: int | None = None
    server_address_length: int | None = None
    client_system_title: str | None = None
    """16 hexadecimal digits."""
    counter_object: str | None = None
    """The OBIS code of the object whose value is the invocation counter."""
    connect_deadline: float | None = None
    """Seconds."""
    apdu_deadline: float | None = None
    """Seconds."""
    pause_between_connections: float = 0.0
    """Seconds."""
    attempts: int | None = None
    with_list_max: int = 1
    receive_size: int = 0xFFFF
    """Octets of the longest APDU that the platform says it takes."""
    hdlc_information_size: int = 1024
    hdlc_window: int = 1
    range_borders: RangeBorders | None = None
    range_bounds: RangeBounds | None = None
    deviation_sign: DeviationSign = DeviationSign.STANDARD


STANDARD = MeterSettings()
