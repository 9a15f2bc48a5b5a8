"""Seals, and who called from where. The triggers are made anew: they let what is past its retention be deleted."""

from django.db import migrations, models

from osgp.audit import triggers


def create_triggers(apps, schema_editor):
    triggers.create(schema_editor)


def drop_triggers(apps, schema_editor):
    triggers.drop(schema_editor)


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_triggers"),
    ]

    operations = [
        migrations.RunPython(drop_triggers, create_triggers),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                (
                    "position",
                    models.BigIntegerField(help_text="1, 2, 3 and so on.", primary_key=True, serialize=False),
                ),
                ("sealed_at", models.DateTimeField()),
                ("count", models.PositiveIntegerField(help_text="Entries of the run.")),
                ("runs", models.TextField(help_text="Their ids: 7-9 12 14-15.")),
                (
                    "marks",
                    models.BinaryField(
                        help_text="The first 8 octets of the digest of each, in the order of ids."
                    ),
                ),
                ("top", models.BigIntegerField(help_text="The highest id that is sealed by now.")),
                (
                    "missing",
                    models.JSONField(
                        default=list,
                        help_text="Ids below it that may still come, of transactions that have not ended (sealing.py).",
                    ),
                ),
                (
                    "key_id",
                    models.CharField(
                        blank=True, help_text="Of the key of the hash; empty: none.", max_length=16
                    ),
                ),
                (
                    "hash",
                    models.CharField(
                        help_text="Over the former hash, this row and the entries.", max_length=64
                    ),
                ),
            ],
            options={
                "verbose_name": "audit seal",
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="AuditSealing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attendant", models.UUIDField(editable=False, null=True)),
                ("attended_until", models.DateTimeField(editable=False, null=True)),
                (
                    "forwarded",
                    models.BigIntegerField(default=0, help_text="The last position that was sent on."),
                ),
            ],
        ),
        migrations.AddField(
            model_name="auditentry",
            name="address",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of the client; empty: no call.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="request_id",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Of the call, X-Request-ID.", max_length=64
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["actor", "-id"], name="audit_by_actor"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("correlation_uid__isnull", False)),
                fields=["correlation_uid"],
                name="audit_by_request",
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("request_id", ""), _negated=True),
                fields=["request_id"],
                name="audit_by_request_id",
            ),
        ),
        migrations.AddIndex(
            model_name="auditseal",
            index=models.Index(fields=["sealed_at"], name="audit_seal_by_time"),
        ),
        migrations.RunPython(create_triggers, drop_triggers),
    ]
