"""The live page: what it counts, to where it leads, who sees what, and the notice of missing processes."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.metrics import rollup, snapshot
from osgp.metrics.hours import NO_FAULT
from osgp.pages.live import chart, views
from osgp.pages.live.alarms import ArrivedAlarms, ArrivedGroup
from osgp.pages.live.figures import find_oldest
from osgp.pages.live.missing import STANDSTILL
from osgp.pages.live.outcomes import SPANS, summarise
from osgp.pages.shared.filters import format_range, parse_range
from osgp.pages.shared.paging import COUNT_LIMIT
from osgp.pages.shared.stacked_bars import LEAST_HEIGHT
from osgp.processes import heartbeats
from osgp.processes.health import lookout
from osgp.processes.heartbeats import ProcessKind
from osgp.processes.models import ProcessHeartbeat
from osgp.requests.models import Request, RequestState
from tests.admin.conftest import make_user, signed_in
from tests.factories import make_device, make_organisation, make_request
from tests.looked_at import rows_looked_at
from tests.metrics import rows
from tests.quick_database import analyze

pytestmark = pytest.mark.django_db

PAGE = "/admin/live/"
PANELS = "/admin/live/panels/"
TIMEOUT = {"code": 233, "name": "RESPONSE_TIMEOUT", "message": "<b>none</b>"}
HOSTILE = "<script>alert(1)</script>"


def all_at_work() -> None:
    heartbeats.beat(ProcessKind.DISPATCHER, "host:1")
    heartbeats.beat(ProcessKind.WORKER, "worker-1@host", queues=["meter", "system"])
    lookout.forget()


def text_of(client: Client, url: str = PANELS) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return str(answer.content.decode())


def links(text: str) -> list[str]:
    return [unescape(url) for url in re.findall(r'href="([^"#]+)"', text)]


# --- How requests ended --------------------------------------------------------------------------------


def end_some(organisation: Organisation, device: Device) -> None:
    now = timezone.now()
    for minutes in (5, 70, 130):
        rows.request(organisation, device, completed_at=now - timedelta(minutes=minutes))
    failed = {"state": RequestState.FAILED, "fault": TIMEOUT}
    rows.request(organisation, device, completed_at=now - timedelta(minutes=70), **failed)
    rows.request(organisation, device, completed_at=now - timedelta(days=3), **failed)
    rollup.advance()


def test_a_day_and_a_week(organisation: Organisation, device: Device) -> None:
    end_some(organisation, device)
    day, week = (summarise(None, SPANS[name]) for name in ("24h", "7d"))
    assert (len(day.steps), len(week.steps)) == (25, 29)
    assert (day.rate, week.rate) == ("75.0 %", "60.0 %")
    assert day.ended == {"SUCCEEDED": 3, "FAILED": 1}
    assert sum(step.ended.total() for step in week.steps) == 5
    assert [(fault.code, fault.name, fault.number) for fault in week.faults] == [(233, "RESPONSE_TIMEOUT", 2)]
    assert day.mean_wait == timedelta(seconds=4)
    assert day.mean_duration == timedelta(seconds=5)
    for ended in (day, week):
        assert all(
            before.end == after.begin for before, after in zip(ended.steps, ended.steps[1:], strict=False)
        )
        assert ended.steps[-1].begin <= timezone.now() < ended.steps[-1].end
        assert not ended.is_behind


def test_what_is_not_counted_yet_is_told(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    assert "nothing is counted yet" in text_of(superuser)
    rollup.advance()
    now = rollup.read_counted_until(rollup.HOURS)
    assert f'counted up to <time datetime="{now.isoformat()}' in text_of(superuser)
    rollup.Cursor.objects.update(counted_until=timezone.now() - timedelta(hours=3))
    text = text_of(superuser)
    assert 'class="counted behind"' in text
    assert text.count("uncounted") == 3  # those that are over; the running hour is never counted to its end


@pytest.mark.parametrize("span", ["24h", "7d"])
def test_bars_and_numbers_lead_to_their_requests(
    superuser: Client, organisation: Organisation, device: Device, span: str
) -> None:
    end_some(organisation, device)
    text = text_of(superuser, f"{PANELS}?span={span}")
    ended = summarise(None, SPANS[span])
    drawn = chart.draw(ended, SPANS[span])
    for bar, step in zip(drawn.bars, ended.steps, strict=True):
        assert bar.url in links(text)
        if step.ended:
            assert len(listed(superuser, bar.url)) == step.ended.total()
        assert len(bar.parts) == len(step.ended)
        for part in bar.parts:
            [state] = parse_qs(urlsplit(part.url).query)["state__exact"]
            assert len(listed(superuser, part.url)) == step.ended[state]
    for state, number, url in ended.list_states():
        assert url in links(text)
        assert [item.state for item in listed(superuser, url)] == [state] * number
    for fault in ended.faults:
        assert fault.url in links(text)
        assert len(listed(superuser, fault.url)) == fault.number


def test_failures_without_a_fault_lead_to_themselves_only(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    now = timezone.now() - timedelta(minutes=5)
    faults: list[dict[str, Any] | None] = [TIMEOUT, None, {"message": "none"}, {"code": None}]
    failed = [
        rows.request(organisation, device, completed_at=now, state=RequestState.FAILED, fault=fault)
        for fault in faults
    ]
    rollup.advance()
    found = {fault.code: listed(superuser, fault.url) for fault in summarise(None).faults}
    assert found[TIMEOUT["code"]] == failed[:1]
    assert sorted(row.pk for row in found[NO_FAULT]) == sorted(row.pk for row in failed[1:])
    for url in (PANELS, "/admin/"):
        assert "no fault is known" in text_of(superuser, url)


def listed(client: Client, url: str) -> list[Request]:
    answer = client.get(url)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def test_parts_stand_on_each_other_within_the_chart(organisation: Organisation, device: Device) -> None:
    now = timezone.now() - timedelta(hours=1)
    for state, number in (("SUCCEEDED", 30), ("FAILED", 1), ("CANCELLED", 3)):
        for _ in range(number):
            rows.request(organisation, device, completed_at=now, state=state)
    rollup.advance()
    drawn = chart.draw(summarise(None), SPANS["24h"])
    [bar] = [each for each in drawn.bars if each.parts]
    assert [part.tone for part in bar.parts] == ["bad", "neutral", "good"]
    below = float(drawn.bottom)
    for part in bar.parts:
        assert float(part.y) + float(part.height) == pytest.approx(below, abs=0.11)
        assert float(part.height) >= LEAST_HEIGHT
        below = float(part.y)
    assert below >= 0
    lefts = [float(each.x.rstrip("%")) for each in drawn.bars]
    assert lefts == sorted(lefts)
    assert lefts[-1] + float(drawn.bars[-1].width.rstrip("%")) == pytest.approx(100, abs=0.1)


# --- The filters behind the links ----------------------------------------------------------------------


def test_ranges_are_written_and_read() -> None:
    begin = datetime(2026, 11, 30, 11, tzinfo=UTC)
    for end in (begin + timedelta(hours=1), None):
        assert parse_range(format_range(begin, end)) == (begin, end)


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2026-11-30T11:00Z",
        "2026-13-30T11:00Z/",
        "/",
        "2026-11-30T11:00Z/2026-11-30T25:00Z",
        HOSTILE,
    ],
    ids=["word", "no end", "month", "nothing", "hour", "markup"],
)
def test_ranges_that_are_none_find_nothing(
    superuser: Client, organisation: Organisation, device: Device, value: str
) -> None:
    rows.request(organisation, device)
    answer = superuser.get(reverse("admin:requests_request_changelist"), {"completed": value})
    assert answer.status_code == 200
    assert list(answer.context["cl"].result_list) == []
    assert HOSTILE not in answer.content.decode()


@pytest.mark.parametrize(("value", "number"), [("1h", 1), ("24h", 2), ("7d", 3)])
def test_requests_that_ended_lately(
    superuser: Client, organisation: Organisation, device: Device, value: str, number: int
) -> None:
    for hours in (0.5, 5, 50, 500):
        rows.request(organisation, device, completed_at=timezone.now() - timedelta(hours=hours))
    found = listed(superuser, f"{reverse('admin:requests_request_changelist')}?completed={value}")
    assert len(found) == number
    assert found == sorted(found, key=lambda item: item.completed_at, reverse=True)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(("value", "number"), [("233", 1), ("225", 0), ("x", 0), ("-1", 0)])
def test_requests_with_a_fault(
    superuser: Client, organisation: Organisation, device: Device, value: str, number: int
) -> None:
    rows.request(organisation, device, state=RequestState.FAILED, fault=TIMEOUT)
    rows.request(organisation, device)
    found = listed(superuser, f"{reverse('admin:requests_request_changelist')}?fault={value}")
    assert len(found) == number


# --- What waits ----------------------------------------------------------------------------------------


def test_the_oldest_of_all_priorities(organisation: Organisation, device: Device) -> None:
    now = timezone.now()
    for minutes, priority in ((3, 9), (9, 0), (5, 4), (7, 4)):
        make_request(
            organisation,
            device,
            due_at=now - timedelta(minutes=minutes),
            priority=priority,
            effective_priority=priority,
        )
    make_request(organisation, device, due_at=now + timedelta(hours=1))
    make_request(organisation, device, due_at=now - timedelta(hours=1), state=RequestState.RUNNING)
    found = find_oldest(None)
    assert [round((now - item.due_at).total_seconds() / 60) for item in found] == [9, 7, 5, 3]
    assert [item.pk for item in find_oldest(organisation)] == [item.pk for item in found]
    assert find_oldest(make_organisation("ELSE")) == ()


def test_more_than_pages_count_are_counted_by_dispatchers(
    superuser: Client, operator: Client, organisation: Organisation, device: Device
) -> None:
    queued = make_request(organisation, device)
    Request.objects.bulk_create(
        [
            Request(**dict.fromkeys(("due_at", "created_at"), queued.due_at), organisation=organisation)
            for _ in range(COUNT_LIMIT + 5)
        ]
    )
    assert counts(superuser)["QUEUED"] == "10,000+"  # before the first count
    snapshot.refresh()
    assert counts(superuser) == {"SCHEDULED": "0", "QUEUED": "10,006", "RUNNING": "0", "RETRYING": "0"}
    # Dispatchers count for the platform, not for each organisation.
    assert counts(operator)["QUEUED"] == "10,000+"


def counts(client: Client) -> dict[str, str]:
    return {state: str(count) for state, count in client.get(PANELS).context["pending"]}


# --- Who sees what -------------------------------------------------------------------------------------


def test_tenants_see_their_own_numbers_only(
    superuser: Client, operator: Client, stranger: Client, organisation: Organisation, device: Device
) -> None:
    all_at_work()
    end_some(organisation, device)
    make_request(organisation, device)
    for client, own in ((superuser, True), (operator, True), (stranger, False)):
        context = client.get(PAGE).context
        assert context["ended"].ended.total() == (4 if own else 0)
        assert bool(context["oldest"]) == own
        assert sum(count.number for _, count in context["pending"]) == (1 if own else 0)
        assert [fault.number for fault in context["ended"].faults] == ([1] if own else [])
        assert (device.identification in text_of(client)) == own


def test_processes_are_shown_to_operators_of_the_platform(organisation: Organisation) -> None:
    all_at_work()
    rights = ("view_request", "view_processheartbeat")
    platform = signed_in(make_user("anna", None, *rights))
    tenant = signed_in(make_user("joost", organisation, *rights))
    assert "worker-1@host" in text_of(platform)
    assert "worker-1@host" not in text_of(tenant)
    assert tenant.get(reverse("admin:processes_processheartbeat_changelist")).status_code == 403


@pytest.mark.parametrize(
    ("permission", "panel"),
    [
        ("view_request", "live-ended"),
        ("view_metersession", "visits under way"),
        ("view_processheartbeat", "live-processes"),
    ],
)
def test_each_panel_needs_its_right(permission: str, panel: str) -> None:
    others = {"live-ended", "visits under way", "live-processes"} - {panel}
    text = text_of(signed_in(make_user("anna", None, permission)))
    assert panel in text
    assert not [each for each in others if each in text]


def test_without_any_right_there_is_no_page_and_no_link_to_it() -> None:
    client = signed_in(make_user("ben", None, "view_organisation"))
    for url in (PAGE, PANELS):
        assert client.get(url).status_code == 403
    assert PAGE not in links(client.get(reverse("admin:index")).content.decode())


def test_the_overview_leads_there(superuser: Client) -> None:
    assert PAGE in links(superuser.get(reverse("admin:index")).content.decode())


@pytest.mark.parametrize("url", [PAGE, PANELS])
def test_only_who_is_signed_in_and_only_by_reading(superuser: Client, url: str) -> None:
    assert Client().get(url).status_code == 302
    assert superuser.post(url).status_code == 405
    answer = superuser.get(url, {"span": "of a lifetime"})
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]


# --- Fragments -----------------------------------------------------------------------------------------


def test_everything_is_escaped(
    superuser: Client, organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_at_work()
    heartbeats.beat(ProcessKind.WORKER, HOSTILE, queues=[HOSTILE])
    heartbeats.beat("<b>kind", HOSTILE)
    ProcessHeartbeat.objects.filter(kind="<b>kind").update(beat_at=timezone.now() - timedelta(minutes=5))
    waiting = make_request(organisation, device, HOSTILE)
    Request.objects.filter(pk=waiting.pk).update(device_identification=HOSTILE)
    rows.request(
        organisation, device, HOSTILE, state=RequestState.FAILED, fault={"code": 987, "name": HOSTILE}
    )
    rollup.advance()
    group = ArrivedGroup(timezone.now(), 2, 1, HOSTILE, HOSTILE, HOSTILE, HOSTILE, '"><i>')
    told = ArrivedAlarms([group], '"><i>')
    monkeypatch.setattr(views, "gather_alarms", lambda _: told)
    lookout.forget()
    for url in (PAGE, PANELS, f"{PANELS}?span={HOSTILE}"):
        text = text_of(superuser, url)
        assert "alert(1)" in text
        assert HOSTILE not in text
        assert "<b>kind" not in text
        assert '"><i>' not in text


def test_nothing_is_inline_and_nothing_from_elsewhere(superuser: Client) -> None:
    text = text_of(superuser, PAGE)
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", text)
    assert all(" src=" in script for script in re.findall(r"<script[^>]*>", text))
    assert not [url for url in re.findall(r'(?:src|href)="([^"]+)"', text) if re.match(r"(https?:)?//", url)]


def test_panels_are_those_of_the_page(superuser: Client) -> None:
    """The script renews panels by their ids: one that the page lacks would never be seen."""
    page, panels = text_of(superuser, PAGE), text_of(superuser, PANELS)
    ids = re.findall(r'\sid="([^"]+)"', panels)
    assert {"notice", "live-as-of", "live-tiles", "live-ended", "live-processes"} <= set(ids)
    for name in ids:
        assert len(re.findall(f'\\sid="{name}"', page)) == 1
    assert f'data-panels="{PANELS}?span=24h"' in page


def test_alarms_are_hidden_from_those_who_may_not_see_them(superuser: Client, onlooker: Client) -> None:
    hidden = r'<section id="live-alarms"[^>]*\shidden'
    assert re.search(hidden, text_of(onlooker))
    text = text_of(superuser)
    assert not re.search(hidden, text)
    assert "No alarms arrived in the last hour" in text


# --- The notice ----------------------------------------------------------------------------------------

EVERYWHERE = [
    "admin:index",
    "admin:live",
    "admin:requests_request_changelist",
    "admin:requests_request_add",
    "admin:accounts_user_add",
]


def silence(minutes: int = 10, **which: Any) -> None:
    ProcessHeartbeat.objects.filter(**which).update(beat_at=timezone.now() - timedelta(minutes=minutes))
    lookout.forget()


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_notice_is_on_every_page(superuser: Client, name: str) -> None:
    all_at_work()
    text = text_of(superuser, reverse(name))
    assert '<div id="notice" hidden>' in text
    silence()
    text = text_of(superuser, reverse(name))
    assert 'id="notice" class="notice notice-bad" role="alert"' in text
    assert "No dispatcher is at work" in text
    assert "No worker visits meters" in text


def test_the_notice_says_since_when(superuser: Client) -> None:
    all_at_work()
    silence(kind="dispatcher")
    [line] = superuser.get(PAGE).context["notice"].lines
    assert line.since == ProcessHeartbeat.objects.get(kind="dispatcher").beat_at
    ProcessHeartbeat.objects.all().delete()
    lookout.forget()
    assert "none was ever seen" in text_of(superuser)


def test_tenants_are_told_what_it_means_for_them(operator: Client, superuser: Client) -> None:
    all_at_work()
    silence(minutes=10, kind="worker")
    silence(minutes=20, kind="dispatcher")
    since = ProcessHeartbeat.objects.get(kind="dispatcher").beat_at
    notice = operator.get(PAGE).context["notice"]
    assert notice.tone == "calm"
    assert next((line.text, line.since) for line in notice.lines) == (STANDSTILL, since)
    assert "ispatcher" not in text_of(operator)
    assert superuser.get(PAGE).context["notice"].tone == "bad"


def test_what_nobody_notices_is_no_alarm(operator: Client, superuser: Client) -> None:
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    every = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="readings", task="osgp.batches.attend", interval=every)
    all_at_work()
    heartbeats.beat(ProcessKind.BEAT, "host:3")
    silence(kind="beat")
    assert superuser.get(PAGE).context["notice"].tone == "warning"
    assert operator.get(PAGE).context["notice"] is None


def test_nobody_is_told_before_signing_in() -> None:
    answer = Client().get(reverse("admin:login"))
    assert "ispatcher" not in answer.content.decode()


def test_a_process_that_will_not_come_back_is_forgotten(superuser: Client) -> None:
    all_at_work()
    heartbeats.beat(ProcessKind.STREAM, "host:4")
    silence(kind="stream")
    assert "Nobody streams" in text_of(superuser)
    row = ProcessHeartbeat.objects.get(kind="stream")
    url = reverse("admin:processes_processheartbeat_delete", args=[row.pk])
    assert superuser.post(url, {"post": "yes"}).status_code == 302
    assert "Nobody streams" not in text_of(superuser)
    only_looking = signed_in(make_user("anna", None, "view_processheartbeat"))
    other = ProcessHeartbeat.objects.get(kind="worker")
    refused = reverse("admin:processes_processheartbeat_delete", args=[other.pk])
    assert only_looking.post(refused, {"post": "yes"}).status_code == 403


def test_pages_ask_once_in_a_while(django_assert_num_queries: Any) -> None:
    all_at_work()
    with django_assert_num_queries(1):
        lookout.find_missing()
    with django_assert_num_queries(0):
        lookout.find_missing()


# --- Large tables --------------------------------------------------------------------------------------

MANY = 20_000


@pytest.mark.parametrize("url", [PANELS, f"{PANELS}?span=7d"], ids=["day", "week"])
def test_a_look_takes_few_queries(
    superuser: Client,
    organisation: Organisation,
    device: Device,
    url: str,
    django_assert_max_num_queries: Any,
) -> None:
    end_some(organisation, device)
    make_request(organisation, device)
    with django_assert_max_num_queries(18):
        superuser.get(url)


def test_a_look_reads_few_rows_of_many(superuser: Client, organisation: Organisation) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite does not count rows.")
    device = make_device("E2", owner=organisation)
    make_many(organisation, device)
    with rows_looked_at() as looked_at:
        context = superuser.get(PANELS).context
    assert context["ended"].ended.total() == MANY
    assert str(dict(context["pending"])[RequestState.QUEUED]) == f"{MANY:,}"
    assert len(context["oldest"]) == 6
    # Those that wait are counted up to 10,000; those that ended are not looked at.
    assert looked_at["requests_request"] <= COUNT_LIMIT + 100
    assert looked_at["metrics_hourlyoutcome"] <= 25


def make_many(organisation: Organisation, device: Device) -> None:
    """As many that wait as that ended in the last hours."""
    now = timezone.now()
    common = {"organisation": organisation, "device": device, "meter": device, "message": "ActualMeterReads"}
    for state, first, step in ((RequestState.SUCCEEDED, 30.0, 2.5), (RequestState.QUEUED, 60.0, 0.5)):
        moments = [now - timedelta(seconds=first + step * number) for number in range(MANY)]
        is_over = state == RequestState.SUCCEEDED
        Request.objects.bulk_create(
            [
                Request(
                    **common,
                    device_identification=device.identification,
                    state=state,
                    due_at=moment,
                    created_at=moment,
                    started_at=moment if is_over else None,
                    completed_at=moment if is_over else None,
                )
                for moment in moments
            ],
            batch_size=5000,
        )
    while rollup.advance():
        pass
    analyze()
    snapshot.refresh()
