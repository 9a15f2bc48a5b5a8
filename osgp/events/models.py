"""Events, as they are kept for web applications: each belongs to one organisation and has a position."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from osgp.accounts.models import Organisation
from osgp.events.receivers import LONGEST_URL


class EventKind(models.TextChoices):
    """What happened; the ``type`` of a notification."""

    REQUEST_COMPLETED = "request.completed", "Request completed"
    ALARM_RECEIVED = "alarm.received", "Alarm received"
    SYSTEM_EVENT = "system.event", "System event"


def make_message_id(subject: uuid.UUID) -> str:
    """Return the id of all notifications of one subject, whoever gets them."""
    return f"msg_{subject.hex}"


class Event(models.Model):
    """Something that an organisation may want to know; stored in the transaction of what it tells of.

    A position is given to it a moment later (numbering.py): only then is it certain that no earlier event
    is still to be committed, so that readers who go on from a position miss nothing.
    """

    # Not checked by the database: one event per visit, which has looked the organisation up already.
    organisation = models.ForeignKey(
        Organisation, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    # No choices: a new kind needs no migration.
    kind = models.CharField(max_length=24, help_text="One of EventKind.")
    subject = models.UUIDField(help_text="The correlation UID, the alarm or the system event it tells of.")
    device_identification = models.CharField(max_length=40, blank=True)
    data = models.JSONField(default=dict, help_text="As in the notification; no results, no secrets.")
    response_url = models.CharField(
        max_length=LONGEST_URL,
        blank=True,
        default="",
        db_default="",
        help_text="Of the request, if it had one.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    position = models.BigIntegerField(null=True, editable=False)
    fetched_at = models.DateTimeField(
        null=True, editable=False, help_text="When its organisation fetched what it tells of."
    )

    class Meta:
        ordering = ["position"]
        indexes = [
            models.Index(fields=["id"], condition=Q(position__isnull=True), name="event_to_number"),
            models.Index(fields=["position"], condition=Q(position__isnull=False), name="event_by_position"),
            models.Index(
                fields=["organisation", "position"],
                condition=Q(position__isnull=False),
                name="event_of_organisation",
            ),
            models.Index(fields=["subject"], name="event_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def body(self) -> dict[str, object]:
        """The notification."""
        return {"type": self.kind, "data": self.data}


class EventSequence(models.Model):
    """The last position that was given away; one row, whose lock is the right to give more."""

    last = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.last)
