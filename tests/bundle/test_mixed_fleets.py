"""One bundle for meters of all kinds, of which only some can do all of it: over REST, and to the meters."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.caller import Caller
from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, BatchState
from osgp.devices.models import Device
from osgp.fleet import steering
from osgp.messages.needs import list_missing
from osgp.messages.registry import find_operation
from osgp.requests import states
from osgp.requests.models import Request, RequestState
from osgp.requests.submission import submit
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits.visit import visit_meter
from tests import meters, processes
from tests.batches.conftest import create_all, make_group
from tests.bundle.probes import Probe, passing, times
from tests.visited import PROFILES

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/v1/bundle/"
CLOCK = {"message": "SynchronizeTime"}
READ = {"message": "ActualMeterReads"}
THD = {"message": "GetThdFingerprint"}
THD_NEEDS = find_operation("GetThdFingerprint").needs
NEW_ONLY = {"message": "ProbeNewMeters"}
SUCCEEDED, UNABLE, REFUSED = ("SUCCEEDED", None), ("FAILED", 416), ("FAILED", 401)


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A meter of every profile, with gas meters behind those that have channels."""
    with SimulatorThread(Fleet.build(len(PROFILES), PROFILES, gas_meters=2)) as simulator:
        yield simulator


@pytest.fixture
def devices(simulator: SimulatorThread, organisation: Organisation, settings: Settings) -> dict[str, Device]:
    patience = timedelta(seconds=5)
    settings.OSGP = settings.OSGP | {"APDU_DEADLINE": patience, "CONNECT_DEADLINE": patience}
    return meters.add_meters(organisation, simulator)


@pytest.fixture
def fleet(devices: dict[str, Device]) -> list[Device]:
    """The electricity meters."""
    return [device for device in devices.values() if not device.is_mbus]


def can(device: Device, *tags: str) -> bool:
    return not list_missing(tags, device.profile)


def visit_all() -> None:
    while sessions := states.open_sessions(100).sessions:
        for session in sessions:
            assert visit_meter(session.pk, session.token, worker="test")


def expected(device: Device) -> list[tuple[str, int | None]]:
    """Of CLOCK, NEW_ONLY and READ."""
    return [SUCCEEDED, SUCCEEDED if can(device, "LAST_GASP_TEST") else UNABLE, SUCCEEDED]


def responses(api: APIClient, uid: object) -> list[tuple[str, int | None]]:
    """Status and fault code of each action of a bundle that is final."""
    answer = api.get(f"{PATH}{uid}/")
    assert (answer.status_code, answer.json()["status"], answer.json()["fault"]) == (200, "SUCCEEDED", None)
    return [(each["status"], each["fault"] and each["fault"]["code"]) for each in answer.json()["responses"]]


def test_a_bundle_for_each_profile(api: APIClient, fleet: list[Device], simulator: SimulatorThread) -> None:
    uids = {}
    for device in fleet:
        body = {"device_identification": device.identification, "actions": [CLOCK, NEW_ONLY, READ]}
        answer = api.post(PATH, body, format="json")
        assert answer.status_code == 202, answer.json()
        uids[device] = answer.json()["correlation_uid"]
    visit_all()
    outcomes = {device: responses(api, uid) for device, uid in uids.items()}
    assert outcomes == {device: expected(device) for device in fleet}
    assert 0 < sum(UNABLE in outcome for outcome in outcomes.values()) < len(fleet)
    for device in fleet:
        assert simulator.meters[device.identification].memory.statistics.associations == 1


@pytest.mark.parametrize("target", ["list", "group"])
def test_a_batch_of_bundles(
    api: APIClient, organisation: Organisation, fleet: list[Device], target: str
) -> None:
    body: dict[str, Any] = {"message": "Bundle", "actions": [CLOCK, NEW_ONLY, READ]}
    if target == "list":
        body["device_identifications"] = [device.identification for device in fleet]
    else:
        body["device_group"] = make_group(organisation, fleet).name
    assert api.post("/api/v1/requests/batch/", body, format="json").status_code == 202
    create_all()
    visit_all()
    batch = Batch.objects.get()
    for device in fleet:
        uid = batch.requests.get(device=device).correlation_uid
        assert responses(api, uid) == expected(device)
    assert steering.settle() == 1
    batch.refresh_from_db()
    assert (batch.state, batch.total, batch.skipped) == (BatchState.COMPLETED, len(fleet), 0)


def test_a_single_message_is_refused_by_those_that_cannot_do_it(api: APIClient, fleet: list[Device]) -> None:
    codes = {}
    for device in fleet:
        body = {"device_identification": device.identification}
        answer = api.post("/api/v1/monitoring/get-thd-fingerprint/", body, format="json")
        codes[device.profile.key] = answer.json().get("code")
    able = {key for key, code in codes.items() if code is None}
    assert able == {device.profile.key for device in fleet if not list_missing(THD_NEEDS, device.profile)}
    assert set(codes.values()) == {None, 416}


def test_gas_meters_with_and_without_a_channel(
    api: APIClient, devices: dict[str, Device], simulator: SimulatorThread
) -> None:
    coupled, lonely = (device for device in devices.values() if device.is_mbus)
    gateway = coupled.gateway
    assert gateway is not None
    Device.objects.filter(pk=lonely.pk).update(gateway=None, channel=None)
    actions = [
        {"message": "ActualMeterReadsGas", "device_identification": device.identification}
        for device in (lonely, coupled)
    ]
    body = {
        "device_identification": gateway.identification,
        "actions": [*actions, {"message": "ActualMeterReadsGas"}, CLOCK],
    }
    accepted = api.post(PATH, body, format="json")
    visit_all()
    uid = accepted.json()["correlation_uid"]
    assert responses(api, uid) == [REFUSED, SUCCEEDED, REFUSED, SUCCEEDED]
    assert simulator.meters[gateway.identification].memory.statistics.associations == 1


def test_nobody_is_dialled_for_what_cannot_be_done(
    api: APIClient, fleet: list[Device], simulator: SimulatorThread
) -> None:
    old = next(device for device in fleet if not can(device, "LAST_GASP_TEST"))
    body = {"device_identification": old.identification, "actions": [NEW_ONLY]}
    uid = api.post(PATH, body, format="json").json()["correlation_uid"]
    visit_all()
    assert responses(api, uid) == [UNABLE]
    assert simulator.meters[old.identification].memory.statistics.connections == 0
    assert not old.sessions.exists()


def test_another_attempt_leaves_it_alone(caller: Caller, fleet: list[Device]) -> None:
    old = next(device for device in fleet if not can(device, "LAST_GASP_TEST"))
    Probe.hooks["passing"] = times(1, passing)
    body = {
        "device_identification": old.identification,
        "actions": [NEW_ONLY, {"message": "Probe", "name": "passing"}],
    }
    bundle = submit(caller, "Bundle", body)
    before = bundle.actions.values("state", "fault", "finished_at").get(position=0)
    visit_all()
    bundle.refresh_from_db()
    assert bundle.state == RequestState.RETRYING
    Request.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    visit_all()
    bundle.refresh_from_db()
    assert (bundle.state, bundle.attempts) == (RequestState.SUCCEEDED, 2)
    assert bundle.actions.values("state", "fault", "finished_at").get(position=0) == before
    assert Probe.performed == ["passing", "passing"]


def test_a_bundle_that_fails_keeps_its_fault(
    caller: Caller, fleet: list[Device], simulator: SimulatorThread
) -> None:
    old = next(device for device in fleet if not can(device, "LAST_GASP_TEST"))
    body = {"device_identification": old.identification, "actions": [NEW_ONLY, CLOCK], "bypass_retry": True}
    bundle = submit(caller, "Bundle", body)
    simulator.stop()
    visit_all()
    bundle.refresh_from_db()
    assert bundle.state == RequestState.FAILED
    codes = bundle.actions.order_by("position").values_list("fault__code", flat=True)
    assert list(codes) == [416, 225]


def test_a_profile_that_changes_before_the_visit(caller: Caller, fleet: list[Device]) -> None:
    """What the meter turns out not to have fails alone as well."""
    new = next(device for device in fleet if can(device, "LAST_GASP_TEST"))
    body = {"device_identification": new.identification, "actions": [NEW_ONLY, CLOCK]}
    bundle = submit(caller, "Bundle", body)
    Device.objects.filter(pk=new.pk).update(protocol_name="SMR", protocol_version="5.1")
    visit_all()
    bundle.refresh_from_db()
    assert bundle.state == RequestState.SUCCEEDED
    codes = bundle.actions.order_by("position").values_list("fault__code", flat=True)
    assert list(codes) == [416, None]


# --- With dispatcher, broker and worker -------------------------------------------------------------------


@pytest.fixture
def platform() -> Iterator[None]:
    with processes.running():
        yield
    processes.disconnect_others()


def test_from_post_to_responses(api: APIClient, fleet: list[Device], platform: None) -> None:
    accepted = {
        device: api.post(
            PATH,
            {"device_identification": device.identification, "actions": [CLOCK, THD, READ]},
            format="json",
        ).json()
        for device in fleet
    }
    urls = [each["url"] for each in accepted.values()]
    processes.eventually(lambda: all(api.get(url).status_code == 200 for url in urls), "all outcomes")
    for device, each in accepted.items():
        is_able = not list_missing(THD_NEEDS, device.profile)
        assert responses(api, each["correlation_uid"]) == [
            SUCCEEDED,
            SUCCEEDED if is_able else UNABLE,
            SUCCEEDED,
        ]


@pytest.mark.parametrize("is_bundle", [False, True])
def test_a_latest_time_that_has_passed(
    api: APIClient, fleet: list[Device], simulator: SimulatorThread, platform: None, is_bundle: bool
) -> None:
    """417, but 806 for a meter without its keys; nobody is dialled."""
    with_keys, without = fleet[:2]
    without.keys.all().delete()
    path = PATH if is_bundle else "/api/v1/monitoring/actual-meter-reads/"
    urls = {}
    for device in (with_keys, without):
        body = {
            "device_identification": device.identification,
            "max_schedule_time": (timezone.now() - timedelta(minutes=1)).isoformat(),
            **({"actions": [READ]} if is_bundle else {}),
        }
        answer = api.post(path, body, format="json")
        assert (answer.status_code, answer.json()["status"]) == (202, "QUEUED"), answer.json()
        urls[device] = answer.json()["url"]
    final = {RequestState.FAILED}
    processes.eventually(
        lambda: set(Request.objects.values_list("state", flat=True)) == final, "the end of both"
    )
    for device, code in ((with_keys, 417), (without, 806)):
        assert api.get(urls[device]).json()["fault"]["code"] == code
        assert simulator.meters[device.identification].memory.statistics.connections == 0
