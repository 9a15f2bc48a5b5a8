"""Host names of meters in a worker with greenlets: c-ares asks the name servers, without threads.

gevent's own resolver has ten threads for all of a process, which names without an answer keep for many
seconds each. Only names of meters are looked up here: those of database and broker, and of receivers of
notifications, may need what c-ares does not know, such as the modules of nsswitch.conf.
"""

import os
import socket
from collections.abc import Sequence
from typing import Any

from osgp.protocol_dlms.transport import names

SECONDS_PER_TRY = 1.5
TRIES = 2
"""Of each name server: c-ares gives a name up after about 5 s, with a single one."""
MOST_LOOKUPS = 1000
"""Each is a few kilobytes; a worker has 500 visits."""
MOST_LOOKUPS_OF_DOMAIN = 500
_CONFIGURATION = "/etc/resolv.conf"


class NameServers:
    """Asks name servers within gevent's event loop. ``options`` are those of gevent's channel of c-ares.

    c-ares reads where they are when it begins; it begins anew when that has changed.
    """

    def __init__(self, **options: Any) -> None:
        self._options = {"timeout": SECONDS_PER_TRY, "tries": TRIES, **options}
        self._resolver: Any = None
        self._read_at = 0

    def look_up(self, name: str) -> Sequence[str]:
        """Return the addresses of a name. Raises socket.gaierror."""
        found = self._find_resolver().getaddrinfo(name, None, 0, socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]

    def _find_resolver(self) -> Any:
        from gevent.resolver.ares import Resolver

        changed_at = _find_change()
        if self._resolver is not None and changed_at != self._read_at:
            self._resolver.close()
            self._resolver = None
        if self._resolver is None:
            self._resolver = Resolver(use_environ=False, **self._options)
            self._read_at = changed_at
        return self._resolver


def install() -> None:
    """Look names of meters up so, if this process has greenlets instead of threads."""
    try:
        from gevent.monkey import is_module_patched
    except ImportError:
        return
    if is_module_patched("socket"):
        servers = NameServers()
        names.use(names.Names(servers.look_up, most=MOST_LOOKUPS, most_of_domain=MOST_LOOKUPS_OF_DOMAIN))


def _find_change() -> int:
    try:
        return os.stat(_CONFIGURATION).st_mtime_ns
    except OSError:
        return 0
