"""Messages that were exchanged with debugged devices, and calls that failed."""

import uuid
from typing import Any

from django.db import models

from osgp.devices.models import Device
from osgp.requests.models import MeterSession


class MessageDirection(models.TextChoices):
    """The direction, as seen from the head-end."""

    SENT = "SENT", "To the meter"
    RECEIVED = "RECEIVED", "From the meter"
    FAILED = "FAILED", "Failed call"
    """No message: a call that did not come about, or ended before it was done."""


class MessageLog(models.Model):
    """One APDU of a visit, without its protection and without secrets (osgp/protocol_dlms/tracing.py).

    Or the failed call that ended a visit (failed_calls.py): then ``failed_call`` says all about it, and there
    is no APDU.
    """

    device = models.ForeignKey(
        Device,
        on_delete=models.CASCADE,
        related_name="message_logs",
        db_index=False,  # The index of its pages serves as well.
        help_text="Whose log it stands in: the meter that was visited, or an M-Bus device of it.",
    )
    # Meter sessions are deleted by their own retention; the log stays.
    session = models.ForeignKey(
        MeterSession,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="message_logs",
        help_text="The visit that it belongs to.",
    )
    number = models.PositiveIntegerField(help_text="Of the message within the visit, from 1.")
    at = models.DateTimeField()
    direction = models.CharField(max_length=8, choices=MessageDirection.choices)
    message = models.CharField(
        max_length=64,
        blank=True,
        help_text="The action that was being carried out; empty when the association is opened or released.",
    )
    correlation_uid = models.UUIDField(null=True, blank=True, help_text="Of the request that it belongs to.")
    service = models.CharField(
        max_length=48, blank=True, help_text="The name of the APDU, e.g. get-request-normal."
    )
    length = models.PositiveIntegerField(help_text="Octets of the APDU.")
    apdu = models.TextField(
        blank=True,
        help_text="In hexadecimal, ** for each secret octet; of a long one the beginning.",
    )
    description = models.TextField(blank=True, help_text="What it says, a line for each thing.")
    failed_call = models.JSONField(null=True, blank=True, help_text="Of a failed call; null of an APDU.")

    class Meta:
        ordering = ["session", "number"]
        indexes = [
            models.Index(fields=["device", "-at", "-id"], name="message_log_by_device"),
            models.Index(fields=["session", "number"], name="message_log_by_session"),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.service}".rstrip()

    def list_carried(self) -> list[tuple[uuid.UUID, dict[str, Any]]]:
        """Return the requests of a failed call, with their correlation UIDs; none for an APDU."""
        carried = self.failed_call["requests"] if self.failed_call else ()
        return [(uuid.UUID(request["correlation_uid"]), request) for request in carried]

    @property
    def is_cut(self) -> bool:
        """Whether ``apdu`` holds only the beginning of the APDU."""
        return len(self.apdu) < 2 * self.length
