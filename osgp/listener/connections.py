"""All connections of a listener: how many there may be, and who has to go when there are too many.

Whoever has waited longest without a whole message goes first. So senders of single octets, and those of
nothing at all, keep no meter out that has something to say.
"""

from typing import Protocol

from osgp.listener.deadlines import Waits
from osgp.listener.limits import Limits


class Connection(Protocol):
    """What is needed of a connection here."""

    address: str
    pending: int
    """Octets of an unfinished message."""

    def reset(self) -> None:
        """End it so that the meter tries again."""

    def give_up(self) -> None:
        """End it because its deadline passed."""

    def finish(self) -> None:
        """Close it in good order, if there is nothing more to wait for."""

    def leave(self) -> None:
        """End it because the listener ends."""


class Connections:
    """The connections that are open, by what they are waiting for."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all: Waits[Connection] = Waits()
        """Since they were opened."""
        self._idle: Waits[Connection] = Waits()
        """Since their last whole message was kept; not those of which messages are being kept."""
        self._idle_by_source: dict[str, Waits[Connection]] = {}
        self._number_by_source: dict[str, int] = {}
        self._unfinished: Waits[Connection] = Waits()
        """Since the first octet of a message of which the last one is missing."""
        self._quiet: Waits[Connection] = Waits()
        """Since nothing is missing."""
        self._octets = 0
        """Of unfinished messages."""

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection) -> bool:
        """Take a new connection; others have to go if there are too many. False: there is no room."""
        address = connection.address
        most = self._limits.connections_per_source
        if self._number_by_source.get(address, 0) >= most and not _reset_longest(
            self._idle_by_source[address]
        ):
            return False
        if len(self._all) >= self._limits.connections and not _reset_longest(self._idle):
            return False
        self._number_by_source[address] = self._number_by_source.get(address, 0) + 1
        self._all.begin(connection)
        self.let_wait(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection that was ended."""
        if connection not in self._all:
            return
        address = connection.address
        self._all.end(connection)
        self._idle.end(connection)
        self._unfinished.end(connection)
        self._quiet.end(connection)
        self._octets -= connection.pending
        self._number_by_source[address] -= 1
        if self._number_by_source[address]:
            self._idle_by_source[address].end(connection)
        else:
            del self._number_by_source[address], self._idle_by_source[address]

    def note_octets(self, connection: Connection, pending: int) -> None:
        """Note how many octets of an unfinished message a connection has."""
        self._octets += pending - connection.pending
        connection.pending = pending
        if not pending:
            self._unfinished.end(connection)
        elif connection not in self._unfinished:
            self._unfinished.begin(connection)
        while self._octets > self._limits.memory and _reset_longest(self._unfinished):
            pass

    def let_wait(self, connection: Connection) -> None:
        """Note that a connection waits for a message, with all before it kept."""
        self._idle.begin(connection)
        self._idle_by_source.setdefault(connection.address, Waits()).begin(connection)

    def hold(self, connection: Connection) -> None:
        """Note that messages of a connection are being kept: it does not wait for its meter."""
        self._idle.end(connection)
        self._idle_by_source[connection.address].end(connection)
        self._quiet.end(connection)

    def let_rest(self, connection: Connection) -> None:
        """Note that a connection may be closed if nothing more comes."""
        self._quiet.begin(connection)

    def disturb(self, connection: Connection) -> None:
        """Note that something more came."""
        self._quiet.end(connection)

    def check_deadlines(self) -> None:
        """End the connections whose time is up."""
        for connection in self._quiet.end_after(self._limits.quiet):
            connection.finish()
        for connection in self._unfinished.end_after(self._limits.message):
            connection.give_up()
        for connection in self._idle.end_after(max(self._limits.message, self._limits.quiet)):
            connection.give_up()
        for connection in self._all.end_after(self._limits.connection):
            self._all.begin(connection)  # removed in the end as all are
            connection.give_up()

    def leave_all(self) -> None:
        """End all because the listener ends; of some, messages are still being kept."""
        for connection in self._all.list_all():
            connection.leave()


def _reset_longest(waits: Waits[Connection]) -> bool:
    """Reset who has waited longest; False if nobody waits."""
    longest = waits.find_longest()
    if longest is None:
        return False
    longest.reset()
    return True
