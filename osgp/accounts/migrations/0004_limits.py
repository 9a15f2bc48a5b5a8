"""Limits of organisations, empty at first: those of the platform hold."""

from django.db import migrations, models

from osgp.add_column import AddColumn


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_application_keys")]

    operations = [
        migrations.AddField(
            model_name="organisation",
            name="max_visits",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Meters visited for it at a time. Empty: as set for the platform, and in any case "
                "no more than its fair part while others have work. 0: no meter is dialled for it.",
                null=True,
                verbose_name="max. visits",
            ),
        ),
        migrations.AddField(
            model_name="organisation",
            name="max_waiting_requests",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Requests that may wait; more are refused with 429. Empty: as set for the platform.",
                null=True,
                verbose_name="max. waiting requests",
            ),
        ),
        AddColumn(
            model_name="organisation",
            name="waiting_requests",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="As last counted (osgp/requests/waiting_limits.py).",
            ),
        ),
    ]
