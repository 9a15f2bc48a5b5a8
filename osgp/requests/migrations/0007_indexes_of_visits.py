"""Indexes that PostgreSQL cannot take for one another: one for dispatchers, one for visits.

They are made without locking the table, however large it is, and the old ones go once the new ones are there.
Dispatchers of the former release take longer to find what is due until they are replaced.
"""

from typing import Any

from django.contrib.postgres import operations as postgresql
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

IN_ORDER = (
    models.OrderBy(models.F("effective_priority"), descending=True),
    models.F("due_at"),
    models.F("id"),
)
WAITING = ["QUEUED", "RETRYING"]


class AddIndex(postgresql.AddIndexConcurrently):
    """Concurrently on PostgreSQL; SQLite has one writer anyway."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            migrations.AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)
            return
        # A migration that was interrupted leaves an index behind that is invalid.
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *states: Any
    ) -> None:
        is_postgresql = schema_editor.connection.vendor == "postgresql"
        operation = postgresql.AddIndexConcurrently if is_postgresql else migrations.AddIndex
        operation.database_backwards(self, app_label, schema_editor, *states)


class RemoveIndex(postgresql.RemoveIndexConcurrently):
    """Likewise."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *states: Any
    ) -> None:
        is_postgresql = schema_editor.connection.vendor == "postgresql"
        operation = postgresql.RemoveIndexConcurrently if is_postgresql else migrations.RemoveIndex
        operation.database_forwards(self, app_label, schema_editor, *states)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *states: Any
    ) -> None:
        is_postgresql = schema_editor.connection.vendor == "postgresql"
        operation = postgresql.RemoveIndexConcurrently if is_postgresql else migrations.RemoveIndex
        operation.database_backwards(self, app_label, schema_editor, *states)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("requests", "0006_names_for_operators"),
    ]

    operations = [
        AddIndex(
            model_name="request",
            index=models.Index(
                *IN_ORDER, condition=models.Q(state__in=WAITING, priority__gte=0), name="request_to_dispatch"
            ),
        ),
        AddIndex(
            model_name="request",
            index=models.Index(
                *IN_ORDER,
                condition=models.Q(state__in=WAITING, meter__isnull=True),
                name="request_of_platform",
            ),
        ),
        AddIndex(
            model_name="request",
            index=models.Index(
                fields=["meter"],
                condition=models.Q(state__in=WAITING, meter__isnull=False),
                name="request_waits_for_meter",
            ),
        ),
        AddIndex(
            model_name="metersession",
            index=models.Index(
                fields=["expires_at"],
                condition=models.Q(state__in=["OPENED", "CLAIMED"], priority__gte=0),
                name="session_lease_end",
            ),
        ),
        RemoveIndex(model_name="metersession", name="session_expiry"),
        RemoveIndex(model_name="request", name="request_dispatch"),
        RemoveIndex(model_name="request", name="request_meter_waiting"),
    ]
