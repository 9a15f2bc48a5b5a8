"""Key-encryption keys for tests, so that nothing is generated below ``var/``."""

import base64
from typing import Any

import pytest
from pytest_django import Settings

KEK_1 = base64.b64encode(bytes(range(32))).decode()
KEK_2 = base64.b64encode(bytes(range(32, 64))).decode()


def with_platform(settings: Settings, **changes: Any) -> None:
    """Change entries of settings.OSGP for one test."""
    settings.OSGP = settings.OSGP | changes


@pytest.fixture(autouse=True)
def _key_encryption_keys(settings: Settings) -> None:
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k1:{KEK_1}", LOCAL_SECRETS=False)
