"""The wish of this process to end: visits finish the action that they are at and hand the rest back.

A plain flag without a lock: signal handlers raise it, and one that waited for a lock could wait for ever.
"""


class StopRequested(Exception):
    """The process is to end: no further action is begun."""


class Stop:
    """Whether the process was asked to end."""

    def __init__(self) -> None:
        self.is_requested = False

    def request(self) -> None:
        """Ask visits to end; may be called from a signal handler."""
        self.is_requested = True

    def withdraw(self) -> None:
        """Forget the wish, for a worker that is a part of a process which goes on."""
        self.is_requested = False

    def check(self) -> None:
        """Raise StopRequested if the process is to end."""
        if self.is_requested:
            raise StopRequested


stop = Stop()
"""That of this process."""
