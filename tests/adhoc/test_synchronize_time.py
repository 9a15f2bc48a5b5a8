"""SynchronizeTime: the meter's clock, in any zone and on both sides of every change of clocks."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.catalogue.communication import DeviationSign
from osgp.devices.meter_settings import MeterSettings
from osgp.faults import Fault
from osgp.messages.serializers import list_time_zones
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import CosemDateTime, errors
from osgp.simulator import Fleet, SimulatorThread
from tests import meters
from tests.protocol_dlms.peers import WrapperMeter
from tests.protocol_dlms.sessions import session
from tests.visited import PROFILES, Visits, perform, visited

CLOCK_DESCRIPTOR = "00080000010000ff02"
URL = "/api/v1/adhoc/synchronize-time/"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> "Now":
    """The platform's time, which stands where a test puts it."""
    clock = Now()
    monkeypatch.setattr(timezone, "now", clock)
    return clock


class Now:
    moment = datetime(2026, 1, 15, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


def clock_of(meter: VisitedMeter) -> CosemDateTime:
    """What the meter's clock says."""
    value = meter.get("CLOCK", "time").value
    assert isinstance(value, bytes)
    return CosemDateTime.from_bytes(value)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(visits: Visits, profile: str, now: Now) -> None:
    now.moment = datetime(2026, 3, 29, 1, 0, 0, 250_000, tzinfo=UTC)
    with visits.visit(visits.simulated(profile)) as meter:
        assert perform(meter, "SynchronizeTime") == {
            "time": "2026-03-29T01:00:00.250000Z",
            "timezone": "Europe/Amsterdam",
            "deviation": -120,
            "daylight_saving": True,
        }
        assert clock_of(meter).to_datetime() == now.moment
        assert (clock_of(meter).hour, clock_of(meter).is_daylight_saving) == (3, True)


@pytest.mark.parametrize(
    ("moment", "zone", "clock"),
    [
        # Clocks go forward on 29 March 2026 ...
        ("2026-03-29T00:59:59+00:00", "Europe/Amsterdam", "07ea 03 1d ff 01 3b 3b 00 ffc4 00"),
        ("2026-03-29T01:00:00+00:00", "Europe/Amsterdam", "07ea 03 1d ff 03 00 00 00 ff88 80"),
        # ... and back on 25 October, when half past two comes twice.
        ("2026-10-25T00:30:00+00:00", "Europe/Amsterdam", "07ea 0a 19 ff 02 1e 00 00 ff88 80"),
        ("2026-10-25T01:30:00+00:00", "Europe/Amsterdam", "07ea 0a 19 ff 02 1e 00 00 ffc4 00"),
        ("2026-07-01T12:00:00.999+00:00", "UTC", "07ea 07 01 ff 0c 00 00 63 0000 00"),
        ("2026-01-15T12:00:00+00:00", "Europe/Dublin", "07ea 01 0f ff 0c 00 00 00 0000 00"),
        ("2026-07-15T12:00:00+00:00", "Europe/Dublin", "07ea 07 0f ff 0d 00 00 00 ffc4 80"),
        ("2026-11-01T06:00:00+00:00", "America/New_York", "07ea 0b 01 ff 01 00 00 00 012c 00"),
    ],
)
def test_what_is_sent(now: Now, moment: str, zone: str, clock: str) -> None:
    now.moment = datetime.fromisoformat(moment)
    requests: list[bytes] = []

    def accept(request: bytes) -> bytes:
        requests.append(request)
        return bytes((0xC5, 1, request[2], 0))

    with session(WrapperMeter(accept)) as association:
        meter = visited(catalogue.find_profile("SMR", "5.1"), association)
        perform(meter, "SynchronizeTime", {"timezone": zone})
    [request] = requests
    expected = CLOCK_DESCRIPTOR + "00" + "090c" + clock.replace(" ", "")
    assert request[:2].hex() + request[3:].hex() == "c101" + expected


@pytest.fixture(scope="module")
def held(visits: Visits) -> Iterator[VisitedMeter]:
    """One long association."""
    with visits.visit(visits.simulated("SMR-5.0.0")) as meter:
        yield meter


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    zone=st.sampled_from(sorted(list_time_zones())),
    moment=st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
)
@example(zone="Europe/Amsterdam", moment=datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC))
@example(zone="Europe/Amsterdam", moment=datetime(2026, 10, 25, 1, 0, tzinfo=UTC))
@example(zone="Australia/Lord_Howe", moment=datetime(2026, 4, 4, 15, 15, tzinfo=UTC))
@example(zone="Pacific/Kiritimati", moment=datetime(2026, 4, 4, 15, 15, tzinfo=UTC))
def test_the_meter_shows_the_moment_in_any_zone_at_any_time(
    held: VisitedMeter, now: Now, zone: str, moment: datetime
) -> None:
    now.moment = moment
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    result = perform(held, "SynchronizeTime", {"timezone": zone})
    assert result["deviation"] == -offset / timedelta(minutes=1)
    assert clock_of(held).to_datetime() == moment.replace(microsecond=moment.microsecond // 10_000 * 10_000)


@pytest.mark.parametrize(
    "change", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
)
def test_every_ten_minutes_around_a_change_of_clocks(held: VisitedMeter, now: Now, change: datetime) -> None:
    for minutes in range(-130, 131, 10):
        now.moment = change + timedelta(minutes=minutes)
        result = perform(held, "SynchronizeTime", {"timezone": "Europe/Amsterdam"})
        summer = (minutes >= 0) == (change.month == 3)
        assert (result["deviation"], result["daylight_saving"]) == ((-120, True) if summer else (-60, False))
        clock = clock_of(held)
        assert clock.to_datetime() == now.moment
        assert (clock.deviation, clock.is_daylight_saving) == (result["deviation"], summer)


def test_a_refusal_is_told(now: Now) -> None:
    with session(WrapperMeter(lambda request: bytes((0xC5, 1, request[2], 3)))) as association:
        meter = visited(catalogue.find_profile("DSMR", "2.2"), association)
        with pytest.raises(errors.AccessError, match="read-write-denied"):
            perform(meter, "SynchronizeTime")


def test_a_meter_that_knows_no_deviation_beyond_twelve_hours(now: Now) -> None:
    """Kiritimati is 14 hours ahead of UTC. A meter that takes it for something else shows another time."""
    shown = "090c 07ea 01 10 ff 02 00 00 00 %s 00"

    def make_meter(deviation: str) -> Callable[[bytes], bytes]:
        def answer(request: bytes) -> bytes:
            if request[0] == 0xC1:
                return bytes((0xC5, 1, request[2], 0))
            return bytes((0xC4, 1, request[2], 0)) + bytes.fromhex(shown % deviation)

        return answer

    profile = catalogue.find_profile("SMR", "5.1")
    with session(WrapperMeter(make_meter("fcb8"))) as association:
        result = perform(visited(profile, association), "SynchronizeTime", {"timezone": "Pacific/Kiritimati"})
        assert (result["deviation"], result["timezone"]) == (-840, "Pacific/Kiritimati")
    with (
        session(WrapperMeter(make_meter("fd30"))) as association,
        pytest.raises(Fault, match="2026-01-15 14:00:00 UTC: it does not know"),
    ):
        perform(visited(profile, association), "SynchronizeTime", {"timezone": "Pacific/Kiritimati"})


def test_a_meter_with_the_opposite_sign(visits: Visits, now: Now) -> None:
    opposite = MeterSettings(deviation_sign=DeviationSign.OPPOSITE)
    with visits.visit(visits.simulated("SMR-5.1"), settings=opposite) as meter:
        assert perform(meter, "SynchronizeTime")["deviation"] == -60
        # This one has the usual sign: it takes 60 for a place behind UTC.
        assert clock_of(meter).to_datetime() == now.moment + timedelta(hours=2)


@pytest.mark.django_db(transaction=True)
def test_from_the_request_to_the_meter_and_the_device(api: APIClient, organisation: Organisation) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.5")) as simulator:
        [device] = meters.add_meters(organisation, simulator).values()
        simulated = simulator.meters[device.identification]
        clock = device.profile["CLOCK"].address_attribute(2)
        simulated.set(clock, bytes.fromhex("090c 07e4 01 01 ff 00 00 00 00 ffc4 00"))
        body = {"device_identification": device.identification, "timezone": "Europe/Lisbon"}
        accepted = api.post(URL, body, format="json")
        assert accepted.status_code == 202, accepted.content
        meters.visit(device)
        answer = api.get(accepted.json()["url"]).json()
        assert (answer["status"], answer["result"]["timezone"]) == ("SUCCEEDED", "Europe/Lisbon")
        # It was years behind; what is left is the time that all this took.
        shown = CosemDateTime.from_bytes(simulated.get(clock)[2:]).to_datetime()
        assert shown is not None
        assert abs(datetime.now(UTC) - shown) < timedelta(minutes=10)
    device.refresh_from_db()
    assert device.time_zone == "Europe/Lisbon"
