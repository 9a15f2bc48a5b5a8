"""Received hints as workers show them: never with their real arguments."""

from typing import Any

from osgp.task_request import TaskRequest


class HintRequest(TaskRequest):
    """A received hint. ``celery inspect active`` and Flower ask workers for these directly, not by events."""

    def info(self, safe: bool = True) -> Any:
        """Return what ``inspect`` answers: the text for display instead of the arguments."""
        return super().info(safe=True)
