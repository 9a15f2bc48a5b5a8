"""Badly configured keys are reported at start-up."""

from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from tests.devices.conftest import KEK_1, with_platform


def complaints() -> dict[str | None, str]:
    return {message.id: message.msg for message in run_checks() if (message.id or "").startswith("osgp.")}


def test_good_keys_are_fine(settings: Settings, rsa_key_file: Path) -> None:
    with_platform(settings, RSA_PRIVATE_KEY_FILE=str(rsa_key_file))
    assert complaints() == {}


def test_an_embedded_installation_needs_none_and_a_check_makes_none(
    settings: Settings, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    with_platform(settings, KEY_ENCRYPTION_KEYS="", RSA_PRIVATE_KEY_FILE="", LOCAL_SECRETS=True)
    assert complaints() == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("configured", ["", KEK_1])
def test_production_is_told_what_is_missing(settings: Settings, configured: str) -> None:
    with_platform(settings, KEY_ENCRYPTION_KEYS=configured, RSA_PRIVATE_KEY_FILE=configured and "/missing")
    found = complaints()
    assert set(found) == {"osgp.E001", "osgp.E002"}
    assert KEK_1 not in str(found)
