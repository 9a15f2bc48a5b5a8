from django.db import migrations, models


class Migration(migrations.Migration):
    """The column keeps its name, so that processes of the former release go on working beside newer ones."""

    dependencies = [("devices", "0005_device_by_debugging")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("device", "transport", "framing"),
                migrations.AlterField(
                    "device",
                    "framing",
                    models.CharField(
                        choices=[("WRAPPER", "TCP wrapper"), ("HDLC", "HDLC over TCP")],
                        db_column="transport",
                        default="WRAPPER",
                        max_length=8,
                    ),
                ),
            ]
        )
    ]
