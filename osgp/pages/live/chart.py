"""How requests ended, step by step, as stacked bars in SVG.

Across, everything is in per cent, so that the chart fills a desk's screen and a phone's alike; letters keep
their size on both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal

from osgp.pages.live.outcomes import Ended, Span, Step, get_requests_url
from osgp.pages.shared.axes import choose_scale, list_ticks
from osgp.pages.shared.display_text import split_words
from osgp.requests.models import RequestState

HEIGHT, TOP, BOTTOM = 210, 20, 22
"""Of the chart, above the bars and below them, in pixels."""
SPACE = 0.18
"""Of a bar's place that stays free."""
LEAST_HEIGHT = 2.0
"""Pixels, so that one failure among a million does not go unseen."""
LEAST_SCALE = Decimal(4)
LAYERS = (
    (RequestState.FAILED, "bad"),
    (RequestState.CANCELLED, "neutral"),
    (RequestState.SUCCEEDED, "good"),
)
"""From below to above, with their tones. What failed stands on the axis, where it can be compared."""
ROOM_OF_LABEL = 2
"""Steps; on a phone, a label that begins later would stick out."""


@dataclass(frozen=True)
class Part:
    """The requests of one bar that ended in one way."""

    y: str
    height: str
    tone: str
    title: str
    url: str


@dataclass(frozen=True)
class Bar:
    """One step. ``x`` and ``width`` are those of its place, ``inner_…`` those of what is drawn."""

    x: str
    width: str
    inner_x: str
    inner_width: str
    parts: Sequence[Part]
    title: str
    url: str
    is_running: bool
    is_uncounted: bool


@dataclass(frozen=True)
class Label:
    """A word at an axis."""

    at: str
    text: str
    text_at: str = ""
    is_minor: bool = False
    """Left out where there is little room."""


@dataclass(frozen=True)
class Chart:
    """Everything in its place."""

    bars: Sequence[Bar]
    times: Sequence[Label]
    values: Sequence[Label]
    title: str

    height = HEIGHT
    top = TOP
    bottom = HEIGHT - BOTTOM
    bars_height = HEIGHT - TOP - BOTTOM
    time_y = HEIGHT - 6


def draw(ended: Ended, span: Span) -> Chart:
    """The bars of a span."""
    totals = [Decimal(step.ended.total()) for step in ended.steps]
    low, high, grid = choose_scale([*totals, LEAST_SCALE], from_zero=True)
    width = 100 / len(ended.steps)
    bars = [
        _draw_bar(step, ended, place * width, width, high, is_running=place == len(ended.steps) - 1)
        for place, step in enumerate(ended.steps)
    ]
    values = [
        Label(f"{_find_y(value, high):.1f}", _format_number(int(value)), f"{_find_y(value, high) - 3:.1f}")
        for value in list_ticks(low, high, grid)
        if value
    ]
    title = (
        f"Requests that ended in the last {span.text}: {ended.finished:,}, of which {ended.rate} succeeded"
    )
    return Chart(bars, list(_list_times(ended.steps, width)), values, title)


def _find_y(value: Decimal, high: Decimal) -> float:
    return TOP + float((high - value) / high) * (HEIGHT - TOP - BOTTOM)


def _draw_bar(step: Step, ended: Ended, left: float, width: float, high: Decimal, *, is_running: bool) -> Bar:
    period = _format_period(step)
    parts: list[Part] = []
    below = float(HEIGHT - BOTTOM)
    for state, tone in LAYERS:
        number = step.ended[state]
        if not number:
            continue
        height = max(float(number / high) * (HEIGHT - TOP - BOTTOM), LEAST_HEIGHT)
        below -= height
        title = f"{period}: {number:,} {split_words(state).lower()}"
        url = get_requests_url(step.begin, step.end, state)
        parts.append(Part(f"{below:.1f}", f"{height:.1f}", tone, title, url))
    counts = ", ".join(f"{step.ended[state]:,} {split_words(state).lower()}" for state, _ in reversed(LAYERS))
    return Bar(
        f"{left:.2f}%",
        f"{width:.2f}%",
        f"{left + width * SPACE / 2:.2f}%",
        f"{width * (1 - SPACE):.2f}%",
        parts,
        f"{period}: {counts}",
        get_requests_url(step.begin, step.end),
        is_running,
        step.end > ended.counted_until and not is_running,
    )


def _format_period(step: Step) -> str:
    begin, end = step.begin.astimezone(UTC), step.end.astimezone(UTC)
    return f"{begin:%a} {begin.day} {begin:%b %H:%M}–{end:%H:%M}"


def _format_number(number: int) -> str:
    """``800``, ``20 k``, ``1.5 M``: short enough for a phone."""
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            return f"{Decimal(number) / size:f} {unit}"
    return str(number)


def _list_times(steps: Sequence[Step], width: float) -> Iterator[Label]:
    """Every third hour of a day; the days of a week."""
    by_day = steps[0].end - steps[0].begin > timedelta(hours=1)
    shown = 0
    for place, step in enumerate(steps):
        begin = step.begin.astimezone(UTC)
        if (begin.hour if by_day else begin.hour % 3) == 0:
            shown += 1
            text = f"{begin:%a} {begin.day}" if by_day else f"{begin:%H:%M}"
            is_minor = shown % 2 == 0 or place >= len(steps) - ROOM_OF_LABEL
            yield Label(f"{place * width:.2f}%", text, is_minor=is_minor)
