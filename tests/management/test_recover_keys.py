"""recover_keys: what is taken over from the second place, what is left as it is, and what is reported."""

import uuid
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.devices import generations, invocation_counters, key_escrow, keystore
from osgp.devices.invocation_counters import START_OF_NEW_KEY
from osgp.devices.models import Device, DeviceKey, KeyCounter, KeyState, KeyType
from osgp.requests.models import KeyLock, MeterSession
from tests import factories
from tests.devices.new_keys import read_new_keys
from tests.escrow import SecondPlace
from tests.rsa_keys import make_pair as make_rsa_pair

pytestmark = pytest.mark.django_db

AUTHENTICATION, ENCRYPTION = KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST
PAIR = (AUTHENTICATION, ENCRYPTION)
USER_KEY = KeyType.G_METER_ENCRYPTION_KEY
HOUR = timedelta(hours=1)


@pytest.fixture
def place(settings: Settings, tmp_path: Path) -> SecondPlace:
    return SecondPlace(tmp_path)


@pytest.fixture
def device(organisation: Organisation) -> Device:
    """With keys of long ago, as the backup has them."""
    device = factories.make_device(owner=organisation)
    give(device, make_keys(0))
    long_ago()
    return device


def make_keys(number: int) -> dict[KeyType, bytes]:
    return {AUTHENTICATION: bytes([number]) * 16, ENCRYPTION: bytes([number + 128]) * 16}


def give(device: Device, keys: dict[KeyType, bytes], change: uuid.UUID | None = None) -> None:
    keystore.store_new(device, keys, change=change, first_counter=START_OF_NEW_KEY)
    keystore.activate(device, list(keys))


def long_ago() -> None:
    DeviceKey.objects.update(state_changed_at=timezone.now() - 100 * HOUR)


def escrow(
    place: SecondPlace,
    device: Device | str,
    keys: dict[KeyType, bytes],
    hours_ago: int,
    *,
    active: bool = True,
    change: uuid.UUID | None = None,
) -> uuid.UUID:
    """Put a change into the second place, as a visit did so many hours ago."""
    at, change = timezone.now() - hours_ago * HOUR, change or uuid.uuid4()
    name = f"{change}-{uuid.uuid4().hex}"
    folder = place.directory / at.date().isoformat()
    folder.mkdir(exist_ok=True)
    content = key_escrow.seal(place.key.public_key(), name, str(device), change, at, keys)
    (folder / f"{name}{key_escrow.KEYS}").write_bytes(content)
    if active:
        (folder / f"{name}{key_escrow.MARKER}").write_text("")
    return change


def recover(place: SecondPlace, *options: str, private_key: Path | None = None) -> str:
    """Return what it prints, and with it the reason why it fails."""
    out = StringIO()
    try:
        call_command(
            "recover_keys",
            str(place.directory),
            f"--private-key={private_key or place.private_key_file}",
            *options,
            stdout=out,
            stderr=out,
        )
    except CommandError as error:
        out.write(f"failed: {error}")
    return out.getvalue()


def read_active(device: Device) -> dict[KeyType, bytes]:
    return keystore.read_active_keys(device, PAIR)


def list_states(device: Device) -> list[tuple[str, str]]:
    return list(DeviceKey.objects.filter(device=device).order_by("pk").values_list("key_type", "state"))


def test_the_latest_that_was_finished_and_the_latest_after_it(place: SecondPlace, device: Device) -> None:
    for number, hours_ago, active in (
        (1, 9, True),
        (2, 8, False),
        (3, 7, True),
        (4, 6, False),
        (5, 5, False),
    ):
        escrow(place, device, make_keys(number), hours_ago, active=active)
    assert "3 older changes left out." in recover(place)
    assert read_active(device) == make_keys(3)
    assert read_new_keys(device, PAIR) == make_keys(5)
    assert [state for _, state in list_states(device)] == [*["EXPIRED"] * 2, *["ACTIVE"] * 2, *["NEW"] * 2]


def test_again_does_no_harm(place: SecondPlace, device: Device) -> None:
    escrow(place, device, make_keys(1), 2)
    escrow(place, device, make_keys(2), 1, active=False)
    recover(place)
    before = list(DeviceKey.objects.order_by("pk").values()), list(KeyCounter.objects.order_by("pk").values())
    assert recover(place) == "1 devices looked at; 0 older changes left out.\n"
    assert before == (
        list(DeviceKey.objects.order_by("pk").values()),
        list(KeyCounter.objects.order_by("pk").values()),
    )
    assert AuditEntry.objects.filter(event=AuditEvent.KEYS_RECOVERED).count() == 2


def test_later_files_after_a_first_run(place: SecondPlace, device: Device) -> None:
    """A copy of the folder was not complete."""
    escrow(place, device, make_keys(1), 2)
    recover(place)
    escrow(place, device, make_keys(2), 1)
    recover(place)
    assert read_active(device) == make_keys(2)


def test_keys_that_came_back(place: SecondPlace, device: Device) -> None:
    """The meter has the keys that the backup has as EXPIRED."""
    second = uuid.uuid4()
    escrow(place, device, make_keys(1), 3, change=second)
    give(device, make_keys(1), second)
    long_ago()
    escrow(place, device, make_keys(0), 2)
    recover(place)
    assert read_active(device) == make_keys(0)
    assert "0 older" in recover(place)


def test_what_the_database_has_got_since_stays(place: SecondPlace, device: Device) -> None:
    first = escrow(place, device, make_keys(1), 3)
    give(device, make_keys(1), first)
    second = escrow(place, device, make_keys(2), 2)
    give(device, make_keys(2), second)
    give(device, make_keys(3))
    keystore.store_new(device, make_keys(4))
    before = list_states(device)
    assert recover(place) == "1 devices looked at; 0 older changes left out.\n"
    assert list_states(device) == before


def test_newer_keys_of_unknown_origin_stay_active_and_the_meter_decides(
    place: SecondPlace, device: Device
) -> None:
    escrow(place, device, make_keys(1), 2)
    escrow(place, device, make_keys(2), 1, active=False)
    give(device, make_keys(3))
    for _ in range(2):
        assert "1 older" in recover(place)
        assert read_active(device) == make_keys(3)
        assert read_new_keys(device, PAIR) == make_keys(1)


def test_newer_new_keys_are_not_withdrawn(place: SecondPlace, device: Device) -> None:
    escrow(place, device, make_keys(1), 1, active=False)
    keystore.store_new(device, make_keys(2))
    assert "1 older" in recover(place)
    assert read_new_keys(device, PAIR) == make_keys(2)
    give(device, make_keys(3))
    keystore.store_new(device, make_keys(4))
    escrow(place, device, make_keys(5), 1)
    recover(place)
    assert (read_active(device), read_new_keys(device, PAIR)) == (make_keys(3), make_keys(4))


def test_older_new_keys_are_withdrawn(place: SecondPlace, device: Device) -> None:
    keystore.store_new(device, make_keys(1))
    long_ago()
    escrow(place, device, make_keys(2), 2)
    recover(place)
    assert read_active(device) == make_keys(2)
    assert read_new_keys(device, PAIR) == {}
    assert ("E_METER_AUTHENTICATION_KEY", "WITHDRAWN") in list_states(device)


def test_another_attempt_of_a_change_that_is_known(place: SecondPlace, device: Device) -> None:
    """An action makes other keys in each attempt, and they have the name of the action."""
    change = escrow(place, device, make_keys(1), 3, active=False)
    keystore.store_new(device, make_keys(1), change=change)
    long_ago()
    escrow(place, device, make_keys(2), 2, change=change)
    recover(place)
    assert read_active(device) == make_keys(2)
    assert "0 older" in recover(place)


def test_types_of_keys_have_nothing_to_do_with_each_other(
    place: SecondPlace, device: Device, organisation: Organisation
) -> None:
    gas_meter = factories.make_gas_meter(gateway=device, owner=organisation)
    escrow(place, gas_meter, {USER_KEY: bytes(16)}, 3)
    escrow(place, gas_meter, {KeyType.G_METER_OPTICAL_PORT_KEY: bytes(16)}, 2, active=False)
    assert "0 older" in recover(place)
    assert list_states(gas_meter) == [(USER_KEY, "ACTIVE"), ("G_METER_OPTICAL_PORT_KEY", "NEW")]


@pytest.mark.parametrize("active", [True, False])
def test_counters_are_asked_from_the_meter_and_leap(place: SecondPlace, device: Device, active: bool) -> None:
    escrow(place, device, make_keys(1), 10, active=active)
    recover(place)
    state = KeyState.ACTIVE if active else KeyState.NEW
    counter = DeviceKey.objects.get(device=device, key_type=ENCRYPTION, state=state).counter
    assert counter is not None
    seconds = 10 * 3600
    assert START_OF_NEW_KEY + seconds <= (counter.next_value or 0) < START_OF_NEW_KEY + seconds + 60
    assert counter.generation != generations.get_current()
    assert invocation_counters.reserve(counter.pk, 1) is None
    tried = invocation_counters.try_from(counter.pk, 300, 2)
    assert tried.start >= (counter.next_value or 0) + 1_000_000
    invocation_counters.adopt(counter.pk, tried.stop)
    assert invocation_counters.reserve(counter.pk, 1) is not None


def test_a_counter_that_was_there_before_never_goes_down(place: SecondPlace, device: Device) -> None:
    other = factories.make_device("E0000000000000002")
    give(other, make_keys(1))
    KeyCounter.objects.filter(keys__device=other).update(next_value=2_000_000_000)
    escrow(place, device, make_keys(1), 1)
    recover(place)
    counter = DeviceKey.objects.get(device=device, key_type=ENCRYPTION, state=KeyState.ACTIVE).counter
    assert counter is not None
    assert counter.next_value == 2_000_000_000
    assert invocation_counters.try_from(counter.pk, 300, 2).start > 2_001_000_000


def test_a_dry_run_changes_nothing(place: SecondPlace, device: Device) -> None:
    escrow(place, device, make_keys(1), 1)
    before = list_states(device)
    printed = recover(place, "--dry-run")
    assert "are ACTIVE again" in printed
    assert "Nothing was changed." in printed
    assert list_states(device) == before
    assert not AuditEntry.objects.exists()
    assert KeyCounter.objects.count() == 1


def test_audit_entries(place: SecondPlace, device: Device, other_organisation: Organisation) -> None:
    factories.grant(other_organisation, device)
    change = escrow(place, device, make_keys(1), 1)
    recover(place)
    entries = AuditEntry.objects.order_by("organisation_identification")
    assert [entry.organisation_identification for entry in entries] == ["STRANGER", "UTILITY"]
    for entry in entries:
        assert (entry.event, entry.actor) == (AuditEvent.KEYS_RECOVERED, "command line")
        assert (entry.device_identification, entry.details["change"]) == (device.identification, str(change))
        assert entry.details["key_types"] == sorted(PAIR)
        assert datetime.fromisoformat(entry.details["changed_at"]) < timezone.now()
    DeviceAuthorisation.objects.all().delete()
    escrow(place, device, make_keys(2), 0)
    recover(place)
    assert AuditEntry.objects.filter(organisation_identification="").count() == 1


def test_one_device_only(place: SecondPlace, device: Device) -> None:
    other = factories.make_device("E0000000000000002")
    give(other, make_keys(0))
    long_ago()
    for each in (device, other):
        escrow(place, each, make_keys(1), 1)
    recover(place, f"--device={other.identification}")
    assert (read_active(device), read_active(other)) == (make_keys(0), make_keys(1))
    assert "There is no such device" in recover(place, "--device=E9")


def test_what_cannot_be_used_is_reported_and_the_rest_goes_on(
    place: SecondPlace, device: Device, tmp_path: Path
) -> None:
    escrow(place, device, make_keys(1), 3)
    escrow(place, "E9", make_keys(1), 3)
    escrow(place, device, make_keys(2), 2)
    [latest] = [
        path for path in place.list_files(key_escrow.KEYS) if key_escrow.read(path).at > read_time(2.5)
    ]
    latest.write_bytes(latest.read_bytes()[:-20])
    foreign = place.directory / "notes.txt"
    foreign.write_text("bring milk")
    lonely = place.directory / f"{uuid.uuid4()}-0.active"
    lonely.write_text("")
    other = SecondPlace(_make_folder(tmp_path))
    other.key = make_rsa_pair("somebody else")
    escrow(other, device, make_keys(4), 1)
    [of_other] = other.list_files(key_escrow.KEYS)
    moved = of_other.rename(place.directory / of_other.name)
    printed = recover(place)
    for path, why in (
        (latest, "is truncated, damaged, or no file with keys"),
        (foreign, "is truncated, damaged, or no file with keys"),
        (lonely, "the file with its keys is missing"),
        (latest.with_suffix(key_escrow.MARKER), "the file with its keys is missing"),
        (moved, "is sealed for another private key"),
        ("E9", "There is no such device: it was deleted, or added after the backup."),
    ):
        assert f"{path}: {why}\n" in printed
    assert "failed: There were 6 problems." in printed
    assert read_active(device) == make_keys(1)


def read_time(hours_ago: float) -> datetime:
    return timezone.now() - hours_ago * HOUR


def _make_folder(parent: Path) -> Path:
    folder = parent / "other"
    folder.mkdir()
    return folder


def test_keys_that_are_being_changed_are_left_alone(place: SecondPlace, device: Device) -> None:
    now = timezone.now()
    session = MeterSession.objects.create(meter=device, opened_at=now, expires_at=now + HOUR)
    KeyLock.objects.create(device=device, session=session)
    escrow(place, device, make_keys(1), 1)
    assert f"{device.identification}: Keys of the device are being changed" in recover(place)
    assert read_active(device) == make_keys(0)


def test_stored_keys_that_cannot_be_read(place: SecondPlace, device: Device) -> None:
    DeviceKey.objects.update(key_encryption_key_id="lost")
    escrow(place, device, make_keys(1), 1)
    assert "There is no key-encryption key lost." in recover(place)
    assert list_states(device) == [(key_type, "ACTIVE") for key_type in PAIR]


@pytest.mark.parametrize("asked", [True, False])
def test_a_private_key_with_a_passphrase(
    place: SecondPlace, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    escrow(place, device, make_keys(1), 1)
    file = tmp_path / "protected.pem"
    file.write_bytes(
        place.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )

    def say(passphrase: str) -> None:
        if asked:
            monkeypatch.setattr("getpass.getpass", lambda prompt: passphrase)
        else:
            monkeypatch.setenv("OSGP_KEY_ESCROW_PASSPHRASE", passphrase)

    say("wrong")
    printed = recover(place, private_key=file)
    assert printed == f"failed: {file} is not a private key in PEM or DER (PKCS#8) with this password."
    say("open sesame")
    recover(place, private_key=file)
    assert read_active(device) == make_keys(1)


def test_what_is_given_wrongly(place: SecondPlace, tmp_path: Path) -> None:
    assert "failed: /missing: No such file" in recover(place, private_key=Path("/missing"))
    assert "is not a private key" in recover(place, private_key=place.public_key_file)
    place.directory.rmdir()
    assert f"failed: {place.directory} is no folder." in recover(place)
