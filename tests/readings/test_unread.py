"""Nights of a meter that is read since its last reading: it heals its gaps, and no more than that."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.completeness.models import AcceptedGap, AnsweredGap
from osgp.devices.models import Device
from osgp.messages.naming import BUNDLE
from osgp.monitoring import periodic_reads
from osgp.readings import clock
from osgp.requests.models import Action, Request
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.meter.outages import Outage
from osgp.visits import visit
from tests import factories, meters

pytestmark = pytest.mark.django_db(transaction=True)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUARTER = timedelta(minutes=15)
LAST_NIGHT = datetime.now(UTC).replace(hour=0, minute=20, second=0, microsecond=0)
"""Of the three nights; requests become due by the clock of the database, so they lie about today."""


class Nights(NamedTuple):
    """A simulated meter and the time that all clocks show but that of the database."""

    organisation: Organisation
    device: Device
    gas_meter: Device
    simulator: SimulatorThread
    set_clock: Callable[[datetime], None]

    def read(
        self, moment: datetime, message: str = "PeriodicMeterReads", **parameters: Any
    ) -> dict[str, Any]:
        """The result of a visit at a moment, by default since the last reading; times as datetimes."""
        self.set_clock(moment)
        device = self.gas_meter if message.endswith("Gas") else self.device
        given = {"relative_period": "SINCE_LAST_READING"} | parameters
        if message.startswith("Periodic"):
            given = {"period_type": "INTERVAL"} | given
        if "begin_date" in given:
            del given["relative_period"]
        request = factories.make_request(self.organisation, device, message, parameters=given)
        meters.visit(self.device)
        action = Action.objects.get(request=request)
        Action.objects.filter(pk=action.pk).update(finished_at=moment)
        assert action.result is not None, action.fault
        names = ("begin_date", "end_date", "complete_until", "from", "until")
        return action.result | {
            name: datetime.fromisoformat(action.result[name]) for name in names if name in action.result
        }

    def times(self, moment: datetime, **parameters: Any) -> tuple[datetime, datetime, int]:
        """First and last time that were asked for, and how many rows came."""
        result = self.read(moment, **parameters)
        return result["begin_date"], result["end_date"], len(result["periodic_meter_reads"])


@pytest.fixture
def nights(
    organisation: Organisation, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Nights]:
    moment = [LAST_NIGHT]

    monkeypatch.setattr(clock, "now", lambda: moment[0])
    monkeypatch.setattr(visit, "platform_time", SimpleNamespace(now=lambda: moment[0]))
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=30),
        "CONNECT_DEADLINE": timedelta(seconds=30),
    }
    fleet = Fleet.build(
        1, "SMR-5.1", gas_meters=1, settings=FleetSettings(clock=lambda: moment[0].timestamp())
    )
    with SimulatorThread(fleet) as simulator:
        device, gas_meter = meters.add_meters(organisation, simulator).values()

        def set_clock(to: datetime) -> None:
            moment[0] = to

        yield Nights(organisation, device, gas_meter, simulator, set_clock)


def floor(moment: datetime) -> datetime:
    """The last whole quarter of an hour."""
    return moment.replace(minute=moment.minute // 15 * 15)


def test_nights_heal_a_hole_and_read_no_more_than_needed(nights: Nights) -> None:
    first, second, third = (LAST_NIGHT - 2 * DAY, LAST_NIGHT - DAY, LAST_NIGHT)
    end = floor(first)
    # Of a meter that was never read, all that its buffer of 960 rows holds.
    assert nights.times(first) == (end - 959 * QUARTER, end, 960)
    # Somebody reads the last two hours: the hours before are a hole.
    assert (
        nights.times(second, begin_date=(second - 2 * HOUR).isoformat(), end_date=second.isoformat())[2] == 8
    )
    end = floor(third)
    assert nights.times(third) == (end - 2 * DAY + QUARTER, end, 192)
    again = third + timedelta(hours=7)
    assert nights.times(again) == (end + QUARTER, floor(again), 28)
    nothing = nights.read(again + timedelta(minutes=1))
    assert nothing["nothing_missing"] is True
    assert nothing["periodic_meter_reads"] == []
    assert nothing["complete_until"] == nothing["end_date"] == floor(again)
    assert nights.times(LAST_NIGHT + DAY) == (floor(again) + QUARTER, end + DAY, 96 - 28)


def test_a_hole_that_the_meter_has_itself_is_asked_for_once(nights: Nights) -> None:
    first, second, third = (LAST_NIGHT - 2 * DAY, LAST_NIGHT - DAY, LAST_NIGHT)
    nights.times(first)
    dark = Outage((second - 9 * HOUR).timestamp(), (second - 5 * HOUR).timestamp())
    nights.simulator.meters[nights.device.identification].make_record().add_outage(dark)
    begin, end, count = nights.times(second)
    assert (begin, end, count) == (floor(first) + QUARTER, floor(second), 96 - 16)
    assert nights.times(third) == (floor(second) + QUARTER, floor(third), 96)
    [known] = AnsweredGap.objects.all()
    Request.objects.all().delete()  # After a week they are forgotten, and the hole is known all the same.
    assert nights.times(third + HOUR)[0] == floor(third) + QUARTER
    assert known.first_interval_end == floor(second) - 9 * HOUR + QUARTER


def test_an_accepted_hole_is_not_asked_for(nights: Nights) -> None:
    first, second, third = (LAST_NIGHT - 2 * DAY, LAST_NIGHT - DAY, LAST_NIGHT)
    nights.times(first)
    nights.read(second, begin_date=(second - 2 * HOUR).isoformat(), end_date=second.isoformat())
    AcceptedGap.objects.create(
        device=nights.device,
        period="INTERVAL",
        first_interval_end=floor(first) + QUARTER,
        last_interval_end=second - 2 * HOUR,
        organisation=nights.organisation,
        accepted_by="portal",
        accepted_at=second,
        comment="The meter hung in the workshop.",
    )
    assert nights.times(third) == (floor(second) + QUARTER, floor(third), 96)


def test_power_quality_and_events_go_on_from_their_last_result(nights: Nights) -> None:
    """With an hour twice, as the meter's clock may be behind."""
    first, second = LAST_NIGHT - DAY, LAST_NIGHT
    public = nights.read(first, "GetPowerQualityProfile", profile_type="PUBLIC")
    assert public["begin_date"] == floor(first) - 959 * QUARTER
    assert public["end_date"] == first  # The other buffer has a row every ten minutes.
    private = nights.read(second, "GetPowerQualityProfile", profile_type="PRIVATE")
    assert private["begin_date"] == floor(second) - 959 * QUARTER
    public = nights.read(second + HOUR, "GetPowerQualityProfile", profile_type="PUBLIC")
    assert (public["begin_date"], public["end_date"]) == (first - HOUR, second + HOUR)
    log = {"event_log_category": "STANDARD_EVENT_LOG"}
    events = nights.read(first, "FindEvents", **log)
    assert (events["from"].year, events["until"]) == (2000, first)
    events = nights.read(second, "FindEvents", **log)
    assert (events["from"], events["until"]) == (first - HOUR, second)
    other = nights.read(second, "FindEvents", event_log_category="FRAUD_DETECTION_LOG")
    assert other["from"].year == 2000


def test_only_what_is_missing_of_a_period_that_is_told(nights: Nights) -> None:
    first, second = LAST_NIGHT - DAY, LAST_NIGHT
    day = {"relative_period": {"last": 24, "unit": "HOUR"}, "missing_only": True}
    nights.times(first, begin_date=(first - 2 * HOUR).isoformat(), end_date=first.isoformat())
    hour = first.replace(minute=0)
    assert nights.times(first, **day) == (hour - 24 * HOUR, hour - 2 * HOUR + QUARTER, 90)
    assert nights.read(first, **day)["nothing_missing"] is True
    assert "nothing_missing" not in nights.read(first, relative_period="PREVIOUS_HOUR")
    # What the meter has overwritten is not asked for, and not of what is still to come.
    long_ago = {"begin_date": (second - 16 * DAY).isoformat(), "end_date": (second - 15 * DAY).isoformat()}
    nothing = nights.read(second, missing_only=True, **long_ago)
    assert nothing["nothing_missing"] is True
    assert nothing["begin_date"] == second - 16 * DAY
    ahead = {"begin_date": second.isoformat(), "end_date": (second + DAY).isoformat()}
    assert nights.read(second, missing_only=True, **ahead)["periodic_meter_reads"] == []


def test_a_visit_reads_so_many_rows_and_the_next_one_goes_on(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic_reads, "MOST_MISSING_ROWS", 700)
    end = floor(LAST_NIGHT)
    begin = end - 959 * QUARTER
    assert nights.times(LAST_NIGHT) == (begin, begin + 699 * QUARTER, 700)
    assert nights.times(LAST_NIGHT) == (begin + 700 * QUARTER, end, 260)


def test_days_months_and_gas(nights: Nights) -> None:
    gas = "PeriodicMeterReadsGas"
    for period, rows in (("INTERVAL", 240), ("DAILY", 40), ("MONTHLY", 13)):
        result = nights.read(LAST_NIGHT - 2 * DAY, gas, period_type=period)
        assert len(result["periodic_meter_reads_gas"]) == rows
        assert nights.read(LAST_NIGHT - 2 * DAY, gas, period_type=period)["nothing_missing"] is True
    result = nights.read(LAST_NIGHT, gas)
    assert result["begin_date"] == LAST_NIGHT.replace(minute=0) - 47 * HOUR
    assert len(result["periodic_meter_reads_gas"]) == 48
    assert len(nights.read(LAST_NIGHT, gas, period_type="DAILY")["periodic_meter_reads_gas"]) == 2


def test_an_action_of_a_bundle_knows_what_the_one_before_it_has_read(nights: Nights) -> None:
    nights.set_clock(LAST_NIGHT)
    request = factories.make_request(nights.organisation, nights.device, BUNDLE)
    Action.objects.all().delete()
    since = {"period_type": "INTERVAL", "relative_period": "SINCE_LAST_READING"}
    for position, device in enumerate((None, nights.gas_meter, None)):
        message = "PeriodicMeterReadsGas" if device else "PeriodicMeterReads"
        Action.objects.create(
            request=request, position=position, message=message, device=device, parameters=since
        )
    meters.visit(nights.device)
    results = list(Action.objects.order_by("position").values_list("result__nothing_missing", flat=True))
    assert results == [False, False, True]
