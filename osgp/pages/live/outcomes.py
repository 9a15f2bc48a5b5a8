"""How requests ended lately: from the sums of hours (osgp/metrics/hours.py), whatever their number."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.urls import reverse

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.faults import FaultCode
from osgp.metrics import hours, rollup
from osgp.metrics.hours import Outcomes
from osgp.pages.shared.filters import format_range
from osgp.requests.models import RequestState

HOUR = timedelta(hours=1)
MOST_FAULTS = 8
BEHIND_AFTER = timedelta(minutes=2)
"""Counting that is later than this is worth a word."""
_FAULT_NAMES = {int(code): code.name for code in FaultCode}


@dataclass(frozen=True)
class Span:
    """What is looked at: so many steps that are over, and the one that is running."""

    key: str
    text: str
    step: timedelta
    steps: int


SPANS = {
    "24h": Span("24h", "24 hours", HOUR, 24),
    "7d": Span("7d", "7 days", 6 * HOUR, 28),
}
DEFAULT_SPAN = SPANS["24h"]


@dataclass
class Step:
    """The requests that ended within one step."""

    begin: datetime
    end: datetime
    ended: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Fault:
    """How many requests failed with one fault."""

    code: int
    name: str
    number: int
    url: str


@dataclass(frozen=True)
class Ended:
    """How the requests of one organisation, or of all, ended since a full hour."""

    since: datetime
    counted_until: datetime
    """Those that ended later are not counted yet."""
    steps: Sequence[Step]
    ended: Counter[str]
    faults: Sequence[Fault]
    """Most frequent first."""
    mean_wait: timedelta | None
    """From when a request was wanted to its first attempt; None if none was begun."""
    mean_duration: timedelta | None
    """From when a request was wanted to its end, of those that succeeded."""

    @property
    def finished(self) -> int:
        """Succeeded or failed; what was cancelled says nothing about meters."""
        return self.ended[RequestState.SUCCEEDED] + self.ended[RequestState.FAILED]

    @property
    def rate(self) -> str:
        """Succeeded of those that finished. ``100 %`` is said only when none failed, ``0 %`` when all did."""
        if not self.finished:
            return "–"
        # In tenths of a per cent, rounded towards the truth that is easier to overlook.
        tenths = self.ended[RequestState.SUCCEEDED] * 1000 // self.finished
        if tenths == 0 and self.ended[RequestState.SUCCEEDED]:
            return "< 0.1 %"
        return "100 %" if tenths == 1000 else f"{tenths / 10:.1f} %"

    @property
    def is_behind(self) -> bool:
        """Whether counting is noticeably late."""
        return platform_time.now() - self.counted_until > BEHIND_AFTER

    @property
    def has_begun(self) -> bool:
        """Whether anything was counted ever."""
        return self.counted_until > rollup.BEGIN

    def list_states(self) -> list[tuple[str, int, str]]:
        """State, number and list of the requests that ended in each way."""
        return [
            (state, self.ended[state], get_requests_url(self.since, None, state))
            for state in (RequestState.SUCCEEDED, RequestState.FAILED, RequestState.CANCELLED)
        ]


def get_requests_url(begin: datetime, end: datetime | None, state: str = "", fault: int | None = None) -> str:
    """The list of requests that ended from ``begin`` until before ``end``, in one state or any.

    ``fault``: only those with this code, NO_FAULT for those without one; None: all of them.
    """
    query = {"completed": format_range(begin, end)}
    if state:
        query["state__exact"] = state
    if fault is not None:
        query["fault"] = str(fault)
    return f"{reverse('admin:requests_request_changelist')}?{urlencode(query)}"


def summarise(organisation: Organisation | None, span: Span = DEFAULT_SPAN) -> Ended:
    """How the requests of one organisation, or of all, ended lately. Two queries."""
    counted_until = rollup.read_counted_until(rollup.HOURS)
    # Midnight of 1970 is a full step of every span.
    now = platform_time.now()
    running = now - (now - datetime(1970, 1, 1, tzinfo=UTC)) % span.step
    steps = [
        Step(running - number * span.step, running - (number - 1) * span.step)
        for number in range(span.steps, -1, -1)
    ]
    since = steps[0].begin
    rows = hours.read(since, organisation)
    ended: Counter[str] = Counter()
    faults: Counter[int] = Counter()
    for row in rows:
        ended[row.state] += row.number
        place = (row.hour - since) // span.step
        if place < len(steps):  # the clock of another process may be ahead
            steps[place].ended[row.state] += row.number
        if row.state == RequestState.FAILED:
            faults[row.fault_code] += row.number
    return Ended(
        since,
        counted_until,
        steps,
        ended,
        [
            Fault(
                code,
                _FAULT_NAMES.get(code, ""),
                number,
                get_requests_url(since, None, RequestState.FAILED, code),
            )
            for code, number in faults.most_common(MOST_FAULTS)
        ],
        _divide(sum_wait(rows), sum(row.started for row in rows)),
        _divide(
            sum((row.duration for row in rows if row.state == RequestState.SUCCEEDED), timedelta()),
            ended[RequestState.SUCCEEDED],
        ),
    )


def sum_wait(rows: Iterable[Outcomes]) -> timedelta:
    """How long requests waited for their first attempt in all."""
    return sum((row.wait for row in rows), timedelta())


def _divide(total: timedelta, number: int) -> timedelta | None:
    return total / number if number else None
