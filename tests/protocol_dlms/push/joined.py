"""What a Joiner makes of octets."""

from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.joining import Joiner, Outcome


def feed(octets: bytes, *, limit: int = 0x4000, ended: bool = False) -> list[Outcome]:
    """What comes of a stream: at once, and the same octet by octet."""
    whole = Joiner(limit=limit)
    found = whole.feed(octets) + (whole.end() if ended else [])
    slow = Joiner(limit=limit)
    piecemeal: list[Outcome] = []
    for octet in octets:
        piecemeal += slow.feed(bytes((octet,)))
        assert slow.pending <= limit
    piecemeal += slow.end() if ended else []
    assert [show(outcome) for outcome in piecemeal] == [show(outcome) for outcome in found]
    return found


def show(outcome: Outcome) -> object:
    if isinstance(outcome, PushError):
        return outcome.kind, outcome.text, outcome.octets
    return outcome


def kinds(found: list[Outcome]) -> list[PushFault | bytes]:
    """The APDU of each message, the kind of each error."""
    return [each.kind if isinstance(each, PushError) else each.apdu for each in found]
