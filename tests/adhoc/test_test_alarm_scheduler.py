"""TestAlarmScheduler: which meters can, what they are told, and times that they cannot be told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.requests.models import Request
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters
from tests.visited import METERS, Visits, perform

MESSAGE = "TestAlarmScheduler"
URL = "/api/v1/adhoc/test-alarm-scheduler/"
PARTIAL, LAST_GASP = "PARTIAL_POWER_OUTAGE", "LAST_GASP"
CAN = {
    *((profile, PARTIAL) for profile in ("SMR-5.1", "SMR-5.2", "SMR-5.2c", "SMR-5.5")),
    ("SMR-5.5", LAST_GASP),
}
TAGS = {PARTIAL: "PHASE_OUTAGE_TEST", LAST_GASP: "LAST_GASP_TEST"}


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the platform's time."""

    def stop(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return stop


@pytest.mark.parametrize("alarm_type", [PARTIAL, LAST_GASP])
@pytest.mark.parametrize(("profile", "polyphase"), METERS)
def test_every_profile(
    visits: Visits, at: Callable[[datetime], None], profile: str, polyphase: bool, alarm_type: str
) -> None:
    at(datetime(2026, 6, 15, 10, tzinfo=UTC))
    simulated = visits.simulated(profile, polyphase=polyphase)
    parameters = {"alarm_type": alarm_type, "test_time": "2026-12-24T22:58:59.750Z"}
    with visits.visit(simulated) as meter:
        before = meter.association.statistics.round_trips
        if not polyphase or (profile, alarm_type) not in CAN:
            with pytest.raises(Fault) as fault:
                perform(meter, MESSAGE, parameters)
            assert fault.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
            assert meter.association.statistics.round_trips == before
            return
        assert perform(meter, MESSAGE, parameters) == {
            "alarm_type": alarm_type,
            "test_time": "2026-12-24T22:58:59Z",
            "timezone": "Europe/Amsterdam",
        }
        # In winter time, whatever time it is now.
        planned = meter.get(TAGS[alarm_type], 4).native
    assert planned == ((bytes((23, 58, 59, 0)), bytes.fromhex("07ea0c18ff")),)
    simulated.memory.overrides = None


@pytest.mark.parametrize(
    ("zone", "test_time", "expected"),
    [
        ("Europe/Amsterdam", "2026-10-25T00:30:00Z", None),
        ("Europe/Amsterdam", "2026-10-25T01:30:00Z", None),
        ("Europe/Amsterdam", "2026-10-24T23:59:59Z", "013b3b00 07ea0a19ff"),
        ("Europe/Amsterdam", "2026-10-25T02:00:00Z", "03000000 07ea0a19ff"),
        ("Europe/Amsterdam", "2026-10-25T02:00:00+02:00", None),
        ("Europe/Amsterdam", "2027-03-28T01:00:00Z", "03000000 07eb031cff"),
        ("UTC", "2026-10-25T01:30:00Z", "011e0000 07ea0a19ff"),
        ("America/New_York", "2027-01-01T03:00:00Z", "16000000 07ea0c1fff"),
    ],
)
def test_around_changes_of_clocks(
    visits: Visits, at: Callable[[datetime], None], zone: str, test_time: str, expected: str | None
) -> None:
    at(datetime(2026, 6, 15, 10, tzinfo=UTC))
    simulated = visits.simulated("SMR-5.5", polyphase=True)
    parameters = {"alarm_type": LAST_GASP, "test_time": test_time}
    with visits.visit(simulated, time_zone=ZoneInfo(zone)) as meter:
        if expected is None:
            with pytest.raises(Fault, match="comes twice") as fault:
                perform(meter, MESSAGE, parameters)
            assert (fault.value.code, fault.value.retryable) == (FaultCode.VALIDATION_ERROR, False)
            return
        perform(meter, MESSAGE, parameters)
        [(time, date)] = meter.get("LAST_GASP_TEST", 4).native  # type: ignore[misc]
    assert f"{time.hex()} {date.hex()}" == expected
    simulated.memory.overrides = None


def test_a_time_that_passed_before_the_meter_was_reached(
    visits: Visits, at: Callable[[datetime], None]
) -> None:
    at(datetime(2026, 6, 15, 10, tzinfo=UTC))
    with visits.visit(visits.simulated("SMR-5.5", polyphase=True)) as meter:
        with pytest.raises(Fault, match="in the future") as fault:
            perform(meter, MESSAGE, {"alarm_type": PARTIAL, "test_time": "2026-06-15T10:00:00Z"})
        assert fault.value.retryable is False
        assert meter.get("PHASE_OUTAGE_TEST", 4).native == ()


def tomorrow() -> str:
    return (timezone.now() + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"test_time": "2020-01-01T00:00:00Z"}, "/test_time"),
        ({"test_time": "2040-10-28T00:30:00Z"}, "/test_time"),
        ({"test_time": "tomorrow"}, "/test_time"),
        ({"test_time": "2100-01-01T00:00:00Z"}, "/test_time"),
        ({"alarm_type": "FRAUD_ATTEMPT"}, "/alarm_type"),
        ({"alarm_type": None}, "/alarm_type"),
        ({"alarm": PARTIAL}, "/alarm"),
    ],
)
def test_bad_input(api: APIClient, organisation: Organisation, changes: Any, pointer: str) -> None:
    device = factories.make_device(owner=organisation, protocol_version="5.5", polyphase=True)
    body = {
        "device_identification": device.identification,
        "alarm_type": PARTIAL,
        "test_time": tomorrow(),
    } | changes
    answer = api.post(URL, body, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Request.objects.exists()


@pytest.mark.parametrize(
    ("protocol", "version", "polyphase", "alarm_type", "pointer"),
    [
        ("DSMR", "4.2.2", True, PARTIAL, "/device_identification"),
        ("SMR", "5.0.0", True, PARTIAL, "/device_identification"),
        ("SMR", "5.1", False, PARTIAL, "/alarm_type"),
        ("SMR", "5.2", True, LAST_GASP, "/alarm_type"),
    ],
)
def test_meters_that_cannot_are_not_dialled(
    api: APIClient,
    organisation: Organisation,
    protocol: str,
    version: str,
    polyphase: bool,
    alarm_type: str,
    pointer: str,
) -> None:
    device = factories.make_device(
        owner=organisation, protocol_name=protocol, protocol_version=version, polyphase=polyphase
    )
    body = {
        "device_identification": device.identification,
        "alarm_type": alarm_type,
        "test_time": tomorrow(),
    }
    answer = api.post(URL, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, 416)
    assert answer.json()["errors"][0]["pointer"] == pointer
    batch = {
        "device_identifications": [device.identification],
        "message": MESSAGE,
        "parameters": {"alarm_type": alarm_type, "test_time": tomorrow()},
    }
    assert api.post("/api/v1/requests/batch/", batch, format="json").status_code == 400
    assert not Request.objects.exists()


def test_no_part_of_a_bundle(api: APIClient, device: Device) -> None:
    action = {"message": MESSAGE, "alarm_type": PARTIAL, "test_time": tomorrow()}
    body = {"device_identification": device.identification, "actions": [action]}
    answer = api.post("/api/v1/bundle/", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/actions/0/message"


@pytest.mark.django_db(transaction=True)
def test_schedule_time_and_test_time_are_two_things(api: APIClient, organisation: Organisation) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.5", polyphase=True)) as simulator:
        [device] = meters.add_meters(organisation, simulator).values()
        body = {
            "device_identification": device.identification,
            "alarm_type": LAST_GASP,
            "test_time": tomorrow(),
            "schedule_time": "2026-01-01T00:00:00Z",
        }
        accepted = api.post(URL, body, format="json")
        assert accepted.status_code == 202, accepted.content
        meters.visit(device)
        answer = api.get(accepted.json()["url"]).json()
    assert (answer["status"], answer["schedule_time"]) == ("SUCCEEDED", "2026-01-01T00:00:00Z")
    assert answer["result"]["test_time"] > "2026-01-02"
