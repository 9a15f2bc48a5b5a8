"""A key is held by a lock of the transaction that stores what came of it: no call claims it in a row before."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("requests", "0014_lanes")]

    operations = [
        migrations.RemoveField(model_name="idempotencykey", name="claim"),
        migrations.AlterField(
            model_name="idempotencykey",
            name="request",
            field=models.ForeignKey(
                help_text="What came of it, if not a batch.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="requests.request",
            ),
        ),
        migrations.AlterField(
            model_name="idempotencykey",
            name="batch",
            field=models.ForeignKey(
                help_text="What came of it otherwise.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="batches.batch",
            ),
        ),
    ]
