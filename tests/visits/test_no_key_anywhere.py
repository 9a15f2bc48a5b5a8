"""No key is anywhere but encrypted: not in logs, tracebacks, tables, hints, answers, pages or objects' texts.

A whole story is told to the platform, with everything that can go wrong; then all that it left is searched.
"""

import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
from celery.signals import before_task_publish
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.debug import ExceptionReporter
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation, User
from osgp.devices import fingerprints, keystore, transport_keys
from osgp.devices.models import DeviceKey, FingerprintKey, KeyType
from osgp.management.application_keys import register_key
from osgp.message_logs.models import MessageLog
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.messages.registry import find_operation
from osgp.processes.database import lanes
from osgp.protocol_dlms import Line
from osgp.requests import states
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.visits.dialling import Dialling
from osgp.visits.dispatcher import Dispatcher
from osgp.visits.leases import Lease
from osgp.visits.outages import PatientLanes
from osgp.visits.platform_requests import perform_due
from osgp.visits.preparing import prepare
from osgp.visits.visit import visit_meter
from osgp.visits.visited_meters import make_visited_meter
from tests import meters
from tests.factories import make_request
from tests.rsa_keys import make_pair, public_pem
from tests.secret_spellings import Secrets

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/"
OPTICAL, FIRMWARE = KeyType.G_METER_OPTICAL_PORT_KEY, KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY
KEYS_OF_STORY = 20
"""At least: seven that the devices come with, four pairs for the meter, six for the gas meter."""


class Broken(Exception):
    """An error of the platform itself, in the middle of key code."""


@dataclass
class Story:
    """Everything that is asked of the platform, and what it says meanwhile."""

    api: APIClient
    simulator: SimulatorThread
    secrets: Secrets = field(default_factory=Secrets)
    told: list[tuple[str, str | bytes]] = field(default_factory=list)
    """What to search, each with where it is from."""

    def send(self, path: str, expect: int = 202, **body: Any) -> Request | None:
        """Post a message, and carry out all that is due."""
        answer = self.api.post(API + path, body, format="json")
        self.told.append((f"answer of {path}", answer.content))
        assert answer.status_code == expect, answer.content
        if expect != 202:
            return None
        perform_due(10)
        Dispatcher().tick()
        for session in MeterSession.objects.filter(state=SessionState.OPENED):
            visit_meter(session.pk, session.token, "worker")
        self.learn_stored_keys()
        request = Request.objects.latest("pk")
        # What is retried is not of interest any more.
        self.api.post(f"{API}requests/{request.correlation_uid}/cancel/")
        return request

    def succeed(self, path: str, **body: Any) -> None:
        request = self.send(path, **body)
        assert request is not None
        assert (request.state, request.fault) == (RequestState.SUCCEEDED, None), path

    def fail(self, path: str, code: int, **body: Any) -> None:
        """Have it carried out in vain, with this code in its fault."""
        request = self.send(path, **body)
        assert request is not None
        assert request.fault is not None
        assert (request.state == RequestState.SUCCEEDED, request.fault["code"]) == (False, code), path

    def learn_stored_keys(self) -> None:
        for row in DeviceKey.objects.all():
            sealed = keystore.SealedKey.from_row(
                (
                    row.key_type,
                    row.key_encryption_key_id,
                    row.wrapped_data_key,
                    row.ciphertext,
                    row.state,
                    row.counter_id,
                    row.change,
                )
            )
            opened = keystore.unseal(row.device_id, [sealed], [sealed.key_type], sealed.state)
            for secret in opened.values():
                self.secrets.add(f"{row.key_type} {row.pk}", secret)

    def encrypt(self, name: str, secret: bytes) -> str:
        self.secrets.add(name, secret)
        return transport_keys.encrypt_for_platform(transport_keys.export_public_key(), secret)


@pytest.fixture
def story(api: APIClient, organisation: Organisation, caplog: pytest.LogCaptureFixture) -> Iterator[Story]:
    told: list[tuple[str, str | bytes]] = []

    def note_hint(body: Any, headers: Any, **_: Any) -> None:
        told.append(("hint", repr((body, headers))))

    register_key(organisation, "portal", public_pem(make_pair()), by="test")
    with (
        SimulatorThread(Fleet.build(1, "SMR-5.1", gas_meters=1)) as simulator,
        caplog.at_level(logging.DEBUG),
    ):
        before_task_publish.connect(note_hint, weak=False)
        try:
            yield Story(api, simulator, told=told)
        finally:
            before_task_publish.disconnect(note_hint)


def tell(story: Story) -> tuple[str, str]:
    """The story; the identifications of the meter and of the gas meter."""
    described = story.simulator.fleet.describe()
    names = []
    for each in described:
        fields = each["add_device"]
        names.append(str(fields["device_identification"]))
        # The password is a text. Fewer octets than it has would be found in random tokens by chance.
        secrets = {
            name: key.encode() if name == "lls_password" else bytes.fromhex(key)
            for name, key in each["keys"].items()
        }
        keys = {name: story.encrypt(name, secret) for name, secret in secrets.items()}
        story.succeed("installation/add-device/", **fields, **keys)
        story.succeed("management/enable-debugging/", device_identification=names[-1])
    meter: dict[str, Any] = {"device_identification": names[0]}
    gas_meter: dict[str, Any] = {"device_identification": names[1]}
    [simulated] = story.simulator.meters.values()
    channel = {"channel": simulated.gas_meters[0].channel}
    replace, generate = "configuration/replace-keys/", "configuration/generate-and-replace-keys/"
    set_key = "configuration/set-encryption-key-exchange-on-g-meter/"
    by_channel = "configuration/set-mbus-user-key-by-channel/"

    def new_keys(first: bytes = b"new one for auth", second: bytes = b"new one for encr") -> dict[str, Any]:
        return {
            "authentication_key": story.encrypt("supplied authentication key", first),
            "encryption_key": story.encrypt("supplied encryption key", second),
        }

    story.succeed(replace, **meter, **new_keys())
    story.succeed(generate, **meter)
    for key_type in (KeyType.G_METER_ENCRYPTION_KEY, OPTICAL, FIRMWARE):
        story.succeed(set_key, **gas_meter, secret_type=key_type.value)
    story.succeed(set_key, **gas_meter, secret_type=OPTICAL.value, close_optical_port=True)
    story.succeed(by_channel, **meter, **channel)
    story.succeed("configuration/get-mbus-encryption-key-status/", **gas_meter)
    story.succeed("configuration/get-keys/", **meter, secret_types=["E_METER_ENCRYPTION_KEY_UNICAST"])
    story.succeed("configuration/get-keys/", **gas_meter, secret_types=[OPTICAL.value])
    story.succeed("management/find-message-logs/", **meter)
    counter = {"invocation_counter": 100_000, "reason": "test"}
    story.succeed("configuration/set-invocation-counter/", **meter, **counter)

    # Refused at once: too long, under a key of somebody else, in the clear, a counter that is too low.
    story.send(replace, 400, **meter, **new_keys(b"not of any use, too long"))
    foreign = transport_keys.encrypt_for_platform(public_pem(make_pair("other")), b"under another ke")
    story.secrets.add("under another key", b"under another ke")
    story.send(replace, 400, **meter, **new_keys() | {"encryption_key": foreign})
    story.secrets.add("in the clear", b"0123456789abcdef")
    story.send(replace, 400, **meter, **new_keys() | {"encryption_key": b"0123456789abcdef".hex()})
    story.send("configuration/set-invocation-counter/", 400, **meter, **counter | {"invocation_counter": 0})

    # Refused by the meter, or with its hanging up.
    for kind in (FaultKind.KEY_REFUSED, FaultKind.KEY_SWITCHED_CLOSES):
        simulated.faults.switch_on(kind, 1)
        request = story.send(replace, **meter, **new_keys(b"one that is refu", b"sed by the meter"))
        assert request is not None
        assert request.state == RequestState.RETRYING
        story.succeed("monitoring/actual-meter-reads/", **meter)
    simulated.faults.switch_on(FaultKind.KEY_REFUSED, 1)
    request = story.send(generate, **meter)
    assert request is not None
    assert request.state == RequestState.RETRYING
    simulated.faults.switch_on(FaultKind.MBUS_TRANSFER_KEY_REFUSED, 1)
    story.fail(set_key, 412, **gas_meter, secret_type="G_METER_ENCRYPTION_KEY")
    simulated.faults.switch_on(FaultKind.MBUS_SET_ENCRYPTION_KEY_REFUSED, 1)
    story.fail(by_channel, 412, **meter, **channel)

    # Errors of the platform where keys are in variables: their tracebacks go to whoever reads error reports.
    for where, path, body in (
        ("osgp.messages.key_transfer.aes_key_wrap", replace, meter | new_keys(b"A" * 16, b"B" * 16)),
        ("osgp.visits.stored_keys.switch_key", replace, meter | new_keys(b"C" * 16, b"D" * 16)),
        ("osgp.devices.keystore.envelope.seal", generate, meter),
        ("osgp.configuration.mbus_keys.wrap_with_gcm", set_key, gas_meter),
        ("osgp.visits.calling.Meter.connect", replace, meter | new_keys(b"E" * 16, b"F" * 16)),
    ):
        with mock.patch(where, side_effect=Broken("in the middle")):
            story.fail(path, 414, **body)
    with mock.patch("osgp.devices.transport_keys.require_length", side_effect=Broken("in the middle")):
        story.api.raise_request_exception = False
        story.send(replace, 500, **meter, **new_keys(b"G" * 16, b"H" * 16))

    # Last, for it is for good: a key that cannot be read.
    DeviceKey.objects.filter(key_type=OPTICAL).update(ciphertext=bytes(44))
    with mock.patch.object(story, "learn_stored_keys"):
        story.fail("configuration/get-keys/", 805, **gas_meter, secret_types=[OPTICAL.value])
    return names[0], names[1]


def read_logs(caplog: pytest.LogCaptureFixture) -> Iterator[tuple[str, str]]:
    """Every record as a text, with its arguments; tracebacks as error reports show them."""
    for record in caplog.records:
        yield f"log {record.name}", f"{record.getMessage()} {record.args!r} {record.exc_text}"
        if record.exc_info:
            reporter = ExceptionReporter(None, *record.exc_info)
            yield f"traceback of {record.getMessage()}", reporter.get_traceback_html()
            yield f"traceback of {record.getMessage()}", reporter.get_traceback_text()


def read_tables() -> Iterator[tuple[str, str | bytes]]:
    """Every column of every table."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            columns = [column.name if hasattr(column, "name") else column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    is_binary = isinstance(value, bytes | memoryview)
                    yield f"{table}.{column}", bytes(value) if is_binary else str(value)


def read_answers(api: APIClient, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """All that the API says of the devices and requests."""
    lists = [(path, {"device": name}) for path in ("requests/", "management/message-logs/") for name in names]
    for path, query in (*lists, ("management/devices/", {})):
        answer = api.get(API + path, query)
        assert answer.status_code == 200, (path, answer.content)
        yield path, answer.content
    for request in Request.objects.all():
        path = reverse(find_operation(request.message).derive_path(), args=[request.correlation_uid])
        answer = api.get(path)
        assert answer.status_code == 200, path
        yield path, answer.content


def read_pages(client: Client) -> Iterator[tuple[str, bytes]]:
    """The lists of the admin, and the page and history of every object in them."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        paths = [reverse(f"{name}_changelist")]
        for key in model._default_manager.values_list("pk", flat=True):
            for page in ("change", "history", "device"):
                try:
                    paths.append(reverse(f"{name}_{page}", args=[key]))
                except NoReverseMatch:
                    continue
        for path in paths:
            answer = client.get(path, follow=True)
            yield path, b"".join(answer) if answer.streaming else answer.content


def test_no_key_is_anywhere(story: Story, api: APIClient, caplog: pytest.LogCaptureFixture) -> None:
    names = tell(story)
    assert len(story.secrets) >= KEYS_OF_STORY
    # The story left what it was to leave: APDUs in message logs, tracebacks of errors, hints.
    assert MessageLog.objects.count() > 100
    assert sum(record.exc_info is not None for record in caplog.records) > 5
    client = Client()
    client.force_login(User.objects.create_superuser("marijke"))
    pages = list(read_pages(client))
    assert any(names[0].encode() in content for _, content in pages)
    everything = [*story.told, *read_answers(api, names), *pages, *read_tables(), *read_logs(caplog)]
    found = {(place, name) for place, content in everything for name in story.secrets.find(content)}
    assert found == set()


def test_objects_with_keys_do_not_show_them(organisation: Organisation) -> None:
    secrets = Secrets()
    new = {key_type: f"new {number} for it all".encode()[:16] for number, key_type in enumerate(GLOBAL_KEYS)}
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        [device] = meters.add_meters(organisation, simulator).values()
        for name, secret in (*keystore.read_active_keys(device, list(KeyType)).items(), *new.items()):
            secrets.add(name, secret)
        assert len(secrets) > len(new) + len(GLOBAL_KEYS)
        keystore.store_new(device, new)
        make_request(organisation, device, "GenerateAndReplaceKeys")
        session = meters.open_session(device)
        claimed = states.claim_and_take(session.pk, session.token, "test", 10)
        assert claimed is not None
        [[action]] = claimed[1]
        prepared = prepare(device.pk)
        dialling = Dialling.from_prepared(prepared)
        database = PatientLanes(Lease(session.pk))
        with dialling.associating(Line(), lanes.run) as association:
            visited = make_visited_meter(action, action.device, association, timezone.now(), database)
            visited.keys.store_new(new)
            objects: list[object] = [
                *(
                    dialling,
                    dialling.keys,
                    dialling.active,
                    dialling.counter,
                    *dialling._list_pending_pairs(),
                ),
                *(prepared, *prepared.keys, association.settings, association, visited, visited.keys, action),
                *(fingerprints.load(), *FingerprintKey.objects.all(), *DeviceKey.objects.all()),
            ]
    for each in objects:
        assert secrets.find(f"{each!r} {each}") == [], type(each)


def test_every_spelling_is_found() -> None:
    secret = bytes.fromhex("fb ef be 00 27 22 5c 0a 41 7a e9 ff fe 10 9c 3d")
    secrets = Secrets()
    secrets.add("it", secret)
    within = [b"?" * before + secret + b"!" for before in range(5)]
    contents: list[str | bytes] = [
        *within,
        *(octets.hex() for octets in within),
        *(octets.hex().upper() for octets in within),
        *(base64.b64encode(octets).decode() for octets in within),
        *(base64.urlsafe_b64encode(octets).decode() for octets in within),
        *(repr(octets) for octets in within),
        repr(list(secret)),
        json.dumps(list(secret)),
        secret.hex(" "),
        str({"key": secret}),
        secret.hex().encode(),
    ]
    for content in contents:
        assert secrets.find(content) == ["it"], content
    assert secrets.find(secret[:-1] + b"!") == []
