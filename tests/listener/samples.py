"""What meters push: one of each framing, from docs of public captures, made anew with made up numbers."""

from osgp.alarms.models import Transport
from osgp.listener.pushes import Push
from scripts.benchmarks.push_sender import make_alarm

SMR5 = make_alarm(123, 4)
DSMR4 = b"E0000000000000123,\x00\x00\x00\x04"
HDLC = bytes.fromhex(
    "7EA0982B2113C81CE6E7000F000000000C07EA0110050E1E0AFF800000020D0A0E4B616D73747275705F56303030310906010100"
    "0005FF0A103132333435363738393031323334353609060101600101FF0A12303030303030303030303030303030303031090601"
    "01010700FF06000004D209060101020700FF0600000000090601011F0700FF060000021909060101200700FF1200E776BD7E"
)


def make_push(number: int = 0, **fields: object) -> Push:
    """A push; ``number`` is in its octets."""
    values: dict[str, object] = {"transport": Transport.TCP, "address": "192.0.2.7", "port": 4059}
    return Push(**{**values, "octets": make_alarm(number, number), **fields})  # type: ignore[arg-type]
