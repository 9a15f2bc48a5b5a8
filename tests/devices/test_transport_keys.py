"""Keys under way: what the platform's private key opens, and what is refused with which code."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from django.core.exceptions import ImproperlyConfigured
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from osgp.devices import platform_keys, transport_keys
from osgp.devices.models import KeyType
from osgp.faults import Fault, FaultCode
from tests.devices.conftest import with_platform

KEY = b"sixteen byte key"
POINTER = "/encryption_key"
SHA1, SHA256 = hashes.SHA1(), hashes.SHA256()  # noqa: S303 (what callers of the reference platform use)

per_example = hypothesis_settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def _platform_key(settings: Settings, rsa_key_file: Path) -> None:
    with_platform(settings, RSA_PRIVATE_KEY_FILE=str(rsa_key_file))


def encrypt(
    key: rsa.RSAPrivateKey,
    secret: bytes,
    digest: hashes.HashAlgorithm | None = None,
    mask_digest: hashes.HashAlgorithm | None = None,
) -> str:
    """RSA-OAEP as callers do it; SHA-1 for both digests unless told."""
    scheme = padding.OAEP(padding.MGF1(mask_digest or SHA1), digest or SHA1, None)
    return base64.b64encode(key.public_key().encrypt(secret, scheme)).decode()


def refused(text: str, key_type: KeyType | None = None) -> FaultCode:
    with pytest.raises(Fault) as refusal:
        transport_keys.decrypt(text, POINTER, key_type)
    assert refusal.value.pointer == POINTER
    return refusal.value.code


@per_example
@given(st.binary(min_size=16, max_size=16))
def test_what_a_caller_encrypts_the_platform_reads(secret: bytes) -> None:
    text = transport_keys.encrypt_for_platform(transport_keys.export_public_key(), secret)
    assert transport_keys.decrypt(text, POINTER) == secret


@pytest.mark.parametrize(
    ("digest", "mask_digest"),
    [
        (SHA1, SHA1),
        (SHA256, SHA256),
        (SHA256, SHA1),
    ],
)
def test_three_ways_of_oaep(
    rsa_key: rsa.RSAPrivateKey, digest: hashes.HashAlgorithm, mask_digest: hashes.HashAlgorithm
) -> None:
    assert transport_keys.decrypt(encrypt(rsa_key, KEY, digest, mask_digest), POINTER) == KEY


def test_a_zero_prefix_is_taken_off(rsa_key: rsa.RSAPrivateKey) -> None:
    assert transport_keys.decrypt(encrypt(rsa_key, bytes(16) + KEY)) == KEY


def test_a_key_of_zeros_stays_what_it_is(rsa_key: rsa.RSAPrivateKey) -> None:
    assert transport_keys.decrypt(encrypt(rsa_key, bytes(16))) == bytes(16)


@pytest.mark.parametrize("secret", [b"", b"x" * 15, b"x" * 17, b"x" * 32, bytes(16) + b"x" * 15, bytes(17)])
def test_keys_of_another_length_are_refused_with_802(rsa_key: rsa.RSAPrivateKey, secret: bytes) -> None:
    assert refused(encrypt(rsa_key, secret)) == FaultCode.INVALID_DLMS_KEY_FORMAT


@pytest.mark.parametrize("length", [1, 8, 64])
def test_passwords_have_1_to_64_bytes(rsa_key: rsa.RSAPrivateKey, length: int) -> None:
    text = encrypt(rsa_key, b"p" * length)
    assert transport_keys.decrypt(text, POINTER, KeyType.LLS_PASSWORD) == b"p" * length


@pytest.mark.parametrize("length", [0, 65])
def test_other_passwords_are_refused_with_802(rsa_key: rsa.RSAPrivateKey, length: int) -> None:
    code = refused(encrypt(rsa_key, b"p" * length), KeyType.LLS_PASSWORD)
    assert code == FaultCode.INVALID_DLMS_KEY_FORMAT


def test_what_was_encrypted_for_others_is_refused_with_804() -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert refused(encrypt(stranger, KEY)) == FaultCode.DECRYPTION_EXCEPTION


def test_pkcs1_padding_is_refused_with_804(rsa_key: rsa.RSAPrivateKey) -> None:
    text = base64.b64encode(rsa_key.public_key().encrypt(KEY, padding.PKCS1v15())).decode()
    assert refused(text) == FaultCode.DECRYPTION_EXCEPTION


@per_example
@given(
    st.one_of(
        st.text(max_size=400),
        st.binary(min_size=256, max_size=256).map(lambda b: base64.b64encode(b).decode()),
    )
)
def test_garbage_is_refused_with_804(text: str) -> None:
    assert refused(text) == FaultCode.DECRYPTION_EXCEPTION


@pytest.mark.parametrize(
    "change", ["newline", "space", "urlsafe", "hexadecimal", "doubled", "unpadded", "large"]
)
def test_base64_is_strict(rsa_key: rsa.RSAPrivateKey, change: str) -> None:
    good = encrypt(rsa_key, KEY)
    text = {
        "newline": good + "\n",
        "space": good[:100] + " " + good[101:],
        "urlsafe": "-_" + good[2:],
        "hexadecimal": base64.b64decode(good).hex(),
        "doubled": good + good,
        "unpadded": good.rstrip("="),
        "large": "A" * 10_000_000,
    }[change]
    assert refused(text) == FaultCode.DECRYPTION_EXCEPTION


def test_refusals_show_no_secret(rsa_key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(Fault) as refusal:
        transport_keys.decrypt(encrypt(rsa_key, b"fifteen bytes.."), POINTER)
    assert "fifteen" not in f"{refusal.value!r} {refusal.value.as_dict()}"


def test_a_key_for_the_platform_needs_an_rsa_key() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = elliptic.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for text in (pem.decode(), "no key", ""):
        with pytest.raises(ValueError):
            transport_keys.encrypt_for_platform(text, KEY)


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


def test_bad_key_files_are_refused(rsa_key: rsa.RSAPrivateKey, settings: Settings, tmp_path: Path) -> None:
    contents = {
        "not a private key": [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----", _pem(rsa_key, b"password")],
        "not an RSA key": [_pem(ec.generate_private_key(ec.SECP256R1()))],
        "1024 bits": [_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))],  # noqa: S505 (refused)
    }
    for complaint, examples in contents.items():
        for content in examples:
            with pytest.raises(ImproperlyConfigured, match=complaint):
                platform_keys.parse_private_key(content, "key.pem")
    with_platform(settings, RSA_PRIVATE_KEY_FILE=str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
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
