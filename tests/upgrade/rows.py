"""What people make in the admin: users, networks, groups, schedules. tests/upgrade/fill.py pipes it into
``manage.py shell`` of the release that it fills a database of; prints facts as JSON in its last line.

It imports nothing of that release, whose modules may be elsewhere: models are found by label, pages by name.
"""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

PASSWORD = os.environ["UPGRADE_PASSWORD"]
SILENT_PORT = int(os.environ["UPGRADE_SILENT_PORT"])
CLOSED_PORT = 1
USER_PERMISSIONS = (
    "view_device",
    "change_device",
    "view_devicegroup",
    "change_devicegroup",
    "view_request",
    "add_request",
)
GROUP_PERMISSIONS = (
    "view_batch",
    "add_batch",
    "view_recurringrequest",
    "change_recurringrequest",
    "delete_devicegroup",
    "view_series",
    "view_messagelog",
)


def rows(label: str) -> Any:
    """The rows of a model."""
    return apps.get_model(label)._default_manager


def fill_in(client: Client, page: str, fields: dict[str, Any], query: str = "") -> None:
    """Post a form of the admin; it has to be taken."""
    answer = client.post(reverse(f"admin:{page}") + query, fields)
    if answer.status_code != 302:
        raise SystemExit(f"{page} was not taken: {answer.content.decode()}")


def main() -> None:
    organisation = rows("accounts.Organisation").get(identification="DEMO")
    operator = rows("accounts.User").get(username="admin")
    operator.set_password(PASSWORD)
    operator.save()
    planners = Group.objects.create(name="planners")
    planners.permissions.set(Permission.objects.filter(codename__in=GROUP_PERMISSIONS))
    joost = rows("accounts.User").create_user(
        "joost", password=PASSWORD, is_staff=True, organisation=organisation
    )
    joost.user_permissions.set(Permission.objects.filter(codename__in=USER_PERMISSIONS))
    joost.groups.add(planners)

    client = Client()
    client.force_login(operator)
    fill_in(client, "networks_communicationnetwork_add", {"name": "CDMA", "max_open_sessions": 50})
    network = rows("networks.CommunicationNetwork").get()
    fill_in(client, "networks_cell_add", {"network": network.pk, "base_station": "B1", "cell": "7"})
    cell = rows("networks.Cell").get()
    rows("devices.Device").filter(identification__endswith="1").update(cell=cell, network=network)
    north = rows("devices.DeviceGroup").get(name="north")
    few = {"organisation": organisation.pk, "name": "few", "put_in": "SIME0000000000001\nSIMG0000000000021"}
    fill_in(client, "devices_devicegroup_add", few)
    common = {"enabled": "on", "devices": "", "spread_seconds": "0", "priority": "2"}
    nightly = {"kind": "cron", "cron": "30 2 * * *", "time_zone": "Europe/Amsterdam", "group": north.pk}
    fill_in(
        client,
        "batches_recurringrequest_add",
        {**common, **nightly, "name": "nightly clocks", "parameter-timezone": "Europe/Amsterdam"},
        "?message=SynchronizeTime",
    )
    # Its next occurrence is in a few seconds, and becomes a batch of this release.
    begin = timezone.now() - timedelta(hours=24) + timedelta(seconds=5)
    often = {
        "kind": "every",
        "every": "12",
        "period": "hours",
        "starts_at": begin.strftime("%Y-%m-%dT%H:%M:%S"),
    }
    fill_in(
        client,
        "batches_recurringrequest_add",
        {**common, **often, "name": "twice a day", "group": "", "devices": "SIME0000000000002"},
        "?message=ActualMeterReads",
    )
    move("SIME0000000000010", CLOSED_PORT)
    move("SIME0000000000009", SILENT_PORT)
    change_a_reading("SIME0000000000005")
    facts = {
        "session_key": client.session.session_key,
        "permissions": {
            user.username: sorted(user.get_all_permissions()) for user in rows("accounts.User").all()
        },
    }
    sys.stdout.write(json.dumps(facts))


def change_a_reading(identification: str) -> None:
    """Let a meter have said something else before: the first value of a load profile."""
    series = rows("readings.Series").filter(device__identification=identification, period="INTERVAL").first()
    chunk = rows("readings.Chunk").filter(series_id=series.pk).earliest("start")
    rows("readings.FormerClaim").create(
        series=series,
        interval_end=datetime.fromtimestamp(chunk.begin + chunk.offsets[0], UTC),
        millionths=1_000_000,
        status=-1,
        received=chunk.received[0],
        confirmed=chunk.received[0],
    )


def move(identification: str, port: int) -> None:
    """Let a meter be where nobody answers."""
    rows("devices.Device").filter(identification=identification).update(port=port)


main()
