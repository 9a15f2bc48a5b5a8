"""Keys of the platform for tests, so that nothing is generated below ``var/``."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_django import Settings

from tests.devices.rsa_keys import write_private

KEK_1 = base64.b64encode(bytes(range(32))).decode()
KEK_2 = base64.b64encode(bytes(range(32, 64))).decode()


def with_platform(settings: Settings, **changes: Any) -> None:
    """Change entries of settings.OSGP for one test."""
    settings.OSGP = settings.OSGP | changes


@pytest.fixture(autouse=True)
def _key_encryption_keys(settings: Settings) -> None:
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k1:{KEK_1}", LOCAL_SECRETS=False)


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    """The platform's key pair in tests; small, for speed."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def rsa_key_file(rsa_key: rsa.RSAPrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It as a PEM file."""
    return write_private(rsa_key, tmp_path_factory.mktemp("keys") / "platform.pem")


@pytest.fixture(scope="session")
def other_rsa_key() -> rsa.RSAPrivateKey:
    """The key pair before or after it, of another size."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2560)
