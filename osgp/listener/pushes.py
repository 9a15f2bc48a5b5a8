"""A push as the listener has it in memory, and as octets for the spool."""

import struct
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from osgp import platform_time
from osgp.alarms.models import PushOutcome, Transport

_HEAD = struct.Struct(">16sqBHHHH")
"""uid, time, transport, port; then the lengths of address, outcome and problem."""
_TRANSPORTS = (Transport.TCP, Transport.UDP)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LONGEST_PROBLEM = 500
"""Characters."""


@dataclass(slots=True)
class Push:
    """What becomes a row of ReceivedPush. ``problem`` says to operators why it could not be used."""

    transport: Transport
    address: str
    port: int
    octets: bytes = field(repr=False)
    outcome: str = PushOutcome.WAITING.value
    problem: str = ""
    received_at: datetime = field(default_factory=platform_time.now)
    uid: uuid.UUID = field(default_factory=uuid.uuid4)


class Receipt(Protocol):
    """Who waits for what becomes of a push."""

    def on_kept(self, kept: bool) -> None:
        """Hear that a push is kept for good, or could not be."""


def pack(push: Push) -> bytes:
    """Return a push as the spool holds it."""
    texts = [push.address.encode(), push.outcome.encode(), push.problem.encode()]
    head = _HEAD.pack(
        push.uid.bytes,
        (push.received_at - _EPOCH) // _MICROSECOND,
        _TRANSPORTS.index(push.transport),
        push.port,
        *map(len, texts),
    )
    return b"".join([head, *texts, push.octets])


def unpack(record: bytes) -> Push:
    """Return the push of a record that :func:`pack` made."""
    uid, moment, transport, port, *lengths = _HEAD.unpack_from(record)
    texts, position = [], _HEAD.size
    for length in lengths:
        texts.append(record[position : position + length].decode())
        position += length
    address, outcome, problem = texts
    return Push(
        transport=_TRANSPORTS[transport],
        address=address,
        port=port,
        octets=record[position:],
        outcome=outcome,
        problem=problem,
        received_at=_EPOCH + moment * _MICROSECOND,
        uid=uuid.UUID(bytes=uid),
    )
