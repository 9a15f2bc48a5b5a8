"""Deleting message logs that are past their retention."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from osgp.message_logs.models import MessageLog

SLICE = 1000
"""Rows deleted at a time: a slice is short enough not to block others."""


def is_due() -> bool:
    """Return whether the oldest message is past MESSAGE_LOG_RETENTION. Keys rise in the order of storing."""
    oldest = MessageLog.objects.order_by("pk").values_list("at", flat=True).first()
    return oldest is not None and timezone.now() - oldest > _retention()


def delete_expired() -> int:
    """Delete a slice of expired messages; returns how many. There may be more until it is none."""
    before = timezone.now() - _retention()
    oldest = list(MessageLog.objects.order_by("pk").values_list("pk", "at")[:SLICE])
    expired = [key for key, at in oldest if at < before]
    MessageLog.objects.filter(pk__in=expired).delete()
    return len(expired)


def _retention() -> timedelta:
    retention: timedelta = settings.OSGP["MESSAGE_LOG_RETENTION"]
    return retention
