"""Which firmware devices have, and had."""

from django.db import models
from django.db.models import Q

from osgp.devices.models import Device

LONGEST_VERSION = 255
"""Characters."""


class FirmwareModuleType(models.TextChoices):
    """The parts of a device that have a firmware of their own."""

    ACTIVE_FIRMWARE = "ACTIVE_FIRMWARE", "Meter"
    MODULE_ACTIVE_FIRMWARE = "MODULE_ACTIVE_FIRMWARE", "Module"
    COMMUNICATION_MODULE_ACTIVE_FIRMWARE = "COMMUNICATION_MODULE_ACTIVE_FIRMWARE", "Communication module"
    M_BUS_DRIVER_ACTIVE_FIRMWARE = "M_BUS_DRIVER_ACTIVE_FIRMWARE", "M-Bus driver"
    SIMPLE_VERSION_INFO = "SIMPLE_VERSION_INFO", "M-Bus device"


class FirmwareVersion(models.Model):
    """A version that one module of a device had for a while, as the device told it.

    Rows are added by osgp/firmware/versions.py when a version has changed, and never deleted: together they
    are the history.
    """

    device = models.ForeignKey(
        Device,
        on_delete=models.CASCADE,
        related_name="firmware_versions",
        db_index=False,  # The index of the history serves as well.
    )
    module_type = models.CharField(max_length=40, choices=FirmwareModuleType.choices)
    version = models.CharField(
        max_length=LONGEST_VERSION, blank=True, help_text="Empty: the module told an empty one."
    )
    since = models.DateTimeField(help_text="When it was first seen.")
    last_seen = models.DateTimeField()
    is_current = models.BooleanField(default=True, help_text="Whether it is the latest one of its module.")

    class Meta:
        ordering = ["device", "module_type", "-since"]
        indexes = [
            models.Index(fields=["device", "module_type", "-since"], name="firmware_history"),
            # Which devices have a version: a few of very many, or nearly all.
            models.Index(
                fields=["version", "device"], condition=Q(is_current=True), name="firmware_by_version"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["device", "module_type"],
                condition=Q(is_current=True),
                name="one_current_firmware_per_module",
            )
        ]

    def __str__(self) -> str:
        return f"{self.module_type} {self.version}"
