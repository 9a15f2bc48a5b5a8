"""Bad input of the messages about keys and counters: told at its field however it came, and not kept."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation, User
from osgp.batches.models import Batch
from osgp.devices import keystore, transport_keys
from osgp.devices.models import Device, DeviceKey, KeyType
from osgp.messages.registry import find_operation
from osgp.requests.models import Action, Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter
from tests import factories, meters
from tests.counters import counter_of, set_counter
from tests.devices.rsa_keys import encrypt, write_private, write_public
from tests.rsa_keys import make_pair, public_pem

REPLACE, GENERATE = "ReplaceKeys", "GenerateAndReplaceKeys"
SET_MBUS, BY_CHANNEL = "SetEncryptionKeyExchangeOnGMeter", "SetMbusUserKeyByChannel"
GET, SET_COUNTER = "GetKeys", "SetInvocationCounter"
MASTER, AUTHENTICATION = KeyType.E_METER_MASTER_KEY, KeyType.E_METER_AUTHENTICATION_KEY
ENCRYPTION = KeyType.E_METER_ENCRYPTION_KEY_UNICAST
USER_KEY, DEFAULT_KEY = KeyType.G_METER_ENCRYPTION_KEY, KeyType.G_METER_MASTER_KEY
FIELDS = ("authentication_key", "encryption_key")
COUNTER = 1000


def seal(secret: bytes, pem: str | None = None) -> str:
    return transport_keys.encrypt_for_platform(pem or transport_keys.export_public_key(), secret)


def make_parameters(message: str) -> dict[str, Any]:
    """Good ones."""
    parameters: dict[str, dict[str, Any]] = {
        REPLACE: dict.fromkeys(FIELDS, seal(b"x" * 16)),
        SET_MBUS: {"secret_type": USER_KEY.value},
        BY_CHANNEL: {"channel": 1},
        GET: {"secret_types": [MASTER.value]},
        SET_COUNTER: {"invocation_counter": COUNTER, "reason": "r"},
    }
    return parameters.get(message, {})


def other_rsa_key() -> str:
    """As long as the platform's own."""
    return seal(b"x" * 16, public_pem(make_pair("other", 3072)))


BAD_KEYS: Mapping[str, tuple[int, Any]] = {
    "too short": (802, lambda: seal(b"x" * 15)),
    "too long": (802, lambda: seal(b"x" * 17)),
    "too short behind zeros": (802, lambda: seal(bytes(16) + b"x" * 15)),
    "zeros only": (802, lambda: seal(bytes(32) + b"x")),
    "nothing": (802, lambda: seal(b"")),
    "not base64": (804, lambda: "?" + seal(b"x" * 16)[1:]),
    "in the clear": (804, lambda: (b"x" * 16).hex()),
    "another RSA key": (804, other_rsa_key),
    "another RSA key of another size": (804, lambda: seal(b"x" * 16, public_pem(make_pair("small")))),
    "no text": (401, lambda: 17),
    "empty": (401, lambda: ""),
    "null": (401, lambda: None),
}


def store(device: Device, *key_types: KeyType) -> None:
    keystore.store_new(device, {key_type: f"{key_type:16.16}".encode() for key_type in key_types})
    keystore.activate(device, key_types)


@pytest.fixture
def meter(device: Device) -> Device:
    """A meter with all of its keys, and a known counter."""
    store(device, MASTER, AUTHENTICATION, ENCRYPTION)
    set_counter(COUNTER)
    return device


@pytest.fixture
def gas(meter: Device, gas_meter: Device) -> Device:
    """A gas meter behind it with its keys, known on the M-Bus."""
    gas_meter.mbus_identification_number, gas_meter.mbus_manufacturer = "12056731", "LGB"
    gas_meter.save()
    store(gas_meter, DEFAULT_KEY, USER_KEY)
    return gas_meter


def list_keys() -> list[tuple[Any, ...]]:
    return list(DeviceKey.objects.order_by("pk").values_list("pk", "device", "key_type", "state", "change"))


# --- Ways in ------------------------------------------------------------------------------------------


class Ways:
    """Sends a message in every way there is. Each returns the codes and pointers of the refusal."""

    def __init__(self, api: APIClient, organisation: Organisation) -> None:
        self.api = api
        self.organisation = organisation

    def rest(self, message: str, device: Device, **parameters: Any) -> list[tuple[int, str]]:
        body = {"device_identification": device.identification, **parameters}
        return self._post(f"/api/v1/{path_of(message)}/", body)

    def bundle(self, message: str, device: Device, **parameters: Any) -> list[tuple[int, str]]:
        action = {"message": message, "device_identification": device.identification, **parameters}
        body = {"device_identification": (device.gateway or device).identification, "actions": [action]}
        return self._post("/api/v1/bundle/", body)

    def batch(self, message: str, device: Device, **parameters: Any) -> list[tuple[int, str]]:
        body = {"message": message, "device_identifications": [device.identification], **parameters}
        return self._post("/api/v1/requests/batch/", body)

    def command(self, message: str, device: Device, **parameters: Any) -> list[tuple[int, str]]:
        given = [f"--parameter={name}={json.dumps(value)}" for name, value in parameters.items()]
        errors = io.StringIO()
        with pytest.raises(SystemExit, match="2"):
            call_command("request", message, "--device", device.identification, *given, stderr=errors)
        return list_errors(json.loads(errors.getvalue()))

    def form(self, message: str, device: Device, **parameters: Any) -> dict[str, list[str]]:
        """The errors by field, as people see them."""
        client = Client()
        client.force_login(User.objects.create_superuser("marijke"))
        url = f"{reverse('admin:requests_request_add')}?device={device.pk}&message={message}"
        answer = client.post(url, {"on_behalf_of": self.organisation.pk, **parameters})
        assert answer.status_code == 200
        return {name: list(errors) for name, errors in answer.context["form"].errors.items()}

    def _post(self, path: str, body: dict[str, Any]) -> list[tuple[int, str]]:
        answer = self.api.post(path, body, format="json")
        assert answer.status_code == 400, answer.content
        return list_errors(answer.json())


def list_errors(problem: dict[str, Any]) -> list[tuple[int, str]]:
    return [(problem["code"], error["pointer"]) for error in problem["errors"]]


def path_of(message: str) -> str:
    return str(find_operation(message).derive_path())


@pytest.fixture
def sender(api: APIClient, organisation: Organisation) -> Ways:
    return Ways(api, organisation)


@pytest.fixture
def ways(sender: Ways, meter: Device, gas: Device) -> Iterator[Ways]:
    """For what is refused: nothing of it is stored."""
    keys, counter = list_keys(), counter_of(meter)
    yield sender
    assert (list_keys(), counter_of(meter)) == (keys, counter)
    for model in (Request, Action, Batch):
        assert not model._default_manager.exists()


# --- Values that are wrong in themselves ------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("kind", BAD_KEYS)
def test_a_bad_key(ways: Ways, meter: Device, kind: str, field: str) -> None:
    code, make = BAD_KEYS[kind]
    parameters = dict.fromkeys(FIELDS, seal(b"x" * 16)) | {field: make()}
    assert ways.rest(REPLACE, meter, **parameters) == [(code, f"/{field}")]
    assert ways.command(REPLACE, meter, **parameters) == [(code, f"/{field}")]
    # In a bundle there may be several errors; they share one code.
    assert ways.bundle(REPLACE, meter, **parameters) == [(401, f"/actions/0/{field}")]
    if isinstance(parameters[field], str):
        [(name, [text])] = ways.form(REPLACE, meter, **parameters).items()
        assert (name, f"fault {code}" in text) == (field, code != 401)


@pytest.mark.parametrize("field", FIELDS)
def test_a_key_that_is_missing(ways: Ways, meter: Device, field: str) -> None:
    parameters = dict.fromkeys({*FIELDS} - {field}, seal(b"x" * 16))
    assert ways.rest(REPLACE, meter, **parameters) == [(401, f"/{field}")]
    assert ways.command(REPLACE, meter, **parameters) == [(401, f"/{field}")]
    assert ways.bundle(REPLACE, meter, **parameters) == [(401, f"/actions/0/{field}")]
    assert set(ways.form(REPLACE, meter, **parameters)) == {field}


VALUES: list[tuple[str, dict[str, Any], int, str]] = [
    (GENERATE, {"encryption_key": "x"}, 401, "/encryption_key"),
    (SET_MBUS, {"secret_type": "E_METER_MASTER_KEY"}, 401, "/secret_type"),
    (SET_MBUS, {"secret_type": 5}, 401, "/secret_type"),
    (SET_MBUS, {"close_optical_port": True}, 401, "/close_optical_port"),
    (BY_CHANNEL, {}, 401, "/channel"),
    (BY_CHANNEL, {"channel": 0}, 401, "/channel"),
    (BY_CHANNEL, {"channel": 5}, 401, "/channel"),
    (BY_CHANNEL, {"channel": "one"}, 401, "/channel"),
]
OF_ONE_DEVICE: list[tuple[str, dict[str, Any], int, str]] = [
    (GET, {}, 401, "/secret_types"),
    (GET, {"secret_types": ["LLS_PASSWORD"]}, 401, "/secret_types/0"),
    (GET, {"secret_types": ["E_METER_MASTER_KEY"] * 2}, 401, "/secret_types/1"),
    (SET_COUNTER, {"invocation_counter": COUNTER - 1, "reason": "r"}, 808, "/invocation_counter"),
    (SET_COUNTER, {"invocation_counter": -1, "reason": "r"}, 401, "/invocation_counter"),
    (SET_COUNTER, {"invocation_counter": 2**32, "reason": "r"}, 401, "/invocation_counter"),
    (SET_COUNTER, {"invocation_counter": 1.5, "reason": "r"}, 401, "/invocation_counter"),
    (SET_COUNTER, {"invocation_counter": COUNTER}, 401, "/reason"),
    (SET_COUNTER, {"invocation_counter": COUNTER, "reason": ""}, 401, "/reason"),
]


@pytest.mark.parametrize(("message", "parameters", "code", "pointer"), VALUES + OF_ONE_DEVICE)
def test_bad_values(
    ways: Ways, meter: Device, gas: Device, message: str, parameters: dict[str, Any], code: int, pointer: str
) -> None:
    device = gas if message == SET_MBUS else meter
    assert ways.rest(message, device, **parameters) == [(code, pointer)]
    assert ways.command(message, device, **parameters) == [(code, pointer)]


@pytest.mark.parametrize(("message", "parameters", "code", "pointer"), VALUES)
def test_bad_values_in_bundles(
    ways: Ways, meter: Device, gas: Device, message: str, parameters: dict[str, Any], code: int, pointer: str
) -> None:
    device = gas if message == SET_MBUS else meter
    assert ways.bundle(message, device, **parameters) == [(code, f"/actions/0{pointer}")]


def test_a_low_counter_in_the_form(ways: Ways, meter: Device) -> None:
    [(name, [text])] = ways.form(SET_COUNTER, meter, invocation_counter="999", reason="r").items()
    assert (name, "fault 808" in text) == ("invocation_counter", True)


@pytest.mark.parametrize("message", [REPLACE, GET, SET_COUNTER])
def test_what_is_about_one_device_is_not_sent_to_many(ways: Ways, meter: Device, message: str) -> None:
    parameters = make_parameters(message)
    assert ways.batch(message, meter, **parameters) == [(401, "/message")]
    if message != REPLACE:
        assert ways.bundle(message, meter, **parameters) == [(401, "/actions/0/message")]


# --- Devices that cannot ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "missing"), [(REPLACE, MASTER), (GENERATE, MASTER), (SET_MBUS, DEFAULT_KEY)]
)
def test_a_missing_key(sender: Ways, meter: Device, gas: Device, message: str, missing: KeyType) -> None:
    """In a bundle it fails alone: it is not what the caller wrote that is wrong."""
    device = gas if message == SET_MBUS else meter
    parameters = make_parameters(message)
    DeviceKey.objects.filter(key_type=missing).delete()
    assert sender.rest(message, device, **parameters) == [(806, "/device_identification")]
    assert sender.command(message, device, **parameters) == [(806, "/device_identification")]
    assert f"no active {missing}" in str(sender.form(message, device, **parameters)["__all__"])
    assert not Request.objects.exists()
    read = {"message": "ActualMeterReads"}
    action = {"message": message, "device_identification": device.identification, **parameters}
    body = {"device_identification": meter.identification, "actions": [action, read]}
    answer = sender.api.post("/api/v1/bundle/", body, format="json")
    assert answer.status_code == 202
    first, second = sender.api.get(answer.json()["url"]).json()["responses"]
    assert (first["status"], first["fault"]["code"], second["status"]) == ("FAILED", 806, "QUEUED")


@pytest.mark.parametrize(
    ("version", "secret_type", "pointer"),
    [
        ("DSMR 2.2", USER_KEY, "/device_identification"),
        ("DSMR 4.2.2", KeyType.G_METER_OPTICAL_PORT_KEY, "/secret_type"),
        ("DSMR 4.2.2", KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY, "/secret_type"),
    ],
)
def test_what_the_profile_lacks(
    ways: Ways, meter: Device, gas: Device, version: str, secret_type: KeyType, pointer: str
) -> None:
    name, number = version.split()
    Device.objects.update(protocol_name=name, protocol_version=number)
    assert ways.rest(SET_MBUS, gas, secret_type=secret_type.value) == [(416, pointer)]
    assert ways.command(SET_MBUS, gas, secret_type=secret_type.value) == [(416, pointer)]


@pytest.mark.parametrize("message", [REPLACE, GENERATE, BY_CHANNEL, SET_COUNTER])
def test_messages_for_electricity_meters(ways: Ways, gas: Device, message: str) -> None:
    parameters = make_parameters(message)
    assert ways.rest(message, gas, **parameters) == [(401, "/device_identification")]
    assert ways.command(message, gas, **parameters) == [(401, "/device_identification")]


# --- What only a worker can tell ----------------------------------------------------------------------------


@pytest.fixture
def simulator(transactional_db: None) -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1", gas_meters=1)) as simulator:
        yield simulator


@pytest.fixture
def simulated(simulator: SimulatorThread) -> Meter:
    [simulated] = simulator.meters.values()
    return simulated


@pytest.fixture
def devices(simulator: SimulatorThread, organisation: Organisation) -> list[Device]:
    """The simulated meter and the gas meter behind it."""
    return list(meters.add_meters(organisation, simulator).values())


def visit_in_vain(device: Device, code: int, keys: list[tuple[Any, ...]], simulated: Meter) -> str:
    """The request fails at once and for good, no key is stored, the meter is not asked to do anything."""
    meters.visit(device)
    request = Request.objects.get()
    assert request.fault is not None
    assert (request.state, request.attempts, request.fault["code"]) == (RequestState.FAILED, 1, code)
    assert list_keys() == keys
    statistics = simulated.memory.statistics
    # The proof of an association is the one action.
    assert (statistics.actions, statistics.sets) == (statistics.associations, 0)
    return str(request.fault["message"])


@pytest.mark.parametrize("kind", ["too short", "too short behind zeros", "another RSA key"])
def test_a_web_application_without_the_private_key(
    api: APIClient,
    devices: list[Device],
    simulated: Meter,
    settings: Settings,
    tmp_path: Path,
    kind: str,
) -> None:
    """It accepts what it cannot read; the worker that can then tells what is wrong."""
    pair = make_pair("platform")
    public, private = write_public(pair, tmp_path / "public"), write_private(pair, tmp_path / "private")
    secret = {"too short": b"x" * 15, "too short behind zeros": bytes(16) + b"x" * 15}.get(kind, b"x" * 16)
    bad = encrypt(make_pair() if kind == "another RSA key" else pair, secret)
    settings.OSGP = settings.OSGP | {"RSA_PUBLIC_KEY_FILE": str(public), "RSA_PRIVATE_KEY_FILE": ""}
    body = {
        "device_identification": devices[0].identification,
        "authentication_key": encrypt(pair, b"x" * 16),
        "encryption_key": "no ciphertext",
    }
    answer = api.post("/api/v1/configuration/replace-keys/", body, format="json")
    assert list_errors(answer.json()) == [(804, "/encryption_key")]
    keys = list_keys()
    answer = api.post("/api/v1/configuration/replace-keys/", body | {"encryption_key": bad}, format="json")
    assert answer.status_code == 202
    settings.OSGP = settings.OSGP | {"RSA_PRIVATE_KEY_FILE": str(private)}
    code = 804 if kind == "another RSA key" else 802
    text = visit_in_vain(devices[0], code, keys, simulated)
    assert "encryption_key" in text or str(ENCRYPTION) in text
    fault = Request.objects.get().fault
    assert fault is not None
    assert fault["pointer"] == "/encryption_key"
    assert (
        simulated.key(KeyName.ENCRYPTION) == keystore.read_active_keys(devices[0], [ENCRYPTION])[ENCRYPTION]
    )


@pytest.mark.parametrize(
    ("message", "damaged", "code"),
    [
        (REPLACE, MASTER, 805),
        (GENERATE, MASTER, 805),
        (GENERATE, ENCRYPTION, 805),
        (SET_MBUS, DEFAULT_KEY, 805),
        (BY_CHANNEL, DEFAULT_KEY, 805),
        (BY_CHANNEL, None, 806),
    ],
)
def test_a_stored_key_that_is_damaged_or_gone(
    organisation: Organisation,
    devices: list[Device],
    simulated: Meter,
    message: str,
    damaged: KeyType | None,
    code: int,
) -> None:
    parameters = make_parameters(message)
    if damaged is None:
        DeviceKey.objects.filter(key_type=DEFAULT_KEY).delete()
    else:
        DeviceKey.objects.filter(key_type=damaged).update(ciphertext=bytes(44))
    keys = list_keys()
    factories.make_request(
        organisation, devices[1 if message == SET_MBUS else 0], message, parameters=parameters
    )
    text = visit_in_vain(devices[0], code, keys, simulated)
    assert str(damaged or DEFAULT_KEY) in text
