"""What a former release left in its database is there after ``migrate``, and the platform goes on with it.

The tests of this module share one database: each changes only what no other one looks at.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import global_settings, settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import authenticate
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import User
from osgp.batches.models import RecurringRequest
from osgp.celery import app
from osgp.devices import generations, invocation_counters, keystore
from osgp.devices.models import ClientSystemTitle, Device, DeviceKey
from osgp.fleet import schedules
from osgp.metrics.models import Counter
from osgp.requests import states
from osgp.requests.models import IdempotencyKey, MeterSession, Request, RequestState, SessionState
from osgp.requests.work import load_meter
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits.visit import visit_meter
from tests import processes
from tests.batches.conftest import create_all
from tests.catalogue.generations import SHIPPED
from tests.meters import KEY_TYPES
from tests.metrics import grammar
from tests.upgrade import DUMPS, ENVIRONMENT, PASSWORD, REPEATED, databases
from tests.upgrade.test_names import queue_of

MIGRATIONS = "django_migrations"
GROWING = {MIGRATIONS, "django_content_type", "auth_permission"}
"""Tables that get rows for what is new in a release."""
MONTHS = "readings_chunk_"
"""How the names of partitions begin; they are made ahead."""
MOVED = {"devices_device": {"invocation_counter"}, "requests_idempotencykey": {"claim"}}
"""Columns whose values are elsewhere now, or not needed any more."""
REWORDED = {"devices_device": {"with_list_max": {1: 0}}}
"""Values that are told in other words now: 1 was what devices got that were given none, and is 0."""
OF_THE_TIME = {name: KEY_TYPES[name] for name in ("master_key", "authentication_key", "encryption_key")} | {
    "mbus_default_key": KEY_TYPES["mbus_default_key"]
}
"""The keys that meters were registered with."""
EMPTY = {"django_celery_beat_clockedschedule", "django_celery_beat_solarschedule"}
"""Tables that the platform does not use; the dumps have rows of all others."""

pytestmark = pytest.mark.back_end


@dataclass(frozen=True)
class Upgraded:
    """A former release's database after ``migrate``."""

    facts: dict[str, Any]
    """What that release said of it."""
    tables: dict[str, list[str]]
    before: dict[str, list[dict[str, Any]]]
    after: dict[str, list[dict[str, Any]]]
    """Rows of its tables and views, in the columns that they had."""


def make_demo() -> Fleet:
    """The simulated meters of the dumps: of the profiles that are shipped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "list_profiles", lambda: SHIPPED)
        return Fleet.demo()


@pytest.fixture(scope="module")
def upgraded(
    django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    directory = tmp_path_factory.mktemp("upgraded")
    facts = json.loads((DUMPS / f"{connection.vendor}.json").read_text())
    ours = {
        "SECRET_KEY": ENVIRONMENT["SECRET_KEY"],
        "OSGP": {**settings.OSGP, "KEY_ENCRYPTION_KEYS": ENVIRONMENT["OSGP_KEY_ENCRYPTION_KEYS"]},
    }
    with django_db_blocker.unblock(), databases.loaded(directory), override_settings(**ours):
        tables = databases.columns()
        before = databases.contents(tables)
        connection.close()
        migrate(str(directory))
        yield Upgraded(facts, tables, before, databases.contents(tables))


def migrate(var: str) -> None:
    """As an operator does, with nothing but the environment to go by."""
    database = str(connection.settings_dict["NAME"])
    url = f"sqlite:///{database}" if connection.vendor == "sqlite" else processes.database_url()
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"],
        cwd=processes.ROOT,
        env={
            **os.environ,
            **ENVIRONMENT,
            "DATABASE_URL": url,
            "BROKER_URL": settings.CELERY_BROKER_URL,
            "OSGP_VAR_DIR": var,
        },
        check=True,
        timeout=processes.PATIENCE,
    )


@pytest.fixture
def api(upgraded: Upgraded) -> APIClient:
    """An application with the token that it got from the former release."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {upgraded.facts['token']}")
    return client


def test_nothing_is_left_to_migrate(upgraded: Upgraded) -> None:
    call_command("migrate", check_unapplied=True, verbosity=0)
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)


def test_every_row_is_as_it_was(upgraded: Upgraded) -> None:
    empty = {table for table, rows in upgraded.before.items() if not rows}
    assert {table for table in empty if not table.startswith(MONTHS)} == EMPTY
    for table, rows in upgraded.before.items():
        left = upgraded.after[table]
        if table in GROWING:
            left = [row for row in left if row in rows]
        moved, reworded = MOVED.get(table, set()), REWORDED.get(table, {})
        assert left == sorted(
            (
                {
                    name: reworded[name].get(value, value) if name in reworded else value
                    for name, value in row.items()
                    if name not in moved
                }
                for row in rows
            ),
            key=repr,
        )


def test_meters_are_called_with_the_same_title(upgraded: Upgraded) -> None:
    """Some know their clients by title."""
    assert ClientSystemTitle.objects.get().title == "4F53475048455301"


def test_no_lists_is_no_lists(upgraded: Upgraded) -> None:
    lists = {row["id"]: row["with_list_max"] for row in upgraded.before["devices_device"]}
    assert {1, 32} <= set(lists.values())
    assert {pk: load_meter(pk).settings.with_list_max for pk in lists} == lists


def test_counters_of_devices_are_those_of_their_keys(upgraded: Upgraded) -> None:
    counters = {row["id"]: row["invocation_counter"] for row in upgraded.before["devices_device"]}
    known = {device: value for device, value in counters.items() if value is not None}
    assert len(known) > 5
    for device, value in known.items():
        counter = invocation_counters.find_active(device)
        assert counter is not None
        assert (counter.next_value or 0) >= value
        assert counter.generation == generations.get_current()


def test_content_types_are_those_of_the_models(upgraded: Upgraded) -> None:
    """A model that moved to another app would get a new one, and leave the old one behind."""
    stale = [row for row in ContentType.objects.all() if row.model_class() is None]
    assert stale == []
    known = {row["id"] for row in upgraded.before["django_content_type"]}
    added = [row.model_class() for row in ContentType.objects.exclude(pk__in=known)]
    assert [model for model in added if model is not None and model._meta.db_table in upgraded.tables] == []


def test_models_keep_their_tables(upgraded: Upgraded) -> None:
    left_over = upgraded.tables.keys() - {
        model._meta.db_table for model in apps.get_models(include_auto_created=True)
    }
    chunks = {table for table in left_over if table.startswith(MONTHS)}
    assert left_over - chunks == {MIGRATIONS, "readings_value"}
    assert bool(chunks) == (connection.vendor == "postgresql")


def test_permissions_are_held_by_whom_they_were_given_to(upgraded: Upgraded) -> None:
    held = {user.username: user for user in User.objects.all()}
    assert held.keys() == upgraded.facts["permissions"].keys()
    for name, permissions in upgraded.facts["permissions"].items():
        assert set(permissions) <= held[name].get_all_permissions()
    # A superuser has those of new models as well.
    assert sorted(held["joost"].get_all_permissions()) == upgraded.facts["permissions"]["joost"]
    assert held["joost"].has_perms(["devices.view_devicegroup", "batches.change_recurringrequest"])
    assert not held["joost"].has_perm("devices.add_devicegroup")
    known = {row["id"] for row in upgraded.before["auth_permission"]}
    tables = [
        permission.content_type.model_class()._meta.db_table
        for permission in Permission.objects.exclude(pk__in=known)
    ]
    assert [table for table in tables if table in upgraded.tables] == []


@override_settings(PASSWORD_HASHERS=global_settings.PASSWORD_HASHERS)
def test_people_get_in_as_before(upgraded: Upgraded) -> None:
    for name in ("admin", "joost"):
        assert authenticate(username=name, password=PASSWORD) == User.objects.get(username=name)
    key = upgraded.facts["session_key"]
    Session.objects.filter(pk=key).update(expire_date=timezone.now() + timedelta(days=1))
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    answer = client.get(reverse("admin:index"))
    assert (answer.status_code, answer.context["user"].username) == (200, "admin")


@pytest.mark.parametrize("username", ["admin", "joost"])
def test_pages_of_the_admin_open_for_the_same_people(upgraded: Upgraded, username: str) -> None:
    """For an operator, and for somebody who is confined to an organisation."""
    client = Client()
    client.force_login(User.objects.get(username=username))
    pages = upgraded.facts["pages"][username]
    assert len(pages) > 60
    assert {path: client.get(path).status_code for path in pages} == pages


def test_what_was_done_in_the_admin_is_told_of_the_same_rows(upgraded: Upgraded) -> None:
    entries = list(LogEntry.objects.all())
    assert {entry.content_type.model for entry in entries if entry.content_type} == {
        "communicationnetwork",
        "cell",
        "devicegroup",
        "recurringrequest",
    }
    for entry in entries:
        assert str(entry.get_edited_object()) == entry.object_repr


def test_answers_are_the_same(api: APIClient, upgraded: Upgraded) -> None:
    """Results, faults, batches, readings and logs, as the former release told them, among other fields."""
    assert len(upgraded.facts["answers"]) > 40
    for path, body in upgraded.facts["answers"].items():
        assert keep_known(api.get(path).json(), body) == body, path


def keep_known(answer: Any, former: Any) -> Any:
    """An answer without the fields that a former one does not have."""
    if isinstance(answer, dict) and isinstance(former, dict):
        return {name: keep_known(answer[name], former[name]) for name in answer if name in former}
    if isinstance(answer, list) and isinstance(former, list) and len(answer) == len(former):
        return [keep_known(one, other) for one, other in zip(answer, former, strict=True)]
    return answer


def test_only_fields_that_are_new_are_left_out() -> None:
    former = {"rows": [{"a": 1, "b": None}], "number": 2}
    assert keep_known({"rows": [{"a": 1, "b": None, "c": 3}], "number": 2, "new": 4}, former) == former
    for changed in (
        {"rows": [{"a": 2, "b": None}], "number": 2},
        {"rows": [{"a": 1}], "number": 2},
        {"rows": [], "number": 2},
        {"rows": [{"a": 1, "b": {}}], "number": 2},
        {"rows": [{"a": 1, "b": None}]},
    ):
        assert keep_known(changed, former) != former


def test_a_call_that_is_repeated_is_carried_out_once(api: APIClient, upgraded: Upgraded) -> None:
    row = IdempotencyKey.objects.get(key="tests-upgrade")
    IdempotencyKey.objects.filter(pk=row.pk).update(created_at=timezone.now())
    path, body = REPEATED
    headers = {"Idempotency-Key": row.key, "Authorization": f"Bearer {upgraded.facts['token']}"}
    answer = Client().post(path, json.dumps(body), content_type="application/json", headers=headers)
    assert answer.status_code == 202
    assert row.request is not None
    assert answer.json()["correlation_uid"] == str(row.request.correlation_uid)


def test_what_was_counted_stays_counted(upgraded: Upgraded) -> None:
    families = grammar.read(Client().get("/metrics").content.decode())
    for name in ("osgp_requests_completed_total", "osgp_sessions_ended_total"):
        counted = Counter.objects.filter(name=name).aggregate(sum=Sum("value"))["sum"]
        assert counted == sum(families[name].samples.values())
        assert counted > 20


def test_keys_are_unsealed(upgraded: Upgraded) -> None:
    unsealed = 0
    for described in make_demo().describe():
        device = Device.objects.get(identification=described["add_device"]["device_identification"])
        for name, key_type in OF_THE_TIME.items():
            if value := described["keys"].get(name):
                assert keystore.read_active_keys(device, [key_type]) == {key_type: bytes.fromhex(value)}
                unsealed += 1
    assert unsealed == DeviceKey.objects.exclude(key_type="LLS_PASSWORD").count()


def test_beat_finds_tasks_and_queues(upgraded: Upgraded) -> None:
    app.loader.import_default_modules()
    queues = {queue.name for queue in settings.CELERY_TASK_QUEUES}
    tasks = PeriodicTask.objects.exclude(task="celery.backend_cleanup")
    assert {task.task for task in tasks} == {schedules.TASK}
    for task in tasks:
        assert task.task in app.tasks
        assert task.queue in queues
        assert queue_of(task.task) == task.queue


@pytest.mark.parametrize(("name", "requests"), [("nightly clocks", 10), ("twice a day", 1)])
def test_schedules_go_on(upgraded: Upgraded, name: str, requests: int) -> None:
    """Their next occurrence becomes a batch with a request for each device that can do it."""
    row = RecurringRequest.objects.get(name=name)
    assert row.next_at is not None
    two_days_ago = timezone.now() - timedelta(days=2)
    RecurringRequest.objects.filter(pk=row.pk).update(starts_at=two_days_ago, next_at=two_days_ago)
    before = set(row.batches.all())
    schedules.create_due()
    create_all()
    [batch] = set(row.batches.all()) - before
    assert batch.requests.count() == requests
    row.refresh_from_db()
    assert row.next_at > timezone.now()


def test_what_waited_is_carried_out(upgraded: Upgraded) -> None:
    """SCHEDULED, QUEUED, waiting for another attempt, and in the middle of a visit when the worker died."""
    pending = Request.objects.exclude(state__in=["SUCCEEDED", "FAILED", "CANCELLED"]).filter(batch=None)
    waited = list(pending.order_by("state"))
    assert [row.state for row in waited] == ["QUEUED", "RETRYING", "RUNNING", "SCHEDULED"]
    long_ago = timezone.now() - timedelta(hours=1)
    MeterSession.objects.filter(state=SessionState.CLAIMED).update(expires_at=long_ago)
    assert states.reap() == 1
    pending.update(due_at=long_ago)
    assert states.queue_scheduled() == 1
    with SimulatorThread(make_demo()) as simulator:
        Device.objects.filter(gateway=None).update(port=simulator.port)
        opened = states.open_sessions(100).sessions
        assert {row.meter_id for row in waited} <= {session.meter_id for session in opened}
        for session in opened:
            assert visit_meter(session.pk, session.token, worker="test")
    for row in waited:
        row.refresh_from_db()
        assert row.state == RequestState.SUCCEEDED, row.fault
        assert row.actions.get().result["log_time"]
