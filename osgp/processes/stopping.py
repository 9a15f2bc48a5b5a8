"""The request to end this process: visits finish their present action and hand back the rest.

It is a flag without a lock: signal handlers set it, and in one a lock could block for ever.
"""


class StopRequested(Exception):
    """The process has to end: start no further action."""


class Stop:
    """Whether the process was asked to end."""

    def __init__(self) -> None:
        self.is_requested = False

    def request(self) -> None:
        """Ask visits to end. Safe in signal handlers."""
        self.is_requested = True

    def withdraw(self) -> None:
        """Withdraw the request, for a worker in a process that goes on."""
        self.is_requested = False

    def check(self) -> None:
        """Raise StopRequested if the process has to end."""
        if self.is_requested:
            raise StopRequested


stop = Stop()
"""The flag of this process."""
