"""When a notification is sent again, and when an endpoint that fails is tried again. No I/O."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FIRST_RETRIES = tuple(timedelta(minutes=minutes) for minutes in (2, 6, 14))
HOURLY_FOR = 24
"""Attempts that follow, an hour apart."""
RETRIES = FIRST_RETRIES + tuple(
    FIRST_RETRIES[-1] + timedelta(hours=hour) for hour in range(1, HOURLY_FOR + 1)
)
"""Attempts after the first one, counted from when the schedule began."""
LAST = RETRIES[-1]

SHORTEST_PAUSE = timedelta(seconds=5)
"""Before an endpoint that gave no answer is dialled again."""
LONGEST_PAUSE = timedelta(hours=1)
"""Between two tries of an endpoint that keeps failing, and the longest that it may ask for itself."""
LONGEST_ERROR = 200


def find_next_attempt(begun_at: datetime, now: datetime) -> datetime | None:
    """Return the first moment of the schedule after ``now``; None after the last one.

    What was late does not make up for attempts that it missed.
    """
    return next((begun_at + delay for delay in RETRIES if begun_at + delay > now), None)


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt. ``status`` is None if there was no answer; ``error`` is empty on success."""

    at: datetime
    seconds: float
    status: int | None = None
    error: str = ""
    response: str = ""
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has it."""
        return not self.error

    @property
    def is_gone(self) -> bool:
        """Whether the receiver asks for an end (410, Standard Webhooks)."""
        return self.status == 410


@dataclass(frozen=True)
class Circuit:
    """What is known of an endpoint. It is open, and closed to all but one delivery, after many failures."""

    consecutive_failures: int = 0
    retry_at: datetime | None = None

    def is_open(self, most_failures: int) -> bool:
        """Whether only one delivery at a time may try the endpoint."""
        return self.consecutive_failures >= most_failures

    def note(self, outcome: Outcome, most_failures: int) -> "Circuit":
        """Return what is known after one more attempt.

        An endpoint that gives no answer holds a slot for long: it is left alone for a while after each
        failure. One that answers with errors is sent to as before, until the circuit opens.
        """
        if outcome.is_success:
            return Circuit()
        failures = self.consecutive_failures + 1
        pause = timedelta(0)
        if failures >= most_failures:
            pause = SHORTEST_PAUSE * 6 * 2 ** min(failures - most_failures, 10)
        elif outcome.status is None:
            pause = SHORTEST_PAUSE * 2 ** min(failures - 1, 10)
        if outcome.retry_after is not None:
            pause = max(pause, outcome.retry_after)
        end = outcome.at + min(pause, LONGEST_PAUSE)
        return replace(
            self,
            consecutive_failures=failures,
            retry_at=end if pause else self.retry_at,
        )
