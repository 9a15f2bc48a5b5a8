"""The room for replies that come in many blocks: all visits of a process share it.

Each reply has a limit, but hundreds of them may be under way, and come as slowly as meters like. When there
is no room for more, the largest one is given up. So whoever asks for little is served, whatever others do.
"""

import threading
from weakref import WeakSet

from osgp.protocol_dlms import errors

SMALL = 256 * 1024
"""Octets of a reply that needs no room."""
MOST_HELD = 32 * 1024 * 1024
"""Octets of all larger replies together, before one is given up: eight times the largest."""

_lock = threading.Lock()
_held: "WeakSet[HeldReply]" = WeakSet()


class HeldReply:
    """A reply that is under way, as long as anybody refers to it."""

    __slots__ = ("__weakref__", "_is_given_up", "octets")

    def __init__(self) -> None:
        self.octets = 0
        self._is_given_up = False

    def grow(self, octets: int) -> None:
        """Have room for so many octets in all. Raises ReplyTooLarge, which may pass, if it was given up."""
        if octets <= SMALL:
            return
        with _lock:
            self.octets = octets
            if not self._is_given_up:
                _held.add(self)
                while sum(each.octets for each in _held) > MOST_HELD:
                    largest = max(_held, key=lambda each: each.octets)
                    largest._is_given_up = True
                    _held.discard(largest)
        if self._is_given_up:
            raise errors.ReplyTooLarge(
                f"a reply of more than {octets} octets, the largest of those that are under way: there is no "
                "room for all of them"
            )
