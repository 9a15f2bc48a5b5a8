"""Deleting message logs that are past their retention.

Keys rise in the order of storing, so the lowest ones are looked at, and no index by time is needed.
"""

from django.db.models import QuerySet

from osgp.message_logs.models import MessageLog
from osgp.processes import retention
from osgp.processes.retention import Kind, delete_oldest, find_end


def register() -> None:
    """Register the kind; called at start-up."""
    retention.register(Kind("message logs", lambda: [_find_expired(1)], delete_expired))


def delete_expired() -> int:
    """Delete a slice of messages past MESSAGE_LOG_RETENTION; return how many."""
    return delete_oldest(_find_expired(retention.SLICE), "pk")


def _find_expired(most: int) -> QuerySet[MessageLog]:
    """Return those of the oldest ``most`` messages that are past their retention."""
    oldest = list(MessageLog.objects.order_by("pk").values_list("pk", flat=True)[:most])
    return MessageLog.objects.filter(pk__in=oldest, at__lt=find_end("MESSAGE_LOG_RETENTION"))
