"""Indexes for lists that open at once, and the names of models on operators' pages."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def index_types(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Rare types of alarms are found among millions; SQLite has no such index, and no millions."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX alarm_by_type ON alarms_alarm USING gin (alarm_types jsonb_path_ops)"
        )


def forget_types(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX alarm_by_type")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_application_keys"),
        ("alarms", "0001_initial"),
        ("devices", "0014_pushes"),
        ("networks", "0002_names_for_operators"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="alarm",
            options={
                "ordering": ["-received_at", "-pk"],
                "verbose_name": "alarm",
                "verbose_name_plural": "single alarms",
            },
        ),
        migrations.AlterModelOptions(
            name="alarmgroup",
            options={
                "ordering": ["-last_at", "-pk"],
                "verbose_name": "group of alarms",
                "verbose_name_plural": "alarms",
            },
        ),
        migrations.AlterField(
            model_name="alarm",
            name="group",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="alarms",
                to="alarms.alarmgroup",
            ),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(fields=["group", "-received_at", "-id"], name="alarm_by_group"),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                condition=models.Q(("acknowledged_at__isnull", True)),
                fields=["group", "id"],
                name="alarm_to_acknowledge",
            ),
        ),
        migrations.AddIndex(
            model_name="alarmgroup",
            index=models.Index(fields=["organisation", "-last_at", "-id"], name="alarm_group_by_owner"),
        ),
        migrations.AddIndex(
            model_name="receivedpush",
            index=models.Index(fields=["source_address", "-id"], name="push_by_source"),
        ),
        migrations.RunPython(index_types, forget_types),
    ]
