"""Files with sealed keys: who can open them, what is in them, and what is refused."""

import base64
import json
import logging
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import Settings

from osgp.devices import checks, fingerprints, key_escrow
from osgp.devices.key_escrow import EscrowError
from osgp.devices.models import FingerprintKey, KeyType
from osgp.faults import Fault, FaultCode
from tests.devices.conftest import with_platform
from tests.escrow import SecondPlace
from tests.rsa_keys import make_pair

AUTHENTICATION, ENCRYPTION = KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST
SECRETS = {AUTHENTICATION: bytes(range(16)), ENCRYPTION: b"an encryption ky"}
CHANGE = uuid.uuid4()
DEVICE = "E0000000000000001"


@pytest.fixture
def place(db: None, settings: Settings, tmp_path: Path) -> SecondPlace:
    second = SecondPlace(tmp_path)
    second.configure(settings)
    return second


def spell(secret: bytes) -> list[bytes]:
    return [
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        base64.b64encode(secret),
        base64.urlsafe_b64encode(secret),
        repr(secret).encode(),
    ]


def test_only_the_private_key_opens_what_is_written(place: SecondPlace) -> None:
    before = timezone.now()
    key_escrow.keep(DEVICE, CHANGE, SECRETS)
    [path] = place.list_files()
    assert path.parent == place.directory / timezone.now().date().isoformat()
    assert oct(path.stat().st_mode)[-3:] == "600"
    content = path.read_bytes()
    for secret in SECRETS.values():
        assert not any(text in content or text in path.name.encode() for text in spell(secret))
    plain = json.loads(content)
    assert plain["key_types"] == sorted(SECRETS)
    sealed = key_escrow.read(path)
    assert (sealed.device, sealed.change, sealed.name) == (DEVICE, CHANGE, path.stem)
    assert before <= sealed.at <= timezone.now()
    assert sealed.open(place.key) == SECRETS
    with pytest.raises(EscrowError, match="another private key"):
        sealed.open(make_pair("somebody else"))
    assert not any(
        secret.hex() in repr(sealed) or repr(secret) in repr(sealed) for secret in SECRETS.values()
    )


def test_the_same_again_is_one_file_and_other_keys_of_a_change_another(place: SecondPlace) -> None:
    for _ in range(2):
        key_escrow.keep(DEVICE, CHANGE, SECRETS)
    assert place.open_all() == [SECRETS]
    other = SECRETS | {ENCRYPTION: bytes(16)}
    key_escrow.keep(DEVICE, CHANGE, other)
    for _ in range(2):
        key_escrow.mark_active(DEVICE, CHANGE, other)
    [marker] = place.list_files(key_escrow.MARKER)
    active = key_escrow.read(marker.with_suffix(key_escrow.KEYS))
    assert active.open(place.key) == other
    assert len(place.list_files()) == 3


def test_names_tell_no_key_without_the_key_of_the_fingerprints(place: SecondPlace) -> None:
    key_escrow.keep(DEVICE, CHANGE, SECRETS)
    fingerprints.renew()
    key_escrow.keep(DEVICE, CHANGE, SECRETS)
    assert len(place.list_files()) == 2


def change_field(path: Path, name: str, value: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "E0000000000000002"),
        ("change", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("at", datetime(2030, 1, 1, tzinfo=UTC).isoformat()),
        ("key_types", []),
        ("name", "another"),
        ("more", 1),
        ("content_key", base64.b64encode(bytes(256)).decode()),
        ("keys", ""),
        ("keys", base64.b64encode(bytes(100)).decode()),
    ],
)
def test_what_was_changed_does_not_open(place: SecondPlace, name: str, value: Any) -> None:
    key_escrow.keep(DEVICE, CHANGE, SECRETS)
    [path] = place.list_files()
    change_field(path, name, value)
    sealed = key_escrow.read(path)
    with pytest.raises(EscrowError, match="damaged, or was changed"):
        sealed.open(place.key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "osgp key escrow 2"),
        ("device", "E\0"),
        ("device", 1),
        ("change", "none"),
        ("at", "2030-01-01T00:00:00"),
        ("at", None),
        ("keys", "%"),
        ("content_key", 1),
        ("public_key", None),
    ],
)
def test_what_is_no_file_with_keys(place: SecondPlace, name: str, value: Any) -> None:
    key_escrow.keep(DEVICE, CHANGE, SECRETS)
    [path] = place.list_files()
    change_field(path, name, value)
    with pytest.raises(EscrowError):
        key_escrow.read(path)


def test_truncated_and_foreign_files(place: SecondPlace, tmp_path: Path) -> None:
    key_escrow.keep(DEVICE, CHANGE, SECRETS)
    [path] = place.list_files()
    content = path.read_bytes()
    for wrong in (
        b"",
        b"[]",
        b"\xff",
        b"1" * 20_000,
        b"[" * 10_000,
        *(content[:end] for end in range(0, 900, 50)),
    ):
        path.write_bytes(wrong)
        with pytest.raises(EscrowError):
            key_escrow.read(path)


@pytest.mark.parametrize(
    "secrets", [{}, {AUTHENTICATION: b"short"}, {"NO_SUCH_KEY": bytes(16)}], ids=["none", "short", "unknown"]
)
def test_what_others_sealed_is_checked(place: SecondPlace, tmp_path: Path, secrets: Any) -> None:
    path = tmp_path / "x.keys"
    path.write_bytes(key_escrow.seal(place.key.public_key(), "x", DEVICE, CHANGE, timezone.now(), secrets))
    with pytest.raises(EscrowError, match="holds no keys"):
        key_escrow.read(path).open(place.key)


def take_away(place: SecondPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    place.directory.rmdir()


def replace_by_file(place: SecondPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    place.directory.rmdir()
    place.directory.write_text("")


def fill_disk(place: SecondPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("spoil", [take_away, replace_by_file, fill_disk])
def test_what_cannot_be_written(
    place: SecondPlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, spoil: Any
) -> None:
    spoil(place, monkeypatch)
    with pytest.raises(Fault) as info:
        key_escrow.keep(DEVICE, CHANGE, SECRETS)
    assert (info.value.code, info.value.retryable) == (FaultCode.ENCRYPTION_EXCEPTION, True)
    key_escrow.mark_active(DEVICE, CHANGE, SECRETS)
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert all(DEVICE in record.getMessage() for record in caplog.records)
    assert not any(secret.hex() in caplog.text or repr(secret) in caplog.text for secret in SECRETS.values())
    with pytest.raises(ImproperlyConfigured, match=r"^OSGP_KEY_ESCROW_DIRECTORY: cannot write to "):
        checks.require_key_escrow()
    assert not place.directory.is_dir() or place.list_files() == []


def test_names_need_the_key_of_the_fingerprints(place: SecondPlace, caplog: pytest.LogCaptureFixture) -> None:
    fingerprints.load()
    FingerprintKey.objects.update(key_encryption_key_id="lost")
    with pytest.raises(Fault) as info:
        key_escrow.keep(DEVICE, CHANGE, SECRETS)
    assert info.value.code == FaultCode.READING_KEY_EXCEPTION
    key_escrow.mark_active(DEVICE, CHANGE, SECRETS)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_file_is_there_whole_or_not_at_all(place: SecondPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process that dies before the end, a hidden file may stay, which nobody reads."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        steps.append("fsync")
        fsync(descriptor)

    def note_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    key_escrow.keep(DEVICE, CHANGE, SECRETS)
    assert steps == ["fsync", "fsync", "rename", "fsync"]
    [path] = place.list_files()
    (path.parent / ".unfinished.tmp").write_text("{")
    assert list(key_escrow.list_files(place.directory)) == [path]


def test_without_a_second_place_nothing_happens(db: None, tmp_path: Path) -> None:
    key_escrow.keep(DEVICE, CHANGE, SECRETS)
    key_escrow.mark_active(DEVICE, CHANGE, SECRETS)
    checks.require_key_escrow()
    assert not FingerprintKey.objects.exists()


def complaints() -> list[str]:
    return [message.msg for message in run_checks() if message.id == "osgp.E006"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({}, ""),
        ({"KEY_ESCROW_DIRECTORY": ""}, "OSGP_KEY_ESCROW_DIRECTORY is not set"),
        ({"KEY_ESCROW_PUBLIC_KEY_FILE": ""}, "OSGP_KEY_ESCROW_PUBLIC_KEY_FILE is not set"),
        ({"KEY_ESCROW_PUBLIC_KEY_FILE": "/missing"}, "OSGP_KEY_ESCROW_PUBLIC_KEY_FILE: "),
        ({"KEY_ESCROW_PUBLIC_KEY_FILE": __file__}, "OSGP_KEY_ESCROW_PUBLIC_KEY_FILE: "),
    ],
)
def test_both_settings_or_neither(
    place: SecondPlace, settings: Settings, changes: dict[str, str], complaint: str
) -> None:
    with_platform(settings, **changes)
    found = complaints()
    if not complaint:
        assert found == []
        checks.require_key_escrow()
        assert place.list_files() == []
        return
    assert len(found) == 1
    assert found[0].startswith(complaint)
    with pytest.raises(ImproperlyConfigured, match=f"^{complaint}"):
        checks.require_key_escrow()
    with pytest.raises(Fault) as info:
        key_escrow.keep(DEVICE, CHANGE, SECRETS)
    assert info.value.code == FaultCode.ENCRYPTION_EXCEPTION
