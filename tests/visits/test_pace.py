"""Meters that keep a slot for nothing: learned, visited among slow ones, cut while others wait."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.protocol_dlms import Traffic
from osgp.requests.models import MeterSession, Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import pace
from osgp.visits.leases import LeaseKeeper, keeper
from tests import factories, meters
from tests.requests.operations import registered
from tests.visits.parts import ReadInParts, rows_as_json

pytestmark = pytest.mark.django_db(transaction=True)


class Drip:
    """A peer that accepts each call, and sends the header of a frame octet by octet, never all of it."""

    HEADER = bytes.fromhex("000100010001")

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._stop = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                connection, _ = self._listening.accept()
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            for octet in self.HEADER:
                if self._stop.wait(self._pause):
                    return
                connection.sendall(bytes([octet]))
            self._stop.wait()

    def close(self) -> None:
        self._stop.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture(autouse=True)
def short_times(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=0.6),
        "SLOW_PACE": timedelta(seconds=0.2),
        "SLOW_AFTER": timedelta(seconds=0.3),
    }


@pytest.fixture
def drip() -> Iterator[Drip]:
    peer = Drip(0.1)
    yield peer
    peer.close()


@pytest.fixture
def silent(organisation: Organisation, drip: Drip) -> Device:
    """A meter that never answers as a whole."""
    return factories.make_device(
        owner=organisation, network_address="127.0.0.1", port=drip.port, security="NONE"
    )


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """All slots of this process are in use."""
    monkeypatch.setattr(keeper, "slots", 1)


def ask(owner: Organisation, device: Device, message: str = "SynchronizeTime") -> Request:
    ago = timezone.now() - timedelta(seconds=5)
    return factories.make_request(owner, device, message, due_at=ago)


def test_what_is_slow() -> None:
    assert pace.is_slow(Traffic(), 0.3)
    assert not pace.is_slow(Traffic(), 0.1)
    assert not pace.is_slow(Traffic(round_trips=5), 1.1)
    assert pace.is_slow(Traffic(round_trips=5), 1.3)
    # Octets are progress, too, but a few of them are not.
    assert not pace.is_slow(Traffic(bytes_received=10 * pace.OCTETS_PER_STEP), 2.1)
    assert pace.is_slow(Traffic(bytes_received=100), 0.3)


def test_a_visit_without_progress_gives_its_slot_back_and_counts_no_attempt(
    organisation: Organisation, silent: Device, full: None
) -> None:
    request = ask(organisation, silent)
    session = MeterSession.objects.get(pk=meters.visit(silent))
    request.refresh_from_db()
    silent.refresh_from_db()
    assert (request.state, request.attempts) == (RequestState.RETRYING, 0)
    assert (silent.is_slow, silent.failed_connections) == (True, 0)
    assert session.fault is not None
    assert "others wait" in session.fault["message"]


def test_in_the_lane_of_slow_meters_it_has_its_time_and_attempts(
    organisation: Organisation, silent: Device, full: None
) -> None:
    Device.objects.update(is_slow=True)
    request = ask(organisation, silent)
    meters.visit(silent)
    request.refresh_from_db()
    silent.refresh_from_db()
    assert (request.state, request.attempts) == (RequestState.RETRYING, 1)
    assert (silent.is_slow, silent.failed_connections) == (True, 1)


def test_while_nobody_waits_it_has_its_time_and_is_slow_from_then_on(
    organisation: Organisation, silent: Device
) -> None:
    request = ask(organisation, silent)
    meters.visit(silent)
    request.refresh_from_db()
    silent.refresh_from_db()
    assert (request.attempts, silent.is_slow) == (1, True)


def test_a_peer_that_answers_at_once_with_nothing_is_not_slow(
    organisation: Organisation, silent: Device
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    Device.objects.update(port=port)
    ask(organisation, silent)
    meters.visit(silent)
    silent.refresh_from_db()
    assert (silent.is_slow, silent.failed_connections) == (False, 1)


@pytest.fixture
def device(organisation: Organisation, settings: Settings) -> Iterator[Device]:
    """A good meter."""
    settings.OSGP = settings.OSGP | {"APDU_DEADLINE": timedelta(seconds=30)}
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator, registered(ReadInParts):
        yield next(iter(meters.add_meters(organisation, simulator).values()))
    ReadInParts.asked.clear()
    ReadInParts.hooks.clear()


def test_what_came_before_the_slot_was_given_back_is_kept(
    organisation: Organisation, device: Device, full: None, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"SLOW_AFTER": timedelta(hours=1)}

    def make_slow(**_: Any) -> None:
        settings.OSGP = settings.OSGP | {"SLOW_AFTER": timedelta(0), "SLOW_PACE": timedelta(seconds=1e-6)}
        time.sleep(0.01)

    ReadInParts.hooks[3] = make_slow
    request = ask(organisation, device, "ReadInParts")
    meters.visit(device)
    request.refresh_from_db()
    device.refresh_from_db()
    assert (request.state, request.attempts, device.is_slow) == (RequestState.RETRYING, 0, True)
    action = request.actions.get()
    assert action.partial_result is not None
    assert action.partial_result["rows"] == rows_as_json(0, 1, 2)
    del ReadInParts.hooks[3]
    settings.OSGP = settings.OSGP | {"SLOW_PACE": timedelta(seconds=60)}
    Request.objects.update(in_slow_lane=1)
    later = ask(organisation, device)
    Request.objects.filter(pk=later.pk).update(in_slow_lane=1, due_at=timezone.now() + timedelta(hours=1))
    meters.visit(device)
    request.refresh_from_db()
    device.refresh_from_db()
    later.refresh_from_db()
    assert (request.state, device.is_slow) == (RequestState.SUCCEEDED, False)
    assert later.in_slow_lane == 0, "what waits of a meter that has recovered waits among the others"
    result = request.actions.get().result
    assert result is not None
    assert result["rows"] == rows_as_json(*range(6))


def test_slots_are_in_use_from_three_quarters_on() -> None:
    held = LeaseKeeper()
    assert not held.are_slots_in_use(), "a process that has not said how many it has"
    held.slots = 4
    held._leases = dict.fromkeys(range(2))  # type: ignore[assignment, arg-type]
    assert not held.are_slots_in_use()
    held._leases = dict.fromkeys(range(3))  # type: ignore[assignment, arg-type]
    assert held.are_slots_in_use()
