"""Received hints as workers show them: never with their real arguments."""

from typing import Any

from celery.worker.request import Request


class HintRequest(Request):
    """A received hint. ``celery inspect active`` and Flower ask workers for these directly, not by events."""

    def info(self, safe: bool = True) -> Any:
        """Return what ``inspect`` answers: the text for display instead of the arguments."""
        return super().info(safe=True)
