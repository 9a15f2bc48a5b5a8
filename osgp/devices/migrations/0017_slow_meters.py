"""Whether the last visit to a meter took long for what came of it."""

from django.db import migrations, models

from osgp.add_column import AddColumn


class Migration(migrations.Migration):
    dependencies = [("devices", "0016_with_list_max_not_given")]

    operations = [
        AddColumn(
            model_name="device",
            name="is_slow",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="Whether the last visit took long for what came of it: slow meters are visited in a "
                "lane of their own (osgp/visits/pace.py).",
            ),
        ),
    ]
