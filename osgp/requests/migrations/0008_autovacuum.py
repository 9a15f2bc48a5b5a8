"""When PostgreSQL vacuums and analyzes the tables that grow.

Its defaults are shares of a table, a fifth and a tenth of the rows: with five million requests that are kept, a
batch for a fleet of 200,000 meters would change nothing about statistics from a time when nothing waited, and
dead rows at the front of the dispatchers' index would be read again and again.

- Analyzing takes a sample, so it costs the same however large the table is, about a second: a fixed number of
  changes. A request changes three times, so a busy platform (60 visits/s) gets there after some minutes, and a
  batch for 10,000 meters while it is being put in.
- Vacuuming reads the indexes as a whole, so its cost does grow with the table: still a share, but a small one.
- Vacuuming after rows were only added (actions) is for the map of visible pages: the default, a fifth, is fine.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

PARAMETERS = {
    "autovacuum_analyze_scale_factor": 0,
    "autovacuum_analyze_threshold": 20_000,
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_vacuum_threshold": 5_000,
}
MODELS = ("Request", "Action", "MeterSession", "IdempotencyKey")


def set_parameters(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _alter(
        apps, schema_editor, f"SET ({', '.join(f'{name} = {value}' for name, value in PARAMETERS.items())})"
    )


def reset_parameters(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _alter(apps, schema_editor, f"RESET ({', '.join(PARAMETERS)})")


def _alter(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor, change: str) -> None:
    """Neither readers nor writers wait for this: the lock is that of a vacuum."""
    if schema_editor.connection.vendor != "postgresql":
        return
    for name in MODELS:
        table = schema_editor.quote_name(apps.get_model("requests", name)._meta.db_table)
        schema_editor.execute(f"ALTER TABLE {table} {change}")


class Migration(migrations.Migration):
    dependencies = [
        ("requests", "0007_indexes_of_visits"),
    ]

    operations = [migrations.RunPython(set_parameters, reset_parameters)]
