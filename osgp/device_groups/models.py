"""Groups of devices. They depend on organisations, which own them, and on devices.

Their tables, permissions and content types belong to the app ``devices``, where they have always been.
"""

from django.core.validators import RegexValidator
from django.db import models

from osgp.accounts.models import Organisation
from osgp.devices.models import Device

group_name_validator = RegexValidator(r"^\S(?:[ \S]{0,62}\S)?\Z", "1 to 64 characters, no blanks around them")


class DeviceGroup(models.Model):
    """Devices that an organisation addresses together, 100,000 and more (osgp/device_groups/groups.py)."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="device_groups")
    name = models.CharField(max_length=64, validators=[group_name_validator])
    devices = models.ManyToManyField(Device, through="DeviceGroupMembership", related_name="groups")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "devices"
        ordering = ["organisation", "name"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="one_device_group_per_name")
        ]

    def __str__(self) -> str:
        return self.name


class DeviceGroupMembership(models.Model):
    """One device in one group."""

    # The constraint's index serves the group's side.
    group = models.ForeignKey(
        DeviceGroup, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        app_label = "devices"
        constraints = [models.UniqueConstraint(fields=["group", "device"], name="one_membership_per_device")]

    def __str__(self) -> str:
        return f"device {self.device_id} in group {self.group_id}"
