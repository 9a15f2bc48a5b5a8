"""Visits have lanes, and the due work of each organisation is found by an index of its own.

The columns have constant defaults, so that no table is written anew; the index is made without locking it.
"""

import importlib

import django.db.models.deletion
from django.db import migrations, models

from osgp.add_column import AddColumn

AddIndex = importlib.import_module("osgp.requests.migrations.0007_indexes_of_visits").AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0004_limits"),
        ("requests", "0013_partial_results"),
    ]

    operations = [
        migrations.AddField(
            model_name="metersession",
            name="lane",
            field=models.CharField(
                choices=[("URGENT", "Urgent"), ("NORMAL", "Normal"), ("SLOW", "Slow")],
                editable=False,
                max_length=6,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="metersession",
            name="organisation",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.organisation",
            ),
        ),
        AddColumn(
            model_name="request",
            name="in_slow_lane",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="1: it waits among those of slow meters, where dispatchers have put it.",
            ),
        ),
        AddIndex(
            model_name="request",
            index=models.Index(
                models.F("organisation"),
                models.F("in_slow_lane"),
                models.OrderBy(models.F("effective_priority"), descending=True),
                models.F("due_at"),
                models.F("id"),
                condition=models.Q(state__in=["QUEUED", "RETRYING"], organisation__gt=0),
                name="request_of_organisation_due",
            ),
        ),
    ]
