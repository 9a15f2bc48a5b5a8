"""What visits notice of their meters: counters, keys, and changes of keys that were cut off."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyType
from osgp.protocol_dlms.errors import AccessError
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.simulator.meter.meter import Meter
from osgp.system_notes import announcing
from osgp.system_notes.models import NoteState, SystemNote
from osgp.visits import ending, key_recovery
from tests import factories, meters
from tests.counters import set_counter
from tests.visits.test_key_changes import read, replace
from tests.visits.test_untrusted_counters import move, tell

pytestmark = pytest.mark.django_db(transaction=True)

AUTHENTICATION, ENCRYPTION = KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST
THRESHOLD = 2_000_000_000


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as running:
        yield running


@pytest.fixture
def simulated(simulator: SimulatorThread) -> Meter:
    return next(iter(simulator.meters.values()))


@pytest.fixture
def device(organisation: Organisation, simulator: SimulatorThread) -> Device:
    return next(iter(meters.add_meters(organisation, simulator).values()))


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    kinds: list[str] = []
    monkeypatch.setattr(announcing, "_announcements", [lambda note: kinds.append(note.kind)])
    return kinds


def visited(organisation: Organisation, device: Device, message: str = "SynchronizeTime") -> Request:
    """The outcome of the first attempt of a request of its own."""
    Request.objects.filter(state=RequestState.RETRYING).delete()
    request = factories.make_request(
        organisation, device, message, due_at=timezone.now() - timedelta(seconds=1)
    )
    meters.visit(device)
    request.refresh_from_db()
    return request


def notes() -> dict[str, NoteState]:
    """The state of the latest note of each kind."""
    return {note.kind: note.state for note in SystemNote.objects.order_by("pk")}


def give(device: Device, keys: dict[KeyType, bytes]) -> None:
    keystore.store_new(device, keys)
    keystore.activate(device, list(keys))


# The counter


def test_a_counter_that_reaches_the_threshold(
    organisation: Organisation, device: Device, announced: list[str]
) -> None:
    visited(organisation, device)
    set_counter(THRESHOLD - 1_000, device)
    visited(organisation, device)
    assert notes() == {}
    set_counter(THRESHOLD - 1, device)
    request = visited(organisation, device)
    assert request.state == RequestState.SUCCEEDED
    note = SystemNote.objects.get()
    assert (note.device, note.kind) == (device, "INVOCATION_COUNTER_THRESHOLD_REACHED")
    assert (note.state, note.last_correlation_uid) == (NoteState.OPEN, request.correlation_uid)
    assert "2,000,000,000" in note.text
    assert "GenerateAndReplaceKeys" in note.what_to_do
    # How far others with the same key have counted is nobody's business.
    assert note.details == {"threshold": THRESHOLD}
    visited(organisation, device)
    note.refresh_from_db()
    assert (note.count, announced) == (2, ["INVOCATION_COUNTER_THRESHOLD_REACHED"])


def test_a_new_key_resolves_it(organisation: Organisation, device: Device) -> None:
    visited(organisation, device)
    set_counter(THRESHOLD, device)
    visited(organisation, device)
    # The visit that changes the key ends with the new one.
    assert visited(organisation, device, "GenerateAndReplaceKeys").state == RequestState.SUCCEEDED
    note = SystemNote.objects.get()
    assert (note.state, note.resolved_by) == (NoteState.RESOLVED, "NEW_KEYS")
    visited(organisation, device)
    assert SystemNote.objects.count() == 1


def test_a_threshold_that_is_set(organisation: Organisation, device: Device, settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"INVOCATION_COUNTER_THRESHOLD": 1}
    visited(organisation, device)
    assert notes() == {"INVOCATION_COUNTER_THRESHOLD_REACHED": NoteState.OPEN}


@pytest.mark.parametrize("failed", [0, 1])
def test_most_visits_end_with_the_statements_that_they_had_before(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch, failed: int
) -> None:
    visited(organisation, device)
    Device.objects.update(failed_connections=failed)
    statements: list[str] = []
    store = ending.VisitEnd.store

    def watch(self: ending.VisitEnd) -> None:
        with CaptureQueriesContext(connection) as queries:
            store(self)
        statements.extend(query["sql"] for query in queries)

    monkeypatch.setattr(ending.VisitEnd, "store", watch)
    visited(organisation, device)
    of_notes = [sql for sql in statements if "system_notes" in sql]
    assert len(of_notes) == failed
    if not failed:
        begin_and_commit = 2 if connection.vendor == "sqlite" else 0
        assert len(statements) <= 2 + begin_and_commit


def test_a_counter_that_is_lower_than_ours(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    visited(organisation, device)
    set_counter(9_000, device)
    tell(simulated, 12)
    simulated.faults.switch_on(FaultKind.REFUSE_ASSOCIATION, 1)
    assert visited(organisation, device).state == RequestState.RETRYING
    assert notes() == {"INVOCATION_COUNTER_OUT_OF_STEP": NoteState.OPEN}
    assert SystemNote.objects.get().details == {"code": 808, "name": "ATTEMPT_TO_LOWER_INVOCATION_COUNTER"}
    # The meter lets us in again.
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    note = SystemNote.objects.get()
    assert (note.state, note.resolved_by) == (NoteState.RESOLVED, "SynchronizeTime")


def test_a_claim_that_could_not_be_verified(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    visited(organisation, device)
    move(simulated, 2**32 - 1)
    tell(simulated, 2**32 - 1)
    assert visited(organisation, device).state == RequestState.RETRYING
    note = SystemNote.objects.get()
    assert (note.kind, note.state) == ("INVOCATION_COUNTER_OUT_OF_STEP", NoteState.OPEN)
    assert "SetInvocationCounter" in note.what_to_do


# Keys


def test_keys_that_are_turned_down(
    organisation: Organisation, device: Device, simulated: Meter, announced: list[str]
) -> None:
    visited(organisation, device)
    right = keystore.read_active_keys(device, [AUTHENTICATION])
    give(device, {AUTHENTICATION: b"not the right one"[:16]})
    request = visited(organisation, device)
    assert request.fault is not None
    assert request.fault["code"] == 223
    note = SystemNote.objects.get()
    assert (note.kind, note.state) == ("ASSOCIATION_REFUSED", NoteState.OPEN)
    assert "authentication-failure" in note.text
    assert announced == ["ASSOCIATION_REFUSED"]
    give(device, right)
    assert notes() == {"ASSOCIATION_REFUSED": NoteState.RESOLVED}
    assert visited(organisation, device).state == RequestState.SUCCEEDED


def test_a_proof_that_is_not_the_meters(
    organisation: Organisation, device: Device, simulated: Meter, announced: list[str]
) -> None:
    """The meter may have other keys as well as it may be another meter."""
    visited(organisation, device)
    simulated.faults.switch_on(FaultKind.WRONG_TAG)
    request = visited(organisation, device)
    assert request.fault is not None
    assert (request.state, request.fault["code"]) == (RequestState.FAILED, 230)
    assert notes() == {"ASSOCIATION_REFUSED": NoteState.OPEN}
    assert announced == ["ASSOCIATION_REFUSED"]
    simulated.faults.switch_off()
    visited(organisation, device)
    assert notes() == {"ASSOCIATION_REFUSED": NoteState.RESOLVED}


def test_a_meter_that_refuses_again_and_again_without_a_reason(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    visited(organisation, device)
    simulated.faults.switch_on(FaultKind.REFUSE_ASSOCIATION)
    seen = []
    for _ in range(3):
        visited(organisation, device)
        seen.append(notes())
    assert seen == [{}, {}, {"ASSOCIATION_REFUSED": NoteState.OPEN}]
    simulated.faults.switch_off()
    visited(organisation, device)
    assert notes() == {"ASSOCIATION_REFUSED": NoteState.RESOLVED}


def test_a_key_that_is_missing(organisation: Organisation, device: Device, simulated: Meter) -> None:
    secret = keystore.read_active_keys(device, [AUTHENTICATION])
    DeviceKey.objects.filter(device=device, key_type=AUTHENTICATION).delete()
    assert visited(organisation, device).state == RequestState.FAILED
    note = SystemNote.objects.get()
    assert (note.kind, note.state) == ("KEY_UNAVAILABLE", NoteState.OPEN)
    assert note.details["code"] == 806
    assert "E_METER_AUTHENTICATION_KEY" in note.text
    keystore.store_new(device, secret)
    assert notes() == {"KEY_UNAVAILABLE": NoteState.OPEN}
    keystore.activate(device, [AUTHENTICATION])
    note.refresh_from_db()
    assert (note.state, note.resolved_by) == (NoteState.RESOLVED, "NEW_KEYS")


def test_a_key_that_cannot_be_read(organisation: Organisation, device: Device) -> None:
    DeviceKey.objects.filter(device=device, key_type=ENCRYPTION).update(ciphertext=b"damaged" * 4)
    request = visited(organisation, device)
    assert request.fault is not None
    assert (request.state, request.fault["code"]) == (RequestState.FAILED, 805)
    note = SystemNote.objects.get()
    assert (note.kind, note.details["code"]) == ("KEY_UNAVAILABLE", 805)


@pytest.mark.parametrize("kind", [FaultKind.REFUSE_CONNECTION, FaultKind.HANG, FaultKind.REFUSE_ASSOCIATION])
def test_what_may_pass_is_no_note(
    organisation: Organisation, device: Device, simulated: Meter, settings: Settings, kind: FaultKind
) -> None:
    settings.OSGP = settings.OSGP | {"APDU_DEADLINE": timezone.timedelta(seconds=0.3)}
    visited(organisation, device)
    simulated.faults.switch_on(kind)
    assert visited(organisation, device).state == RequestState.RETRYING
    assert notes() == {}


def test_a_note_that_cannot_be_announced_does_not_keep_a_visit_from_ending(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(note: SystemNote) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(announcing, "_announcements", [fail])
    DeviceKey.objects.filter(device=device, key_type=AUTHENTICATION).delete()
    assert visited(organisation, device).state == RequestState.FAILED
    assert MeterSession.objects.get().state == SessionState.CLOSED
    assert notes() == {}


# Changes of keys


def cut_off(organisation: Organisation, device: Device, simulated: Meter, after: int = 0) -> None:
    """The meter takes a new key, and hangs up before it says so."""
    simulated.faults.switch_on(FaultKind.KEY_SWITCHED_CLOSES, 1, after=after)
    request = replace(organisation, device)
    meters.visit(device)
    request.refresh_from_db()
    assert request.state == RequestState.RETRYING
    assert notes() == {}


def read_again(organisation: Organisation, device: Device) -> None:
    request = read(organisation, device)
    meters.visit(device)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED


@pytest.mark.parametrize("after", [0, 1])
def test_a_change_that_is_finished(
    organisation: Organisation, device: Device, simulated: Meter, announced: list[str], after: int
) -> None:
    visited(organisation, device)
    cut_off(organisation, device, simulated, after)
    read_again(organisation, device)
    note = SystemNote.objects.get()
    assert (note.kind, note.state) == ("KEY_RECOVERY", NoteState.OPEN)
    assert (note.details, note.last_correlation_uid) == ({"outcome": "FINISHED"}, None)
    assert announced == ["KEY_RECOVERY"]


class Refusal(AccessError):
    """What the meter says to a key that it does not take."""

    def __init__(self) -> None:
        super(AccessError, self).__init__("other-reason")


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (1, {"KEY_RECOVERY": NoteState.OPEN}),
        (2, {"KEYS_OF_TWO_CHANGES": NoteState.OPEN}),
    ],
)
def test_a_change_that_is_refused(
    organisation: Organisation,
    device: Device,
    simulated: Meter,
    monkeypatch: pytest.MonkeyPatch,
    refused: int,
    expected: dict[str, NoteState],
) -> None:
    visited(organisation, device)
    cut_off(organisation, device, simulated)
    transfer, calls = key_recovery.transfer, []

    def refuse(*arguments: Any) -> None:
        calls.append(arguments[2])
        if len(calls) <= refused:
            raise Refusal
        transfer(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(key_recovery, "transfer", refuse)
        read_again(organisation, device)
    assert len(calls) == 2
    assert notes() == expected
    if refused == 1:
        assert SystemNote.objects.get().details == {"outcome": "GIVEN_BACK"}
        return
    # The next visit finishes it.
    read_again(organisation, device)
    assert notes() == {"KEYS_OF_TWO_CHANGES": NoteState.RESOLVED, "KEY_RECOVERY": NoteState.OPEN}


def test_a_change_that_cannot_be_finished_for_want_of_the_master_key(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    visited(organisation, device)
    cut_off(organisation, device, simulated)
    DeviceKey.objects.filter(device=device, key_type=KeyType.E_METER_MASTER_KEY).delete()
    read_again(organisation, device)
    note = SystemNote.objects.get()
    assert (note.kind, note.details) == ("KEYS_OF_TWO_CHANGES", {"reason": "NO_MASTER_KEY"})
