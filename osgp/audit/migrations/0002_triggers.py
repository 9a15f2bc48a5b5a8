"""The database refuses to change or delete audit entries: see 0003, which makes the triggers."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = []
