"""Actions keep what came of their result before the meter was lost."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("requests", "0012_completion_events")]

    operations = [
        migrations.AddField(
            model_name="action",
            name="partial_result",
            field=models.JSONField(
                blank=True,
                help_text="What came before the meter was lost, of all attempts; empty once there is a "
                "result.",
                null=True,
            ),
        ),
    ]
