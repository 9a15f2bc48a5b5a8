"""Envelope encryption: what was sealed opens in its context only, and keys can be rotated."""

import base64
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from osgp.devices import envelope
from osgp.devices.envelope import KeyEncryptionKeys, UnsealError
from tests.devices.conftest import KEK_1, KEK_2, with_platform

per_example = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@per_example
@given(st.binary(max_size=100), st.binary(max_size=50))
def test_what_was_sealed_opens_again(secret: bytes, context: bytes) -> None:
    sealed = envelope.seal(secret, context)
    assert envelope.unseal(sealed, context) == secret


def test_nothing_repeats_and_nothing_is_plain() -> None:
    secret = b"sixteen byte key"
    first, second = envelope.seal(secret, b"x"), envelope.seal(secret, b"x")
    assert first.wrapped_data_key != second.wrapped_data_key
    assert first.ciphertext[: envelope.NONCE_LENGTH] != second.ciphertext[: envelope.NONCE_LENGTH]
    assert secret not in first.ciphertext + first.wrapped_data_key


def test_another_context_does_not_open_it() -> None:
    sealed = envelope.seal(b"secret", b"device 1")
    with pytest.raises(UnsealError):
        envelope.unseal(sealed, b"device 2")


@per_example
@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    sealed = envelope.seal(b"sixteen byte key", b"context")
    wrapped_length = len(sealed.wrapped_data_key)
    content = bytearray(sealed.wrapped_data_key + sealed.ciphertext)
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    tampered = envelope.SealedSecret("k1", bytes(content[:wrapped_length]), bytes(content[wrapped_length:]))
    with pytest.raises(UnsealError):
        envelope.unseal(tampered, b"context")


@per_example
@given(st.binary(max_size=80), st.binary(max_size=80))
def test_garbage_is_refused(wrapped_data_key: bytes, ciphertext: bytes) -> None:
    with pytest.raises(UnsealError):
        envelope.unseal(envelope.SealedSecret("k1", wrapped_data_key, ciphertext), b"context")


def test_truncated_ciphertext_is_refused() -> None:
    sealed = envelope.seal(b"secret", b"context")
    for length in range(len(sealed.ciphertext)):
        with pytest.raises(UnsealError):
            envelope.unseal(replace(sealed, ciphertext=sealed.ciphertext[:length]), b"context")


def test_keys_are_rotated(settings: Settings) -> None:
    old = envelope.seal(b"secret", b"context")
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2},k1:{KEK_1}")
    assert envelope.seal(b"another", b"context").key_encryption_key_id == "k2"
    assert envelope.unseal(old, b"context") == b"secret"
    rewrapped = envelope.rewrap(old)
    assert rewrapped.key_encryption_key_id == "k2"
    assert rewrapped.ciphertext == old.ciphertext
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k2:{KEK_2}")
    assert envelope.unseal(rewrapped, b"context") == b"secret"
    with pytest.raises(UnsealError, match="k1"):
        envelope.unseal(old, b"context")


def test_another_key_under_the_same_id_does_not_open_it(settings: Settings) -> None:
    sealed = envelope.seal(b"secret", b"context")
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"k1:{KEK_2}")
    with pytest.raises(UnsealError):
        envelope.unseal(sealed, b"context")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (",", "no key-encryption keys"),
        (KEK_1, "Entry 1"),
        ("k1:", "Entry 1"),
        (f"k1:{KEK_1},:{KEK_2}", "Entry 2"),
        (f"{'k' * 33}:{KEK_1}", "Entry 1"),
        (f"a b:{KEK_1}", "Entry 1"),
        (f"k1:{KEK_1},k1:{KEK_2}", "two key-encryption keys k1"),
        ("k1:AAAA*AAA", "not base64"),
        ("k1:ÄÄÄÄ", "not base64"),
        (f"k1:{base64.b64encode(bytes(16)).decode()}", "16 bytes instead of 32"),
    ],
)
def test_bad_configuration_is_named_without_its_key(text: str, complaint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=complaint) as refusal:
        KeyEncryptionKeys.parse(text)
    assert KEK_1 not in str(refusal.value)
    assert "AAAA" not in str(refusal.value)


def test_keys_are_not_shown() -> None:
    keys = KeyEncryptionKeys.parse(f"k1:{KEK_1}")
    sealed = envelope.seal(b"secret", b"context")
    assert str(bytes(range(32))) not in repr(keys)
    assert repr(sealed) == "SealedSecret(key_encryption_key_id='k1')"


def test_production_without_keys_refuses(settings: Settings) -> None:
    with_platform(settings, KEY_ENCRYPTION_KEYS="")
    with pytest.raises(ImproperlyConfigured):
        envelope.seal(b"secret", b"context")


def test_an_embedded_installation_makes_its_own(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    with_platform(settings, KEY_ENCRYPTION_KEYS="", LOCAL_SECRETS=True)
    sealed = envelope.seal(b"secret", b"context")
    envelope._load.cache_clear()  # as another process would find it
    assert envelope.unseal(sealed, b"context") == b"secret"
    (kept,) = (tmp_path / "secrets").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
