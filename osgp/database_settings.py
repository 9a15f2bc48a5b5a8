"""Django's database settings from a ``DATABASE_URL``, with the options that the platform needs."""

from pathlib import Path
from typing import Any

import dj_database_url

CONNECTION_LIFETIME = 300
"""Seconds that a connection of a web thread is kept."""

# WAL lets readers go on while one thread writes; IMMEDIATE makes writers queue at BEGIN instead of failing
# half-way through a transaction. synchronous=FULL because a reservation of invocation counters must survive a
# power cut.
_SQLITE = {
    "timeout": 30,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
}
# A server that vanished without a word is given up after a minute of silence, as the broker is; the kernel
# would wait a quarter of an hour for an answer, and for ever for a notification.
_POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def make_database_settings(
    url: str, var_dir: Path, *, idle_transaction: float, statement: float = 0
) -> dict[str, Any]:
    """Return an entry of Django's ``DATABASES``. Options of the URL, such as ``?sslmode=verify-full``, win.

    ``idle_transaction``: seconds after which PostgreSQL ends a transaction whose process does not go on with
    it; 0 lets it wait for ever. A process that was frozen, or whose host is gone, may hold locks on what
    others have to take over from it.

    ``statement``: seconds after which PostgreSQL gives up a statement; 0 lets it take as long as it does.
    """
    parsed: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=CONNECTION_LIFETIME))
    said = parsed.get("OPTIONS", {})
    if parsed["ENGINE"] == "django.db.backends.sqlite3":
        # Tests use a file as well: threads that share an in-memory database lock each other out.
        parsed["TEST"] = {"NAME": var_dir / "test.sqlite3"}
        parsed["OPTIONS"] = _SQLITE | said
        return parsed
    needed: dict[str, Any] = dict(_POSTGRESQL)
    limits = {"idle_in_transaction_session_timeout": idle_transaction, "statement_timeout": statement}
    if options := [f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items() if seconds]:
        needed["options"] = " ".join(options)
    parsed["OPTIONS"] = needed | said
    return parsed
