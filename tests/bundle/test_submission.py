"""What makes a bundle be refused: all of it, each action's fault at its own pointer, and nothing stored."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device, DeviceType
from osgp.requests.api.parsers import LARGEST_BODY
from osgp.requests.models import Action, Request
from tests import factories

PATH = "/api/v1/bundle/"
PROBE = {"message": "Probe"}


def post(api: APIClient, device: Device | str, actions: Any, **common: Any) -> Any:
    identification = device if isinstance(device, str) else device.identification
    body = {"device_identification": identification, "actions": actions, **common}
    return api.post(PATH, body, format="json")


def errors(answer: Any) -> dict[str, str]:
    assert not Request.objects.exists()
    assert not Action.objects.exists()
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_a_bundle_is_stored_in_order(api: APIClient, device: Device, gas_meter: Device) -> None:
    actions = [
        {"message": "SynchronizeTime", "timezone": "Europe/Lisbon"},
        {"message": "ActualMeterReadsGas", "device_identification": gas_meter.identification},
        {"message": "ActualMeterReads", "device_identification": device.identification},
        {"message": "SynchronizeTime"},
    ]
    answer = post(api, device, actions, priority=7)
    assert answer.status_code == 202, answer.json()
    request = Request.objects.get()
    assert answer.json() == {
        "correlation_uid": str(request.correlation_uid),
        "device_identification": device.identification,
        "message": "Bundle",
        "status": "QUEUED",
        "url": f"{PATH}{request.correlation_uid}/",
    }
    assert answer["Location"] == f"{PATH}{request.correlation_uid}/"
    assert (request.device, request.meter, request.priority) == (device, device, 7)
    stored = [
        (action.position, action.message, action.device, action.parameters)
        for action in Action.objects.order_by("position")
    ]
    assert stored == [
        (0, "SynchronizeTime", device, {"timezone": "Europe/Lisbon"}),
        (1, "ActualMeterReadsGas", gas_meter, {}),
        (2, "ActualMeterReads", device, {}),
        (3, "SynchronizeTime", device, {}),
    ]


FAULTY = [
    ("SynchronizeTime", "", "JSON object"),
    (None, "", "JSON object"),
    ([PROBE], "", "JSON object"),
    ({}, "/message", "required"),
    ({"timezone": "Europe/Lisbon"}, "/message", "required"),
    ({"message": 5}, "/message", "string"),
    ({"message": None}, "/message", "string"),
    ({"message": "NoSuchMessage"}, "/message", "no message NoSuchMessage"),
    ({"message": "no\nsuch"}, "/message", r"no message no\nsuch."),
    ({"message": "synchronize-time"}, "/message", "no message"),
    ({"message": "AddDevice"}, "/message", "cannot be part of a bundle"),
    ({"message": "Bundle", "actions": [PROBE]}, "/message", "cannot be part of a bundle"),
    ({"message": "ProbeAlone"}, "/message", "cannot be part of a bundle"),
    ({"message": "Probe", "size": 11}, "/size", "10"),
    ({"message": "Probe", "size": "1"}, "/size", "integer"),
    ({"message": "Probe", "colour": "red"}, "/colour", "Unknown field"),
    ({"message": "Probe", "priority": 9}, "/priority", "Unknown field"),
    ({"message": "Probe", "schedule_time": "2099-01-01T00:00:00Z"}, "/schedule_time", "Unknown field"),
    ({"message": "Probe", "a/b~c": 1}, "/a~1b~0c", "Unknown field"),
    ({"message": "GetSpecificConfigurationObject", "class_id": 1, "attribute": 2}, "/obis_code", "required"),
    ({"message": "Probe", "device_identification": "no such"}, "/device_identification", "A-Z"),
    ({"message": "Probe", "device_identification": None}, "/device_identification", "null"),
    ({"message": "Probe", "device_identification": "UNKNOWN"}, "/device_identification", "no device UNKNOWN"),
    ({"message": "Probe", "device_identification": "E2"}, "/device_identification", "not on a channel of"),
    (
        {"message": "ActualMeterReadsGas", "device_identification": "STRANGE"},
        "/device_identification",
        "no device STRANGE",
    ),
]


@pytest.fixture
def neighbours(
    organisation: Organisation, other_organisation: Organisation, device: Device, gas_meter: Device
) -> None:
    """Devices that are no business of a bundle to ``device``, except for its gas meter."""
    factories.make_device("E2", owner=organisation)
    factories.make_gas_meter("STRANGE", gateway=device, channel=2, owner=other_organisation)


@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize(("action", "pointer", "detail"), FAULTY)
def test_one_faulty_action_refuses_the_bundle(
    api: APIClient, device: Device, action: Any, pointer: str, detail: str
) -> None:
    answer = post(api, device, [PROBE, PROBE, action, PROBE])
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["name"]) == (401, "VALIDATION_ERROR")
    told = errors(answer)
    assert list(told) == [f"/actions/2{pointer}"]
    assert detail in told[f"/actions/2{pointer}"]


@pytest.mark.usefixtures("neighbours")
def test_all_faulty_actions_are_told_of_with_all_their_fields(api: APIClient, device: Device) -> None:
    actions = [action for action, _, _ in FAULTY]
    answer = post(
        api, device, [PROBE, *actions, {"message": "Probe", "size": 0, "colour": "red"}], priority=11
    )
    told = errors(answer)
    assert list(told) == [
        "/priority",
        *(f"/actions/{position}{pointer}" for position, (_, pointer, _) in enumerate(FAULTY, start=1)),
        f"/actions/{len(FAULTY) + 1}/colour",
        f"/actions/{len(FAULTY) + 1}/size",
    ]


def test_500_faulty_actions(api: APIClient, device: Device) -> None:
    told = errors(post(api, device, [{"message": "Probe", "size": 0}] * 500))
    assert list(told) == [f"/actions/{position}/size" for position in range(500)]


@pytest.mark.parametrize(
    ("actions", "detail"),
    [
        ([], "at least 1"),
        ([PROBE] * 501, "no more than 500"),
        ([{"message": "Probe", "size": 0}] * 30_000, "no more than 500"),
        (None, "null"),
        ("Probe", "list"),
        ({"0": PROBE}, "list"),
    ],
)
def test_a_bundle_has_1_to_500_actions(api: APIClient, device: Device, actions: Any, detail: str) -> None:
    answer = post(api, device, actions)
    assert answer.status_code == 400
    told = errors(answer)
    assert list(told) == ["/actions"]
    assert detail in told["/actions"]


def test_actions_are_required_and_others_unknown(api: APIClient, device: Device) -> None:
    answer = api.post(
        PATH, {"device_identification": device.identification, "action": [PROBE]}, format="json"
    )
    assert errors(answer) == {"/action": "Unknown field.", "/actions": "This field is required."}


def test_a_faulty_device_identification_is_told_of_with_the_actions(api: APIClient) -> None:
    answer = post(api, "no such", [{"message": "Probe", "size": 0}])
    assert list(errors(answer)) == ["/device_identification", "/actions/0/size"]


def test_a_body_that_is_no_object(api: APIClient) -> None:
    answer = api.post(PATH, [PROBE], format="json")
    assert answer.status_code == 400
    assert not Request.objects.exists()


def test_a_body_that_is_too_large(api: APIClient, device: Device) -> None:
    answer = post(api, device, [{"message": "Probe", "name": "x" * LARGEST_BODY}])
    assert answer.status_code == 413
    assert not Request.objects.exists()


# --- Rights --------------------------------------------------------------------------------------------


def test_a_device_that_may_not_be_seen(api: APIClient, other_organisation: Organisation) -> None:
    stranger = factories.make_device("STRANGER", owner=other_organisation)
    answer = post(api, stranger, [PROBE])
    assert (answer.status_code, answer.json()["code"]) == (404, 201)
    assert list(errors(answer)) == ["/device_identification"]


@pytest.mark.parametrize("device_type", [DeviceType.SMART_METER_G, DeviceType.SMART_METER_W])
def test_a_bundle_to_an_mbus_device(
    api: APIClient, organisation: Organisation, device: Device, device_type: DeviceType
) -> None:
    mbus = factories.make_gas_meter(gateway=device, owner=organisation, device_type=device_type)
    answer = post(api, mbus, [{"message": "ActualMeterReadsGas"}])
    assert (answer.status_code, answer.json()["code"]) == (400, 401)
    assert list(errors(answer)) == ["/device_identification"]


def test_a_meter_without_an_address(api: APIClient, organisation: Organisation) -> None:
    unreachable = factories.make_device(owner=organisation, network_address="")
    answer = post(api, unreachable, [PROBE])
    assert (answer.status_code, answer.json()["code"]) == (400, 212)


@pytest.fixture
def as_group(organisation: Organisation, device: Device, gas_meter: Device) -> Callable[..., None]:
    """Grants nothing but these groups on the meter, and on its gas meter."""

    def grant(*groups: str, gas: tuple[str, ...] = ()) -> None:
        DeviceAuthorisation.objects.all().delete()
        factories.grant(organisation, device, *groups)
        if gas:
            factories.grant(organisation, gas_meter, *gas)

    return grant


READ = {"message": "ActualMeterReads"}
READ_GAS = {"message": "ActualMeterReadsGas", "device_identification": "G0000000000000001"}


def test_monitoring_reads_in_bundles(api: APIClient, device: Device, as_group: Callable[..., None]) -> None:
    monitoring = DeviceFunctionGroup.MONITORING
    as_group(monitoring, gas=(monitoring,))
    assert post(api, device, [READ, READ_GAS]).status_code == 202


def test_a_bundle_grants_nothing_to_monitoring(
    api: APIClient, device: Device, as_group: Callable[..., None]
) -> None:
    as_group(DeviceFunctionGroup.MONITORING, gas=(DeviceFunctionGroup.AD_HOC,))
    answer = post(api, device, [READ, PROBE, {"message": "SynchronizeTime"}, READ_GAS])
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
    assert answer.json()["name"] == "UNAUTHORIZED"
    told = errors(answer)
    assert list(told) == ["/actions/1/message", "/actions/2/message", "/actions/3/device_identification"]
    assert "SYNCHRONIZE_TIME" in told["/actions/2/message"]


def test_invalid_and_not_granted_together_are_invalid(
    api: APIClient, device: Device, as_group: Callable[..., None]
) -> None:
    as_group(DeviceFunctionGroup.MONITORING)
    answer = post(api, device, [PROBE, READ | {"colour": "red"}])
    assert (answer.status_code, answer.json()["code"]) == (400, 401)
    assert list(errors(answer)) == ["/actions/0/message", "/actions/1/colour"]


@pytest.mark.parametrize(
    "group", sorted(set(DeviceFunctionGroup) - {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
)
def test_other_groups_send_no_bundles(
    api: APIClient, device: Device, as_group: Callable[..., None], group: str
) -> None:
    as_group(group)
    answer = post(api, device, [PROBE])
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
    told = errors(answer)
    assert list(told) == ["/device_identification"]
    assert "HANDLE_BUNDLED_ACTIONS" in told["/device_identification"]


def test_scopes(device: Device, organisation: Organisation, client_of: Callable[[str], APIClient]) -> None:
    def sent_with(*scopes: str) -> Any:
        api = client_of(factories.make_token(organisation, scopes=list(scopes)))
        return post(api, device, [READ, PROBE, READ | {"colour": "red"} if "read" in scopes else READ])

    answer = sent_with("adhoc", "monitoring", "read")
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
    assert "errors" not in answer.json()
    answer = sent_with("bundle")
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
    told = errors(answer)
    assert list(told) == [f"/actions/{position}/message" for position in range(3)]
    assert "scope monitoring" in told["/actions/0/message"]
    assert "scope adhoc" in told["/actions/1/message"]
    assert sent_with("bundle", "adhoc", "monitoring").status_code == 202


# --- Size ----------------------------------------------------------------------------------------------


def test_500_actions_are_stored_in_few_statements(api: APIClient, device: Device, gas_meter: Device) -> None:
    def statements(*actions: Any) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert post(api, device, list(actions)).status_code == 202
        return len(queries)

    few, many = statements(PROBE, READ_GAS), statements(*[PROBE, READ_GAS] * 250)
    assert Action.objects.count() == 502
    # SQLite takes 999 values in a statement, PostgreSQL all of them.
    assert many - few <= (0 if connection.vendor == "postgresql" else 6)
    assert few < 12
