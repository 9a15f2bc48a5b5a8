"""Triggers that store an event when a request becomes final, in the transaction of its outcome.

The database does it, because requests end in a dozen statements, some of them for thousands of rows: none of
these can forget it, and it costs a visit no round trip (docs/adr/0018-events-are-made-by-the-database.md).
On SQLite a migration that alters the table of requests makes it anew and loses its triggers: they are created
again after each migration that was run (apps.py).
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from osgp.events.models import Event, EventKind
from osgp.requests.models import FINAL_STATES, Request

REQUESTS, EVENTS = (model._meta.db_table for model in (Request, Event))
_FINAL = ", ".join(f"'{state}'" for state in sorted(FINAL_STATES))
_COLUMNS = """
    organisation_id, kind, subject, device_identification, data, response_url,
    created_at, position, fetched_at
"""
_KIND = EventKind.REQUEST_COMPLETED.value
_FACTS = {
    "device_identification": "NEW.device_identification",
    "message": "NEW.message",
    "status": "NEW.state",
}


def _write_object(function: str, uid: str) -> str:
    facts = {"correlation_uid": uid} | _FACTS
    pairs = ", ".join(f"'{name}', {value}" for name, value in facts.items())
    return f"{function}({pairs})"


_POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION record_completed_request() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO {EVENTS} ({_COLUMNS})
        VALUES (NEW.organisation_id, '{_KIND}', NEW.correlation_uid, NEW.device_identification,
                {_write_object("jsonb_build_object", "NEW.correlation_uid")}, NEW.response_url,
                statement_timestamp(), NULL, NULL);
        RETURN NULL;
    END $$
    """,  # noqa: S608 (table names)
    f"""
    CREATE OR REPLACE TRIGGER request_completed AFTER UPDATE OF state ON {REQUESTS} FOR EACH ROW
      WHEN (NEW.state IN ({_FINAL}) AND OLD.state NOT IN ({_FINAL}))
      EXECUTE FUNCTION record_completed_request()
    """,
    f"""
    CREATE OR REPLACE TRIGGER request_completed_at_once AFTER INSERT ON {REQUESTS} FOR EACH ROW
      WHEN (NEW.state IN ({_FINAL}))
      EXECUTE FUNCTION record_completed_request()
    """,
)
# UUIDs are kept as 32 digits there, and told with hyphens.
_DASHED = " || '-' || ".join(
    f"substr(NEW.correlation_uid, {begin}, {length})"
    for begin, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
)
_RECORD = f"""
    BEGIN
        INSERT INTO {EVENTS} ({_COLUMNS})
        VALUES (NEW.organisation_id, '{_KIND}', NEW.correlation_uid, NEW.device_identification,
                {_write_object("json_object", _DASHED)}, NEW.response_url,
                strftime('%Y-%m-%d %H:%M:%f', 'now'), NULL, NULL);
    END
    """  # noqa: S608 (table names)
_SQLITE = (
    f"""
    CREATE TRIGGER IF NOT EXISTS request_completed AFTER UPDATE OF state ON {REQUESTS}
      WHEN NEW.state IN ({_FINAL}) AND OLD.state NOT IN ({_FINAL}) {_RECORD}
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS request_completed_at_once AFTER INSERT ON {REQUESTS}
      WHEN NEW.state IN ({_FINAL}) {_RECORD}
    """,
)
_CREATE = {"postgresql": _POSTGRESQL, "sqlite": _SQLITE}
_DROP = {
    "postgresql": (
        f"DROP TRIGGER IF EXISTS request_completed ON {REQUESTS}",
        f"DROP TRIGGER IF EXISTS request_completed_at_once ON {REQUESTS}",
        "DROP FUNCTION IF EXISTS record_completed_request",
    ),
    "sqlite": (
        "DROP TRIGGER IF EXISTS request_completed",
        "DROP TRIGGER IF EXISTS request_completed_at_once",
    ),
}


def create(connection: BaseDatabaseWrapper) -> None:
    """Create the triggers where there are none."""
    _execute(connection, _CREATE)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers: from then on requests end without an event."""
    _execute(connection, _DROP)


def create_lost(*, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """After migrations: SQLite may have lost them."""
    connection = connections[using]
    if connection.vendor == "sqlite" and EVENTS in connection.introspection.table_names():
        create(connection)


def _execute(connection: BaseDatabaseWrapper, statements: dict[str, tuple[str, ...]]) -> None:
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)
