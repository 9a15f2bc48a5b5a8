"""Numbers of several kinds, step by step, as stacked bars in SVG (templates/admin/shared/stacked_bars.html).

Across, everything is in per cent, so that a chart fills a desk's screen and a phone's alike; letters keep
their size on both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from osgp.pages.shared.axes import choose_scale, list_ticks

HEIGHT, TOP, BOTTOM = 210, 20, 22
"""Of the chart, above the bars and below them, in pixels."""
SPACE = 0.18
"""Of a bar's place that stays free."""
LEAST_HEIGHT = 2.0
"""Pixels, so that one failure among a million does not go unseen."""
LEAST_SCALE = Decimal(4)
ROOM_OF_LABEL = 2
"""Steps; on a phone, a label that begins later would stick out."""


@dataclass(frozen=True)
class Layer:
    """What is counted of one kind in a step. Without a number there is nothing to draw."""

    number: int
    tone: str
    title: str
    url: str = ""


@dataclass(frozen=True)
class Step:
    """What is drawn of one step, its layers from below to above."""

    layers: Sequence[Layer]
    title: str
    url: str = ""
    is_running: bool = False
    is_uncounted: bool = False


@dataclass(frozen=True)
class Part:
    """One layer of one bar."""

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


def draw(steps: Sequence[Step], begins: Sequence[datetime], title: str) -> Chart:
    """The bars of steps of equal length, at least two, that begin at these times."""
    totals = [Decimal(sum(layer.number for layer in step.layers)) for step in steps]
    low, high, grid = choose_scale([*totals, LEAST_SCALE], from_zero=True)
    width = 100 / len(steps)
    values = [
        Label(f"{_find_y(value, high):.1f}", _format_number(int(value)), f"{_find_y(value, high) - 3:.1f}")
        for value in list_ticks(low, high, grid)
        if value
    ]
    bars = [_draw_bar(step, place * width, width, high) for place, step in enumerate(steps)]
    return Chart(bars, list(_list_times(begins, width)), values, title)


def format_period(begin: datetime, end: datetime) -> str:
    """``Mon 30 Nov 11:00–12:00``, in UTC."""
    begin, end = begin.astimezone(UTC), end.astimezone(UTC)
    return f"{begin:%a} {begin.day} {begin:%b %H:%M}–{end:%H:%M}"


def _find_y(value: Decimal, high: Decimal) -> float:
    return TOP + float((high - value) / high) * (HEIGHT - TOP - BOTTOM)


def _draw_bar(step: Step, left: float, width: float, high: Decimal) -> Bar:
    parts: list[Part] = []
    below = float(HEIGHT - BOTTOM)
    for layer in step.layers:
        if not layer.number:
            continue
        height = max(float(layer.number / high) * (HEIGHT - TOP - BOTTOM), LEAST_HEIGHT)
        below -= height
        parts.append(Part(f"{below:.1f}", f"{height:.1f}", layer.tone, layer.title, layer.url))
    return Bar(
        f"{left:.2f}%",
        f"{width:.2f}%",
        f"{left + width * SPACE / 2:.2f}%",
        f"{width * (1 - SPACE):.2f}%",
        parts,
        step.title,
        step.url,
        step.is_running,
        step.is_uncounted,
    )


def _format_number(number: int) -> str:
    """``800``, ``20 k``, ``1.5 M``: short enough for a phone."""
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            return f"{Decimal(number) / size:f} {unit}"
    return str(number)


def _list_times(begins: Sequence[datetime], width: float) -> Iterator[Label]:
    """Every third hour of a day; the days of a week."""
    by_day = begins[1] - begins[0] > timedelta(hours=1)
    shown = 0
    for place, begin in enumerate(each.astimezone(UTC) for each in begins):
        if (begin.hour if by_day else begin.hour % 3) == 0:
            shown += 1
            text = f"{begin:%a} {begin.day}" if by_day else f"{begin:%H:%M}"
            is_minor = shown % 2 == 0 or place >= len(begins) - ROOM_OF_LABEL
            yield Label(f"{place * width:.2f}%", text, is_minor=is_minor)
