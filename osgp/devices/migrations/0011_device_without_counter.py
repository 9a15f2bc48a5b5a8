from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0010_move_counters"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="device",
            name="invocation_counter",
        ),
    ]
