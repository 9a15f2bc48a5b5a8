"""The platform's keys, and AddDevice bodies encrypted under them."""

from pathlib import Path

import pytest
from pytest_django import Settings

from tests.devices.conftest import KEK_1, with_platform
from tests.devices.conftest import rsa_key as rsa_key
from tests.devices.conftest import rsa_key_file as rsa_key_file


@pytest.fixture(autouse=True)
def _platform_keys(settings: Settings, rsa_key_file: Path) -> None:
    with_platform(
        settings,
        KEY_ENCRYPTION_KEYS=f"k1:{KEK_1}",
        RSA_PRIVATE_KEY_FILE=str(rsa_key_file),
        LOCAL_SECRETS=False,
    )
