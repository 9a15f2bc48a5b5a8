"""Counters that outlive the rows from which they were counted, and how far counting has come."""

from django.db import models


class Counter(models.Model):
    """One sample of a family (metrics/families.py): a number that only grows."""

    name = models.CharField(max_length=80, help_text="Of the family.")
    labels = models.CharField(max_length=300, help_text="JSON object, keys in order.")
    value = models.BigIntegerField(default=0, help_text="Seconds are counted in microseconds.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="one_counter_per_labels")]

    def __str__(self) -> str:
        return f"{self.name}{self.labels}"


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
