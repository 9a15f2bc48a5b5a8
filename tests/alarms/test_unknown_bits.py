"""Bits of alarms without a meaning: counted by register and profile, and found among millions of alarms."""

import json

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.alarms.decoding import decode_waiting
from osgp.alarms.finding import filter_alarms
from osgp.alarms.models import Alarm
from osgp.devices.models import Device
from tests.admin.alarm_pages import ALARMS, add_alarms, listed, user_of
from tests.alarms.pushing import add_meter, frame, make_alarm, receive, receive_again
from tests.factories import make_device
from tests.metrics import grammar

pytestmark = pytest.mark.django_db

COUNTER = "osgp_unknown_alarm_bits_total"
UNKNOWN = 1 << 14 | 1 << 15
"""Bits of the first register that mean nothing in any profile."""


def read_counter() -> dict[tuple[str, str], float]:
    families = grammar.read(Client().get("/metrics").content.decode())
    return {
        (dict(labels)["register"], dict(labels)["profile"]): value
        for (_, labels), value in families[COUNTER].samples.items()
    }


def test_they_are_counted_by_register_and_profile(organisation: Organisation) -> None:
    add_meter(organisation, protocol_name="SMR", protocol_version="5.1")
    receive(frame(make_alarm(UNKNOWN | 2)))
    receive_again(frame(make_alarm(2)), minutes=5)
    decode_waiting()
    [with_unknown] = filter_alarms(Alarm.objects.all(), unknown_bits=True)
    assert with_unknown.unknown_bits == ["1.14", "1.15"]
    assert read_counter() == {("1", "SMR-5.1"): 2}
    receive_again(frame(make_alarm(1 << 15)), minutes=10)
    decode_waiting()
    assert read_counter() == {("1", "SMR-5.1"): 3}


def test_a_device_without_a_profile(organisation: Organisation) -> None:
    add_meter(organisation, protocol_name="OWN", protocol_version='9"')
    receive(frame(make_alarm(UNKNOWN)))
    decode_waiting()
    assert read_counter() == {("1", "none"): 2}


@pytest.fixture
def alarms(device: Device) -> list[Alarm]:
    """One without, one with unknown bits."""
    return add_alarms(device, "POWER_UP") + add_alarms(device, unknown_bits=["1.31"])


def test_the_rest_api_filters_them(alarms: list[Alarm], api: APIClient) -> None:
    known, unknown = (str(alarm.uid) for alarm in alarms)
    for value, expected in (("true", [unknown]), ("false", [known])):
        answer = api.get("/api/v1/alarms/", {"unknown_bits": value})
        assert [each["alarm_uid"] for each in answer.json()["results"]] == expected
    wrong = api.get("/api/v1/alarms/", {"unknown_bits": "some"})
    assert wrong.status_code == 400
    assert "unknown_bits" in wrong.content.decode()


def test_those_with_unknown_bits_are_acknowledged(alarms: list[Alarm], api: APIClient) -> None:
    body = {"filter": {"unknown_bits": True}}
    answer = api.post("/api/v1/alarms/acknowledge/", body, format="json")
    assert answer.json() == {"acknowledged": 1}
    assert Alarm.objects.get(acknowledged_at__isnull=False) == alarms[1]


def test_the_list_filters_them(alarms: list[Alarm], organisation: Organisation) -> None:
    client = user_of(organisation)
    assert listed(client, ALARMS, unknown_bits="yes") == [alarms[1]]
    assert listed(client, ALARMS, unknown_bits="no") == [alarms[0]]
    assert "Has unknown bits" in client.get(reverse(ALARMS)).content.decode()


def test_the_command_line_filters_them(alarms: list[Alarm], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("alarms", "--unknown-bits")
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["alarm_uid"] == str(alarms[1].uid)


def test_no_scan_finds_them(organisation: Organisation) -> None:
    """Among many alarms, the latest of those with unknown bits come from an index of these alone."""
    device = make_device("E9", owner=organisation)
    add_alarms(device, "POWER_UP", number=3000)
    add_alarms(device, unknown_bits=["1.31"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE alarms_alarm")
    latest = filter_alarms(Alarm.objects.all(), unknown_bits=True)[:100]
    assert "alarm_with_unknown_bits" in latest.explain()
