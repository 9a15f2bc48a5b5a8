"""Operators' pages about webhook endpoints and deliveries."""

import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.alarms.models import Alarm
from osgp.audit.models import AuditEntry
from osgp.devices.models import Device
from osgp.events.models import Event
from osgp.notifications import secrets
from osgp.notifications.models import Delivery, DeliveryState, Endpoint, Secret
from osgp.pages.notifications import finding, hours
from osgp.pages.notifications.display import describe_next_attempt, name_url, shorten_url
from osgp.pages.notifications.filters import FAILED_LATELY
from osgp.requests.models import RequestState
from tests.admin.conftest import make_user, signed_in
from tests.admin.test_lists import queries_of
from tests.admin.test_steering import told
from tests.factories import make_device, make_organisation, make_request
from tests.notifications.rows import make_delivery, make_endpoint
from tests.state_check import states_by_hand

PERMISSIONS = (
    "view_endpoint",
    "add_endpoint",
    "change_endpoint",
    "delete_endpoint",
    "view_delivery",
    "change_delivery",
    "view_request",
    "view_device",
)
VIEW = ("view_endpoint", "view_delivery")
ENDPOINTS = "admin:notifications_endpoint_changelist"
DELIVERIES = "admin:notifications_delivery_changelist"
ADD = "admin:notifications_endpoint_add"
URL = "https://portal.example.org/hooks/T0K3N?key=hidden"
BUTTONS = re.compile(
    r">(Test|Pause|Resume|Rotate secret…|Replay…|Change…|Delete…|Send again|New webhook endpoint)<"
)
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]+=*")
DAY = timedelta(days=1)
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _webhooks(settings: Settings, tmp_path: Path) -> None:
    """Keys for secrets, as a laptop has them."""
    settings.VAR_DIR = tmp_path
    settings.OSGP = settings.OSGP | {"LOCAL_SECRETS": True, "WEBHOOK_KEYS": "", "WEBHOOK_ALLOW_HTTP": False}


@pytest.fixture
def operator(organisation: Organisation) -> Client:
    """Somebody of ``organisation`` who may do all of it."""
    return signed_in(make_user("joost", organisation, *PERMISSIONS))


@pytest.fixture
def stranger(other_organisation: Organisation) -> Client:
    return signed_in(make_user("frits", other_organisation, *PERMISSIONS))


@pytest.fixture
def reader(organisation: Organisation) -> Client:
    """Somebody of ``organisation`` who may only look."""
    return signed_in(make_user("anna", organisation, *VIEW))


@pytest.fixture
def endpoint(organisation: Organisation) -> Endpoint:
    return make_endpoint(organisation, URL, description="Customer portal")


def page_of(row: Endpoint | Delivery, page: str = "change") -> str:
    return reverse(f"admin:notifications_{row._meta.model_name}_{page}", args=[row.pk])


def text_of(client: Client, url: str, **query: str) -> str:
    answer = client.get(f"{url}?{urlencode(query)}" if query else url)
    assert answer.status_code == 200, url
    return answer.content.decode()


def listed(client: Client, name: str, **query: str) -> list[Any]:
    answer = client.get(f"{reverse(name)}?{urlencode(query)}")
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def act(client: Client, action: str, *rows: Endpoint | Delivery) -> Any:
    name = ENDPOINTS if isinstance(rows[0], Endpoint) else DELIVERIES
    return client.post(reverse(name), {"action": action, "_selected_action": [row.pk for row in rows]})


def put(delivery: Delivery, **fields: Any) -> Delivery:
    """Give a delivery a state and times that it would have got over a day."""
    with states_by_hand():
        Delivery.objects.filter(pk=delivery.pk).update(**fields)
    delivery.refresh_from_db()
    return delivery


def fail(endpoint: Endpoint, made: timedelta = DAY * 1.1, ago: timedelta = timedelta(hours=1)) -> Delivery:
    """A delivery of so long ago that failed some time ago."""
    now = timezone.now()
    delivery = make_delivery(endpoint, created_at=now - made)
    return put(delivery, state=DeliveryState.FAILED, attempts=28, finished_at=now - ago)


# --- Endpoints: rights ---


def test_everybody_sees_the_endpoints_of_their_organisation(
    operator: Client, stranger: Client, superuser: Client, endpoint: Endpoint
) -> None:
    assert [row.pk for row in listed(operator, ENDPOINTS)] == [endpoint.pk]
    assert listed(stranger, ENDPOINTS) == []
    assert [row.pk for row in listed(superuser, ENDPOINTS)] == [endpoint.pk]
    columns = [client.get(reverse(ENDPOINTS)).context["cl"].list_display for client in (operator, superuser)]
    assert ["organisation" in each for each in columns] == [False, True]


@pytest.mark.parametrize("page", ["change", "edit", "rotate", "replay", "history", "delete"])
def test_pages_of_endpoints_of_others_are_as_if_there_were_none(
    stranger: Client, endpoint: Endpoint, page: str
) -> None:
    for method in (stranger.get, stranger.post):
        answer = method(page_of(endpoint, page), {"overlap_hours": "0", "post": "yes", "url": "https://a.nl"})
        assert answer.status_code in {302, 403}
        assert "portal" not in answer.content.decode()
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.deleted_at) == (URL, None)
    assert not Secret.objects.exists()


def test_actions_leave_the_endpoints_of_others_alone(stranger: Client, endpoint: Endpoint) -> None:
    for action in ("pause_selected", "test_selected", "delete_selected"):
        act(stranger, action, endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.paused_at, endpoint.deleted_at) == (None, None)
    assert not Delivery.objects.exists()


def test_who_may_only_look_has_no_buttons_and_gets_nowhere(reader: Client, endpoint: Endpoint) -> None:
    delivery = fail(endpoint)
    for url in (page_of(endpoint), page_of(delivery), reverse(ENDPOINTS), reverse(DELIVERIES)):
        text = text_of(reader, url)
        assert not BUTTONS.search(text)
        assert 'name="action"' not in text
    for page in ("edit", "rotate", "replay"):
        assert reader.get(page_of(endpoint, page)).status_code == 403
        assert reader.post(page_of(endpoint, page), {"overlap_hours": "1"}).status_code == 403
    assert reader.get(reverse(ADD)).status_code == 403
    assert reader.post(page_of(endpoint), {}).status_code == 403
    act(reader, "pause_selected", endpoint)
    act(reader, "send_again_selected", delivery)
    endpoint.refresh_from_db()
    delivery.refresh_from_db()
    assert (endpoint.paused_at, delivery.state) == (None, DeliveryState.FAILED)


def test_deliveries_are_for_those_who_may_see_them(organisation: Organisation, endpoint: Endpoint) -> None:
    fail(endpoint)
    client = signed_in(make_user("piet", organisation, "view_endpoint"))
    text = text_of(client, page_of(endpoint))
    assert "request.completed" not in text
    assert reverse(DELIVERIES) not in text
    assert client.get(reverse(DELIVERIES)).status_code == 403


def test_deliveries_of_others_are_not_found(stranger: Client, endpoint: Endpoint) -> None:
    delivery = fail(endpoint)
    assert listed(stranger, DELIVERIES) == []
    assert listed(stranger, DELIVERIES, q=str(delivery.subject)) == []
    assert listed(stranger, DELIVERIES, endpoint=str(endpoint.pk)) == []
    assert URL not in stranger.get(reverse(DELIVERIES), {"endpoint": endpoint.pk}).content.decode()
    assert stranger.get(page_of(delivery)).status_code == 302
    act(stranger, "send_again_selected", delivery)
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.FAILED


# --- Registering and secrets ---


def register(client: Client, organisation: Organisation, **fields: Any) -> Any:
    return client.post(reverse(ADD), {"organisation": organisation.pk, "url": URL, **fields})


def find_secret(answer: Any) -> str:
    assert answer.status_code == 200
    text = answer.content.decode()
    [secret] = SECRET.findall(text)
    assert text.count(secret.removeprefix("whsec_")) == 1
    assert "no-store" in answer["Cache-Control"]
    return str(secret)


def find_traces(client: Client, secret: str) -> list[str]:
    """Where a secret is, besides the answer that told it; messages begin with a capital."""
    secret = secret.removeprefix("whsec_")
    endpoint = Endpoint.objects.get()
    urls = [reverse(ENDPOINTS), reverse("admin:index"), reverse(DELIVERIES)]
    urls += [page_of(endpoint, page) for page in ("change", "edit", "rotate", "history")]
    found = [url for url in urls if secret in text_of(client, url)]
    kept = [
        *(f"{entry.change_message} {entry.object_repr}" for entry in LogEntry.objects.all()),
        *(str(entry.details) for entry in AuditEntry.objects.all()),
        *(str(session.get_decoded()) for session in Session.objects.all()),
        *(str(cookie.value) for cookie in client.cookies.values()),
    ]
    return found + [text for text in kept if secret in text]


def test_an_endpoint_is_registered_and_its_secret_shown_once(
    operator: Client, organisation: Organisation, caplog: pytest.LogCaptureFixture
) -> None:
    assert "Available messages" not in text_of(operator, reverse(ADD))  # Django's script writes that.
    answer = register(
        operator,
        organisation,
        description="Portal",
        kinds=["request.completed"],
        messages=["SynchronizeTime", "ActualMeterReads"],
        statuses=["FAILED"],
    )
    secret = find_secret(answer)
    endpoint = Endpoint.objects.get()
    assert (endpoint.url, endpoint.description, endpoint.organisation) == (URL, "Portal", organisation)
    assert (endpoint.kinds, endpoint.statuses) == (["request.completed"], ["FAILED"])
    assert sorted(endpoint.messages) == ["ActualMeterReads", "SynchronizeTime"]
    assert [row.pk for row in secrets.list_valid(organisation.pk, endpoint)] == [Secret.objects.get().pk]
    assert find_traces(operator, secret) == []
    assert secret not in caplog.text
    entry = AuditEntry.objects.get(event="WEBHOOK_SECRET_ISSUED")
    assert (entry.event, entry.actor) == ("WEBHOOK_SECRET_ISSUED", "admin/joost")


def test_a_secret_is_rotated_and_shown_once(operator: Client, organisation: Organisation) -> None:
    former = find_secret(register(operator, organisation))
    endpoint = Endpoint.objects.get()
    secret = find_secret(operator.post(page_of(endpoint, "rotate"), {"overlap_hours": "3"}))
    assert secret != former
    present, old = secrets.list_valid(organisation.pk, endpoint)
    assert present.expires_at is None
    assert old.expires_at is not None
    assert timedelta(hours=2.9) < old.expires_at - timezone.now() < timedelta(hours=3.1)
    assert "it is rotated" in text_of(operator, page_of(endpoint))
    assert find_traces(operator, secret) == find_traces(operator, former) == []
    assert "goes on for 3 hours" in text_of(operator, page_of(endpoint, "history"))


@pytest.mark.parametrize("hours_given", ["", "-1", "169", "x", "1\0"])
def test_an_overlap_has_to_be_said(operator: Client, endpoint: Endpoint, hours_given: str) -> None:
    answer = operator.post(page_of(endpoint, "rotate"), {"overlap_hours": hours_given})
    assert not SECRET.search(answer.content.decode())
    assert answer.context["form"].errors["overlap_hours"]
    assert not Secret.objects.exists()


def test_kept_things_do_not_hold_urls_of_receivers(operator: Client, organisation: Organisation) -> None:
    register(operator, organisation)
    endpoint = Endpoint.objects.get()
    act(operator, "pause_selected", endpoint)
    operator.post(page_of(endpoint, "edit"), {"url": f"{URL}2"})
    answer = operator.post(page_of(endpoint, "delete"), {"post": "yes"})
    assert "T0K3N" not in told(answer)
    assert "portal.example.org" in told(answer)
    entries = [f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.order_by("pk")]
    assert [text.split()[0] for text in entries] == ["portal.example.org"] * 4
    assert not any("T0K3N" in text for text in entries)


@pytest.mark.parametrize(
    ("fields", "field", "error"),
    [
        ({"url": "http://portal.example.org/"}, "url", "https"),
        ({"url": "https://10.1.2.3/"}, "url", "not"),
        ({"url": ""}, "url", "blank"),
        ({"url": "https://a.nl/\0"}, "url", "Null"),
        ({"kinds": ["x"]}, "kinds", "not one of"),
        ({"messages": ["Nonsense"]}, "messages", "not one of"),
        ({"statuses": ["RUNNING"]}, "statuses", "not one of"),
    ],
    ids=["http", "private", "empty", "nul", "kind", "message", "status"],
)
def test_what_is_refused_is_told_at_its_field(
    operator: Client, organisation: Organisation, fields: dict[str, Any], field: str, error: str
) -> None:
    answer = register(operator, organisation, **fields)
    assert answer.status_code == 200
    assert error in " ".join(answer.context["form"].errors[field])
    assert not Endpoint.objects.exists()


def test_urls_are_escaped(operator: Client, organisation: Organisation) -> None:
    answer = register(operator, organisation, url=f"https://a.nl/{SCRIPT}", description=SCRIPT)
    find_secret(answer)
    endpoint = Endpoint.objects.get()
    delivery = make_delivery(endpoint)
    urls = [page_of(endpoint, page) for page in ("change", "edit", "rotate", "replay", "history", "delete")]
    urls += [reverse(ENDPOINTS), reverse(DELIVERIES), page_of(delivery)]
    for text in (answer.content.decode(), *(text_of(operator, url) for url in urls)):
        assert SCRIPT not in text
        assert "&lt;script&gt;" in text


def test_nobody_registers_for_another_organisation(
    operator: Client, superuser: Client, other_organisation: Organisation
) -> None:
    assert "valid choice" in register(operator, other_organisation).content.decode()
    assert not Endpoint.objects.exists()
    find_secret(register(superuser, other_organisation))
    assert Endpoint.objects.get().organisation == other_organisation


def test_an_organisation_has_so_many_endpoints(
    operator: Client, organisation: Organisation, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"WEBHOOK_MOST_ENDPOINTS": 1}
    find_secret(register(operator, organisation))
    assert "There are 1 endpoints already" in register(operator, organisation).content.decode()
    assert Endpoint.objects.count() == 1


def test_without_keys_nothing_is_registered_or_rotated(
    operator: Client, organisation: Organisation, endpoint: Endpoint, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"LOCAL_SECRETS": False}
    for answer in (
        register(operator, organisation),
        operator.post(page_of(endpoint, "rotate"), {"overlap_hours": "1"}),
    ):
        assert "Webhooks are not set up" in answer.content.decode()
    assert (Endpoint.objects.count(), Secret.objects.count()) == (1, 0)


def test_an_endpoint_is_changed_and_filters_are_emptied(operator: Client, organisation: Organisation) -> None:
    endpoint = make_endpoint(organisation, URL, kinds=["alarm.received"], messages=["SynchronizeTime"])
    text = text_of(operator, page_of(endpoint, "edit"))
    assert re.search(r'value="alarm.received"[^>]*checked', text)
    assert '<option value="SynchronizeTime" selected>' in text
    answer = operator.post(page_of(endpoint, "edit"), {"url": "https://new.example.org/x", "kinds": []})
    assert answer["Location"] == page_of(endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.kinds, endpoint.messages) == ("https://new.example.org/x", [], [])


def test_a_filter_does_not_become_empty_by_itself(operator: Client, organisation: Organisation) -> None:
    """A message that is gone stays in its filter until somebody takes it out: empty would mean all."""
    endpoint = make_endpoint(organisation, URL, messages=["BygoneMessage"])
    assert '<option value="BygoneMessage" selected>' in text_of(operator, page_of(endpoint, "edit"))
    answer = operator.post(page_of(endpoint, "edit"), {"url": URL, "messages": ["BygoneMessage"]})
    assert "There is no message BygoneMessage" in answer.content.decode()
    endpoint.refresh_from_db()
    assert endpoint.messages == ["BygoneMessage"]


# --- What is done with endpoints ---


def test_a_test_leads_to_its_delivery(operator: Client, endpoint: Endpoint) -> None:
    answer = act(operator, "test_selected", endpoint)
    delivery = Delivery.objects.get()
    assert (delivery.kind, delivery.endpoint) == ("webhook.test", endpoint)
    assert answer["Location"] == page_of(delivery)
    text = text_of(operator, answer["Location"])
    assert "the endpoint itself" in text
    assert 'data-live="3"' in text
    assert "Not tried yet." in text


def test_pause_and_resume(operator: Client, endpoint: Endpoint) -> None:
    delivery = make_delivery(endpoint)
    assert "1 endpoint paused" in told(act(operator, "pause_selected", endpoint))
    endpoint.refresh_from_db()
    assert endpoint.paused_at is not None
    assert "when resumed" in describe_next_attempt(Delivery.objects.get())
    text = text_of(operator, page_of(endpoint))
    assert "PAUSED" in text
    assert ">Resume<" in text
    assert ">Test<" not in text
    assert "was not tested" in told(act(operator, "test_selected", endpoint))
    assert "Already paused" in told(act(operator, "pause_selected", endpoint))
    assert "1 endpoint resumed" in told(act(operator, "resume_selected", endpoint))
    assert "Not paused" in told(act(operator, "resume_selected", endpoint))
    endpoint.refresh_from_db()
    assert endpoint.paused_at is None
    assert Delivery.objects.get() == delivery


def test_deleting_keeps_the_deliveries(operator: Client, endpoint: Endpoint) -> None:
    delivery = fail(endpoint)
    text = text_of(operator, page_of(endpoint, "delete"))
    assert str(delivery.subject) not in text
    assert operator.post(page_of(endpoint, "delete"), {"post": "yes"}).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.deleted_at is not None
    assert listed(operator, ENDPOINTS) == []
    assert [row.pk for row in listed(operator, DELIVERIES)] == [delivery.pk]
    assert "deleted" in text_of(operator, page_of(delivery))


def test_deleting_several(operator: Client, endpoint: Endpoint, organisation: Organisation) -> None:
    other = make_endpoint(organisation, "https://b.example.org/")
    data = {"action": "delete_selected", "_selected_action": [endpoint.pk, other.pk], "post": "yes"}
    assert operator.post(reverse(ENDPOINTS), data).status_code == 302
    assert not Endpoint.objects.filter(deleted_at__isnull=True).exists()
    assert LogEntry.objects.count() == 2


def test_replay(operator: Client, endpoint: Endpoint) -> None:
    now = timezone.now().replace(microsecond=0)
    recent, old = fail(endpoint, timedelta(hours=5)), fail(endpoint, timedelta(days=3))
    form = operator.get(page_of(endpoint, "replay")).context["form"]
    assert form["states"].value() == ["FAILED"]
    given = {"from": f"{now - DAY:%Y-%m-%dT%H:%M:%S}", "until": f"{now:%Y-%m-%dT%H:%M:%S}"}
    answer = operator.post(page_of(endpoint, "replay"), {**given, "states": ["FAILED"]})
    assert answer["Location"] == f"{reverse(DELIVERIES)}?endpoint={endpoint.pk}&state=PENDING"
    assert "1 delivery sent again" in told(answer)
    recent.refresh_from_db()
    old.refresh_from_db()
    assert (recent.state, old.state) == (DeliveryState.PENDING, DeliveryState.FAILED)
    again = operator.post(page_of(endpoint, "replay"), {**given, "states": ["FAILED"]})
    assert "No delivery of this time" in told(again)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "from"),
        (
            {"from": "2026-11-02T00:00:00", "until": "2026-11-01T00:00:00", "states": ["FAILED"]},
            "until",
        ),
        ({"from": "2026-11-01T00:00:00", "until": "2026-11-02T00:00:00"}, "states"),
        ({"from": "x", "until": "2026-11-01T00:00:00"}, "from"),
        ({"from": "2026-11-01T00:00:00", "until": "2026-11-02T00:00:00", "states": ["PENDING"]}, "states"),
    ],
    ids=["nothing", "backwards", "stateless", "nonsense", "pending"],
)
def test_replays_that_say_nothing(
    operator: Client, endpoint: Endpoint, fields: dict[str, Any], field: str
) -> None:
    fail(endpoint)
    answer = operator.post(page_of(endpoint, "replay"), fields)
    assert answer.context["form"].errors[field]
    assert Delivery.objects.get().state == DeliveryState.FAILED


def test_the_permission_to_replay_is_that_of_deliveries(
    organisation: Organisation, endpoint: Endpoint
) -> None:
    client = signed_in(make_user("piet", organisation, "view_endpoint", "change_endpoint"))
    assert client.get(page_of(endpoint, "replay")).status_code == 403
    assert "Replay" not in text_of(client, page_of(endpoint))
    sender = signed_in(make_user("kees", organisation, "view_endpoint", "change_delivery"))
    assert sender.get(page_of(endpoint, "replay")).status_code == 200
    assert sender.get(page_of(endpoint, "rotate")).status_code == 403


# --- States and figures ---


def test_states_are_told_in_words(operator: Client, organisation: Organisation) -> None:
    now = timezone.now()
    make_endpoint(organisation, "https://fine.example.org/")
    make_endpoint(organisation, "https://odd.example.org/", consecutive_failures=2, last_error="No answer.")
    make_endpoint(
        organisation,
        "https://down.example.org/",
        consecutive_failures=9,
        retry_at=now + timedelta(minutes=7),
        last_failure_at=now,
        last_error=f"Answered {SCRIPT}",
    )
    make_endpoint(organisation, "https://idle.example.org/", paused_at=now, consecutive_failures=9)
    text = text_of(operator, reverse(ENDPOINTS))
    for words in (">ACTIVE<", ">FAILING<", "2 in a row", ">CIRCUIT OPEN<", "until <time", ">PAUSED<"):
        assert words in text
    assert SCRIPT not in text

    def found(state: str) -> list[str]:
        return [name_url(row.url).partition(".")[0] for row in listed(operator, ENDPOINTS, state=state)]

    states = {state: found(state) for state in ("active", "failing", "open", "paused", "nonsense")}
    assert states == {
        "active": ["fine"],
        "failing": ["odd", "down"],
        "open": ["down"],
        "paused": ["idle"],
        "nonsense": [],
    }


def test_figures_of_endpoints(operator: Client, endpoint: Endpoint, organisation: Organisation) -> None:
    for _ in range(3):
        make_delivery(endpoint)
    fail(endpoint)
    fail(endpoint, made=DAY * 3, ago=DAY * 2)
    make_endpoint(organisation, "https://quiet.example.org/")
    busy, quiet = listed(operator, ENDPOINTS)
    assert [str(each) for each in (busy.number_waiting, busy.number_failed)] == ["3", "1"]
    assert [str(each) for each in (quiet.number_waiting, quiet.number_failed)] == ["0", "0"]
    text = text_of(operator, reverse(ENDPOINTS))
    assert f"endpoint={endpoint.pk}&amp;state={FAILED_LATELY}" in text
    assert len(listed(operator, DELIVERIES, endpoint=str(endpoint.pk), state=FAILED_LATELY)) == 1
    assert len(listed(operator, DELIVERIES, state="FAILED")) == 2


def test_counting_stops(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "COUNT_LIMIT", 2)
    for _ in range(3):
        make_delivery(endpoint)
        fail(endpoint)
    waiting, failed = finding.count_of_endpoints([endpoint.pk])[endpoint.pk]
    assert (str(waiting), str(failed)) == ("2+", "2+")
    assert str(finding.count_failed(Delivery.objects.all())) == "2+"


def test_the_chart_has_an_hour_for_each_delivery(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    make_delivery(endpoint)
    put(make_delivery(endpoint), attempts=2)
    for ago in (1, 5, 5):
        delivery = make_delivery(endpoint, created_at=now - timedelta(hours=ago))
        put(delivery, state=DeliveryState.DELIVERED)
    fail(endpoint, made=timedelta(hours=23))
    fail(endpoint, made=timedelta(hours=30))
    charted = hours.chart_deliveries(endpoint)
    assert dict(charted.totals) == {hours.DELIVERED: 3, hours.WAITING: 1, hours.RETRIED: 1, hours.FAILED: 1}
    assert charted.since is None
    assert len(charted.chart.bars) == 25
    tones = [[part.tone for part in bar.parts] for bar in charted.chart.bars]
    assert tones[-1] == ["warning", "neutral"]
    assert sum(each == ["good"] for each in tones) == 2
    assert tones[1] == ["bad"]
    monkeypatch.setattr(hours, "MOST_CHARTED", 3)
    cut = hours.chart_deliveries(endpoint)
    assert sum(number for _, number in cut.totals) == 3
    assert cut.since is not None
    assert timedelta(hours=1) <= now - cut.since < timedelta(hours=1, seconds=1)


def test_an_endpoint_without_deliveries_has_a_page(operator: Client, endpoint: Endpoint) -> None:
    text = text_of(operator, page_of(endpoint))
    assert "Nothing was sent to it yet." in text
    assert "None yet: rotate it to make one." in text
    assert URL in text


# --- Deliveries ---


def test_the_page_of_a_delivery_has_each_attempt(
    operator: Client, endpoint: Endpoint, organisation: Organisation, device: Device
) -> None:
    item = make_request(organisation, device, state=RequestState.SUCCEEDED, completed_at=timezone.now())
    delivery = make_delivery(
        endpoint,
        subject=item.correlation_uid,
        device_identification=device.identification,
        data={"note": SCRIPT},
        log=[
            {
                "at": "2026-11-30T10:00:00Z",
                "status_code": None,
                "error": "No answer.",
                "seconds": 10.0,
                "response": "",
            },
            {
                "at": "2026-11-30T10:02:00Z",
                "status_code": 500,
                "error": f"Answered {SCRIPT}",
                "seconds": 0.25,
                "response": f"body {SCRIPT}",
            },
        ],
    )
    text = text_of(operator, page_of(delivery))
    assert SCRIPT not in text
    assert text.count("&lt;script&gt;") == 3
    assert text.index("10:02:00") < text.index("10:00:00")
    assert "0.25 s" in text
    assert delivery.message_id in text
    assert reverse("admin:devices_device_change", args=[device.pk]) in text
    assert reverse("admin:requests_request_change", args=[item.pk]) in text
    assert ">Send again<" not in text  # it waits
    put(delivery, state=DeliveryState.FAILED)
    assert ">Send again<" in text_of(operator, page_of(delivery))


def test_deliveries_are_sent_again(operator: Client, endpoint: Endpoint) -> None:
    failed, waiting = fail(endpoint), make_delivery(endpoint)
    answer = act(operator, "send_again_selected", failed, waiting)
    assert "1 delivery sent again" in told(answer)
    failed.refresh_from_db()
    assert (failed.state, failed.attempts) == (DeliveryState.PENDING, 0)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(failed.pk), "Sent again.")
    assert "is not sent again" in told(act(operator, "send_again_selected", failed))


def test_deliveries_are_found(operator: Client, endpoint: Endpoint, organisation: Organisation) -> None:
    device = make_device("E0001", owner=organisation)
    then = timezone.now() - timedelta(days=2)
    item = make_request(organisation, device, state=RequestState.SUCCEEDED, completed_at=then)
    uid = item.correlation_uid
    old = make_delivery(endpoint, subject=uid, created_at=then + timedelta(seconds=1))
    put(old, state=DeliveryState.DELIVERED)
    unknown = put(make_delivery(endpoint, device_identification="E0002"), state=DeliveryState.DELIVERED)
    for term in (str(uid), uid.hex, old.message_id, str(uid).upper()):
        assert [row.pk for row in listed(operator, DELIVERIES, q=term)] == [old.pk]
    assert [row.pk for row in listed(operator, DELIVERIES, q=str(unknown.subject))] == [unknown.pk]
    assert [row.pk for row in listed(operator, DELIVERIES, q=" E0002 ")] == [unknown.pk]
    assert listed(operator, DELIVERIES, q=str(uuid.uuid4())) == []
    assert listed(operator, DELIVERIES, q="E000") == []


@pytest.mark.parametrize(
    "query",
    [
        {"state": "NONSENSE"},
        {"kind": "' OR 1=1"},
        {"endpoint": "x"},
        {"endpoint": "9" * 18},
        {"q": "msg_zz"},
        {"q": SCRIPT},
    ],
    ids=["state", "kind", "endpoint", "far", "uid", "script"],
)
def test_nonsense_finds_nothing(operator: Client, endpoint: Endpoint, query: dict[str, str]) -> None:
    make_delivery(endpoint)
    assert listed(operator, DELIVERIES, **query) == []
    assert SCRIPT not in text_of(operator, reverse(DELIVERIES), **query)


@pytest.mark.parametrize("name", [ENDPOINTS, DELIVERIES])
@pytest.mark.parametrize("parameter", ["q", "state", "kind", "endpoint", "created", "organisation"])
def test_nul_is_refused(superuser: Client, name: str, parameter: str) -> None:
    assert superuser.get(reverse(name), {parameter: "a\0b"}).status_code == 400


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({"state": "PENDING"}, 2),
        ({"state": "RETRIED"}, 1),
        ({"state": "DELIVERED"}, 1),
        ({"state": "FAILED"}, 1),
        ({"kind": "webhook.test"}, 1),
        ({"created": "24h"}, 3),
        ({"created": "7d"}, 4),
        ({"created": "nonsense"}, 4),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else str(value),
)
def test_filters(superuser: Client, endpoint: Endpoint, query: dict[str, str], number: int) -> None:
    make_delivery(endpoint)
    put(make_delivery(endpoint, kind="webhook.test"), attempts=1)
    put(make_delivery(endpoint), state=DeliveryState.DELIVERED)
    fail(endpoint)
    assert len(listed(superuser, DELIVERIES, **query)) == number
    organisation = {"organisation": str(endpoint.organisation_id)}
    assert len(listed(superuser, DELIVERIES, **query, **organisation)) == number
    assert listed(superuser, DELIVERIES, **query, organisation="0") == []


def test_urls_of_requests_have_deliveries_and_no_endpoint(
    operator: Client, organisation: Organisation
) -> None:
    implicit = make_endpoint(organisation, "", origin="https://a.example.org:443")
    delivery = make_delivery(implicit, url="https://a.example.org/reply/T0K3N?x=1")
    assert listed(operator, ENDPOINTS) == []
    text = text_of(operator, reverse(DELIVERIES))
    assert "a.example.org/reply/T0K3N?…" in text
    assert "of the request" in text
    assert page_of(implicit) not in text
    assert operator.get(page_of(implicit)).status_code == 302
    assert "of the request" in text_of(operator, page_of(delivery))
    # Filters name the endpoint that was chosen, although it is not offered otherwise.
    assert len(listed(operator, DELIVERIES, endpoint=str(implicit.pk))) == 1


# --- Elsewhere ---


def test_the_page_of_a_request_says_who_was_told(
    operator: Client, endpoint: Endpoint, organisation: Organisation, device: Device
) -> None:
    now = timezone.now()
    item = make_request(organisation, device, state=RequestState.SUCCEEDED, completed_at=now)
    url = reverse("admin:requests_request_change", args=[item.pk])
    assert "Notified" not in text_of(operator, url)
    delivery = make_delivery(endpoint, subject=item.correlation_uid, created_at=now)
    put(delivery, state=DeliveryState.DELIVERED, finished_at=now)
    make_delivery(endpoint, created_at=now)
    text = text_of(operator, url)
    assert text.count("<dt>Notified</dt>") == 1
    assert page_of(delivery) in text
    assert "portal.example.org/hooks/T0K3N?…" in text
    assert "key=hidden" not in text
    onlooker = signed_in(make_user("kees", organisation, "view_request"))
    assert "Notified" not in text_of(onlooker, url)


def test_deliveries_are_found_whenever_they_were_made(
    operator: Client, endpoint: Endpoint, organisation: Organisation, device: Device
) -> None:
    """One of a replay comes days after the event, which may be forgotten by then."""
    completed = timezone.now() - timedelta(days=5)
    item = make_request(organisation, device, state=RequestState.SUCCEEDED, completed_at=completed)
    Event.objects.all().delete()
    late = make_delivery(endpoint, subject=item.correlation_uid, created_at=timezone.now())
    put(late, state=DeliveryState.DELIVERED, finished_at=timezone.now())
    assert page_of(late) in text_of(operator, reverse("admin:requests_request_change", args=[item.pk]))
    assert listed(operator, DELIVERIES, q=str(item.correlation_uid)) == [late]


def test_the_page_of_an_alarm_says_who_was_told(
    endpoint: Endpoint, organisation: Organisation, device: Device
) -> None:
    reader = signed_in(make_user("anna", organisation, "view_alarm", "view_delivery"))
    alarm = Alarm.objects.create(device=device, received_at=timezone.now(), trigger="Push alarm monitor")
    delivery = make_delivery(endpoint, subject=alarm.uid, kind="alarm.received")
    text = text_of(reader, reverse("admin:alarms_alarm_change", args=[alarm.pk]))
    assert text.count("<dt>Notified</dt>") == 1
    assert page_of(delivery) in text
    onlooker = signed_in(make_user("kees", organisation, "view_alarm"))
    assert "Notified" not in text_of(onlooker, reverse("admin:alarms_alarm_change", args=[alarm.pk]))


def test_the_overview_tells_of_failures(
    operator: Client, stranger: Client, superuser: Client, endpoint: Endpoint, onlooker: Client
) -> None:
    words = "deliveries of notifications failed"
    fail(endpoint, made=DAY * 3, ago=DAY * 2)
    assert words not in text_of(superuser, reverse("admin:index"))
    fail(endpoint)
    url = f"{reverse(DELIVERIES)}?state={FAILED_LATELY}"
    for client, is_told in ((operator, True), (superuser, True), (stranger, False), (onlooker, False)):
        text = text_of(client, reverse("admin:index"))
        assert (words in text, url in text) == (is_told, is_told)
    assert len(listed(operator, DELIVERIES, state=FAILED_LATELY)) == 1


def test_the_number_of_queries_does_not_grow(superuser: Client, operator: Client) -> None:
    def add_rows(start: int, count: int) -> None:
        for number in range(start, start + count):
            organisation = make_organisation(f"ORG{number}")
            device = make_device(f"E{number:04}", owner=organisation)
            endpoint = make_endpoint(organisation, f"https://r{number}.example.org/")
            item = make_request(
                organisation, device, state=RequestState.SUCCEEDED, completed_at=timezone.now()
            )
            fields = {"subject": item.correlation_uid, "device_identification": device.identification}
            make_delivery(endpoint, **fields)
            fail(endpoint)

    def queries() -> list[int]:
        return [queries_of(superuser, reverse(name)) for name in (ENDPOINTS, DELIVERIES)]

    add_rows(0, 2)
    few = queries()
    add_rows(2, 30)
    assert queries() == few
    assert all(number <= most for number, most in zip(few, (8, 8), strict=True)), few


def test_the_pages_of_one_row_do_not_query_per_delivery(superuser: Client, endpoint: Endpoint) -> None:
    delivery = make_delivery(endpoint)
    few = [queries_of(superuser, url) for url in (page_of(endpoint), page_of(delivery))]
    for _ in range(15):
        fail(endpoint)
    assert [queries_of(superuser, url) for url in (page_of(endpoint), page_of(delivery))] == few


@pytest.mark.parametrize(
    ("url", "name", "short"),
    [
        ("https://a.nl/x/y?key=1", "a.nl", "a.nl/x/y?…"),
        ("https://a.nl:443/", "a.nl", "a.nl"),
        ("https://a.nl:8443", "a.nl:8443", "a.nl:8443"),
        ("http://a.nl/x", "http://a.nl", "http://a.nl/x"),
        ("https://user:pass@a.nl/", "a.nl", "a.nl"),
        ("https://[::1]:9/x", "[::1]:9", "[::1]:9/x"),
        (f"https://{'a' * 60}.nl/x", f"{'a' * 35}…", f"{'a' * 35}…"),
        (f"https://a.nl/{'x' * 60}", "a.nl", f"a.nl/{'x' * 30}…"),
        ("https://[x", "(no host)", "(no host)"),
        ("", "(no host)", "(no host)"),
    ],
    ids=["query", "port", "other-port", "http", "user", "ipv6", "long-host", "long-path", "broken", "empty"],
)
def test_how_urls_are_cut(url: str, name: str, short: str) -> None:
    assert (name_url(url), shorten_url(url)) == (name, short)
