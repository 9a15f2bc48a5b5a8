"""What tests of the pages of alarms, pushes and rules have in common."""

import itertools
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.alarms import storing
from osgp.alarms.models import Alarm, AlarmGroup
from osgp.alarms.storing import NewAlarm
from osgp.devices.models import Device
from tests.admin.conftest import OPERATOR_PERMISSIONS, make_user, signed_in

GROUPS = "admin:alarms_alarmgroup_changelist"
ALARMS = "admin:alarms_alarm_changelist"
PUSHES = "admin:alarms_receivedpush_changelist"
RULES = "admin:alarms_alarmrule_changelist"
PERMISSIONS = (
    *OPERATOR_PERMISSIONS,
    "view_alarm",
    "change_alarm",
    "view_receivedpush",
    "change_receivedpush",
    *(f"{verb}_alarmrule" for verb in ("view", "add", "change", "delete")),
)
HOSTILE = "<script>alert(1)</script>"
_usernames = (f"user{number}" for number in itertools.count())


def user_of(organisation: Organisation | None, *permissions: str) -> Client:
    return signed_in(make_user(next(_usernames), organisation, *(permissions or PERMISSIONS)))


def add_alarms(
    device: Device, *names: str, number: int = 1, at: datetime | None = None, **fields: Any
) -> list[Alarm]:
    """Alarms as decoding stores them, in one group if they come at the same time."""
    new = [NewAlarm(device, at or timezone.now(), "ALARM", names, **fields) for _ in range(number)]
    with transaction.atomic():
        return storing.store(new)


def listed(client: Client, name: str, **query: Any) -> list[Any]:
    answer = client.get(reverse(name), query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def page_of(client: Client, row: Any) -> str:
    answer = client.get(reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def press(client: Client, name: str, action: str, rows: Any, **data: Any) -> tuple[Any, list[str]]:
    """Carry out an action; return the answer, and what the user is told."""
    chosen = [row.pk for row in rows]
    data = {"action": action, "_selected_action": chosen, **data}
    answer = client.post(reverse(name), data, follow=True)
    assert answer.status_code == 200
    return answer, [str(message) for message in answer.context["messages"]]


def acknowledge(client: Client, rows: Any, **data: Any) -> list[str]:
    name = GROUPS if isinstance(rows[0], AlarmGroup) else ALARMS
    return press(client, name, "acknowledge_selected", rows, **data)[1]


def count_queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)
