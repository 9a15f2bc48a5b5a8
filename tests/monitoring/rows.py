"""Rows of buffers, encoded as a meter would, or as none should."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from osgp.protocol_dlms import CosemDateTime
from osgp.simulator.codec.axdr import double_long_unsigned, octet_string

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def at(text: str) -> datetime:
    """``2026-10-25 02:30``, a local time in Amsterdam; with an offset of its own if it has one."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=AMSTERDAM)


def clock(text: str) -> bytes:
    """An encoded clock."""
    return octet_string(CosemDateTime.from_datetime(at(text), AMSTERDAM).to_bytes())


def energy(*numbers: int) -> list[bytes]:
    """Encoded registers."""
    return [double_long_unsigned(number) for number in numbers]


def parameters(period: str, begin: str, end: str) -> dict[str, str]:
    """Parameters of a message that reads stored values; local times in Amsterdam."""
    return {
        "period_type": period,
        "begin_date": at(begin).astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "end_date": at(end).astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
