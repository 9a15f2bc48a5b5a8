"""Host names of meters, looked up within a time of their own and shared fairly.

Name servers that do not answer must not keep other meters from being called, and the system's resolver
knows no deadline. So each lookup has a thread, under gevent a greenlet, and those who wait for it leave in
time. There are bounded numbers of lookups at a time, in all and for one domain, and domains take turns. A
name is looked up once for all who ask for it meanwhile; what came of it is remembered for some seconds, so
that names without an answer cost little. Addresses that are no names never come here.
"""

import logging
import socket
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from osgp.protocol_dlms import errors

logger = logging.getLogger(__name__)

LookUp = Callable[[str], Sequence[str]]
"""Returns the IP addresses of a name as texts. Raises OSError (socket.gaierror) and UnicodeError."""

KEPT_SECONDS = 5.0
"""How long addresses of a name are good: visits to meters behind one gateway follow each other."""
KEPT_FAILURE_SECONDS = 15.0
MOST_KEPT = 4096
"""Names."""
MOST_ADDRESSES = 8
"""Of one name; further ones are not dialled."""
NOT_FOUND = frozenset((socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)))
"""The name servers have answered that there is no such name, or that it has no address."""


def ask_system(name: str) -> Sequence[str]:
    """Look a name up with the system's resolver."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(eq=False)
class _Lookup:
    """``wanted_until``: when the last one who waits for it leaves. Times are of the monotonic clock."""

    name: str
    domain: str
    begun_at: float
    wanted_until: float = 0.0
    ended_at: float | None = None
    addresses: tuple[str, ...] = ()
    is_unknown: bool = False
    """Whether there is no such name; without addresses otherwise, the name servers could not tell."""
    done: threading.Event = field(default_factory=threading.Event)

    def is_good(self, now: float) -> bool:
        """Whether another one who asks may share it."""
        if self.ended_at is None:
            return True
        return now < self.ended_at + (KEPT_SECONDS if self.addresses else KEPT_FAILURE_SECONDS)

    def run(self, look_up: LookUp) -> None:
        """Find the addresses."""
        try:
            self.addresses = tuple(dict.fromkeys(look_up(self.name)))[:MOST_ADDRESSES]
            self.is_unknown = not self.addresses
        except ValueError:
            # No name has that form.
            self.is_unknown = True
        except OSError as error:
            self.is_unknown = error.errno in NOT_FOUND


class Names:
    """Finds addresses of names. ``most`` lookups at a time, ``most_of_domain`` of names in one domain."""

    def __init__(self, look_up: LookUp = ask_system, *, most: int = 64, most_of_domain: int = 16) -> None:
        self._look_up = look_up
        self._most = most
        self._most_of_domain = most_of_domain
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Lookup] = OrderedDict()
        self._waiting: OrderedDict[str, deque[_Lookup]] = OrderedDict()
        self._running: Counter[str] = Counter()

    def find_addresses(self, name: str, seconds: float) -> tuple[str, ...]:
        """Return the addresses of a name, at most MOST_ADDRESSES, in the order in which to try them.

        ``seconds`` count from when the lookup was begun, by whoever began it. Raises
        :class:`errors.NameNotFound` and :class:`errors.NameNotResolved`.
        """
        lookup = self._join(name, seconds)
        lookup.done.wait(max(lookup.begun_at + seconds - time.monotonic(), 0.0))
        if not lookup.done.is_set():
            raise errors.NameNotResolved(f"the name {name} was not resolved in {seconds:.3g} s")
        if lookup.is_unknown:
            raise errors.NameNotFound(f"there is no host {name}")
        if not lookup.addresses:
            raise errors.NameNotResolved(f"the name {name} was not resolved: the name servers do not tell")
        return lookup.addresses

    def _join(self, name: str, seconds: float) -> _Lookup:
        """Return the lookup of a name: one that is under way or was answered just now, or a new one."""
        key = name.lower().removesuffix(".")
        now = time.monotonic()
        with self._lock:
            lookup = self._known.get(key)
            if lookup is None or not lookup.is_good(now):
                lookup = self._known[key] = _Lookup(key, key.partition(".")[2] or key, now)
                self._known.move_to_end(key)
                if len(self._known) > MOST_KEPT:
                    self._known.popitem(last=False)
                self._waiting.setdefault(lookup.domain, deque()).append(lookup)
            lookup.wanted_until = max(lookup.wanted_until, lookup.begun_at + seconds)
            self._start_waiting()
        return lookup

    def _start_waiting(self) -> None:
        """Start lookups while there is room, of each domain in turn. Needs the lock."""
        is_stuck = False
        while self._waiting and not is_stuck and self._running.total() < self._most:
            is_stuck = True
            for domain in list(self._waiting):
                if self._running[domain] >= self._most_of_domain or self._running.total() >= self._most:
                    continue
                is_stuck = False
                waiting = self._waiting.pop(domain)
                self._start(waiting.popleft())
                if waiting:
                    self._waiting[domain] = waiting

    def _start(self, lookup: _Lookup) -> None:
        """Start a lookup, unless nobody waits for it any more."""
        self._running[lookup.domain] += 1
        if time.monotonic() < lookup.wanted_until:
            try:
                threading.Thread(target=self._run, args=(lookup,), name="meter-name", daemon=True).start()
                return
            except RuntimeError:
                logger.warning("there is no thread for a host name")
        self._end(lookup)

    def _run(self, lookup: _Lookup) -> None:
        try:
            lookup.run(self._look_up)
        finally:
            with self._lock:
                self._end(lookup)
                self._start_waiting()

    def _end(self, lookup: _Lookup) -> None:
        lookup.ended_at = time.monotonic()
        self._running[lookup.domain] -= 1
        if not self._running[lookup.domain]:
            del self._running[lookup.domain]
        lookup.done.set()


class _Process:
    names = Names()


def use(names: Names) -> None:
    """Have all connections of this process find names so from now on."""
    _Process.names = names


def find_addresses(name: str, seconds: float) -> tuple[str, ...]:
    """Return the addresses of a name, see :meth:`Names.find_addresses`."""
    return _Process.names.find_addresses(name, seconds)
