"""Short ways to a connected Meter for tests."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.protocol_dlms import Deadlines, Framing, Keys, Meter, MeterAddress, Security
from tests.protocol_dlms.peers import (
    AUTHENTICATION_KEY,
    CLIENT_TITLE,
    ENCRYPTION_KEY,
    Counter,
    Peer,
)

ENERGY = AttributeDescriptor(3, bytes((1, 0, 1, 8, 0, 255)), 2)
CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
INVOCATION_COUNTER = AttributeDescriptor(1, bytes((0, 0, 43, 1, 0, 255)), 2)
LOAD_PROFILE = AttributeDescriptor(7, bytes((1, 0, 99, 1, 0, 255)), 2)
RESET = MethodDescriptor(3, bytes((1, 0, 1, 8, 0, 255)), 1)

KEYS = Keys(AUTHENTICATION_KEY, ENCRYPTION_KEY)
# Generous where an answer comes, so that a busy machine does no harm.
PATIENT = Deadlines(connect=10, apdu=20, session=60, release=20)
# For peers that leave the release unanswered.
UNRELEASED = Deadlines(connect=10, apdu=20, session=60, release=0.2)
# For peers that leave the request unanswered.
IMPATIENT = Deadlines(connect=10, apdu=0.3, session=60, release=0.2)

Talk = Callable[[socket.socket], None]


def connect(port: int, *, hls: bool = True, hdlc: bool = False, **settings: Any) -> Meter:
    """A Meter connected to whatever listens on ``port``."""
    address = settings.pop("address", None) or MeterAddress(
        "127.0.0.1", port, framing=Framing.HDLC if hdlc else Framing.WRAPPER
    )
    settings.setdefault("security", Security.HLS5 if hls else Security.NONE)
    settings.setdefault("keys", KEYS)
    settings.setdefault("counter", Counter())
    settings.setdefault("client_system_title", CLIENT_TITLE)
    settings.setdefault("deadlines", PATIENT)
    return Meter.connect(address, **settings)


@contextlib.contextmanager
def session(talk: Talk, *, hls: bool = True, hdlc: bool = False, **settings: Any) -> Iterator[Meter]:
    """A Meter whose peer is ``talk``."""
    with Peer(talk) as peer, connect(peer.port, hls=hls, hdlc=hdlc, **settings) as meter:
        yield meter
