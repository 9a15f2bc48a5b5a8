"""``manage.py webhook``: the same as over HTTP."""

import base64
import json
import os
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings
from standardwebhooks import Webhook

from osgp.accounts.models import Organisation
from osgp.commands.management.commands import worker
from osgp.notifications import secrets
from osgp.notifications.models import Delivery, Endpoint, Secret
from tests.factories import make_organisation
from tests.notifications.conftest import Engine
from tests.notifications.receiver import Receiver
from tests.notifications.rows import make_delivery, make_endpoint

pytestmark = pytest.mark.django_db


def webhook(*arguments: object, status: int = 0) -> Any:
    """What the command prints: JSON, or why it refuses."""
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as info:
        call_command("webhook", *map(str, arguments), stdout=out, stderr=err)
    assert info.value.code == status, err.getvalue()
    return json.loads(out.getvalue()) if status == 0 else err.getvalue()


def test_an_endpoint_from_its_beginning_to_its_end(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    made = webhook("add", receiver.url, "--kind", "request.completed", "--status", "FAILED")
    assert (made["kinds"], made["statuses"]) == (["request.completed"], ["FAILED"])
    uid = made["uid"]
    assert [each["uid"] for each in webhook("list")["results"]] == [uid]
    assert webhook("test", uid)["state"] == "PENDING"
    engine()
    [received] = receiver.received
    Webhook(made["secret"]).verify(received.body, received.headers)
    [delivery] = webhook("deliveries", uid)["results"]
    assert delivery["state"] == "DELIVERED"
    assert webhook("deliveries", uid, "--state", "FAILED") == {"results": []}
    assert webhook("replay", uid, "--hours", 1) == {"replayed": 0}
    assert webhook("replay", uid, "--hours", 1, "--state", "DELIVERED") == {"replayed": 1}
    engine()
    assert len(receiver.received) == 2
    assert webhook("pause", uid)["paused_at"] is not None
    assert "paused" in webhook("test", uid, status=2)
    assert webhook("resume", uid)["paused_at"] is None
    assert webhook("rotate", uid, "--overlap-hours", 0)["secret"] != made["secret"]
    assert webhook("delete", uid) == {"deleted": uid}
    assert "has no endpoint" in webhook("pause", uid, status=2)


def test_what_is_refused_is_named(organisation: Organisation) -> None:
    problem = json.loads(webhook("add", "https://10.0.0.1/", "--kind", "alarm.lost", status=2))
    assert {error["pointer"] for error in problem["errors"]} == {"/url", "/kinds/0"}
    assert "overlap_hours" in webhook("response-url-secret", "--overlap-hours", "1000", status=2)


def test_an_endpoint_is_changed(organisation: Organisation) -> None:
    endpoint = make_endpoint(organisation, kinds=["alarm.received"], messages=["FindEvents"])
    url = "https://portal.example.org/new"
    changed = webhook("change", endpoint.uid, "--url", url, "--status", "FAILED", "--empty", "kinds")
    assert (changed["url"], changed["statuses"], changed["kinds"]) == (url, ["FAILED"], [])
    assert changed["messages"] == ["FindEvents"], "what is not named stays"
    assert webhook("change", endpoint.uid, "--description", "Portal")["url"] == url


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "Say what to change"),
        (("--kind", "alarm.received", "--empty", "kinds"), "exclude"),
        (("--url", "https://10.0.0.1/"), '"/url"'),
        (("--description", "x" * 256), '"/description"'),
        (("--kind", "alarm.lost"), '"/kinds/0"'),
        (("--message", "FindEvent"), '"/messages/0"'),
        (("--status", "RUNNING"), '"/statuses/0"'),
    ],
)
def test_changes_that_are_refused_change_nothing(
    organisation: Organisation, arguments: tuple[str, ...], reason: str
) -> None:
    endpoint = make_endpoint(organisation, kinds=["system.event"])
    assert reason in webhook("change", endpoint.uid, *arguments, status=2)
    kept = Endpoint.objects.get()
    assert (kept.url, kept.description, kept.kinds) == (endpoint.url, "", ["system.event"])


def test_endpoints_and_deliveries_of_others_are_as_if_there_were_none(organisation: Organisation) -> None:
    other = make_organisation("Other")
    theirs = make_endpoint(other)
    delivery = make_delivery(theirs, state="FAILED")
    own = make_endpoint(organisation)
    of = ("--organisation", organisation.identification)
    for verb in (("change", theirs.uid, "--description", "x"), ("deliveries", theirs.uid)):
        assert "has no endpoint" in webhook(*verb, *of, status=2)
    assert "no delivery" in webhook("replay", own.uid, "--delivery", delivery.pk, *of, status=2)
    assert Delivery.objects.get().state == "FAILED"


def test_one_delivery_is_sent_again(organisation: Organisation, receiver: Receiver, engine: Engine) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    delivery, other = make_delivery(endpoint), make_delivery(endpoint)
    engine()
    assert webhook("replay", endpoint.uid, "--delivery", delivery.pk)["state"] == "PENDING"
    assert "waits" in webhook("replay", endpoint.uid, "--delivery", delivery.pk, status=2)
    engine()
    ids = [each.headers["webhook-id"] for each in receiver.received]
    assert ids.count(delivery.message_id) == 2
    assert ids.count(other.message_id) == 1


def test_the_secret_for_urls_of_requests(organisation: Organisation) -> None:
    assert webhook("response-url-secret")["secret"].startswith("whsec_")
    assert Secret.objects.get().endpoint is None


def test_keys_are_rotated(
    organisation: Organisation, receiver: Receiver, engine: Engine, webhook_settings: Settings
) -> None:
    keys = {name: base64.b64encode(os.urandom(32)).decode() for name in ("old", "new")}

    def use(*names: str) -> None:
        text = ",".join(f"{name}:{keys[name]}" for name in names)
        webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_KEYS": text}

    use("old")
    endpoint = make_endpoint(organisation, receiver.url)
    _, secret = secrets.rotate(organisation, endpoint)
    use("new", "old")
    assert webhook("rewrap") == {"rewrapped": 1}
    assert webhook("rewrap") == {"rewrapped": 0}
    use("new")
    make_delivery(endpoint)
    engine()
    Webhook(secret).verify(receiver.received[0].body, receiver.received[0].headers)
    assert Delivery.objects.get().state == "DELIVERED"
    assert Endpoint.objects.get() == endpoint


@pytest.mark.parametrize(
    ("queues", "missing"),
    [
        ("notify", {"WEBHOOK_KEYS"}),
        ("meter,system", {"KEY_ENCRYPTION_KEYS", "RSA_PRIVATE_KEY_FILE"}),
        ("system,notify", {"WEBHOOK_KEYS", "KEY_ENCRYPTION_KEYS", "RSA_PRIVATE_KEY_FILE"}),
    ],
)
def test_each_worker_needs_its_own_keys(
    webhook_settings: Settings, monkeypatch: pytest.MonkeyPatch, queues: str, missing: set[str]
) -> None:
    """A notifier, which talks to the world outside, needs nothing that opens keys of meters."""
    found = set()
    started = []
    monkeypatch.setattr(os, "execvp", lambda *command: started.append(command))
    monkeypatch.setattr(worker, "refuse_without", lambda require: found.add(getattr(require, "__name__", "")))
    call_command("worker", "--queues", queues)
    wanted = {"require_keys"} if "WEBHOOK_KEYS" in missing else set()
    if "KEY_ENCRYPTION_KEYS" in missing:
        wanted |= {"require_secrets", "require_key_escrow"}
    assert found == wanted
    assert started


@pytest.mark.parametrize(
    "arguments",
    [
        ("deliveries", "UID", "--number", "0"),
        ("deliveries", "UID", "--number=-1"),
        ("deliveries", "UID", "--number", "100000000000000000000"),
        ("replay", "UID", "--delivery", "100000000000000000000"),
        ("replay", "UID", "--delivery=-100000000000000000000"),
        ("replay", "UID", "--hours", "inf"),
        ("replay", "UID", "--hours", "nan"),
        ("replay", "UID", "--hours=-1"),
    ],
    ids=" ".join,
)
def test_numbers_out_of_range_are_refused(organisation: Organisation, arguments: tuple[str, ...]) -> None:
    endpoint = make_endpoint(organisation, "https://portal.example.org/")
    given = [str(endpoint.uid) if each == "UID" else each for each in arguments]
    assert arguments[2].partition("=")[0].removeprefix("--") in webhook(*given, status=2)
