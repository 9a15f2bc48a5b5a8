"""Deleting message logs that are past their retention."""

from django.db.models import QuerySet

from osgp.message_logs.models import MessageLog
from osgp.processes import retention
from osgp.processes.retention import Kind, delete_oldest, find_end


def register() -> None:
    """Register the kind; called at start-up."""
    retention.register(Kind("message logs", lambda: [find_expired()], delete_expired))


def find_expired() -> QuerySet[MessageLog]:
    """Return those of the oldest messages that are past MESSAGE_LOG_RETENTION.

    Keys rise in the order of storing, so a slice of the lowest ones is enough, without an index by time.
    """
    oldest = MessageLog.objects.order_by("pk").values_list("pk", flat=True)[: retention.SLICE]
    return MessageLog.objects.filter(pk__in=list(oldest), at__lt=find_end("MESSAGE_LOG_RETENTION"))


def delete_expired() -> int:
    """Delete a slice of expired messages; returns how many. There may be more until it is none."""
    return delete_oldest(find_expired(), "pk")
