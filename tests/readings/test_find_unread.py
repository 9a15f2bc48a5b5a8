"""What a visit has to read of a device: in two statements if only the last days are not full."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from osgp.accounts.models import Organisation
from osgp.completeness import unread
from osgp.completeness.models import AcceptedGap
from osgp.completeness.unread import find_unread
from osgp.cosem.profile_rows import CapturePeriod
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.messages.relative_periods import SINCE_LAST_READING, Between
from osgp.readings import clock
from osgp.requests.models import Action, ActionState
from tests import factories
from tests.readings.columns import EXPORT, column, deliver, utc

pytestmark = pytest.mark.django_db

QUARTER = timedelta(minutes=15)
STEPS = {
    Period.INTERVAL: (CapturePeriod(seconds=900), 960),
    Period.DAILY: (CapturePeriod(days=1), 40),
    Period.MONTHLY: (CapturePeriod(months=1), 13),
}
NIGHT = utc(2026, 11, 1, 1, 7)


@pytest.fixture(autouse=True)
def _night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NIGHT)


def held(device: Device, period: Period = Period.INTERVAL, moment: datetime = NIGHT) -> Between:
    """All that the meter's buffer holds."""
    return SINCE_LAST_READING.find_times(moment, ZoneInfo(device.time_zone), *STEPS[period])


def list_ends(device: Device, period: Period = Period.INTERVAL) -> list[datetime]:
    """The ends of all intervals that the buffer holds."""
    between, (step, entries) = held(device, period), STEPS[period]
    zone = ZoneInfo(device.time_zone)
    return [step.advance(between.end, -number, zone) for number in reversed(range(entries))]


def list_more_ends(device: Device) -> list[datetime]:
    """With those of two days that the buffer does not hold any more, so that its first day may be full."""
    ends = list_ends(device)
    return [*(ends[0] - QUARTER * number for number in range(192, 0, -1)), *ends]


def find(device: Device, period: Period = Period.INTERVAL, *, since_first: bool = False) -> Between | None:
    return find_unread(device.pk, device.channel, period, held(device, period), since_first=since_first)


def store(device: Device, ends: Sequence[datetime], *quantities: str, **fields: Any) -> None:
    for quantity in quantities or ("ACTIVE_ENERGY_IMPORT", EXPORT):
        deliver(device, column(ends, [1] * len(ends), quantity=quantity, **fields))


def answered(organisation: Organisation, device: Device, begin: datetime, end: datetime) -> None:
    """Somebody asked for this, and the meter answered."""
    parameters = {"period_type": "INTERVAL", "begin_date": begin.isoformat(), "end_date": end.isoformat()}
    request = factories.make_request(organisation, device, "PeriodicMeterReads", parameters=parameters)
    Action.objects.filter(request=request).update(state=ActionState.DONE, finished_at=NIGHT)


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("hours", [24, 30, 2, 0])
def test_the_common_case_takes_two_statements(device: Device, zone: str, hours: int) -> None:
    """With a day of 25 hours in Amsterdam, and zones that are half an hour off."""
    device.time_zone = zone
    device.save()
    ends = list_more_ends(device)
    store(device, ends[: len(ends) - 4 * hours])
    find(device)  # PostgreSQL prepares its statements.
    with CaptureQueriesContext(connection) as queries:
        found = find(device)
    assert found == (Between(ends[-4 * hours], ends[-1]) if hours else None)
    assert len(queries) == 2


def test_a_meter_that_was_never_read_is_asked_for_everything(device: Device) -> None:
    assert find(device) == held(device)


def test_an_older_gap_is_found(device: Device) -> None:
    ends = list_ends(device)
    store(device, ends[:300] + ends[310:-96])
    assert find(device) == Between(ends[300], ends[-1])
    store(device, ends[310:])
    assert find(device) == Between(ends[300], ends[309])


def test_what_the_meter_answered_without_is_left_out(organisation: Organisation, device: Device) -> None:
    ends = list_ends(device)
    answered(organisation, device, ends[0], ends[400])
    store(device, ends[:300] + ends[310:-96])
    assert find(device) == Between(ends[-96], ends[-1])


def test_a_quantity_that_the_meter_did_not_tell(organisation: Organisation, device: Device) -> None:
    """It is missing among the last ones as well, though not because nobody has asked."""
    ends = list_ends(device)
    store(device, ends[:-20])
    store(device, ends[-20:-10], EXPORT)
    assert find(device) == Between(ends[-20], ends[-1])
    answered(organisation, device, ends[0], ends[-10])
    assert find(device) == Between(ends[-9], ends[-1])


def test_an_answer_at_once_does_not_settle_the_last_intervals(
    organisation: Organisation, device: Device
) -> None:
    ends = list_more_ends(device)
    store(device, ends[:-20])
    answered(organisation, device, ends[0], ends[-1])
    # Of nothing but the last two days, this is not looked into.
    assert find(device) == Between(ends[-20], ends[-1])
    store(device, ends[-8:-7])
    assert find(device) == Between(ends[-4], ends[-1])


def test_what_was_accepted_of_the_last_days_is_left_out(organisation: Organisation, device: Device) -> None:
    ends = list_more_ends(device)
    store(device, ends[:-100])
    AcceptedGap.objects.create(
        device=device,
        period=Period.INTERVAL,
        first_interval_end=ends[-100],
        last_interval_end=ends[-51],
        organisation=organisation,
        accepted_by="portal",
        accepted_at=NIGHT,
        comment="In the workshop.",
    )
    assert find(device) == Between(ends[-50], ends[-1])
    store(device, ends[-50:-20])
    assert find(device) == Between(ends[-20], ends[-1])
    store(device, ends[-20:])
    assert find(device) is None


def test_days_and_months(organisation: Organisation, device: Device) -> None:
    for period in (Period.DAILY, Period.MONTHLY):
        ends = list_ends(device, period)
        tag = "ACTIVE_ENERGY_IMPORT_RATE_1"
        assert find(device, period) == held(device, period)
        store(device, ends[:-1], tag, period=period)
        with CaptureQueriesContext(connection) as queries:
            assert find(device, period) == Between(ends[-1], ends[-1])
        assert len(queries) == 1
        store(device, ends[-1:], tag, period=period)
        assert find(device, period) is None
    store(
        device,
        [each for each in list_ends(device, Period.DAILY) if each.day % 5],
        EXPORT,
        period=Period.DAILY,
    )
    found = find(device, Period.DAILY)
    assert found is not None
    assert found.begin.day % 5 == 0


def test_a_gas_meter_is_told_from_its_gateway_by_its_channel(device: Device, gas_meter: Device) -> None:
    store(device, list_ends(device))
    assert find(gas_meter) is not None
    fields = {"unit": "m³", "capture_period": 900}
    store(gas_meter, list_ends(gas_meter), "MBUS_MASTER_VALUE", **fields)
    assert find(gas_meter) is None


@pytest.mark.parametrize("seed", range(12))
def test_the_short_way_finds_what_the_long_way_finds(
    device: Device, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Where nobody has asked for anything."""
    chosen = random.Random(seed)
    device.time_zone = chosen.choice(["Europe/Amsterdam", "Asia/Kathmandu", "America/St_Johns"])
    device.save()
    ends = list_more_ends(device)
    for quantity in ("ACTIVE_ENERGY_IMPORT", EXPORT)[: chosen.choice([1, 2])]:
        share = chosen.choice([1, 1, 1, 0.99])
        there = [end for end in ends if chosen.random() < share]
        first = chosen.choice([0, 0, 300])
        store(device, there[first : len(there) - chosen.choice([0, 0, 5, 97, 150])], quantity)
    if chosen.random() < 0.3:
        Device.objects.update(installed_at=ends[chosen.randrange(900)] - timedelta(minutes=4))
    short = [find(device, since_first=since_first) for since_first in (True, False)]
    monkeypatch.setattr(unread, "_find_tail", lambda *_, **__: None)
    assert short == [find(device, since_first=since_first) for since_first in (True, False)]


def test_before_the_first_value(device: Device) -> None:
    """What lies before it is only asked for by those who name the time."""
    ends = list_ends(device)
    store(device, ends[300:-20])
    with CaptureQueriesContext(connection) as statements:
        assert find(device, since_first=True) == Between(ends[-20], ends[-1])
    assert len(statements) == 2
    assert find(device) == Between(ends[0], ends[-1])
    Device.objects.update(installed_at=ends[100])
    assert find(device, since_first=True) == find(device) == Between(ends[101], ends[-1])


def test_a_new_device_is_asked_for_everything(device: Device, organisation: Organisation) -> None:
    """Until it has answered: of what it has no value of, it is not asked again."""
    with CaptureQueriesContext(connection) as statements:
        assert find(device, since_first=True) == held(device)
    assert len(statements) == 2
    ends = list_ends(device)
    answered(organisation, device, ends[0], ends[500])
    assert find(device, since_first=True) == Between(ends[501], ends[-1])


def test_parts_of_what_is_held(device: Device) -> None:
    """As for periods that are told: what is missing outside is of no account."""
    ends = list_ends(device)
    store(device, ends[100:-50])

    def ask(begin: datetime, end: datetime) -> Between | None:
        return find_unread(device.pk, None, Period.INTERVAL, Between(begin, end), since_first=False)

    assert ask(ends[100], ends[200]) is None
    assert ask(ends[90], ends[200]) == Between(ends[90], ends[99])
    assert ask(ends[90], ends[-40]) == Between(ends[90], ends[-40])
    assert ask(ends[-50], ends[-40]) == Between(ends[-50], ends[-40])
