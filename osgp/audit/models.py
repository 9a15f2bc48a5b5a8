"""The audit trail: who did what with keys and counters. Rows are added, and never changed or deleted."""

from typing import Any, NoReturn

from django.db import models
from django.db.models.functions import Now


class AuditEvent(models.TextChoices):
    """What entries tell of."""

    APPLICATION_KEY_REGISTERED = "APPLICATION_KEY_REGISTERED", "Application key registered"
    APPLICATION_KEY_REMOVED = "APPLICATION_KEY_REMOVED", "Application key removed"
    KEYS_HANDED_OUT = "KEYS_HANDED_OUT", "Keys handed out"
    KEYS_REPLACED = "KEYS_REPLACED", "Keys replaced"
    KEYS_RECOVERED = "KEYS_RECOVERED", "Keys recovered from the second place"
    INVOCATION_COUNTER_SET = "INVOCATION_COUNTER_SET", "Invocation counter set"
    WEBHOOK_SECRET_ISSUED = "WEBHOOK_SECRET_ISSUED", "Webhook secret issued"
    READINGS_ERASED = "READINGS_ERASED", "Readings erased"
    RESTORED = "RESTORED", "Database restored"


class AppendOnly(TypeError):
    """An entry was to be changed or deleted."""

    def __init__(self) -> None:
        super().__init__("audit entries are neither changed nor deleted")


class AuditEntries(models.QuerySet["AuditEntry"]):
    """Entries to read; a trigger of the database refuses what gets around this class."""

    def update(self, **changes: Any) -> NoReturn:
        """Raises AppendOnly."""
        raise AppendOnly

    def delete(self) -> NoReturn:
        """Raises AppendOnly."""
        raise AppendOnly


class AuditEntry(models.Model):
    """One event. It refers to nothing by key, so that it outlives what it tells of."""

    # Of the database: the clocks of processes differ.
    at = models.DateTimeField(db_default=Now(), editable=False)
    # No choices: a new event needs no migration.
    event = models.CharField(max_length=40, help_text="One of AuditEvent.")
    organisation_identification = models.CharField(max_length=40)
    actor = models.CharField(
        max_length=160, help_text="The application; of people admin/ and their name, or command line."
    )
    device_identification = models.CharField(max_length=40, blank=True, help_text="Empty: of no device.")
    correlation_uid = models.UUIDField(
        null=True, help_text="Of the request, which may be forgotten by now; null: there was none."
    )
    details = models.JSONField(default=dict, help_text="What else is to be known; never a secret.")

    objects = AuditEntries.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["device_identification", "-id"], name="audit_by_device"),
            models.Index(fields=["organisation_identification", "-id"], name="audit_by_organisation"),
            models.Index(fields=["event", "-id"], name="audit_by_event"),
            models.Index(fields=["-at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.organisation_identification}/{self.actor}"

    @property
    def event_label(self) -> str:
        """The event in words; an event of a later release by its name."""
        return AuditEvent(self.event).label if self.event in AuditEvent.values else self.event

    def save(self, **options: Any) -> None:
        """Store a new entry. Raises AppendOnly for a stored one."""
        if not self._state.adding:
            raise AppendOnly
        super().save(**{**options, "force_insert": True})

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        """Raises AppendOnly."""
        raise AppendOnly
