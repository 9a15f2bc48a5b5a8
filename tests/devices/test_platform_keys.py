"""The platform's RSA keys: their files, and what is refused of them."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from osgp.devices import platform_keys, transport_keys
from tests.devices.conftest import with_platform
from tests.devices.rsa_keys import encrypt, write_public

KEY = b"sixteen byte key"


@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
@pytest.mark.parametrize(
    "private_format", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_key_files_are_pem_or_der(
    rsa_key: rsa.RSAPrivateKey,
    settings: Settings,
    tmp_path: Path,
    encoding: serialization.Encoding,
    private_format: serialization.PrivateFormat,
) -> None:
    path = tmp_path / "key"
    path.write_bytes(rsa_key.private_bytes(encoding, private_format, serialization.NoEncryption()))
    with_platform(settings, RSA_PRIVATE_KEY_FILE=str(path))
    assert transport_keys.decrypt(encrypt(rsa_key, KEY)) == KEY


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def test_bad_key_files_are_refused(rsa_key: rsa.RSAPrivateKey, settings: Settings) -> None:
    contents = {
        "not a private key": [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----", _pem(rsa_key, b"password")],
        "not an RSA key": [_pem(ec.generate_private_key(ec.SECP256R1()))],
        "1024 bits": [_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))],  # noqa: S505 (refused)
    }
    for complaint, examples in contents.items():
        for content in examples:
            with pytest.raises(ImproperlyConfigured, match=complaint):
                platform_keys.parse_private_key(content, "key.pem")
    for files, complaint in (("missing", "cannot be read"), ("missing,", "A name is missing")):
        with_platform(settings, RSA_PRIVATE_KEY_FILE=files)
        with pytest.raises(ImproperlyConfigured, match=complaint):
            transport_keys.export_public_key()


def test_production_without_a_key_refuses(settings: Settings) -> None:
    with_platform(settings, RSA_PRIVATE_KEY_FILE="")
    with pytest.raises(ImproperlyConfigured):
        transport_keys.export_public_key()


def test_an_embedded_installation_makes_one_key_however_many_ask(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform_keys, "GENERATED_KEY_BITS", 2048)
    settings.VAR_DIR = tmp_path
    with_platform(settings, RSA_PRIVATE_KEY_FILE="", LOCAL_SECRETS=True)
    asked = (str(settings.OSGP["RSA_PRIVATE_KEY_FILE"]), tmp_path, True)
    # Past the cache, as processes that start together would be.
    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(lambda _: platform_keys._load_private.__wrapped__(*asked), range(4)))
    assert len({key.private_numbers() for (key,) in keys}) == 1
    text = transport_keys.encrypt_for_platform(transport_keys.export_public_key(), KEY)
    assert transport_keys.decrypt(text) == KEY
    (kept,) = (tmp_path / "secrets").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
def test_public_key_files_are_pem_or_der(
    rsa_key: rsa.RSAPrivateKey, settings: Settings, tmp_path: Path, encoding: serialization.Encoding
) -> None:
    path = write_public(rsa_key, tmp_path / "key", encoding)
    with_platform(settings, RSA_PRIVATE_KEY_FILE="", RSA_PUBLIC_KEY_FILE=str(path))
    [key] = platform_keys.load_public_keys()
    assert key.public_numbers() == rsa_key.public_key().public_numbers()


def test_bad_public_key_files_are_refused(rsa_key: rsa.RSAPrivateKey, settings: Settings) -> None:
    def make_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
        return key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    contents = {
        "not a public key": [b"", b"garbage", b"-----BEGIN PUBLIC KEY-----", _pem(rsa_key)],
        "not an RSA key": [make_pem(ec.generate_private_key(ec.SECP256R1()))],
        "1024 bits": [make_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))],  # noqa: S505 (refused)
    }
    for complaint, examples in contents.items():
        for content in examples:
            with pytest.raises(ImproperlyConfigured, match=complaint):
                platform_keys.parse_public_key(content, "key.pem")
    with_platform(settings, RSA_PRIVATE_KEY_FILE="", RSA_PUBLIC_KEY_FILE="missing")
    with pytest.raises(ImproperlyConfigured, match="public key file missing cannot be read"):
        transport_keys.export_public_key()
