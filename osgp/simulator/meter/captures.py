"""When a buffer captured: at full periods of standard time, at midnight or at the first of a month."""

from datetime import date, datetime, time, timedelta, tzinfo

from .load_curve import DAY


def capture_stamps(period: int, newest: float, entries: int, zone: tzinfo, oldest: float) -> list[float]:
    """UNIX times of the last ``entries`` captures up to ``newest``, oldest first, without those before
    ``oldest``.

    ``period`` in seconds; 86400 means each local midnight, 0 each first of a month.
    """
    if period == 0:
        return _list_months(newest, entries, zone, oldest)
    if period % DAY == 0:
        return _list_midnights(period // DAY, newest, entries, zone, oldest)
    ahead = _find_standard_offset(newest, zone) % period
    last = int((newest + ahead) // period)
    first = max(last - entries + 1, -int(-(oldest + ahead) // period))
    return [float(number * period - ahead) for number in range(first, last + 1)]


def _find_standard_offset(moment: float, zone: tzinfo) -> int:
    """Seconds by which standard time is ahead of UTC. Daylight saving does not move captures."""
    local = datetime.fromtimestamp(moment, zone)
    standard = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
    return int(standard.total_seconds())


def find_midnight(day: date, zone: tzinfo) -> float:
    """The UNIX time at which a day begins."""
    return datetime.combine(day, time(), zone).timestamp()


def _list_midnights(days: int, newest: float, entries: int, zone: tzinfo, oldest: float) -> list[float]:
    today = datetime.fromtimestamp(newest, zone).date()
    today -= timedelta(days=today.toordinal() % days)
    stamps = (find_midnight(today - timedelta(days=days * back), zone) for back in range(entries - 1, -1, -1))
    return [stamp for stamp in stamps if stamp >= oldest]


def _list_months(newest: float, entries: int, zone: tzinfo, oldest: float) -> list[float]:
    today = datetime.fromtimestamp(newest, zone).date()
    months = today.year * 12 + today.month - 1
    stamps = []
    for month in range(months - entries + 1, months + 1):
        stamp = find_midnight(date(month // 12, month % 12 + 1, 1), zone)
        if stamp >= oldest:
            stamps.append(stamp)
    return stamps
