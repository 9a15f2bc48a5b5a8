"""Received hints: whether they have expired, the platform's time says."""

from celery.worker.request import Request
from celery.worker.state import revoked

from osgp import platform_time


class TaskRequest(Request):
    """A received task. A worker whose clock is fast would drop all hints as expired."""

    def maybe_expire(self) -> bool:
        """Return whether the task has expired; it is not carried out then."""
        if self.expires is None or platform_time.now() <= self.expires:
            return False
        revoked.add(self.id)
        return True
