"""What devices can be given, what is learned of them, and the system title of the installation."""

import secrets
from typing import Any

import django.core.validators
import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models

TITLE_OF_ALL = "4F53475048455301"
"""With which every installation called its meters before: those that have any keep it."""


def keep_title(apps: Apps, schema_editor: Any) -> None:
    """Some meters know their clients by title, so an installation that has meters goes on with what it had."""
    of_meters = ("Device", "DeviceKey", "KeyCounter")
    has_meters = any(apps.get_model("devices", name).objects.exists() for name in of_meters)
    title = TITLE_OF_ALL if has_meters else (b"OSG" + secrets.token_bytes(5)).hex().upper()
    apps.get_model("devices", "ClientSystemTitle").objects.create(pk=1, title=title)


class Migration(migrations.Migration):
    dependencies = [("devices", "0014_pushes")]

    operations = [
        migrations.CreateModel(
            name="ClientSystemTitle",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(help_text="16 hexadecimal digits.", max_length=16)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="MeterKnowledge",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        editable=False,
                        help_text="The first 128 bits of SHA-256 of the content.",
                        max_length=32,
                        unique=True,
                    ),
                ),
                ("content", models.JSONField(editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="SharedSettings",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(choices=[("MODEL", "Model"), ("PROFILE", "Profile")], max_length=8),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Manufacturer's model code as devices have it, or a profile such as SMR-5.5.",
                        max_length=255,
                    ),
                ),
                ("settings", models.JSONField(default=dict)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "meter settings",
                "verbose_name_plural": "meter settings",
                "ordering": ["kind", "name"],
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "name"), name="settings_once_per_name")
                ],
            },
        ),
        migrations.AddField(
            model_name="device",
            name="own_settings",
            field=models.JSONField(
                blank=True,
                editable=False,
                help_text="How to talk to it, where it is different: see devices/meter_settings.py.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="knowledge",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                help_text="What was learned of it.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="devices",
                to="devices.meterknowledge",
                to_field="digest",
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="knowledge_checked",
            field=models.JSONField(
                blank=True,
                editable=False,
                help_text="When it was last asked for what, by group.",
                null=True,
            ),
        ),
        # It is empty yet, so the table is not locked for long.
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(("knowledge__isnull", False)),
                fields=["knowledge"],
                name="device_by_knowledge",
            ),
        ),
        # The column stays as it is: SQLite would copy the table, which a view reads.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="device",
                    name="with_list_max",
                    field=models.PositiveSmallIntegerField(
                        default=0,
                        help_text="Attributes in one GET or SET with list; 1: no lists, 0: as its model or profile has it.",
                        validators=[django.core.validators.MaxValueValidator(255)],
                    ),
                ),
                migrations.AlterField(
                    model_name="device",
                    name="address_is_static",
                    field=models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Whether it keeps its IP address. If not, the meter may announce another network address, which is adopted after it has authenticated there.",
                    ),
                ),
                migrations.AlterField(
                    model_name="device",
                    name="logical_device_address",
                    field=models.PositiveIntegerField(
                        default=1,
                        help_text="With HDLC 16382 at most.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(65535),
                        ],
                    ),
                ),
            ]
        ),
        migrations.RunPython(keep_title, migrations.RunPython.noop),
    ]
