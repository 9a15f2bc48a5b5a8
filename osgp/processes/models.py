"""The latest heartbeat of each process."""

from django.db import models


class ProcessHeartbeat(models.Model):
    """A process that works for the platform, and when it last said that it lives (heartbeats.py)."""

    kind = models.CharField(max_length=20, help_text="What it is: dispatcher, worker, beat and others.")
    name = models.CharField(max_length=100, help_text="Host and process id, or the name of a worker.")
    queues = models.CharField(
        max_length=100, blank=True, help_text="Those that a worker consumes, in order, separated by commas."
    )
    details = models.JSONField(default=dict, blank=True, help_text="What else it tells of itself.")
    beat_at = models.DateTimeField()
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text="When it ended in good order; empty for one that just fell silent."
    )

    class Meta:
        ordering = ["kind", "queues", "name"]
        verbose_name = "process"
        verbose_name_plural = "processes"
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_heartbeat_per_process")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
