"""ProbeMeter against simulated meters that differ: what it proposes, applies, and what that is good for."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.installation.probing.applying import apply_findings
from osgp.protocol_dlms import Meter, MeterAddress
from osgp.requests.models import Action, MeterSession, RequestState
from osgp.simulator import Fleet, Framing, SimulatorThread
from osgp.simulator.quirks import Quirk
from tests import factories, meters
from tests.counters import set_counter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    fleet = Fleet.build(2, "SMR-5.5", framing=[Framing.WRAPPER, Framing.HDLC])
    with SimulatorThread(fleet) as simulator:
        yield simulator


@pytest.fixture
def devices(organisation: Organisation, simulator: SimulatorThread) -> list[Device]:
    """One with the wrapper and one with HDLC, of which nobody has told how to talk to them."""
    found = list(meters.add_meters(organisation, simulator).values())
    Device.objects.update(with_list_max=0, own_settings=None)
    for meter in simulator.meters.values():
        meter.memory.quirks = frozenset()
        meter.memory.rests_until = 0.0
    return found


def probe(organisation: Organisation, device: Device, **parameters: Any) -> Action:
    request = factories.make_request(organisation, device, "ProbeMeter", parameters=parameters)
    meters.visit(device)
    return Action.objects.select_related("request").get(request=request)


def succeed(action: Action) -> dict[str, dict[str, Any]]:
    """The findings of a probe that succeeded, by setting."""
    assert action.request.state == RequestState.SUCCEEDED, action.request.fault
    assert action.result is not None
    return {each["setting"]: each for each in action.result["findings"]}


def proposals(findings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: each["proposed"] for name, each in findings.items() if each["proposed"] is not None}


def give_quirks(simulator: SimulatorThread, device: Device, *quirks: Quirk) -> None:
    simulator.meters[device.identification].memory.quirks = frozenset(quirks)


def count_round_trips(organisation: Organisation, device: Device, message: str, **parameters: Any) -> int:
    """APDUs that a message takes over its association, once all is known that is asked once a day."""
    for _ in range(2):
        request = factories.make_request(organisation, device, message, parameters=parameters)
        session = meters.visit(device)
        request.refresh_from_db()
        assert request.state == RequestState.SUCCEEDED, request.fault
    return MeterSession.objects.get(pk=session).round_trips


def make_intervals() -> dict[str, Any]:
    """Three and a half hours of intervals, not on full hours."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    begin, end = hour - timedelta(hours=5, minutes=-15), hour - timedelta(hours=2, minutes=-45)
    return {"period_type": "INTERVAL", "begin_date": begin.isoformat(), "end_date": end.isoformat()}


@pytest.mark.parametrize("number", [0, 1], ids=["wrapper", "hdlc"])
def test_a_meter_like_the_books(organisation: Organisation, devices: list[Device], number: int) -> None:
    action = probe(organisation, devices[number])
    findings = succeed(action)
    assert proposals(findings) == {"with_list_max": 32}
    assert {*findings} >= {
        "deviation_sign",
        "time_zone",
        "receive_size",
        "scaler_units",
        "profile",
        "range_bounds",
        "range_borders",
        "selective_access",
        "apdu_deadline",
        "connect_deadline",
        "pause_between_connections",
        "counter_object",
    }
    assert ("hdlc_information_size" in findings) is (number == 1)
    assert findings["range_borders"]["value"] == "BOTH"
    assert findings["counter_object"]["value"] == "0-0:43.1.0.255"
    assert "12 of 12 registers" in findings["scaler_units"]["seen"]
    result = action.result
    assert result is not None
    assert result["meter"]["firmware"] == "SIM E-METER 5.5"
    assert abs(result["meter"]["clock_ahead"]) <= 1
    assert result["round_trips"] <= 50
    # Nothing was changed.
    assert result["applied"] == {}
    device = Device.objects.get(pk=devices[number].pk)
    assert (device.own_settings, device.with_list_max, device.selective_access) == (None, 0, True)


@pytest.mark.parametrize(
    ("quirks", "expected"),
    [
        # Seen in the field: lists of more than four attributes are declined with an exception-response.
        ([Quirk.LISTS_OF_FOUR], {"with_list_max": 4}),
        # Green Book 9.3.6: the number of results is that of the attributes; seen in the field: fewer.
        ([Quirk.LISTS_MALFORMED], {"with_list_max": None}),
        # Blue Book 4.3.6: from_value and to_value are included; seen in the field are others.
        ([Quirk.RANGE_EXCLUDES_START], {"range_borders": "END"}),
        ([Quirk.RANGE_EXCLUDES_END], {"range_borders": "START"}),
        ([Quirk.RANGE_EXCLUDES_START, Quirk.RANGE_EXCLUDES_END], {"range_borders": "NEITHER"}),
        ([Quirk.BOUNDS_WITHOUT_DEVIATION], {"range_bounds": "NO_DEVIATION"}),
        ([Quirk.BOUNDS_ON_HOURS], {"range_bounds": "FULL_HOURS", "range_borders": None}),
        (
            [Quirk.BOUNDS_ON_HOURS, Quirk.RANGE_EXCLUDES_START],
            {"range_bounds": "FULL_HOURS", "range_borders": "END"},
        ),
        (
            [Quirk.BOUNDS_ON_HOURS, Quirk.BOUNDS_WITHOUT_DEVIATION],
            {"range_bounds": "NO_DEVIATION_FULL_HOURS"},
        ),
        # Blue Book 4.1.6.1: the deviation counts from local time to UTC; seen in the field: the other way.
        ([Quirk.OPPOSITE_DEVIATION], {"deviation_sign": "OPPOSITE", "range_bounds": None}),
        ([Quirk.NO_DEVIATION, Quirk.NO_CLOCK_STATUS], {"deviation_sign": None}),
        ([Quirk.ALL_COLUMNS_ONLY], {"selective_access": False, "range_bounds": None}),
        # 160 octets have room for 13 descriptors of 10 octets: 8 is the longest list of the ladder.
        ([Quirk.SMALL_RECEIVE_SIZE], {"with_list_max": 8}),
        ([Quirk.RANGE_REFUSED], {"range_bounds": None, "range_borders": None}),
        ([Quirk.OTHER_SCALERS], {"with_list_max": 32}),
        ([Quirk.ROWS_SHUFFLED, Quirk.COLUMNS_REORDERED], {"range_borders": None, "with_list_max": 32}),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_what_is_proposed(
    organisation: Organisation,
    simulator: SimulatorThread,
    devices: list[Device],
    quirks: list[Quirk],
    expected: dict[str, Any],
) -> None:
    give_quirks(simulator, devices[0], *quirks)
    findings = succeed(probe(organisation, devices[0]))
    assert {name: findings[name]["proposed"] for name in expected} == expected


def test_a_pause_that_the_meter_needs(
    organisation: Organisation, simulator: SimulatorThread, devices: list[Device]
) -> None:
    """Seen in the field: for some seconds after a connection none is accepted.

    The first visit of a new meter needs two connections, one of them for the counter, and does not succeed.
    """
    set_counter(None)
    give_quirks(simulator, devices[0], Quirk.PAUSE_NEEDED)
    action = probe(organisation, devices[0])
    assert action.request.state == RequestState.FAILED
    assert action.request.fault is not None
    assert "proposes pause_between_connections" in action.request.fault["message"]
    assert action.partial_result is not None
    [pause] = [
        each for each in action.partial_result["findings"] if each["setting"] == "pause_between_connections"
    ]
    assert pause["proposed"] == 5.0
    apply_findings(devices[0].pk, action.partial_result["findings"])
    again = succeed(probe(organisation, devices[0]))["pause_between_connections"]
    assert (again["current"], again["proposed"]) == (5.0, None)


def test_a_pause_after_the_association(
    organisation: Organisation, simulator: SimulatorThread, devices: list[Device]
) -> None:
    """The counter is known, so the visit needs one connection; the next one has to wait."""
    succeed(probe(organisation, devices[0]))
    give_quirks(simulator, devices[0], Quirk.PAUSE_NEEDED)
    simulator.meters[devices[0].identification].memory.rests_until = 0.0
    findings = succeed(probe(organisation, devices[0]))
    assert findings["pause_between_connections"]["proposed"] == 5.0


def test_it_gives_what_it_proposes_and_readings_need_no_detours(
    organisation: Organisation, simulator: SimulatorThread, devices: list[Device]
) -> None:
    device = devices[0]
    give_quirks(
        simulator,
        device,
        Quirk.LISTS_OF_FOUR,
        Quirk.BOUNDS_WITHOUT_DEVIATION,
        Quirk.RANGE_EXCLUDES_START,
        Quirk.ALL_COLUMNS_ONLY,
    )
    before = count_round_trips(organisation, device, "ActualMeterReads")
    action = probe(organisation, device, apply=True)
    succeed(action)
    assert action.result is not None
    expected = {
        "with_list_max": 4,
        "range_bounds": "NO_DEVIATION",
        "range_borders": "END",
        "selective_access": False,
    }
    assert action.result["applied"] == expected
    device.refresh_from_db()
    assert device.with_list_max == 4
    assert device.own_settings == {"range_bounds": "NO_DEVIATION", "range_borders": "END"}
    assert device.selective_access is False
    # It proposes nothing more.
    assert not proposals(succeed(probe(organisation, device)))
    assert count_round_trips(organisation, device, "ActualMeterReads") < before
    # As if nothing had been learned: what was applied is enough.
    Device.objects.update(knowledge=None, knowledge_checked=None)
    trips = count_round_trips(organisation, device, "PeriodicMeterReads", **make_intervals())
    simulator.meters[device.identification].memory.quirks = frozenset()
    assert trips == count_round_trips(organisation, device, "PeriodicMeterReads", **make_intervals())


def test_other_requests_of_the_visit_are_handed_back(
    organisation: Organisation, devices: list[Device]
) -> None:
    """A probe releases the association to see how soon the next one is taken."""
    device = devices[0]
    probing = factories.make_request(organisation, device, "ProbeMeter", priority=9, effective_priority=9)
    reading = factories.make_request(organisation, device, "ActualMeterReads")
    meters.visit(device)
    for request in (probing, reading):
        request.refresh_from_db()
    assert probing.state == RequestState.SUCCEEDED
    # Handed back: due at once, and no attempt counts.
    assert reading.state in (RequestState.QUEUED, RequestState.RETRYING)
    assert reading.attempts == 0
    meters.visit(device)
    reading.refresh_from_db()
    assert reading.state == RequestState.SUCCEEDED


def test_a_meter_that_is_lost_on_the_way_still_tells_what_came(
    organisation: Organisation, simulator: SimulatorThread, devices: list[Device]
) -> None:
    """Seen in the field: a buffer that ends the connection."""
    device = devices[0]
    give_quirks(simulator, device, Quirk.BUFFER_DROPS)
    simulator.meters[device.identification].memory.buffer_answers = 1
    findings = succeed(probe(organisation, device))
    assert "The connection was lost at it" in findings["range_bounds"]["seen"]
    assert "Was not tried" in findings["with_list_max"]["seen"]
    assert findings["with_list_max"]["proposed"] is None
    assert "12 of 12 registers" in findings["scaler_units"]["seen"]
    assert findings["pause_between_connections"]["value"] == 0.0


def test_a_wrong_logical_device(organisation: Organisation, devices: list[Device]) -> None:
    """SAP assignment (Blue Book 4.4.5, class 17) tells which logical devices there are."""
    device = devices[0]
    own = device.logical_device_address
    Device.objects.filter(pk=device.pk).update(logical_device_address=99)
    action = probe(organisation, device)
    assert action.request.state == RequestState.FAILED
    assert action.partial_result is not None
    [found] = [
        each for each in action.partial_result["findings"] if each["setting"] == "logical_device_address"
    ]
    assert "Logical device 99: no answer" in found["seen"]
    assert (found["current"], found["proposed"]) == (99, own)


@pytest.mark.parametrize("quirks", [(), (Quirk.KEYS_TOLD_BY_EXCEPTION,)], ids=["hangs-up", "exception"])
def test_refused_keys_are_not_repeated(
    organisation: Organisation, simulator: SimulatorThread, devices: list[Device], quirks: tuple[Quirk, ...]
) -> None:
    """Meters lock clients out after a few: beyond what any visit does, only the public client calls, without
    keys."""
    device = devices[0]
    statistics = simulator.meters[device.identification].memory.statistics
    succeed(probe(organisation, device))
    give_quirks(simulator, device, *quirks)
    keystore.store_new(device, {KeyType.E_METER_ENCRYPTION_KEY_UNICAST: bytes(16)})
    keystore.activate(device, [KeyType.E_METER_ENCRYPTION_KEY_UNICAST])
    called: list[int] = []
    connect = Meter.connect

    def note(address: MeterAddress, **options: Any) -> Meter:
        called.append(options.get("client_address", 1))
        return connect(address, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Meter, "connect", note)
        reading = factories.make_request(organisation, device, "ActualMeterReads", bypass_retry=True)
        meters.visit(device)
        usual, called[:] = [*called], []
        action = probe(organisation, device)
    reading.refresh_from_db()
    assert reading.state == action.request.state == RequestState.FAILED
    assert called[: len(usual)] == usual
    assert set(called[len(usual) :]) == {16}
    assert action.partial_result is not None
    assert statistics.authentication_failures <= 4
