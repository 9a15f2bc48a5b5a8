"""Keys under way: what the platform's private key opens, and what is refused with which code."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from django.core.exceptions import ImproperlyConfigured
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from osgp.devices import transport_keys
from osgp.devices.models import KeyType
from osgp.faults import Fault, FaultCode
from tests.devices.conftest import with_platform
from tests.devices.rsa_keys import SHA1, SHA256, encrypt, write_private, write_public

KEY = b"sixteen byte key"
POINTER = "/encryption_key"

per_example = hypothesis_settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def _platform_key(settings: Settings, rsa_key_file: Path) -> None:
    with_platform(settings, RSA_PRIVATE_KEY_FILE=str(rsa_key_file))


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


@pytest.mark.parametrize("length", [16, 32])
def test_a_key_of_zeros_is_a_key(rsa_key: rsa.RSAPrivateKey, length: int) -> None:
    assert transport_keys.decrypt(encrypt(rsa_key, bytes(length))) == bytes(16)


def test_the_zero_prefix_has_16_bytes(rsa_key: rsa.RSAPrivateKey) -> None:
    key = bytes(15) + b"x"
    assert transport_keys.decrypt(encrypt(rsa_key, key)) == key
    assert transport_keys.decrypt(encrypt(rsa_key, bytes(16) + key)) == key


@pytest.mark.parametrize(
    "secret",
    [
        *(b"", b"x" * 15, b"x" * 17, b"x" * 32),
        *(bytes(8) + KEY, bytes(15) + KEY, bytes(17) + KEY, bytes(32) + KEY),
        *(bytes(16) + b"8 octets", bytes(16) + b"x" * 15, bytes(16) + b"x" * 17, bytes(17), bytes(33)),
        KEY + bytes(16),
    ],
)
def test_keys_of_another_length_are_refused_with_802(rsa_key: rsa.RSAPrivateKey, secret: bytes) -> None:
    assert refused(encrypt(rsa_key, secret)) == FaultCode.INVALID_DLMS_KEY_FORMAT


@pytest.mark.parametrize("length", [1, 8, 64])
def test_passwords_have_1_to_64_bytes(rsa_key: rsa.RSAPrivateKey, length: int) -> None:
    text = encrypt(rsa_key, b"p" * length)
    assert transport_keys.decrypt(text, POINTER, KeyType.LLS_PASSWORD) == b"p" * length


@pytest.mark.parametrize("password", [bytes(16) + b"word", bytes(17), bytes(64)])
def test_a_password_loses_no_zeros(rsa_key: rsa.RSAPrivateKey, password: bytes) -> None:
    assert transport_keys.decrypt(encrypt(rsa_key, password), POINTER, KeyType.LLS_PASSWORD) == password


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


def test_keys_of_the_platform_overlap(
    settings: Settings,
    rsa_key: rsa.RSAPrivateKey,
    other_rsa_key: rsa.RSAPrivateKey,
    tmp_path: Path,
) -> None:
    """Before, while and after the platform's key is replaced by one of another size."""
    old, new = (
        write_private(rsa_key, tmp_path / "old.pem"),
        write_private(other_rsa_key, tmp_path / "new.pem"),
    )
    by_old = transport_keys.encrypt_for_platform(transport_keys.export_public_key(), KEY)
    told = []
    for files in ([old], [old, new], [new, old], [new]):
        with_platform(settings, RSA_PRIVATE_KEY_FILE=", ".join(map(str, files)))
        told.append(transport_keys.export_public_key())
        if old in files:
            assert transport_keys.decrypt(by_old, POINTER) == KEY
            transport_keys.check(by_old, POINTER)
        assert transport_keys.decrypt(encrypt(rsa_key if files == [old] else other_rsa_key, KEY)) == KEY
    assert told[0] == told[1] != told[2] == told[3]
    assert refused(by_old) == FaultCode.DECRYPTION_EXCEPTION


def test_keys_of_one_size_overlap_too(
    settings: Settings, rsa_key: rsa.RSAPrivateKey, rsa_key_file: Path, tmp_path: Path
) -> None:
    new = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files = f"{write_private(new, tmp_path / 'new.pem')},{rsa_key_file}"
    with_platform(settings, RSA_PRIVATE_KEY_FILE=files)
    for key in (rsa_key, new):
        assert transport_keys.decrypt(encrypt(key, KEY)) == KEY
    assert refused(encrypt(rsa.generate_private_key(public_exponent=65537, key_size=2048), KEY)) == (
        FaultCode.DECRYPTION_EXCEPTION
    )


@pytest.fixture
def _public_keys_only(
    settings: Settings, rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    files = [write_public(rsa_key, tmp_path / "1.pub"), write_public(other_rsa_key, tmp_path / "2.pub")]
    with_platform(
        settings,
        KEY_ENCRYPTION_KEYS="",
        RSA_PRIVATE_KEY_FILE="",
        RSA_PUBLIC_KEY_FILE=",".join(map(str, files)),
    )


@pytest.mark.usefixtures("_public_keys_only")
def test_without_a_private_key_the_form_is_checked(
    rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey
) -> None:
    pem = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert transport_keys.export_public_key() == pem.decode()
    for text in (encrypt(rsa_key, KEY), encrypt(other_rsa_key, KEY), encrypt(rsa_key, b"too short")):
        transport_keys.check(text, POINTER)
    for text in ("", "AAAA", "A" * 344, encrypt(rsa_key, KEY)[:-4], encrypt(rsa_key, KEY).replace("=", "")):
        with pytest.raises(Fault, match="256 or 320 bytes") as refusal:
            transport_keys.check(text, POINTER)
        assert (refusal.value.code, refusal.value.pointer) == (FaultCode.DECRYPTION_EXCEPTION, POINTER)


@pytest.mark.usefixtures("_public_keys_only")
def test_without_a_private_key_nothing_is_decrypted(rsa_key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ImproperlyConfigured):
        transport_keys.decrypt(encrypt(rsa_key, KEY), POINTER)
