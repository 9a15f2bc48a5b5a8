"""Badly configured keys are reported at start-up, missing ones by processes that cannot do without."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from osgp.devices import checks
from tests.devices.conftest import KEK_1, with_platform
from tests.devices.rsa_keys import write_private, write_public


def complaints() -> dict[str | None, str]:
    return {message.id: message.msg for message in run_checks() if (message.id or "").startswith("osgp.")}


def test_good_keys_are_fine(
    settings: Settings, rsa_key: rsa.RSAPrivateKey, rsa_key_file: Path, tmp_path: Path
) -> None:
    with_platform(settings, RSA_PRIVATE_KEY_FILE=str(rsa_key_file))
    assert complaints() == {}
    with_platform(settings, RSA_PUBLIC_KEY_FILE=str(write_public(rsa_key, tmp_path / "public.pem")))
    assert complaints() == {}


def test_an_embedded_installation_needs_none_and_a_check_makes_none(
    settings: Settings, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    with_platform(settings, KEY_ENCRYPTION_KEYS="", RSA_PRIVATE_KEY_FILE="", LOCAL_SECRETS=True)
    assert complaints() == {}
    assert list(tmp_path.iterdir()) == []


def test_production_is_told_what_is_wrong(settings: Settings) -> None:
    with_platform(
        settings, KEY_ENCRYPTION_KEYS=KEK_1, RSA_PRIVATE_KEY_FILE="/missing", RSA_PUBLIC_KEY_FILE="/missing"
    )
    found = complaints()
    assert set(found) == {"osgp.E001", "osgp.E002", "osgp.E004"}
    assert KEK_1 not in str(found)


def test_a_process_may_have_no_keys_at_all(settings: Settings) -> None:
    with_platform(settings, KEY_ENCRYPTION_KEYS="", RSA_PRIVATE_KEY_FILE="")
    assert complaints() == {}


def test_keys_that_do_not_belong_together(
    settings: Settings, rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    private = [write_private(rsa_key, tmp_path / "1.pem"), write_private(other_rsa_key, tmp_path / "2.pem")]
    public = [write_public(rsa_key, tmp_path / "1.pub"), write_public(other_rsa_key, tmp_path / "2.pub")]
    for order, expected in (((0, 1), set()), ((1, 0), {"osgp.E005"})):
        with_platform(
            settings,
            RSA_PRIVATE_KEY_FILE=",".join(map(str, private)),
            RSA_PUBLIC_KEY_FILE=",".join(str(public[number]) for number in order),
        )
        assert set(complaints()) == expected


@pytest.mark.parametrize(
    ("require", "missing"),
    [
        (checks.require_key_encryption_keys, "KEY_ENCRYPTION_KEYS"),
        (checks.require_secrets, "KEY_ENCRYPTION_KEYS"),
        (checks.require_secrets, "RSA_PRIVATE_KEY_FILE"),
        (checks.require_public_key, "RSA_PRIVATE_KEY_FILE"),
    ],
)
@pytest.mark.parametrize("wrong", ["", "/missing"])
def test_what_a_process_requires(
    settings: Settings, rsa_key_file: Path, require: Callable[[], None], missing: str, wrong: str
) -> None:
    with_platform(settings, RSA_PRIVATE_KEY_FILE=str(rsa_key_file))
    require()
    with_platform(settings, **{missing: wrong})
    # What the web application lacks is the public key; a private one that is there may be the wrong one.
    named = "RSA_PUBLIC_KEY_FILE" if require is checks.require_public_key and not wrong else missing
    with pytest.raises(ImproperlyConfigured, match=f"^OSGP_{named}"):
        require()


def test_a_public_key_is_enough_for_the_web_application_only(
    settings: Settings, rsa_key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    public = write_public(rsa_key, tmp_path / "public.pem")
    with_platform(settings, RSA_PRIVATE_KEY_FILE="", RSA_PUBLIC_KEY_FILE=str(public), LOCAL_SECRETS=True)
    checks.require_public_key()
    with pytest.raises(ImproperlyConfigured, match=r"^OSGP_RSA_PRIVATE_KEY_FILE"):
        checks.require_secrets()
    assert list(tmp_path.iterdir()) == [public]
