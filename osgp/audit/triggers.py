"""Triggers that have the database itself refuse to change or delete audit entries.

They guard against mistakes, such as a statement in a console. Whoever owns the database can drop them. On
SQLite a migration that alters the table makes it anew, and loses them: it ends with ``create`` again.
"""

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLE = "audit_auditentry"
REFUSAL = "audit entries are neither changed nor deleted"

_CREATE = {
    "postgresql": (
        f"""
        CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{REFUSAL}';
        END $$
        """,
        f"""
        CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON {TABLE}
          FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()
        """,
    ),
    "sqlite": (
        f"""
        CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
        """,
        f"""
        CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
        """,
    ),
}
_DROP = {
    "postgresql": (f"DROP TRIGGER audit_append_only ON {TABLE}", "DROP FUNCTION refuse_audit_change"),
    "sqlite": ("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"),
}


def create(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the triggers; there are none yet."""
    for statement in _CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers."""
    for statement in _DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)
