"""AddDevice where the web application has the platform's public key only, and workers the private one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.devices.transport_keys import encrypt_for_platform
from osgp.faults import FaultCode
from osgp.visits.platform_requests import perform_due
from tests.devices.conftest import with_platform
from tests.devices.rsa_keys import encrypt, write_private, write_public
from tests.installation.bodies import (
    ACTIVE_E_METER_KEYS,
    E_METER_KEYS,
    IDENTIFICATION,
    e_meter,
    encrypted,
    without,
)

URL = "/api/v1/installation/add-device/"


@pytest.fixture
def public_key_file(rsa_key: rsa.RSAPrivateKey, tmp_path: Path) -> Path:
    return write_public(rsa_key, tmp_path / "platform.pub")


@contextmanager
def web_process(settings: Settings, public_key_file: Path) -> Iterator[None]:
    """Within, nothing is there that opens keys."""
    before = settings.OSGP
    with_platform(
        settings, KEY_ENCRYPTION_KEYS="", RSA_PRIVATE_KEY_FILE="", RSA_PUBLIC_KEY_FILE=str(public_key_file)
    )
    try:
        yield
    finally:
        settings.OSGP = before


@pytest.fixture
def posted(api: APIClient, settings: Settings, public_key_file: Path) -> Any:
    """Posts a body to such a web process; the answer."""

    def post(body: dict[str, Any]) -> Any:
        with web_process(settings, public_key_file):
            return api.post(URL, {"device_identification": IDENTIFICATION, **body}, format="json")

    return post


def carry_out(api: APIClient, accepted: Any) -> dict[str, Any]:
    """What a worker makes of a request, as its caller is told."""
    assert accepted.status_code == 202, accepted.json()
    assert perform_due(10) == 1
    answer = api.get(f"{URL}{accepted.json()['correlation_uid']}/").json()
    assert isinstance(answer, dict)
    return answer


def test_a_device_is_added(api: APIClient, posted: Any, settings: Settings, public_key_file: Path) -> None:
    with web_process(settings, public_key_file):
        told = api.get("/api/v1/configuration/public-key/").json()["public_key"]
    assert told == public_key_file.read_text()
    keys = {name: encrypt_for_platform(told, secret) for name, secret in E_METER_KEYS.items()}
    answer = carry_out(api, posted(e_meter({}) | keys))
    assert (answer["status"], answer["fault"]) == ("SUCCEEDED", None)
    device = Device.objects.get(identification=IDENTIFICATION)
    assert keystore.read_active_keys(device, KeyType) == ACTIVE_E_METER_KEYS


@pytest.mark.parametrize("text", ["AAAA", "A" * 343 + "B", "-" * 344])
def test_what_is_no_ciphertext_is_refused_at_once(posted: Any, text: str) -> None:
    answer = posted(e_meter(encryption_key=text))
    assert (answer.status_code, answer.json()["code"]) == (400, FaultCode.DECRYPTION_EXCEPTION)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/encryption_key"]


def test_a_missing_key_is_refused_at_once(posted: Any) -> None:
    answer = posted(without(e_meter(), "encryption_key"))
    assert (answer.status_code, answer.json()["code"]) == (400, FaultCode.KEY_NOT_PRESENT)


def test_what_only_a_worker_can_tell_is_the_final_fault(api: APIClient, posted: Any) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrong = {
        FaultCode.DECRYPTION_EXCEPTION: {"encryption_key": encrypt(stranger, bytes(16))},
        FaultCode.INVALID_DLMS_KEY_FORMAT: encrypted({"encryption_key": bytes(16) + b"8 octets"}),
    }
    for code, key in wrong.items():
        answer = carry_out(api, posted(e_meter() | key))
        assert answer["status"] == "FAILED"
        fault = answer["fault"]
        assert (fault["code"], fault["pointer"], fault["retryable"]) == (code, "/encryption_key", False)
        assert not Device.objects.exists()


def test_what_was_accepted_before_a_rotation_is_carried_out_after_it(
    api: APIClient, posted: Any, settings: Settings, rsa_key_file: Path, tmp_path: Path
) -> None:
    accepted = posted(e_meter())
    new = rsa.generate_private_key(public_exponent=65537, key_size=2560)
    files = f"{write_private(new, tmp_path / 'new.pem')},{rsa_key_file}"
    with_platform(settings, RSA_PRIVATE_KEY_FILE=files)
    assert carry_out(api, accepted)["status"] == "SUCCEEDED"
    device = Device.objects.get(identification=IDENTIFICATION)
    assert keystore.read_active_keys(device, KeyType) == ACTIVE_E_METER_KEYS
