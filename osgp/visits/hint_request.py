"""How a worker tells of a hint that it has received: never with its real arguments."""

from typing import Any

from celery.worker.request import Request


class HintRequest(Request):
    """A received hint. ``celery inspect active`` and Flower ask workers for these directly, not by events."""

    def info(self, safe: bool = True) -> Any:
        """What ``inspect`` answers: the text for display takes the place of session id and token."""
        return super().info(safe=True)
