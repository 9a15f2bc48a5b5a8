"""Has the test database refuse every change of a state that is no transition of its table.

Triggers do, so that they see whatever changes a row: the ORM, statements that are written out, threads, and
processes of their own on the same database. They come with the migrations, wherever tests run those, and
stay when tables are emptied. Where a test puts rows into a state by hand, it says so: ``states_by_hand``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connection, connections, transaction
from django.db.models import Model
from django.db.models.signals import post_migrate

from osgp.batches.models import Batch
from osgp.devices.key_states import KeyTransitions
from osgp.devices.models import DeviceKey
from osgp.fleet.states import BatchTransitions
from osgp.notifications.models import Delivery
from osgp.notifications.states import DeliveryTransitions
from osgp.requests.models import Action, MeterSession, Request
from osgp.requests.states.transitions import ActionTransitions, RequestTransitions, SessionTransitions
from osgp.state_tables import StateTable

TABLES: dict[type[Model], type[StateTable]] = {
    Request: RequestTransitions,
    Action: ActionTransitions,
    MeterSession: SessionTransitions,
    Batch: BatchTransitions,
    DeviceKey: KeyTransitions,
    Delivery: DeliveryTransitions,
}

# A row of this table is seen by its transaction alone, which deletes it before it commits. The sequence
# counts on when the transaction is rolled back: it tells of refusals that another process got over.
_POSTGRESQL = (
    "CREATE TABLE IF NOT EXISTS states_by_hand (allowed boolean)",
    "CREATE SEQUENCE IF NOT EXISTS refused_state_changes",
    """
    CREATE OR REPLACE FUNCTION refuse_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM states_by_hand) THEN
            RETURN NEW;
        END IF;
        PERFORM nextval('refused_state_changes');
        RAISE EXCEPTION 'no transition of %: % to %', TG_TABLE_NAME, OLD.state, NEW.state;
    END $$
    """,
)
_POSTGRESQL_TRIGGER = (
    "DROP TRIGGER IF EXISTS {table}_states ON {table}",
    """
    CREATE TRIGGER {table}_states BEFORE UPDATE OF state ON {table} FOR EACH ROW
      WHEN (OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN ({changes}))
      EXECUTE FUNCTION refuse_state_change()
    """,
)
_SQLITE = ("CREATE TABLE IF NOT EXISTS states_by_hand (allowed boolean)",)
_SQLITE_TRIGGER = (
    "DROP TRIGGER IF EXISTS {table}_states",
    """
    CREATE TRIGGER {table}_states BEFORE UPDATE OF state ON {table} FOR EACH ROW
      WHEN OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (VALUES {changes})
           AND NOT EXISTS (SELECT 1 FROM states_by_hand)
    BEGIN
      SELECT RAISE(ABORT, 'no transition of {table}');
    END
    """,
)

_RECORDING = {
    "postgresql": """
        CREATE FUNCTION record_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO state_changes (of_table, of_row, former, state)
            VALUES (TG_TABLE_NAME, OLD.id::text, OLD.state, NEW.state);
            RETURN NULL;
        END $$;
        CREATE TABLE state_changes (
            id bigserial PRIMARY KEY, of_table text, of_row text, former text, state text)
        """,
    "sqlite": """
        CREATE TABLE state_changes (
            id integer PRIMARY KEY, of_table text, of_row text, former text, state text)
        """,
}
_RECORDING_TRIGGER = {
    "postgresql": """
        CREATE TRIGGER {table}_recorded AFTER UPDATE OF state ON {table} FOR EACH ROW
          WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION record_state_change()
        """,
    "sqlite": """
        CREATE TRIGGER {table}_recorded AFTER UPDATE OF state ON {table} FOR EACH ROW
          WHEN OLD.state <> NEW.state
        BEGIN
          INSERT INTO state_changes (of_table, of_row, former, state)
          VALUES ('{table}', CAST(OLD.id AS text), OLD.state, NEW.state);
        END
        """,
}


def install(using: str, **options: Any) -> None:
    """Called after migrations, perhaps those of an older release, whose tables are fewer; after emptying the
    tables as well, where there is nothing to do.
    """
    if "plan" not in options:
        return
    database = connections[using]
    is_postgresql = database.vendor == "postgresql"
    with database.cursor() as cursor:
        for statement in _POSTGRESQL if is_postgresql else _SQLITE:
            cursor.execute(statement)
        existing = set(database.introspection.table_names(cursor))
        for model, states in TABLES.items():
            if model._meta.db_table not in existing:
                continue
            changes = ", ".join(sorted(str(change) for change in states.list_changes()))
            for statement in _POSTGRESQL_TRIGGER if is_postgresql else _SQLITE_TRIGGER:
                cursor.execute(statement.format(table=model._meta.db_table, changes=changes))


def watch() -> None:
    """From the next migrations on."""
    post_migrate.connect(install, sender=apps.get_app_config("requests"))


@contextmanager
def states_by_hand() -> Iterator[None]:
    """Within it, this thread may put rows into any state; all in one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO states_by_hand VALUES (TRUE)")
        yield
        cursor.execute("DELETE FROM states_by_hand")


def refusals() -> int:
    """Changes that were ever refused, in whatever process. SQLite does not tell: always 0."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM refused_state_changes")
        return int(cursor.fetchone()[0])


class Change(NamedTuple):
    """One row came from the state ``former`` to ``state``."""

    model: type[Model]
    key: Any
    former: str
    state: str


@contextmanager
def recorded_changes(*models: type[Model]) -> Iterator[Callable[[], list[Change]]]:
    """Every change of a state of ``models``, in order; each call returns those since the last one.

    For tests whose transactions are real ones.
    """
    tables = {model._meta.db_table: model for model in models}
    vendor = connection.vendor

    def take() -> list[Change]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT of_table, of_row, former, state FROM state_changes ORDER BY id")
            rows = cursor.fetchall()
            cursor.execute("DELETE FROM state_changes")
        return [
            Change(tables[table], tables[table]._meta.pk.to_python(key), former, state)
            for table, key, former, state in rows
        ]

    with connection.cursor() as cursor:
        cursor.execute(_RECORDING[vendor])
        for table in tables:
            cursor.execute(_RECORDING_TRIGGER[vendor].format(table=table))
    try:
        yield take
    finally:
        with connection.cursor() as cursor:
            for table in tables:
                on_table = f" ON {table}" if vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {table}_recorded{on_table}")
            cursor.execute("DROP TABLE state_changes")
            if vendor == "postgresql":
                cursor.execute("DROP FUNCTION record_state_change")
