"""What is known of gaps beside requests, which are kept for some days only."""

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
