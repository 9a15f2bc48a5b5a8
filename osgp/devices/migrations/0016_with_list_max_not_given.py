"""1, no lists, was what devices got unless another value was given: it becomes 0, not given.

So that what is set for a model or a profile holds for them. Processes of the former release take 0 as 1.
"""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations

AT_A_TIME = 5000


def forget_defaults(apps: Apps, schema_editor: Any) -> None:
    """A slice at a time, each committed: visits wait for none of them for long."""
    devices = apps.get_model("devices", "Device").objects
    last = 0
    while keys := list(devices.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:AT_A_TIME]):
        last = keys[-1]
        devices.filter(pk__gte=keys[0], pk__lte=last, with_list_max=1).update(with_list_max=0)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("devices", "0015_meter_settings")]

    operations = [migrations.RunPython(forget_defaults, migrations.RunPython.noop)]
