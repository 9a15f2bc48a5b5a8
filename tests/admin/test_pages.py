"""Every page renders, for those who may see it and for nobody else."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import ApiToken, DeviceAuthorisation, Organisation, User
from osgp.devices.models import Device
from osgp.metrics import rollup
from osgp.pages.site import HeadEndAdminSite
from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState, SessionState
from tests.factories import make_device, make_organisation, make_request

FAULT = {
    "code": 233,
    "name": "RESPONSE_TIMEOUT",
    "message": "The meter did not answer <within> 30 s.",
    "component": "PROTOCOL_DLMS",
    "retryable": True,
}


def make_session(meter: Device, **fields: Any) -> MeterSession:
    now = timezone.now()
    return MeterSession.objects.create(
        meter=meter, **{"opened_at": now, "expires_at": now, "state": SessionState.CLOSED} | fields
    )


@pytest.fixture
def rows(organisation: Organisation, device: Device, gas_meter: Device) -> dict[str, Any]:
    """One of each, belonging to ``organisation``."""
    now = timezone.now()
    session = make_session(device, claimed_at=now, closed_at=now, fault=FAULT, worker="worker@node-1")
    failed = make_request(
        organisation,
        device,
        state=RequestState.FAILED,
        session=session,
        fault=FAULT,
        started_at=now,
        completed_at=now,
        attempts=3,
        effective_priority=2,
    )
    bundle = make_request(organisation, device, "Bundle", state=RequestState.RUNNING)
    Action.objects.filter(request=bundle).update(message="SynchronizeTime", state=ActionState.DONE, result={})
    for position in range(1, 60):
        Action.objects.create(
            request=bundle, position=position, device=gas_meter, message="ActualMeterReadsGas"
        )
    token, _ = ApiToken.issue(organisation, "portal")
    return {
        "devices_device": device,
        "requests_request": failed,
        "requests_metersession": session,
        "accounts_organisation": organisation,
        "accounts_apitoken": token,
        "bundle": bundle,
    }


SHARED = (
    "devices_device",
    "requests_request",
    "requests_metersession",
    "accounts_organisation",
    "accounts_apitoken",
)


def test_the_site_is_the_head_end_s_own() -> None:
    assert isinstance(site, HeadEndAdminSite)


def test_every_registered_model_has_a_list_and_a_form_for_a_superuser(superuser: Client, rows: Any) -> None:
    for model in site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        answer = superuser.get(reverse(f"admin:{name}_changelist"))
        assert answer.status_code == 200, name
        if site._registry[model].has_add_permission(answer.wsgi_request):
            assert superuser.get(reverse(f"admin:{name}_add")).status_code == 200, name


@pytest.mark.parametrize("page", SHARED)
@pytest.mark.parametrize("who", ["superuser", "operator"])
def test_details_render(who: str, page: str, rows: Any, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(who)
    answer = client.get(reverse(f"admin:{page}_change", args=[rows[page].pk]))
    assert answer.status_code == 200
    assert "The meter did not answer <within>" not in answer.content.decode()


@pytest.mark.parametrize("state", [RequestState.FAILED, RequestState.RETRYING])
@pytest.mark.parametrize("message", ["PeriodicMeterReads", "FindEvents"])
def test_what_came_before_the_line_was_lost(
    superuser: Client, organisation: Organisation, device: Device, state: RequestState, message: str
) -> None:
    """With its values once no more may come: until then the page is drawn anew every few seconds."""
    request = make_request(organisation, device, message, state=state, fault=FAULT)
    part = {"rows": [{"value": "4711.001"}], "complete_until": "2026-01-31T23:15:00Z"}
    request.actions.update(partial_result=part)
    page = superuser.get(reverse("admin:requests_request_change", args=[request.pk])).content.decode()
    assert "What came before the line was lost" in page
    assert "Complete until" in page
    assert ("4711.001" in page) == (state == RequestState.FAILED)
    assert ("The next attempt goes on from there" in page) == (state == RequestState.RETRYING)
    # Events are no readings.
    link = reverse("admin:readings_device", args=[device.pk])
    assert (link in page) == (message == "PeriodicMeterReads")
    request.actions.update(partial_result=None)
    page = superuser.get(reverse("admin:requests_request_change", args=[request.pk])).content.decode()
    assert "What came before" not in page


@pytest.mark.parametrize("page", SHARED)
def test_another_organisation_s_rows_do_not_exist(stranger: Client, page: str, rows: Any) -> None:
    answer = stranger.get(reverse(f"admin:{page}_change", args=[rows[page].pk]))
    assert answer.status_code == 302
    assert answer["Location"] == reverse("admin:index")
    listed = stranger.get(reverse(f"admin:{page}_changelist"))
    assert listed.status_code == 200
    pks = {item.pk for item in listed.context["cl"].result_list}
    assert rows[page].pk not in pks


def test_a_granted_device_shows_only_the_own_requests_and_grants(
    stranger: Client, rows: Any, device: Device, other_organisation: Organisation
) -> None:
    third = make_organisation("THIRD")
    for organisation in (other_organisation, third):
        DeviceAuthorisation.objects.create(
            device=device, organisation=organisation, function_group="MONITORING"
        )
    own = make_request(other_organisation, device)
    answer = stranger.get(reverse("admin:devices_device_change", args=[device.pk]))
    assert [item.pk for item in answer.context["recent_requests"]] == [own.pk]
    assert "THIRD" not in answer.content.decode()
    # A child on which nothing was granted is not there either.
    assert answer.context["children"] == []


def test_a_session_shows_an_organisation_only_the_requests_of_its_own(
    stranger: Client, rows: Any, device: Device, other_organisation: Organisation
) -> None:
    own = make_request(other_organisation, device, session=rows["requests_metersession"])
    answer = stranger.get(
        reverse("admin:requests_metersession_change", args=[rows["requests_metersession"].pk])
    )
    assert [item.pk for item in answer.context["carried"]] == [own.pk]


def test_only_owners_change_a_device(
    stranger: Client, operator: Client, device: Device, other_organisation: Organisation
) -> None:
    DeviceAuthorisation.objects.create(
        device=device, organisation=other_organisation, function_group="MONITORING"
    )
    url = reverse("admin:devices_device_change", args=[device.pk])
    assert stranger.post(url, {}).status_code == 403
    assert operator.get(url).context["has_change_permission"]


@pytest.mark.parametrize("name", ["auth_group", "accounts_user", "django_celery_beat_periodictask"])
def test_other_models_are_closed_to_users_with_an_organisation(organisation: Organisation, name: str) -> None:
    superuser_of_organisation = User.objects.create_superuser("root", organisation=organisation)
    client = Client()
    client.force_login(superuser_of_organisation)
    assert client.get(reverse(f"admin:{name}_changelist")).status_code == 403
    assert client.get(reverse(f"admin:{name}_add")).status_code == 403
    apps = str(client.get(reverse("admin:index")).context["available_apps"])
    assert reverse(f"admin:{name}_changelist") not in apps


def test_permissions_are_needed(onlooker: Client, rows: Any) -> None:
    assert onlooker.get(reverse("admin:requests_request_changelist")).status_code == 200
    for page in ("devices_device", "requests_metersession", "accounts_apitoken"):
        assert onlooker.get(reverse(f"admin:{page}_changelist")).status_code == 403
    assert onlooker.get(reverse("admin:requests_request_add")).status_code == 403
    detail = onlooker.get(reverse("admin:requests_request_change", args=[rows["requests_request"].pk]))
    assert "Send again" not in detail.content.decode()


@pytest.mark.parametrize("page", ["requests_request", "requests_metersession"])
def test_history_is_never_written(superuser: Client, page: str, rows: Any) -> None:
    before = type(rows[page]).objects.filter(pk=rows[page].pk).values().get()
    for action in ("change", "delete"):
        url = reverse(f"admin:{page}_{action}", args=[rows[page].pk])
        assert superuser.post(url, {"state": "SUCCEEDED", "post": "yes"}).status_code == 403
    assert type(rows[page]).objects.filter(pk=rows[page].pk).values().get() == before


def test_a_long_bundle_is_shown_in_pages(superuser: Client, rows: Any) -> None:
    url = reverse("admin:requests_request_change", args=[rows["bundle"].pk])
    first, last = superuser.get(url), superuser.get(url, {"p": "3"})
    assert [item["position"] for item in first.context["actions_shown"]] == list(range(25))
    assert [item["position"] for item in last.context["actions_shown"]] == list(range(50, 60))
    assert dict(first.context["action_states"]) == {"DONE": 1, "PENDING": 59}


def test_the_overview_counts_what_is_there(superuser: Client, rows: Any, organisation: Organisation) -> None:
    device = make_device("E2", owner=organisation, failed_connections=4)
    earlier = timezone.now() - timedelta(minutes=5)
    for _ in range(3):
        make_request(organisation, device, state=RequestState.SUCCEEDED, completed_at=earlier)
    Request.objects.filter(pk=rows["requests_request"].pk).update(completed_at=earlier)
    make_request(organisation, device)
    make_session(device, state=SessionState.OPENED)
    rollup.advance()
    overview = superuser.get(reverse("admin:index")).context["overview"]
    assert {state.value: count.number for state, count in overview["pending"]} == {
        "SCHEDULED": 0,
        "QUEUED": 1,
        "RUNNING": 1,
        "RETRYING": 0,
    }
    assert overview["oldest"].device_identification == "E2"
    assert overview["recent"].rate == "75.0 %"
    [fault] = overview["recent"].faults
    assert (fault.code, fault.name, fault.number) == (233, "RESPONSE_TIMEOUT", 1)
    assert list(superuser.get(fault.url).context["cl"].result_list) == [rows["requests_request"]]
    assert overview["visits"]["OPENED"].number == 1
    assert [item.identification for item in overview["worst"]] == ["E2"]


def test_the_latest_failures_are_those_that_failed_last(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    now = timezone.now()
    for minutes in (1, 3, 2):
        make_request(
            organisation,
            device,
            state=RequestState.FAILED,
            fault=FAULT,
            completed_at=now - timedelta(minutes=minutes),
        )
    failures = superuser.get(reverse("admin:index")).context["overview"]["failures"]
    assert [(now - item.completed_at).total_seconds() / 60 for item in failures] == [1, 2, 3]


def test_the_overview_of_an_organisation_is_its_own(stranger: Client, rows: Any) -> None:
    overview = stranger.get(reverse("admin:index")).context["overview"]
    assert [count.number for _, count in overview["pending"]] == [0, 0, 0, 0]
    assert overview["recent"].rate == "–"
    assert overview["failures"] == []
    assert overview["worst"] == []


def test_the_overview_without_permissions_is_the_list_of_models(db: None) -> None:
    from tests.admin.conftest import make_user, signed_in

    client = signed_in(make_user("ben", None, "view_organisation"))
    answer = client.get(reverse("admin:index"))
    assert answer.status_code == 200
    assert set(answer.context["overview"]) == {"as_of"}
