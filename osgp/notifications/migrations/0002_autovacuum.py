"""When PostgreSQL vacuums and analyzes deliveries: see osgp/requests/migrations/0008_autovacuum.py.

A delivery changes twice at least, and those that are due are at the front of an index from which they vanish.
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


def set_parameters(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _alter(
        apps, schema_editor, f"SET ({', '.join(f'{name} = {value}' for name, value in PARAMETERS.items())})"
    )


def reset_parameters(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _alter(apps, schema_editor, f"RESET ({', '.join(PARAMETERS)})")


def _alter(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor, change: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        table = apps.get_model("notifications", "Delivery")._meta.db_table
        schema_editor.execute(f"ALTER TABLE {schema_editor.quote_name(table)} {change}")


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0001_initial"),
    ]

    operations = [migrations.RunPython(set_parameters, reset_parameters)]
