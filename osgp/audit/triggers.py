"""Triggers that have the database itself refuse to change or delete audit entries and their seals.

They guard against mistakes, such as a statement in a console. Whoever owns the database can drop them. What
is past its retention may be deleted by a transaction that says so (``permit_deletion``). On SQLite a
migration that alters a table makes it anew, and loses its triggers: it ends with ``create`` again.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLE = "audit_auditentry"
SEALS = "audit_auditseal"
TABLES = (TABLE, SEALS)
REFUSAL = "audit entries are neither changed nor deleted"

_PERMISSION = "osgp.audit_retention"
_PERMITTED = "audit_deletion_permitted"
"""On SQLite, which has no variables of a session: a table, with a row while deletion is permitted."""

_CREATE = {
    "postgresql": (
        f"""
        CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND current_setting('{_PERMISSION}', true) = 'on' THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION '{REFUSAL}';
        END $$
        """,
        *(
            f"""
            CREATE OR REPLACE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON {table}
              FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()
            """
            for table in TABLES
        ),
    ),
    "sqlite": (
        f"CREATE TABLE IF NOT EXISTS {_PERMITTED} (permitted INTEGER)",
        *(
            statement
            for table in TABLES
            for statement in (
                f"""
                CREATE TRIGGER IF NOT EXISTS {table}_no_update BEFORE UPDATE ON {table}
                BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
                """,
                f"""
                CREATE TRIGGER IF NOT EXISTS {table}_no_delete BEFORE DELETE ON {table}
                WHEN NOT EXISTS (SELECT 1 FROM {_PERMITTED})
                BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
                """,  # noqa: S608 (names of tables)
            )
        ),
    ),
}
_DROP = {
    "postgresql": (
        *(f"DROP TRIGGER IF EXISTS audit_append_only ON {table}" for table in TABLES),
        "DROP FUNCTION IF EXISTS refuse_audit_change",
    ),
    "sqlite": (
        *(f"DROP TRIGGER IF EXISTS {table}_no_{verb}" for table in TABLES for verb in ("update", "delete")),
        f"DROP TABLE IF EXISTS {_PERMITTED}",
    ),
}
_FORMER = {"postgresql": (), "sqlite": ("audit_no_update", "audit_no_delete")}
"""Triggers of the first release."""


def create(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the triggers, unless they are there."""
    for statement in _CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers."""
    vendor = schema_editor.connection.vendor
    for name in _FORMER[vendor]:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}")
    for statement in _DROP[vendor]:
        schema_editor.execute(statement)


@contextmanager
def permit_deletion() -> Iterator[None]:
    """Within the block, this transaction may delete what is past its retention."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SET LOCAL {_PERMISSION} = 'on'")
        else:
            cursor.execute(f"INSERT INTO {_PERMITTED} VALUES (1)")  # noqa: S608 (a table's name)
        yield
        if connection.vendor == "postgresql":
            cursor.execute(f"SET LOCAL {_PERMISSION} = 'off'")
        else:
            cursor.execute(f"DELETE FROM {_PERMITTED}")  # noqa: S608 (a table's name)
