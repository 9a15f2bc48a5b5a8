"""Counters that outlive the rows from which they were counted, and how far counting has come."""

from django.db import models

from osgp.accounts.models import Organisation
from osgp.requests.models import RequestState


class Counter(models.Model):
    """One sample of a family (metrics/families.py): a number that only grows."""

    name = models.CharField(max_length=80, help_text="Of the family.")
    labels = models.CharField(max_length=300, help_text="JSON object, keys in order.")
    value = models.BigIntegerField(default=0, help_text="Seconds are counted in microseconds.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="one_counter_per_labels")]

    def __str__(self) -> str:
        return f"{self.name}{self.labels}"


class HourlyOutcome(models.Model):
    """How many requests of an organisation ended in an hour, by message and outcome (hours.py)."""

    hour = models.DateTimeField(help_text="Its begin.")
    organisation = models.ForeignKey(
        Organisation,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,  # Organisations are hardly ever deleted.
        help_text="Whose requests they were; empty once it is deleted.",
    )
    message = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=RequestState.choices, help_text="A final one.")
    fault_code = models.IntegerField(help_text="Of failed requests; 0: none.")
    number = models.BigIntegerField(help_text="Requests.")
    duration = models.BigIntegerField(
        help_text="Microseconds from acceptance, or the time they were scheduled for, to their end; the sum."
    )
    started = models.BigIntegerField(help_text="How many of them came to a first attempt.")
    wait = models.BigIntegerField(help_text="Microseconds that these waited for it; the sum.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "organisation", "message", "state", "fault_code"],
                name="one_row_per_hour_and_outcome",
            )
        ]

    def __str__(self) -> str:
        return f"{self.message} {self.state} {self.hour}"


class Cursor(models.Model):
    """How far the rows of one table have been counted. The lock of its row is the right to count."""

    name = models.CharField(max_length=16, unique=True)
    counted_until = models.DateTimeField(help_text="Rows completed up to this moment have been counted.")

    def __str__(self) -> str:
        return self.name


class Snapshot(models.Model):
    """The figures that were last counted; there is at most one row."""

    taken_at = models.DateTimeField()
    seconds = models.FloatField(help_text="How long it took.")
    figures = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"snapshot of {self.taken_at}"
