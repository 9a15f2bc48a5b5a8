"""Load profiles as SVG: where everything goes. Colours are classes of the stylesheet, for light and dark."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from osgp.messages.readings import Period
from osgp.pages.shared.axes import choose_scale, list_ticks
from osgp.pages.shared.display_text import split_words
from osgp.readings import clock
from osgp.readings.calendar import DAY, find_day_span, to_next_month
from osgp.readings.profile import LoadProfile, Panel, Range, Slot

WIDTH, HEIGHT = 1120, 210
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 22, 24
MOST_BARS = 110
"""More intervals are drawn as an area."""

SEVERE = frozenset({"CRITICAL_ERROR", "CLOCK_INVALID", "DATA_NOT_VALID"})
"""Flags that say that a value is not to be relied on."""


class Mark(NamedTuple):
    """A rectangle with its tooltip."""

    x: str
    y: str
    width: str
    height: str
    title: str
    kind: str = ""


class Tick(NamedTuple):
    """A line of the grid with its label, which is at ``at`` of the axis (x or y)."""

    at: str
    text: str
    label_at: str
    is_major: bool = True


@dataclass(frozen=True)
class Chart:
    """One panel, ready to be drawn."""

    panel: Panel
    bars: Sequence[Mark]
    area: str
    line: str
    gaps: Sequence[Mark]
    flags: Sequence[Mark]
    times: Sequence[Tick]
    values: Sequence[Tick]
    now: str | None

    width = WIDTH
    height = HEIGHT
    left = LEFT
    right = WIDTH - RIGHT
    top = TOP
    bottom = HEIGHT - BOTTOM
    label_y = HEIGHT - 7
    value_label_x = LEFT - 8


def draw_charts(profile: LoadProfile) -> list[Chart]:
    """The panels of a load profile."""
    return [_draw_chart(profile, panel) for panel in profile.panels]


def _draw_chart(profile: LoadProfile, panel: Panel) -> Chart:
    zone, shown = profile.zone, profile.range
    begin, end = find_day_span(shown.first, zone).begin, find_day_span(shown.until, zone).begin

    def x(at: float) -> float:
        return LEFT + (min(max(at, begin), end) - begin) / (end - begin) * (WIDTH - LEFT - RIGHT)

    is_register = profile.period == Period.ACTUAL
    heights = [_measure_height(slot, is_register=is_register) for slot in panel.slots]
    known = [height for height in heights if height is not None]
    low, high, step = choose_scale(known, from_zero=not is_register)

    def y(value: Decimal) -> float:
        return TOP + float((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM)

    now = clock.now().timestamp()
    drawn = [(slot, height) for slot, height in zip(panel.slots, heights, strict=True) if height is not None]
    bars: list[Mark] = []
    area = line = ""
    if is_register:
        line = " ".join(
            f"{'L' if place else 'M'}{x(slot.end):.1f} {y(height):.1f}"
            for place, (slot, height) in enumerate(drawn)
        )
        bars = [
            Mark(
                f"{x(slot.end) - 3:.1f}",
                f"{y(height) - 3:.1f}",
                "6",
                "6",
                _describe_slot(slot, panel, zone),
                "point",
            )
            for slot, height in drawn
        ]
    elif len(panel.slots) <= MOST_BARS:
        bars = [_draw_bar(slot, height, panel, zone, x, y) for slot, height in drawn]
    else:
        area = _draw_area(panel.slots, heights, x, y)
    return Chart(
        panel,
        bars,
        area,
        line,
        [] if is_register else list(_find_gaps(panel.slots, now, zone, x)),
        [
            Mark(
                f"{(x(slot.begin) + x(slot.end)) / 2 - 4:.1f}",
                "6",
                "8",
                "8",
                _describe_flags(slot, zone),
                _choose_tone(slot),
            )
            for slot in panel.slots
            if slot.flags or (slot.reading and (slot.reading.former))
        ],
        list(_list_times(shown, zone, x)),
        [
            Tick(f"{y(value):.1f}", format(value.normalize(), "f"), f"{y(value) + 3.5:.1f}")
            for value in list_ticks(low, high, step)
        ],
        f"{x(now):.1f}" if begin < now < end else None,
    )


def _measure_height(slot: Slot, *, is_register: bool) -> Decimal | None:
    if is_register:
        return slot.reading.value if slot.reading else None
    return slot.used


def _draw_bar(
    slot: Slot,
    height: Decimal,
    panel: Panel,
    zone: ZoneInfo,
    x: Callable[[float], float],
    y: Callable[[Decimal], float],
) -> Mark:
    left, right = x(slot.begin), x(slot.end)
    space = min(2.0, (right - left) * 0.2)
    top, bottom = sorted((y(height), y(Decimal(0))))
    kind = "negative" if height < 0 else ""
    return Mark(
        f"{left + space / 2:.1f}",
        f"{top:.1f}",
        f"{right - left - space:.1f}",
        f"{max(bottom - top, 0.8):.1f}",
        _describe_slot(slot, panel, zone),
        kind,
    )


def _draw_area(
    slots: Sequence[Slot],
    heights: Sequence[Decimal | None],
    x: Callable[[float], float],
    y: Callable[[Decimal], float],
) -> str:
    parts: list[str] = []
    floor = f"{y(Decimal(0)):.1f}"
    for is_known, run in groupby(zip(slots, heights, strict=True), key=lambda pair: pair[1] is not None):
        if not is_known:
            continue
        pairs = list(run)
        parts.append(f"M{x(pairs[0][0].begin):.1f} {floor}")
        for slot, height in pairs:
            assert height is not None
            parts.append(f"V{y(height):.1f}H{x(slot.end):.1f}")
        parts.append(f"V{floor}Z")
    return "".join(parts)


def _find_gaps(
    slots: Sequence[Slot], now: float, zone: ZoneInfo, x: Callable[[float], float]
) -> Iterator[Mark]:
    due = [slot for slot in slots if slot.end <= now]
    for is_missing, run in groupby(due, key=lambda slot: slot.reading is None):
        if not is_missing:
            continue
        missing = list(run)
        left, right = x(missing[0].begin), x(missing[-1].end)
        count = len(missing)
        title = f"{count} missing: {_format_local(missing[0].end, zone)}"
        if count > 1:
            title += f" to {_format_local(missing[-1].end, zone)}"
        yield Mark(f"{left:.1f}", f"{TOP}", f"{max(right - left, 1):.1f}", f"{HEIGHT - TOP - BOTTOM}", title)


def _describe_slot(slot: Slot, panel: Panel, zone: ZoneInfo) -> str:
    assert slot.reading is not None
    unit = panel.series.unit
    used = "" if slot.used is None else f": {slot.used:f} {unit}"
    return f"until {_format_local(slot.end, zone)}{used}\nregister {slot.reading.value:f} {unit}"


def _describe_flags(slot: Slot, zone: ZoneInfo) -> str:
    lines = [split_words(flag) for flag in slot.flags]
    if slot.reading and slot.reading.former:
        lines.append("Changed: was " + ", ".join(f"{former.value:f}" for former in slot.reading.former))
    return f"{_format_local(slot.end, zone)}\n" + "\n".join(lines)


def _choose_tone(slot: Slot) -> str:
    if SEVERE & set(slot.flags):
        return "bad"
    return "warning" if slot.flags else "changed"


def _format_local(end: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(end, zone):%a %d %b %H:%M}"


def _list_times(shown: Range, zone: ZoneInfo, x: Callable[[float], float]) -> Iterator[Tick]:
    """Hours of a day, days of a week or month, months of a year: labels in the middle of what they name."""
    if shown.view == "day":
        span = find_day_span(shown.first, zone)
        at = span.begin
        while at <= span.end:
            local = datetime.fromtimestamp(at, zone)
            if local.hour % 2 == 0 and at != span.end:
                yield Tick(f"{x(at):.1f}", f"{local:%H:%M}", f"{x(at):.1f}")
            at += 3600
        return
    day = shown.first
    while day < shown.until:
        following = to_next_month(day) if shown.view == "year" else day + DAY
        left, right = x(find_day_span(day, zone).begin), x(find_day_span(following, zone).begin)
        text = {"week": f"{day:%a} {day.day}", "month": str(day.day), "year": f"{day:%b}"}[shown.view]
        yield Tick(f"{left:.1f}", text, f"{(left + right) / 2:.1f}")
        day = following
