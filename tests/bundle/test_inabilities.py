"""What a device cannot do fails alone: it is accepted with its own fault, beside what waits for the visit."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.operation import NewAction
from osgp.metrics import families, horizon, rollup
from osgp.metrics.models import Counter
from osgp.requests import states, waiting
from osgp.requests.models import Request
from osgp.requests.states.scheduled import queue_scheduled
from tests import factories
from tests.batches.test_bundles import SampleSecret

PATH = "/api/v1/bundle/"
PROBE = {"message": "Probe"}
NEW_ONLY = {"message": "ProbeNewMeters"}
GAS_READ = {"message": "ActualMeterReadsGas"}
KEY_STATUS = {"message": "GetMbusEncryptionKeyStatus"}
SET_KEY = {"message": "SetEncryptionKeyExchangeOnGMeter"}
LACKS = "ProbeNewMeters needs LAST_GASP_TEST, which SMR-5.1 meters do not have."


def post(api: APIClient, device: Device, *actions: Any, **more: Any) -> Any:
    body = {"device_identification": device.identification, "actions": list(actions)}
    return api.post(PATH, {**body, **more}, format="json")


def responses(api: APIClient, answer: Any) -> list[tuple[str, int | None]]:
    """Status and fault code of each action."""
    body = api.get(answer.headers["Location"]).json()
    return [(each["status"], each["fault"] and each["fault"]["code"]) for each in body["responses"]]


@pytest.fixture
def neighbours(organisation: Organisation, device: Device, gas_meter: Device) -> None:
    """A gas meter behind another meter, one behind none, and one without a channel."""
    other = factories.make_device("E2", owner=organisation)
    factories.make_gas_meter("G2", gateway=other, owner=organisation)
    factories.make_gas_meter("G3", gateway=None, channel=None, owner=organisation)
    factories.make_gas_meter("G4", gateway=device, channel=None, owner=organisation)


UNABLE = [
    (NEW_ONLY, 416, LACKS),
    (GAS_READ, 401, "ActualMeterReadsGas is for SMART_METER_G, SMART_METER_W; E0000000000000001 is a SMART"),
    ({"message": "ActualMeterReads", "device_identification": "G0000000000000001"}, 401, "SMART_METER_E;"),
    ({**GAS_READ, "device_identification": "G2"}, 221, "G2 is not on a channel of E0000000000000001."),
    ({**GAS_READ, "device_identification": "G3"}, 401, "G3 is not coupled to a channel"),
    ({**GAS_READ, "device_identification": "G4"}, 401, "G4 is not coupled to a channel"),
    # Callers know these codes for the key of an M-Bus device.
    ({**KEY_STATUS, "device_identification": "G2"}, 221, "G2 is not on a channel of E0000000000000001."),
    ({**KEY_STATUS, "device_identification": "G3"}, 220, "G3 is not coupled to a channel"),
    ({**KEY_STATUS, "device_identification": "G4"}, 215, "G4 is not coupled to a channel"),
    ({**SET_KEY, "device_identification": "G2"}, 221, "G2 is not on a channel of E0000000000000001."),
    ({**SET_KEY, "device_identification": "G3"}, 220, "G3 is not coupled to a channel"),
    ({**SET_KEY, "device_identification": "G4"}, 215, "G4 is not coupled to a channel"),
    ({"message": "GetGsmDiagnostic"}, 416, "no modem diagnostics for ETHERNET"),
]


@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize(("action", "code", "text"), UNABLE)
def test_it_has_its_own_code_at_once(
    api: APIClient, device: Device, action: Any, code: int, text: str
) -> None:
    answer = post(api, device, PROBE, action, PROBE)
    assert (answer.status_code, answer.json()["status"]) == (202, "QUEUED"), answer.json()
    before, unable, after = api.get(answer.headers["Location"]).json()["responses"]
    assert before["status"] == after["status"] == "QUEUED"
    assert (unable["status"], unable["result"]) == ("FAILED", None)
    assert unable["fault"]["code"] == code
    assert unable["fault"]["retryable"] is False
    assert text in unable["fault"]["message"]
    assert unable["device_identification"] == action.get("device_identification", device.identification)


@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize(
    "faulty",
    [
        {"message": "NoSuchMessage"},
        {"message": "ProbeAlone"},
        {"message": "Probe", "size": 11},
        {**PROBE, "device_identification": "UNKNOWN"},
        {**PROBE, "device_identification": "E2"},
        {
            "message": "PeriodicMeterReads",
            "period_type": "DAILY",
            "relative_period": {"last": 3000, "unit": "DAY"},
        },
        {"message": "TestAlarmScheduler", "alarm_type": "LAST_GASP", "test_time": "2020-01-01T00:00:00Z"},
    ],
)
def test_what_is_wrong_in_itself_refuses_the_bundle_and_is_told_alone(
    api: APIClient, device: Device, faulty: Any
) -> None:
    answer = post(api, device, NEW_ONLY, faulty)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["pointer"].startswith("/actions/1/")
    assert not Request.objects.exists()


def test_a_missing_right_refuses_the_bundle_even_if_the_device_cannot_do_it(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    DeviceAuthorisation.objects.all().delete()
    factories.grant(organisation, device, "MONITORING")
    answer = post(api, device, {"message": "ActualMeterReads"}, NEW_ONLY)
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/actions/1/message"]


def test_a_single_request_is_refused(api: APIClient, device: Device, gas_meter: Device) -> None:
    Device.objects.filter(pk=gas_meter.pk).update(gateway=None, channel=None)
    Device.objects.filter(pk=device.pk).update(protocol_name="DSMR", protocol_version="2.2")
    for path, refused, code in (
        ("monitoring/actual-meter-reads-gas", gas_meter, 401),
        ("monitoring/get-thd-fingerprint", device, 416),
    ):
        body = {"device_identification": refused.identification}
        answer = api.post(f"/api/v1/{path}/", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Request.objects.exists()


def test_a_bundle_to_a_gas_meter_is_refused_as_a_whole(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    lonely = factories.make_gas_meter("G3", gateway=None, channel=None, owner=organisation)
    answer = post(api, lonely, GAS_READ)
    assert (answer.status_code, answer.json()["code"]) == (400, 401)
    assert not Request.objects.exists()


# --- Bundles of which nothing can be done -----------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"schedule_time": "2098-01-01T00:00:00Z"}, {"bypass_retry": True}])
def test_a_bundle_of_which_nothing_can_be_done_is_over_at_once(
    api: APIClient, device: Device, more: dict[str, Any]
) -> None:
    answer = post(api, device, NEW_ONLY, NEW_ONLY, **more)
    assert (answer.status_code, answer.json()["status"]) == (202, "SUCCEEDED")
    found = api.get(answer.headers["Location"])
    assert (found.status_code, found.json()["status"], found.json()["fault"]) == (200, "SUCCEEDED", None)
    assert (found.json()["attempts"], found.json()["completed_at"] is not None) == (0, True)
    assert responses(api, answer) == [("FAILED", 416)] * 2
    assert states.open_sessions(10).sessions == []
    assert queue_scheduled() == states.fail_overdue() == 0
    request = Request.objects.get()
    assert not states.cancel(request.pk)
    waiting.wait_until_final(request.pk, 60)  # It does not wait.
    assert api.delete(answer.headers["Location"]).status_code == 204


def test_its_answer_is_that_of_the_outcome_when_the_caller_waits(api: APIClient, device: Device) -> None:
    body = {"device_identification": device.identification, "actions": [NEW_ONLY]}
    answer = api.post(PATH, body, format="json", HTTP_PREFER="wait=20")
    assert (answer.status_code, answer.json()["responses"][0]["fault"]["message"]) == (200, LACKS)


def test_a_repeated_call_gets_the_same_answer(api: APIClient, device: Device) -> None:
    body = {"device_identification": device.identification, "actions": [NEW_ONLY]}
    first, second = (api.post(PATH, body, format="json", HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
    assert first.json() == second.json()
    assert Request.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_is_counted_as_completed(api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon, "MARGIN", -timedelta(seconds=5))  # What was completed this moment as well.
    post(api, device, NEW_ONLY)
    rollup.advance()
    row = Counter.objects.get(name=families.REQUESTS_COMPLETED.name)
    labels = json.loads(row.labels)
    assert (labels["message"], labels["state"], int(row.value)) == ("Bundle", "SUCCEEDED", 1)


def test_secrets_of_what_will_not_be_carried_out_are_not_kept(device: Device) -> None:
    wanted = NewAction(SampleSecret(), {"password": "AAAA"}, device)
    assert wanted.represent_parameters() == {"password": "AAAA"}
    fault = Fault(FaultCode.VALIDATION_ERROR, "It cannot.")
    assert replace(wanted, fault=fault).represent_parameters() == {}


def test_it_costs_no_further_statements(api: APIClient, device: Device) -> None:
    def statements(*actions: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert post(api, device, *actions).status_code == 202
        return len(queries)

    statements(PROBE)
    assert statements(*[PROBE, NEW_ONLY] * 10) == statements(*[PROBE, PROBE] * 10)
