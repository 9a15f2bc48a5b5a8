"""What became of pushes, hour by hour: so that replays, wrong tags, strangers and losses are seen."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.urls import reverse
from django.utils.http import urlencode

from osgp import platform_time
from osgp.alarms.counting import Arrival
from osgp.alarms.keeping import GOOD
from osgp.alarms.models import PushCount, PushOutcome
from osgp.pages.alarms.display import find_tone
from osgp.pages.alarms.filters import SEVERAL, OutcomeFilter, ReceivedFilter
from osgp.pages.shared import stacked_bars
from osgp.pages.shared.display_text import split_words
from osgp.pages.shared.filters import format_range
from osgp.pages.shared.stacked_bars import Chart, Layer, format_period
from osgp.protocol_dlms.push.errors import PushFault

HOURS = 24
HOUR = timedelta(hours=1)
_KEPT = frozenset({*PushOutcome.values, *(fault.name for fault in PushFault)})
_FORGED = frozenset(
    {
        PushFault.BAD_TAG.name,
        PushFault.REPLAYED.name,
        PushFault.WRONG_SYSTEM_TITLE.name,
        PushFault.NOT_AUTHENTICATED.name,
    }
)


@dataclass(frozen=True)
class Kind:
    """Outcomes that mean much the same to an operator."""

    text: str
    tone: str


LOST = Kind("lost", "lost")
FORGED = Kind("refused: replayed, or not authentic", "bad")
STRANGE = Kind("of unknown senders", "warning")
UNUSABLE = Kind("not understood", "unusable")
DOUBLED = Kind("came before", "neutral")
USED = Kind("taken", "good")
KINDS = (LOST, FORGED, UNUSABLE, STRANGE, DOUBLED, USED)
"""From below to above: what should not be stands on the axis, where it can be compared."""


@dataclass(frozen=True)
class Counted:
    """How many pushes had an outcome. ``url`` is the list of them, if they are kept."""

    outcome: str
    number: int
    tone: str
    url: str


@dataclass(frozen=True)
class PushChart:
    """The last 24 hours and the running one."""

    chart: Chart
    outcomes: Sequence[Counted]
    """The worst first, then by number."""
    total: int


def find_kind(outcome: str) -> Kind:
    """The kind of an outcome. What is neither a PushOutcome nor a PushFault is a loss of a listener."""
    if outcome in GOOD:
        return USED
    if outcome in _FORGED:
        return FORGED
    if outcome == PushOutcome.UNKNOWN_SENDER:
        return STRANGE
    if outcome == PushOutcome.DOUBLED:
        return DOUBLED
    return UNUSABLE if outcome in _KEPT else LOST


def draw() -> PushChart:
    """The bars of all transports. One query."""
    now = platform_time.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begins = [now - number * HOUR for number in range(HOURS, -1, -1)]
    hours: dict[datetime, Counter[str]] = defaultdict(Counter)
    rows = PushCount.objects.filter(hour__gte=begins[0], number__gt=0).exclude(outcome=Arrival.RECEIVED)
    for hour, outcome, number in rows.values_list("hour", "outcome", "number"):
        hours[hour.astimezone(UTC)][outcome] += number
    steps = [_describe(begin, hours[begin], is_running=begin == now) for begin in begins]
    # The clock of another process may be ahead: what it counted is drawn when that hour has begun.
    totals: Counter[str] = sum((hours[begin] for begin in begins), Counter())
    title = f"Pushes in the last {HOURS} hours: {totals.total():,}"
    worst = sorted(totals.items(), key=lambda item: (KINDS.index(find_kind(item[0])), -item[1], item[0]))
    return PushChart(
        stacked_bars.draw(steps, begins, title),
        [
            Counted(outcome, number, find_tone(outcome), _get_url([outcome], begins[0], None))
            for outcome, number in worst
        ],
        totals.total(),
    )


def _describe(begin: datetime, outcomes: Counter[str], *, is_running: bool) -> stacked_bars.Step:
    period = format_period(begin, begin + HOUR)
    by_kind: dict[Kind, Counter[str]] = defaultdict(Counter)
    for outcome, number in outcomes.items():
        by_kind[find_kind(outcome)][outcome] = number
    layers = [
        Layer(
            by_kind[kind].total(),
            kind.tone,
            f"{period}: {_tell(kind, by_kind[kind])}",
            _get_url(by_kind[kind], begin, begin + HOUR),
        )
        for kind in KINDS
    ]
    told = [_tell(kind, by_kind[kind]) for kind in reversed(KINDS) if by_kind[kind]]
    title = f"{period}: {', '.join(told) or 'none'}"
    return stacked_bars.Step(layers, title, _get_url(outcomes, begin, begin + HOUR), is_running)


def _tell(kind: Kind, outcomes: Counter[str]) -> str:
    """``12 not understood (10 truncated, 2 malformed)``."""
    named = ", ".join(
        f"{number:,} {split_words(outcome).lower()}" for outcome, number in outcomes.most_common()
    )
    told = f"{outcomes.total():,} {kind.text}"
    return told if kind in (STRANGE, DOUBLED) or not outcomes else f"{told} ({named})"


def _get_url(outcomes: Iterable[str], begin: datetime, end: datetime | None) -> str:
    """The list of pushes that were received in a range and ended so; empty if none of them was kept."""
    kept = sorted(_KEPT.intersection(outcomes))
    if not kept:
        return ""
    query = {
        OutcomeFilter.parameter_name: SEVERAL.join(kept),
        ReceivedFilter.parameter_name: format_range(begin, end),
    }
    return f"{reverse('admin:alarms_receivedpush_changelist')}?{urlencode(query)}"
