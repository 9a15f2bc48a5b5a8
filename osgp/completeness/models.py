"""What is known of gaps beside requests, and how complete days are: what was counted of each device, and the
totals that pages show.

Requests are kept for some days only. Totals are kept up by differences (osgp/completeness/counting.py): no
page counts devices.
"""

from django.db import models

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.messages.readings import Period

PERIODS = [(str(period), str(period).capitalize()) for period in Period if period != Period.ACTUAL]
LONGEST_COMMENT = 200


class KnownGap(models.Model):
    """Intervals of a device without values, both ends included."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="+", db_index=False)
    period = models.CharField(max_length=8, choices=PERIODS)
    first_interval_end = models.DateTimeField()
    last_interval_end = models.DateTimeField()

    class Meta:
        abstract = True


class AcceptedGap(KnownGap):
    """A gap with which a person is content: it is not asked for any more."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    accepted_by = models.CharField(
        max_length=40, help_text="The application; admin/… is a user of the admin."
    )
    accepted_at = models.DateTimeField()
    comment = models.CharField(max_length=LONGEST_COMMENT, help_text="Why nothing is missing.")

    class Meta:
        indexes = [
            models.Index(fields=["device", "period", "last_interval_end"], name="accepted_gap_of_device"),
            models.Index(fields=["last_interval_end"], name="accepted_gap_retention"),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.first_interval_end} to {self.last_interval_end}"


class AnsweredGap(KnownGap):
    """A gap that a meter has answered without: it is not asked for again when the request is forgotten."""

    correlation_uid = models.UUIDField(help_text="Of the request, which may be forgotten by now.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device", "period", "last_interval_end", "first_interval_end"],
                name="one_row_per_answered_gap",
            )
        ]
        indexes = [models.Index(fields=["last_interval_end"], name="answered_gap_retention")]

    def __str__(self) -> str:
        return f"{self.period} {self.first_interval_end} to {self.last_interval_end}"


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
