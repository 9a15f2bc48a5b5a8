"""Notes that the platform keeps with a device."""

from django.db import models
from django.db.models import Q

from osgp.devices.models import Device
from osgp.system_notes.kinds import NoteKind, find_kind

OPEN = Q(resolved_at__isnull=True, dismissed_at__isnull=True)


class NoteState(models.TextChoices):
    """A dismissed note is opened again by other details; a resolved one never."""

    OPEN = "OPEN", "Open"
    DISMISSED = "DISMISSED", "Dismissed"
    RESOLVED = "RESOLVED", "Resolved"

    @property
    def condition(self) -> Q:
        """Which notes are in this state."""
        if self is NoteState.RESOLVED:
            return Q(resolved_at__isnull=False)
        return OPEN if self is NoteState.OPEN else Q(resolved_at__isnull=True, dismissed_at__isnull=False)


class SystemNote(models.Model):
    """Something that the platform noticed of a device, until it is not so any more; or that happened."""

    # The index of its pages serves as well.
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="system_notes", db_index=False)
    # No choices: a new kind needs no migration.
    kind = models.CharField(max_length=40, help_text="Name of a kind (osgp/system_notes/kinds.py).")
    text = models.TextField(help_text="What is so.")
    what_to_do = models.TextField(blank=True)
    details = models.JSONField(default=dict)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    count = models.PositiveIntegerField(
        default=1, help_text="How many requests have seen it, or how often it happened."
    )
    last_correlation_uid = models.UUIDField(
        null=True, help_text="Of the last request that saw it, which may be forgotten by now."
    )
    dismissed_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(
        max_length=64,
        blank=True,
        help_text="The message after which it was not so any more, ADMIN, or NEW_KEYS.",
    )

    class Meta:
        ordering = ["-first_seen_at", "-pk"]
        indexes = [
            models.Index(fields=["device", "-first_seen_at"], name="system_note_by_device"),
            # Lists of open notes, which are few beside those that are kept.
            models.Index(fields=["-first_seen_at", "-id"], condition=OPEN, name="system_note_open"),
            models.Index(
                fields=["resolved_at"], condition=Q(resolved_at__isnull=False), name="system_note_resolved"
            ),
            models.Index(
                fields=["last_seen_at"],
                condition=Q(resolved_at__isnull=True, dismissed_at__isnull=False),
                name="system_note_dismissed",
            ),
            # What happened once, and has not happened again.
            models.Index(fields=["kind", "last_seen_at"], condition=OPEN, name="system_note_open_by_kind"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["device", "kind"],
                condition=Q(resolved_at__isnull=True),
                name="one_unresolved_note_per_kind",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.device}"

    @property
    def known_kind(self) -> NoteKind:
        """What its kind means."""
        return find_kind(self.kind)

    @property
    def state(self) -> NoteState:
        """Whether it is open, dismissed or resolved."""
        if self.resolved_at is not None:
            return NoteState.RESOLVED
        return NoteState.OPEN if self.dismissed_at is None else NoteState.DISMISSED
