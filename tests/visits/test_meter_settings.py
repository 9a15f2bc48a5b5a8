"""A visit talks to a meter as the settings of the device say, else those of its model or of its profile."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.catalogue.communication import Carrier
from osgp.devices.models import Device, SharedSettings
from osgp.faults import FaultCode
from osgp.processes.stopping import StopRequested, stop
from osgp.protocol_dlms import Line, Meter, MeterAddress, errors
from osgp.requests.models import MeterSession, Request, RequestState
from osgp.requests.work import load_meter
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import pausing
from osgp.visits.dialling import Dialling, make_deadlines
from osgp.visits.pausing import Pause
from osgp.visits.preparing import prepare
from tests import factories, meters
from tests.counters import set_counter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.5")) as simulator:
        yield simulator


@pytest.fixture
def device(organisation: Organisation, simulator: SimulatorThread) -> Device:
    [device] = meters.add_meters(organisation, simulator).values()
    return device


def change(device: Device, **changes: Any) -> None:
    Device.objects.filter(pk=device.pk).update(**changes)


def share(kind: str, name: str, **values: Any) -> None:
    SharedSettings.objects.create(kind=kind, name=name, settings=values)


class Called:
    """The options of each connection, in order; the meter is really called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[MeterAddress] = []
        self.options: list[dict[str, Any]] = []
        connect = Meter.connect

        def note(address: MeterAddress, **options: Any) -> Meter:
            self.addresses.append(address)
            self.options.append(options)
            return connect(address, **options)

        monkeypatch.setattr(Meter, "connect", note)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    return Called(monkeypatch)


def visit(organisation: Organisation, device: Device) -> Request:
    request = factories.make_request(organisation, device, "ActualMeterReads")
    meters.visit(device)
    request.refresh_from_db()
    return request


def test_what_a_device_is_given_reaches_the_meter(
    organisation: Organisation, device: Device, called: Called
) -> None:
    own = {
        "client_system_title": "4142430000000001",
        "connect_deadline": 40.0,
        "apdu_deadline": 90.0,
        "receive_size": 500,
        "hdlc_information_size": 128,
        "hdlc_window": 3,
        "server_lower_address": 17,
        "server_address_length": 4,
    }
    change(device, own_settings=own, with_list_max=7)
    assert visit(organisation, device).state == RequestState.SUCCEEDED
    # Of the counter, and of the association.
    assert len(called.options) == 2
    for address, options in zip(called.addresses, called.options, strict=True):
        assert (address.server_lower_address, address.server_address_length) == (17, 4)
        assert (options["deadlines"].connect, options["deadlines"].apdu) == (40.0, 90.0)
        limits = options["limits"]
        assert (limits.apdu_size, limits.hdlc_information_size, limits.hdlc_window) == (500, 128, 3)
    last = called.options[-1]
    assert last["client_system_title"] == bytes.fromhex("4142430000000001")
    assert last["with_list_max"] == 7


def test_without_any_all_is_standard(organisation: Organisation, device: Device, called: Called) -> None:
    change(device, with_list_max=0)
    assert visit(organisation, device).state == RequestState.SUCCEEDED
    options = called.options[-1]
    assert (options["client_address"], options["with_list_max"]) == (1, 1)
    assert options["limits"].apdu_size == 0xFFFF


def test_device_over_model_over_profile(device: Device) -> None:
    change(device, model="E360", with_list_max=0, own_settings={"receive_size": 300})
    share("MODEL", "E360", receive_size=400, with_list_max=5)
    share("PROFILE", "SMR-5.5", receive_size=500, with_list_max=6, hdlc_window=2, carrier="UDP")
    # Of others:
    share("MODEL", "E350", attempts=9)
    share("PROFILE", "SMR-5.1", attempts=8)
    settings = load_meter(device.pk).settings
    assert (settings.receive_size, settings.with_list_max, settings.hdlc_window) == (300, 5, 2)
    assert settings.carrier is Carrier.UDP
    assert settings.attempts is None
    # With one statement on PostgreSQL, step by step on SQLite:
    assert prepare(device.pk).meter.settings == settings
    assert Dialling.from_prepared(prepare(device.pk)).address.carrier is Carrier.UDP


def test_what_another_release_stored_is_left_out(device: Device) -> None:
    """Two releases run side by side during an upgrade."""
    change(device, own_settings={"colour": 3, "range_bounds": "SOMEHOW", "hdlc_window": 3})
    settings = load_meter(device.pk).settings
    assert (settings.hdlc_window, settings.range_bounds) == (3, None)


def test_a_counter_object_of_its_own(organisation: Organisation, device: Device) -> None:
    """Blue Book 6.2, invocation counter objects: 0-b:43.1.e.255, so there may be several."""
    set_counter(None)
    change(device, own_settings={"counter_object": "0-3:43.1.5.255"})
    request = visit(organisation, device)
    assert request.fault is not None
    assert "0-3:43.1.5.255" in request.fault["message"]
    change(device, own_settings={"counter_object": "0-0:43.1.0.255"})
    assert visit(organisation, device).state == RequestState.SUCCEEDED


def test_the_title_of_the_meter_itself_is_not_used(organisation: Organisation, device: Device) -> None:
    """A title and a counter make the nonce for a key: both sides must not have the same title."""
    assert visit(organisation, device).state == RequestState.SUCCEEDED
    device.refresh_from_db()
    assert device.system_title
    change(device, own_settings={"client_system_title": device.system_title})
    request = visit(organisation, device)
    assert request.state == RequestState.FAILED
    assert request.fault is not None
    assert request.fault["code"] == FaultCode.VALIDATION_ERROR


def test_deadlines_end_with_the_visit(device: Device, settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"VISIT_DEADLINE": timedelta(seconds=50)}
    change(device, own_settings={"connect_deadline": 100, "apdu_deadline": 400})
    deadlines = make_deadlines(load_meter(device.pk).settings)
    assert (deadlines.connect, deadlines.apdu, deadlines.session) == (50.0, 50.0, 50.0)


@pytest.mark.parametrize(("attempts", "state"), [(1, RequestState.FAILED), (5, RequestState.RETRYING)])
def test_attempts_when_the_meter_is_not_reached(
    organisation: Organisation, device: Device, attempts: int, state: str
) -> None:
    change(device, own_settings={"attempts": attempts}, port=1)
    request = factories.make_request(organisation, device, "ActualMeterReads", attempts=attempts - 1)
    if attempts > 1:
        Request.objects.update(attempts=3)  # of 3 that the installation allows
    meters.visit(device)
    request.refresh_from_db()
    assert request.state == state


# --- Pauses -----------------------------------------------------------------------------------------------


def sleeping(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None] = lambda: None) -> list[float]:
    """A clock that advances with each sleep instead of time; what was slept."""
    slept: list[float] = []
    start = time.monotonic()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        then()

    monkeypatch.setattr(pausing.time, "sleep", sleep)
    monkeypatch.setattr(pausing.time, "monotonic", lambda: start + sum(slept))
    return slept


def test_a_pause_between_public_and_management_client(
    organisation: Organisation, device: Device, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen in the field: a meter takes no connection for 3 s after one was closed."""
    set_counter(None)
    change(device, own_settings={"pause_between_connections": 3})
    waited: list[float] = []

    def note(pause: Pause, line: Line) -> None:
        waited.append(max(pause.ends_at - time.monotonic(), 0.0))

    monkeypatch.setattr(Pause, "wait", note)
    assert visit(organisation, device).state == RequestState.SUCCEEDED
    assert len(called.options) == 2
    first, second = waited
    assert first == 0.0
    assert 2.0 < second <= 3.0
    # The next visit begins at once, and needs one connection.
    visit(organisation, device)
    assert 1.0 < waited[2] <= 3.0
    MeterSession.objects.update(closed_at=timezone.now() - timedelta(seconds=4))
    visit(organisation, device)
    assert waited[3] == 0.0


def test_a_pause_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = sleeping(monkeypatch)
    pause = Pause(3.0)
    pause.wait(Line())
    assert not slept
    pause.begin()
    pause.wait(Line())
    assert sum(slept) == pytest.approx(3.0)


def test_a_lost_line_ends_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    line, pause = Line(), Pause(50.0)
    slept = sleeping(monkeypatch, line.hang_up)
    pause.begin()
    with pytest.raises(errors.MeterClosed):
        pause.wait(line)
    assert len(slept) == 1


def test_a_stop_ends_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    pause = Pause(50.0)
    slept = sleeping(monkeypatch, stop.request)
    pause.begin()
    try:
        with pytest.raises(StopRequested):
            pause.wait(Line())
    finally:
        stop.withdraw()
    assert len(slept) == 1


def test_meters_without_pauses_cost_no_query(
    device: Device, django_assert_num_queries: Callable[[int], Any]
) -> None:
    meter = load_meter(device.pk)
    with django_assert_num_queries(0):
        assert pausing.make_pause(meter) == Pause(0.0)
