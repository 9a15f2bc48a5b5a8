"""Pushes that came during visits: stored as if a listener had got them, to be decoded like all others."""

import uuid
from collections import Counter

from django.db import transaction

from osgp.alarms import counting
from osgp.alarms.counting import Arrival, make_key
from osgp.alarms.models import LONGEST_PUSH, PushOutcome, ReceivedPush, Transport
from osgp.protocol_dlms.push.errors import PushError
from osgp.protocol_dlms.push.joining import Joiner
from osgp.protocol_dlms.push.message import PushedMessage
from osgp.protocol_dlms.settings import MANAGEMENT_CLIENT
from osgp.protocol_dlms.transport.wrapper import build_frame
from osgp.visits import unsolicited
from osgp.visits.unsolicited import Unsolicited, UnsolicitedApdu

LONGEST_PROBLEM = 500
"""Characters."""


def register() -> None:
    """Have visits hand over what they get; called at start-up."""
    unsolicited.keep_with(keep)


@transaction.atomic
def keep(came: Unsolicited) -> None:
    """Store what came during a visit, in its order. Do nothing if it is stored already, all of it.

    Each APDU gets a wrapper frame, whatever it came in: it is a whole one, so its own beginning need not be
    looked for. The meter that was visited is noted, as the sender of what does not say whose it is.
    """
    transport = Transport(came.address.carrier.value)
    rows = [
        ReceivedPush(
            # Several pieces may end with one APDU.
            uid=uuid.uuid5(apdu.uid, str(number)),
            received_at=apdu.received_at,
            transport=transport,
            source_address=came.peer_address,
            source_port=came.address.port,
            octets=piece.octets[:LONGEST_PUSH],
            outcome=piece.kind.name if isinstance(piece, PushError) else PushOutcome.WAITING,
            device_id=came.meter.pk,
            details={"reason": piece.text[:LONGEST_PROBLEM]} if isinstance(piece, PushError) else {},
        )
        for number, (apdu, piece) in enumerate(_join(came))
    ]
    if ReceivedPush.objects.filter(uid__in=[row.uid for row in rows]).exists():
        return
    ReceivedPush.objects.bulk_create(rows)
    counting.add(
        Counter(
            make_key(
                transport,
                Arrival.RECEIVED if row.outcome == PushOutcome.WAITING else row.outcome,
                row.received_at,
            )
            for row in rows
        )
    )


def _join(came: Unsolicited) -> list[tuple[UnsolicitedApdu, PushedMessage | PushError]]:
    """Join blocks to messages; return each message or error with the APDU that completed it."""
    joiner = Joiner(limit=LONGEST_PUSH)
    found: list[tuple[UnsolicitedApdu, PushedMessage | PushError]] = []
    for apdu in came.apdus:
        frame = build_frame(came.address.logical_device_address, MANAGEMENT_CLIENT, apdu.octets)
        found += [(apdu, piece) for piece in joiner.feed(frame)]
    found += [(came.apdus[-1], piece) for piece in joiner.end()]
    return found
