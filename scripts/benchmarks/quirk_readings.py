"""The reading messages that are tried on meters with quirks, and the pairs of quirks that meters have."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from osgp.simulator.quirks import EXCLUSIVE, Quirk
from scripts.benchmarks import quirk_verdicts as verdicts
from scripts.benchmarks.quirk_verdicts import Reading

NOW = datetime(2026, 10, 28, 10, 20, 30, tzinfo=UTC)
"""Where time stands still: a few days after clocks went from summer to winter."""
SEED = 20_261_025
PAIRS = 200

NEW, OLD = "SMR-5.5", "DSMR-4.2.2"
"""A profile with a buffer for each kind of device, and one in which they share buffers."""

Period = tuple[str, str]

AUTUMN: Period = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")
"""The day of 25 hours, with both of its midnights."""
LONG: Period = ("2026-10-20T22:00:00Z", "2026-10-24T22:00:00Z")
"""More rows than are asked for at a time."""
UNEVEN: Period = ("2026-10-27T05:07:13Z", "2026-10-27T17:03:00Z")
"""Not on full hours."""
EMPTY: Period = ("2026-10-27T05:01:00Z", "2026-10-27T05:09:00Z")
"""Between two rows."""
NIGHT: Period = ("2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z")
DAYS: Period = ("2026-10-20T22:00:00Z", "2026-10-27T23:00:00Z")
MONTHS: Period = ("2025-12-31T23:00:00Z", "2026-09-30T22:00:00Z")


def _make_parameters(period: Period, **others: Any) -> Mapping[str, Any]:
    return {"begin_date": period[0], "end_date": period[1], **others}


def _stored(
    name: str, buffer: str, period: Period, profile: str = NEW, channel: int | None = None
) -> Reading:
    return Reading(
        name,
        "PeriodicMeterReads" if channel is None else "PeriodicMeterReadsGas",
        _make_parameters(period, period_type=buffer.partition("_")[0]),
        verdicts.judge_stored,
        profile,
        channel,
        buffer,
    )


def _power_quality(profile_type: str, period: Period) -> Reading:
    return Reading(
        f"power quality, {profile_type.lower()}",
        "GetPowerQualityProfile",
        _make_parameters(period, profile_type=profile_type),
        verdicts.judge_power_quality,
        NEW,
    )


def _events(category: str, profile: str) -> Reading:
    parameters = {
        "event_log_category": category,
        "from": "2026-06-01T00:00:00Z",
        "until": "2026-10-28T10:00:00Z",
    }
    return Reading(f"events, {category}", "FindEvents", parameters, verdicts.judge_events, profile)


READINGS: tuple[Reading, ...] = (
    Reading("registers", "ActualMeterReads", {}, verdicts.judge_registers, NEW),
    Reading("gas", "ActualMeterReadsGas", {}, verdicts.judge_gas, NEW, 1),
    _stored("intervals of autumn", "INTERVAL_VALUES_E", AUTUMN),
    _stored("many intervals", "INTERVAL_VALUES_E", LONG),
    _stored("intervals, uneven", "INTERVAL_VALUES_E", UNEVEN, OLD),
    _stored("no intervals", "INTERVAL_VALUES_E", EMPTY),
    _stored("days", "DAILY_VALUES_E", DAYS),
    _stored("months", "MONTHLY_VALUES_E", MONTHS),
    _stored("days, combined", "DAILY_VALUES_COMBINED", DAYS, OLD),
    _stored("months, combined", "MONTHLY_VALUES_COMBINED", MONTHS, OLD),
    _stored("gas, hours of autumn", "INTERVAL_VALUES_G", AUTUMN, NEW, 1),
    _stored("gas, hours, uneven", "INTERVAL_VALUES_G", UNEVEN, OLD, 1),
    _stored("gas, days", "DAILY_VALUES_G", DAYS, NEW, 1),
    _stored("gas, months", "MONTHLY_VALUES_G", MONTHS, NEW, 1),
    _stored("gas, days, combined", "DAILY_VALUES_COMBINED", DAYS, OLD, 1),
    _stored("gas, hours, no device", "INTERVAL_VALUES_G", NIGHT, NEW, 2),
    _stored("gas, days, combined, no device", "DAILY_VALUES_COMBINED", DAYS, OLD, 2),
    _stored("gas, months, combined", "MONTHLY_VALUES_COMBINED", MONTHS, OLD, 1),
    _power_quality("PRIVATE", NIGHT),
    _power_quality("PUBLIC", UNEVEN),
    _events("STANDARD_EVENT_LOG", NEW),
    _events("COMMUNICATION_SESSION_LOG", OLD),
    Reading("outages", "GetOutages", {}, verdicts.judge_outages, NEW),
    Reading("alarms", "ReadAlarmRegister", {}, verdicts.judge_alarms, NEW),
    *(
        Reading(
            f"actual power quality, {each.lower()}",
            "GetActualPowerQuality",
            {"profile_type": each},
            verdicts.judge_actual_power_quality,
            NEW,
        )
        for each in ("PUBLIC", "PRIVATE")
    ),
    Reading("distortion", "GetThdFingerprint", {}, verdicts.judge_distortion, NEW),
    Reading("modem", "GetGsmDiagnostic", {"communication_method": "LTE"}, verdicts.judge_modem, NEW),
)
"""Each reading message, with each kind of buffer that it reads."""


def list_pairs(count: int = PAIRS) -> list[tuple[Quirk, Quirk]]:
    """So many pairs that a meter can have, or all if there are no more; the same ones each time."""
    possible = [pair for pair in combinations(Quirk, 2) if frozenset(pair) not in EXCLUSIVE]
    return random.Random(SEED).sample(possible, min(count, len(possible)))
