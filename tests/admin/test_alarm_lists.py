"""What all lists of alarms have in common, and the alarms on the live page."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.alarms import counting
from osgp.alarms.counting import make_key
from osgp.alarms.models import Alarm, AlarmGroup, AlarmRule, Transport
from osgp.devices.models import Device
from osgp.networks.models import CommunicationNetwork
from osgp.pages.live import alarms as live_alarms
from tests.admin.alarm_pages import (
    ALARMS,
    GROUPS,
    HOSTILE,
    PUSHES,
    RULES,
    add_alarms,
    count_queries,
    page_of,
    user_of,
)
from tests.alarms.pushing import receive
from tests.factories import make_device

pytestmark = pytest.mark.django_db


# --- All of them ---------------------------------------------------------------------------------------


def test_hostile_values_are_escaped(superuser: Client, organisation: Organisation) -> None:
    network = CommunicationNetwork.objects.create(name=HOSTILE)
    device = make_device("E1", owner=organisation, network=network)
    rows = add_alarms(device, HOSTILE, unknown_bits=[HOSTILE], registers={1: 2**32 - 1}, number=2)
    Alarm.objects.update(
        trigger=HOSTILE, acknowledged_by=HOSTILE, note=HOSTILE, acknowledged_at=timezone.now()
    )
    text = page_of(superuser, rows[0]) + page_of(superuser, device)
    for url in (
        reverse(ALARMS),
        reverse(GROUPS),
        f"{reverse(ALARMS)}?group={rows[0].group_id}",
        "/admin/live/",
    ):
        text += superuser.get(url).content.decode()
    for value in (HOSTILE, '"><i>'):
        for name in (ALARMS, GROUPS, PUSHES):
            query = dict.fromkeys(
                ("q", "type", "state", "group", "network", "received", "last", "outcome", "verified"), value
            )
            text += superuser.get(reverse(name), query).content.decode()
    assert "alert(1)" in text
    assert HOSTILE not in text
    assert '"><i>' not in text


def test_no_list_queries_per_row(superuser: Client, organisation: Organisation) -> None:
    owner = user_of(organisation)
    lists = [(superuser, name) for name in (GROUPS, ALARMS, PUSHES, RULES)]
    lists += [(owner, name) for name in (GROUPS, ALARMS, RULES)]

    def fill(start: int, number: int) -> None:
        for index in range(start, start + number):
            network = CommunicationNetwork.objects.create(name=f"net {index}")
            device = make_device(f"E{index}", owner=organisation, network=network)
            add_alarms(device, "POWER_UP")
            receive(b"\x00", device=device, outcome="MALFORMED", details={"reason": "x"})
            counting.add({make_key(Transport.TCP, f"OUTCOME_{index}", timezone.now()): 1})
            AlarmRule.objects.create(
                organisation=organisation,
                name=f"rule {index}",
                alarm_type="POWER_UP",
                message="SynchronizeTime",
            )

    fill(0, 2)
    few = [count_queries(client, reverse(name)) for client, name in lists]
    fill(2, 30)
    assert [count_queries(client, reverse(name)) for client, name in lists] == few
    assert max(few) <= 8


def test_no_list_counts_the_whole_table(superuser: Client, device: Device) -> None:
    add_alarms(device, "POWER_UP")
    receive(b"\x00")
    for name in (GROUPS, ALARMS, PUSHES):
        with CaptureQueriesContext(connection) as queries:
            superuser.get(reverse(name))
        counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
        assert counts
        assert all("LIMIT" in sql for sql in counts), counts


# --- The live page -------------------------------------------------------------------------------------


def test_alarms_arrive_on_the_live_page(
    superuser: Client, organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    now = timezone.now()
    add_alarms(device, "POWER_UP", number=180, at=now - timedelta(seconds=30))
    add_alarms(device, "CLOCK_INVALID", at=now - timedelta(hours=3))
    add_alarms(make_device("E2", owner=other_organisation), "FRAUD_ATTEMPT", number=2)
    group = AlarmGroup.objects.get(kind="POWER_UP")
    text = superuser.get("/admin/live/panels/").content.decode().replace("<wbr>", "")
    assert f'<a href="{reverse(ALARMS)}?group={group.pk}"><b>180</b> × ' in text
    assert "POWER_UP" in text
    assert "FRAUD_ATTEMPT" in text
    assert "CLOCK_INVALID" not in text
    text = user_of(organisation).get("/admin/live/panels/").content.decode().replace("<wbr>", "")
    assert "POWER_UP" in text
    assert "FRAUD_ATTEMPT" not in text
    assert "POWER_UP" not in user_of(organisation, "view_request").get(
        "/admin/live/"
    ).content.decode().replace("<wbr>", "")
    # Alarms alone are worth the page.
    assert user_of(organisation, "view_alarm").get("/admin/live/").status_code == 200


def test_the_rate_in_a_storm_is_that_of_its_latest_alarms(
    superuser: Client, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    monkeypatch.setattr(live_alarms, "MOST_COUNTED", 60)
    add_alarms(device, "POWER_UP", number=30, at=now - timedelta(minutes=50))
    add_alarms(device, "POWER_UP", number=100, at=now - timedelta(seconds=30))
    add_alarms(device, "CLOCK_INVALID", number=30, at=now - timedelta(minutes=1))
    add_alarms(device, "REPLACE_BATTERY", at=now - timedelta(minutes=2))
    request = superuser.get("/admin/live/").wsgi_request
    arrived = live_alarms.gather_alarms(request)
    assert arrived is not None
    assert [(group.kind, group.number, group.rate) for group in arrived.groups] == [
        ("POWER_UP", 130, "120"),
        ("CLOCK_INVALID", 30, "0.5"),
        ("REPLACE_BATTERY", 1, "< 0.1"),
    ]


def test_the_live_page_names_groups_as_their_list_does(superuser: Client, device: Device) -> None:
    add_alarms(device)
    add_alarms(device, "POWER_UP")
    text = superuser.get("/admin/live/").content.decode()
    assert "<b>1</b> × no known alarm</a>" in text
    assert "POWER_<wbr>UP" in text


def test_the_live_page_does_not_query_per_group(superuser: Client) -> None:
    devices = [make_device(f"E{number}") for number in range(3)]
    add_alarms(devices[0], "POWER_UP")
    few = count_queries(superuser, "/admin/live/panels/")
    for number in range(20):
        add_alarms(devices[number % 3], f"OTHER_{uuid.uuid4().hex[:6]}")
    assert count_queries(superuser, "/admin/live/panels/") == few
