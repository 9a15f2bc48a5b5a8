"""Ranges of a buffer: how a meter wants their bounds, which borders it counts, and whether it sends chosen
columns only.

One short range is read as any message reads one, but as if nothing were known, and what that learns is told.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from osgp import platform_time
from osgp.catalogue import Profile
from osgp.catalogue.communication import RangeBorders, RangeBounds
from osgp.cosem.profile_rows import CapturePeriod
from osgp.installation.probing.findings import SELECTIVE_ACCESS
from osgp.installation.probing.probe import Probe, count
from osgp.messages.buffer_borders import HABIT as BORDERS
from osgp.messages.buffer_reading import read_buffer
from osgp.messages.buffers import Buffer, describe_buffer
from osgp.messages.knowledge import Knowledge
from osgp.messages.visited_meter import VisitedMeter

TAGS = ("INTERVAL_VALUES_E", "DEFINABLE_LOAD_PROFILE", "DAILY_VALUES_E", "DAILY_VALUES_COMBINED")
"""Buffers to try, that with the shortest period first: it has rows soonest after a meter was installed."""
ROWS = 6
_HOUR = timedelta(hours=1)
_ON_HOURS = (RangeBounds.FULL_HOURS, RangeBounds.NO_DEVIATION_FULL_HOURS)
SETTINGS = ("range_bounds", "range_borders", SELECTIVE_ACCESS)


def find_ranges(probe: Probe) -> None:
    """Read a range whose bounds are not on full hours, and if need be again, or another one that is."""
    meter = probe.meter
    tag = next((tag for tag in TAGS if tag in meter.profile), None)
    if tag is None:
        for setting in SETTINGS:
            probe.findings.add(setting, "The profile has no buffer with stored values.")
        return
    trial = _make_trial(probe)
    try:
        buffer = describe_buffer(trial, _find_buffer(meter.profile, tag))
        begin, end = _choose_times(probe, buffer)
        before = meter.association.statistics.round_trips
        rows = len(read_buffer(trial, buffer, (), begin, end, is_sent=lambda column: False).times)
        habits = trial.knowledge
        bounds = habits.find_habit(f"{tag} bounds")
        if bounds is not None and not (habits.find_habit(f"{tag} columns") and habits.find_habit(BORDERS)):
            # With the bounds that it wants, what was refused together with others shows.
            habits.checked.pop(BORDERS, None)
            hours = (_floor(begin), _floor(end) + _HOUR) if bounds in _ON_HOURS else (begin, end)
            rows += len(read_buffer(trial, buffer, (), *hours, is_sent=lambda column: False).times)
        trips = meter.association.statistics.round_trips - before
    finally:
        _keep(meter, trial)
    seen = (
        f"{count(rows, 'row')} of {tag} from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC came in "
        f"{count(trips, 'round trip')}."
    )
    _tell_bounds(probe, trial, tag, seen)
    _tell_borders(probe, trial, seen)
    _tell_columns(probe, trial, tag, seen)


def _make_trial(probe: Probe) -> VisitedMeter:
    """The meter as if nothing were known of how it likes to be asked."""
    meter = probe.meter
    knowledge = meter.knowledge
    knowledge.checked.pop(BORDERS, None)
    return replace(
        meter,
        settings=replace(meter.settings, range_bounds=None, range_borders=None, deviation_sign=probe.sign),
        selective_access=True,
        knowledge=Knowledge(knowledge.descriptions, knowledge.checked),
    )


def _keep(meter: VisitedMeter, trial: VisitedMeter) -> None:
    """Keep what the trial has learned; descriptions are shared."""
    meter.knowledge.is_changed |= trial.knowledge.is_changed
    for name, value in trial.knowledge.habits.items():
        meter.knowledge.learn_habit(name, value)


def _find_buffer(profile: Profile, tag: str) -> Buffer:
    """The buffer as the profile has it."""
    item = profile[tag]
    period, entries = (
        int(item[name].value or 0) if name in item and item[name].value else None
        for name in ("capture_period", "profile_entries")
    )
    return Buffer(
        tag,
        profile.list_capture_columns(tag),
        None if period is None else CapturePeriod.from_seconds(period),
        entries,
    )


def _choose_times(probe: Probe, buffer: Buffer) -> tuple[datetime, datetime]:
    """Times of rows that the meter should have, by its own clock; not on full hours if that is possible."""
    now = platform_time.now() + probe.clock_ahead
    period = buffer.capture_period
    if period is None or period > _HOUR.total_seconds():
        zone = probe.meter.time_zone
        local = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        days = (local - timedelta(days=ROWS), local)
        first, last = (day.replace(fold=0).astimezone(UTC) for day in days)
        return first, last
    step = timedelta(seconds=period)
    end = _floor(now) - step
    begin = end - ROWS * step
    return (begin - step if begin == _floor(begin) else begin), end


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _tell_bounds(probe: Probe, trial: VisitedMeter, tag: str, seen: str) -> None:
    found = trial.knowledge.find_habit(f"{tag} bounds")
    way = trial.knowledge.find_habit(f"{tag} access")
    if way is not None:
        way = {"ENTRIES": "by the numbers of its rows", "WHOLE": "as a whole"}[way.rstrip("?")]
        text = f"{seen} The meter refuses ranges of time in any form; the buffer was read {way}."
        probe.findings.add("range_bounds", text)
    elif found is None:
        probe.findings.add("range_bounds", f"{seen} Bounds on full hours do not show how it wants them.")
    else:
        text = f"{seen} {_BOUNDS[RangeBounds(found)]}"
        is_default = found == RangeBounds.DEVIATION and probe.meter.settings.range_bounds is None
        probe.findings.add("range_bounds", text, found, proposed=None if is_default else found)


_BOUNDS = {
    RangeBounds.DEVIATION: "It took bounds with a deviation, not on full hours.",
    RangeBounds.NO_DEVIATION: "It refused bounds with a deviation, and took them without.",
    RangeBounds.FULL_HOURS: "It refused bounds that are not on full hours, and took those on full hours.",
    RangeBounds.NO_DEVIATION_FULL_HOURS: "It took bounds only without deviation and on full hours.",
}


def _tell_borders(probe: Probe, trial: VisitedMeter, seen: str) -> None:
    found = trial.knowledge.find_habit(BORDERS)
    if found is None:
        text = f"{seen} They do not show which borders of a range the meter counts to it."
        probe.findings.add("range_borders", text)
        return
    is_default = found == RangeBorders.BOTH and probe.meter.settings.range_borders is None
    text = f"{seen} {_BORDERS[RangeBorders(found)]}"
    probe.findings.add("range_borders", text, found, proposed=None if is_default else found)


_BORDERS = {
    RangeBorders.BOTH: "The rows at both borders came.",
    RangeBorders.END: "The row at the start came only when an earlier start was asked for.",
    RangeBorders.START: "The row at the end came only when a later end was asked for.",
    RangeBorders.NEITHER: "The rows at the borders came only when more was asked for.",
}


def _tell_columns(probe: Probe, trial: VisitedMeter, tag: str, seen: str) -> None:
    found = trial.knowledge.find_habit(f"{tag} columns")
    if found is None:
        offered = "offers" if probe.meter.association.agreed.selective_access else "does not offer"
        text = f"Whether it sends chosen columns was not found out; it {offered} selective access."
        probe.findings.add(SELECTIVE_ACCESS, text)
        return
    is_named = found == "NAMED"
    does = "It sent only the column" if is_named else "It refused a range that names columns, and sent all"
    text = f"{does} that was asked for." if is_named else f"{does} of them when none was named."
    probe.findings.add(SELECTIVE_ACCESS, text, is_named, proposed=is_named)
