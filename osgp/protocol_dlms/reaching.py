"""How far one gets to a meter without an association: a connection and, with HDLC, a data link."""

from dataclasses import replace

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.deadlines import SessionClock
from osgp.protocol_dlms.settings import PUBLIC_CLIENT, Deadlines, Limits, MeterAddress, check_address
from osgp.protocol_dlms.steps import Step
from osgp.protocol_dlms.transport import Line, connect, open_link


def reach(
    address: MeterAddress,
    deadlines: Deadlines,
    limits: Limits | None = None,
    line: Line | None = None,
    *,
    opens_link: bool = True,
) -> float:
    """Connect, open a data link as the public client if the framing has one, and take leave again.

    Returns the seconds until the connection stood. Harmless: nothing is authenticated, nothing is read.
    Raises the errors of connection, time and data link, those of ``line``, and those of an impossible
    address before connecting.
    """
    check_address(address, PUBLIC_CLIENT)
    with errors.during(Step.CONNECTION):
        stream = connect(address, SessionClock(deadlines), line)
    try:
        if opens_link:
            with errors.during(Step.DATA_LINK):
                stream.clock.start_exchange()
                link = open_link(stream, address, PUBLIC_CLIENT, (limits or Limits()).for_link())
                link.disconnect()
    finally:
        stream.close()
    return stream.connect_seconds


def shorten(deadlines: Deadlines, *, apdu: float, connect: float | None = None) -> Deadlines:
    """Return deadlines of which that for an answer is at most ``apdu`` seconds, and ``connect`` another."""
    return replace(
        deadlines,
        connect=deadlines.connect if connect is None else connect,
        apdu=min(deadlines.apdu, apdu),
        release=min(deadlines.release, apdu),
    )
