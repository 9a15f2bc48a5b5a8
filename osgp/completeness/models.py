"""How complete days are: what was counted of each device, and the totals that pages show.

Totals are kept up by differences (osgp/completeness/counting.py): no page counts devices.
"""

from django.db import models

from osgp.devices.models import Device
from osgp.readings.models import PERIODS


class CountedDevice(models.Model):
    """What the totals hold of a device, and what that depended on."""

    device = models.OneToOneField(
        Device, primary_key=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False
    )
    scopes = models.TextField(help_text="Whom it was counted for (osgp/completeness/totals.py).")
    basis = models.TextField(
        help_text="What is expected depends on it; when it changes, all is counted anew."
    )
    until = models.DateField(help_text="Days before it were counted.")

    def __str__(self) -> str:
        return f"{self.device_id} {self.until}"


class CountedDay(models.Model):
    """The intervals of one device, period and day, as they are in the totals."""

    pk = models.CompositePrimaryKey("device_id", "period", "day")
    device_id = models.BigIntegerField()
    period = models.CharField(max_length=8, choices=PERIODS)
    day = models.DateField(help_text="Of the device's calendar; of MONTHLY the last one of the month.")
    expected = models.PositiveSmallIntegerField()
    late = models.PositiveSmallIntegerField(help_text="Of those received.")
    missing = models.JSONField(null=True, help_text="Intervals by reason; none: the day is complete.")

    class Meta:
        indexes = [
            models.Index(
                fields=["device_id"], condition=models.Q(missing__isnull=False), name="counted_day_incomplete"
            )
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.period} {self.day}"


class Kind(models.TextChoices):
    """By what devices are added up, within those that an organisation may read."""

    ALL = "ALL"
    NETWORK = "NETWORK"
    PROFILE = "PROFILE"
    GROUP = "GROUP"


class DayTotal(models.Model):
    """One number of a day: METERS, COMPLETE (meters), EXPECTED, RECEIVED or LATE (intervals), or a reason."""

    organisation_id = models.BigIntegerField(help_text="0: of all devices.")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    key = models.CharField(
        max_length=32, help_text="Profile, or primary key of a network or group; may be empty."
    )
    period = models.CharField(max_length=8, choices=PERIODS)
    day = models.DateField()
    name = models.CharField(max_length=20)
    number = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "completeness"  # What the admin lists instead.
        constraints = [
            models.UniqueConstraint(
                fields=["period", "day", "kind", "organisation_id", "key", "name"],
                name="one_number_per_total",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} {self.period} {self.day} {self.name}"


class Counting(models.Model):
    """How far counting has come. One row; whoever counts locks it."""

    begun_at = models.DateTimeField()
    received_until = models.DateTimeField(help_text="Deliveries up to here were counted.")
    failed_until = models.DateTimeField(help_text="Failed requests up to here were looked at.")
    walk = models.JSONField(default=dict, help_text="Through all devices (osgp/completeness/rounds.py).")
    look = models.JSONField(default=dict, help_text="Through those that lack values.")

    class Meta:
        verbose_name_plural = "counting"

    def __str__(self) -> str:
        return f"{self.received_until}"
