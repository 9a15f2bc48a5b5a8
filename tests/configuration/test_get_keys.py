"""GetKeys: keys for the application that asks, under its public key, and for nobody else."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import ApplicationKey, Organisation
from osgp.audit.models import AuditEntry
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyType
from osgp.management.application_keys import register_key, remove_key
from osgp.requests.models import Request
from osgp.visits.platform_requests import perform_due
from tests.factories import grant, make_device, make_token
from tests.rsa_keys import decrypt, make_pair, public_pem

URL = "/api/v1/configuration/get-keys/"
AUTHENTICATION, ENCRYPTION = KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST
SECRETS = {AUTHENTICATION: b"authentication!!", ENCRYPTION: bytes(16)}


@pytest.fixture(autouse=True)
def public_key(organisation: Organisation) -> ApplicationKey:
    return register(organisation)


def register(organisation: Organisation, application: str = "portal", pair: str = "portal") -> ApplicationKey:
    return register_key(organisation, application, public_pem(make_pair(pair)), by="test")[0]


def store(device: Device, secrets: dict[KeyType, bytes]) -> None:
    keystore.store_new(device, secrets)
    keystore.activate(device, list(secrets))


@pytest.fixture
def keyed(device: Device) -> Device:
    store(device, SECRETS)
    return device


def post(api: APIClient, device: Device | str, *types: Any) -> Any:
    identification = device if isinstance(device, str) else device.identification
    return api.post(
        URL, {"device_identification": identification, "secret_types": list(types)}, format="json"
    )


def outcome(api: APIClient, device: Device, *types: KeyType) -> dict[str, Any]:
    answer = post(api, device, *types)
    assert answer.status_code == 202, answer.json()
    assert perform_due(10) == 1
    body: dict[str, Any] = api.get(answer.json()["url"]).json()
    return body


def handed_out() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(event="KEYS_HANDED_OUT").order_by("pk"))


def test_the_application_can_decrypt_its_keys(
    api: APIClient, keyed: Device, public_key: ApplicationKey
) -> None:
    body = outcome(api, keyed, ENCRYPTION, KeyType.E_METER_MASTER_KEY, AUTHENTICATION)
    assert body["status"] == "SUCCEEDED"
    result = body["result"]
    assert result["public_key_fingerprint"] == public_key.fingerprint
    assert [key["secret_type"] for key in result["keys"]] == [
        "E_METER_ENCRYPTION_KEY_UNICAST",
        "E_METER_MASTER_KEY",
        "E_METER_AUTHENTICATION_KEY",
    ]
    encryption, master, authentication = (key["secret_value"] for key in result["keys"])
    assert decrypt(make_pair(), encryption) == SECRETS[ENCRYPTION]
    assert decrypt(make_pair(), authentication) == SECRETS[AUTHENTICATION]
    assert master is None
    [entry] = handed_out()
    assert entry.details == {
        "handed_out": [ENCRYPTION, AUTHENTICATION],
        "absent": ["E_METER_MASTER_KEY"],
        "public_key_fingerprint": public_key.fingerprint,
    }
    assert (entry.organisation_identification, entry.actor) == ("UTILITY", "portal")
    assert entry.device_identification == keyed.identification
    assert str(entry.correlation_uid) == body["correlation_uid"]


def test_only_active_keys_are_handed_out(api: APIClient, keyed: Device) -> None:
    keystore.store_new(keyed, {AUTHENTICATION: b"not in the meter"})
    store(keyed, {ENCRYPTION: b"the second one!!"})
    keys = outcome(api, keyed, AUTHENTICATION, ENCRYPTION)["result"]["keys"]
    values = [decrypt(make_pair(), key["secret_value"]) for key in keys]
    assert values == [SECRETS[AUTHENTICATION], b"the second one!!"]


def test_keys_of_a_gas_meter(api: APIClient, gas_meter: Device) -> None:
    store(gas_meter, {KeyType.G_METER_OPTICAL_PORT_KEY: b"P0" * 8})
    [key] = outcome(api, gas_meter, KeyType.G_METER_OPTICAL_PORT_KEY)["result"]["keys"]
    assert decrypt(make_pair(), key["secret_value"]) == b"P0" * 8


def test_the_public_key_is_that_of_the_application_when_it_is_carried_out(
    api: APIClient, keyed: Device, organisation: Organisation, other_organisation: Organisation
) -> None:
    register(organisation, "other", "other")
    register(other_organisation, "portal", "stranger")
    post(api, keyed, ENCRYPTION)
    replaced = register(organisation, "portal", "new")
    perform_due(10)
    [action] = Request.objects.get().actions.all()
    assert action.result["public_key_fingerprint"] == replaced.fingerprint
    assert decrypt(make_pair("new"), action.result["keys"][0]["secret_value"]) == SECRETS[ENCRYPTION]


@pytest.mark.parametrize(
    ("types", "pointers"),
    [
        ([], ["/secret_types"]),
        ([*KeyType.values[:5]], ["/secret_types"]),
        (["LLS_PASSWORD"], ["/secret_types/0"]),
        (["PPP_PASSWORD", ENCRYPTION, 7], ["/secret_types/0", "/secret_types/2"]),
        ([ENCRYPTION, AUTHENTICATION, ENCRYPTION], ["/secret_types/2"]),
        ([[ENCRYPTION]], ["/secret_types/0"]),
    ],
)
def test_bad_types(api: APIClient, keyed: Device, types: list[Any], pointers: list[str]) -> None:
    answer = post(api, keyed, *types)
    assert (answer.status_code, answer.json()["code"]) == (400, 401)
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert not Request.objects.exists()


def test_an_application_without_a_public_key(
    keyed: Device, organisation: Organisation, client_of: Callable[[str], APIClient]
) -> None:
    answer = post(client_of(make_token(organisation, application="other")), keyed, ENCRYPTION)
    assert (answer.status_code, answer.json()["code"]) == (400, 806)
    assert '"other" of UTILITY' in answer.json()["detail"]
    assert "application_key" in answer.json()["detail"]
    assert not Request.objects.exists()


def test_who_may_not_have_keys(
    keyed: Device, other_organisation: Organisation, client_of: Callable[[str], APIClient]
) -> None:
    register(other_organisation)
    stranger = client_of(make_token(other_organisation))

    def refused() -> tuple[int, int, str]:
        body = post(stranger, keyed, ENCRYPTION).json()
        return body["status"], body["code"], body["errors"][0]["pointer"]

    assert refused() == (404, 201, "/device_identification")
    grant(other_organisation, keyed, *(set(DeviceFunctionGroup) - {DeviceFunctionGroup.OWNER}))
    assert refused() == (403, 301, "/device_identification")
    reader = client_of(make_token(other_organisation, scopes=["read", "monitoring"]))
    assert post(reader, keyed, ENCRYPTION).status_code == 403
    assert not Request.objects.exists()


def test_all_is_checked_again_when_it_is_carried_out(
    api: APIClient, keyed: Device, organisation: Organisation
) -> None:
    for spoil, code in (
        (lambda: remove_key(organisation, "portal", by="test"), 806),
        (lambda: keyed.authorisations.all().delete(), 201),
    ):
        post(api, keyed, ENCRYPTION)
        spoil()
        assert perform_due(10) == 1
        request = Request.objects.latest("pk")
        assert request.fault is not None
        assert (request.state, request.fault["code"]) == ("FAILED", code)
        assert request.attempts == 1
        register(organisation)
    assert not handed_out()


def test_a_key_that_cannot_be_read(api: APIClient, keyed: Device) -> None:
    DeviceKey.objects.filter(key_type=ENCRYPTION).update(ciphertext=bytes(44))
    body = outcome(api, keyed, AUTHENTICATION, ENCRYPTION)
    assert (body["status"], body["fault"]["code"]) == ("FAILED", 805)
    assert not handed_out()


def test_it_is_about_one_device(api: APIClient, keyed: Device) -> None:
    types = {"secret_types": [ENCRYPTION]}
    batch = {"message": "GetKeys", "device_identifications": [keyed.identification], **types}
    answer = api.post("/api/v1/requests/batch/", batch, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/message")
    bundle = {"device_identification": keyed.identification, "actions": [{"message": "GetKeys", **types}]}
    answer = api.post("/api/v1/bundle/", bundle, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/actions/0/message")


def test_the_command_line_is_an_application_of_its_own(
    keyed: Device, organisation: Organisation, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("GetKeys", "--device", keyed.identification, "--parameter", f'secret_types=["{ENCRYPTION}"]')
    with pytest.raises(SystemExit, match="2"):
        call_command("request", *arguments)
    assert '\\"command line\\" of UTILITY' in capsys.readouterr().err
    register(organisation, "command line", "own")
    with pytest.raises(SystemExit, match="3"):
        call_command("request", *arguments)
    assert perform_due(10) == 1
    [action] = Request.objects.get().actions.all()
    assert decrypt(make_pair("own"), action.result["keys"][0]["secret_value"]) == SECRETS[ENCRYPTION]


def test_keys_are_nowhere_in_the_clear(
    api: APIClient, keyed: Device, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(0):
        body = outcome(api, keyed, AUTHENTICATION)
    told = json.dumps([body, [entry.details for entry in handed_out()]]) + caplog.text
    secret = SECRETS[AUTHENTICATION]
    assert secret.hex() not in told.lower()
    assert secret.decode() not in told


def test_a_device_that_does_not_exist(api: APIClient) -> None:
    assert post(api, "E404", ENCRYPTION).status_code == 404
    make_device("E404")
    assert post(api, "E404", ENCRYPTION).status_code == 404
