"""The HTTP interface, over a real socket."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import Behaviour, CounterAtKeyChange, Fleet, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType, encode
from osgp.simulator.codec.mbus_keys import make_fixed_field
from osgp.simulator.http_bodies import MAXIMUM_BODY
from osgp.simulator.meter.identity import KeyName, manufacturer_id
from osgp.simulator.nonces import make_key_id

from .client import CLIENT_TITLE, Closed, connected
from .key_changes import mbus_method, sent_data, wrap_gcm

COUNTER = AttributeDescriptor(1, bytes((0, 0, 43, 1, 0, 255)), 2)
ALARM_FILTER = AttributeDescriptor(1, bytes((0, 0, 97, 98, 10, 255)), 2)
METER = "/meters/SIME0000000000001"
FILTER = METER + "/attributes/1/0-0:97.98.10.255/2"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A simulator with the interface."""
    with SimulatorThread(Fleet.build(3, gas_meters=1), http_port=0) as running:
        yield running


@pytest.fixture
def call(simulator: SimulatorThread) -> Any:
    """Calls the interface: status and document."""

    def caller(
        method: str, path: str, document: Any = None, body: bytes | None = None, port: int | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port or simulator.http_port, timeout=60)
        octets = body if body is not None else json.dumps(document).encode() if document is not None else None
        connection.request(method, path, octets)
        response = connection.getresponse()
        answered = response.read()
        connection.close()
        return response.status, json.loads(answered) if answered.startswith((b"{", b"[")) else None

    return caller


def test_meters_are_listed_by_the_page(simulator, call) -> None:
    status, page = call("GET", "/meters?offset=1&limit=1")
    assert status == 200
    assert page["count"] == 3
    assert [each["identification"] for each in page["results"]] == ["SIME0000000000002"]
    assert page["results"][0]["port"] == simulator.port
    assert call("GET", "/meters?limit=many")[0] == 400
    assert len(call("GET", "/meters?offset=-1&limit=1000000")[1]["results"]) == 3


def test_a_meter_tells_what_happened_to_it(simulator, call) -> None:
    with connected(simulator, simulator.meters["SIME0000000000001"]) as client:
        client.associate()
        highest = client.counter - 1
    status, meter = call("GET", METER)
    assert status == 200
    assert meter["statistics"]["associations"] >= 1
    assert meter["highest_invocation_counter"] == highest
    assert meter["repeated_invocation_counters"] == []
    assert meter["gas_meters"] == ["SIMG0000000000011"]
    assert call("GET", "/meters/SIME9999999999999")[0] == 404


def test_attributes_are_read_set_and_forgotten(simulator, call) -> None:
    assert call("GET", FILTER) == (200, {"type": "double-long-unsigned", "value": 0})
    assert call("PUT", FILTER, {"type": "double-long-unsigned", "value": 77}) == (204, None)
    with connected(simulator, simulator.meters["SIME0000000000001"]) as client:
        client.associate()
        assert client.get(ALARM_FILTER).value == 77
    assert call("DELETE", FILTER) == (204, None)
    assert call("GET", FILTER)[1]["value"] == 0


def test_access_rights_do_not_apply_but_types_do(call) -> None:
    energy = METER + "/attributes/3/1.0.1.8.0.255/2"
    assert call("PUT", energy, {"type": "double-long-unsigned", "value": 123}) == (204, None)
    assert call("GET", energy)[1]["value"] == 123
    assert call("PUT", energy, {"type": "long-unsigned", "value": 5}) == (409, {"detail": "TYPE_UNMATCHED"})
    assert call("GET", METER + "/attributes/3/1-0:99.99.9.255/2") == (404, {"detail": "OBJECT_UNDEFINED"})
    assert call("GET", METER + "/attributes/3/energy/2")[0] == 404


@pytest.mark.parametrize(
    "document",
    [
        5,
        {"type": "number", "value": 5},
        {"type": ["unsigned"], "value": 5},
        {"type": "double-long-unsigned", "value": -1},
        {"type": "double-long-unsigned", "value": True},
        {"type": "double-long-unsigned", "value": "5"},
        {"type": "octet-string", "value": "xyz"},
        {"type": "array", "value": 5},
        {"type": "double-long-unsigned", "value": 1, "unit": "V"},
    ],
)
def test_what_is_no_data_is_refused(call, document) -> None:
    assert call("PUT", FILTER, document)[0] == 422


ARRAYS = {
    "capture definition of an M-Bus client": "72/0-1:24.1.0.255/3",
    "images to activate": "18/0-0:44.0.0.255/7",
    "scripts": "9/0-0:10.0.100.255/2",
    "days of the active calendar": "20/0-0:13.0.0.255/5",
    "rows": "7/1-0:99.1.0.255/2",
}
"""Arrays that no client sets, mostly of undeclared shape."""


@pytest.mark.parametrize("path", ARRAYS.values(), ids=list(ARRAYS))
@pytest.mark.parametrize(
    ("element", "detail"),
    [
        ('{"type": "float32", "value": 1e300}', "1e+300 is no float32"),
        ('{"type": "float64", "value": %s}' % ("9" * 400), f"{'9' * 40} is no float64"),
        ('{"type": "float64", "value": NaN}', "the value of float64 is no number of JSON"),
        ('{"type": "float32", "value": -Infinity}', "the value of float32 is no number of JSON"),
        ('{"type": "long", "value": 40000}', "40000 is no long"),
        ('{"type": "date-time", "value": "00"}', "date-time takes 12 octets"),
        ('{"type": "bit-string", "value": "2"}', None),
        ('{"type": "utf8-string", "value": "\\ud800"}', None),
    ],
)
def test_an_element_that_is_no_data_is_refused(call, path: str, element: str, detail: str | None) -> None:
    body = b'{"type": "array", "value": [%s]}' % element.encode()
    status, answer = call("PUT", f"{METER}/attributes/{path}", body=body)
    assert status == 422
    assert detail is None or answer["detail"] == detail


@pytest.mark.parametrize("path", ARRAYS.values(), ids=list(ARRAYS))
def test_an_array_of_any_shape_is_kept_or_refused(call, path: str) -> None:
    path = f"{METER}/attributes/{path}"
    unsigned = {"type": "unsigned", "value": 1}
    for elements in ([], [unsigned], [{"type": "null-data"}], [{"type": "structure", "value": [unsigned]}]):
        document = {"type": "array", "value": elements}
        status, answer = call("PUT", path, document)
        if status != 204:
            assert (status, answer) == (409, {"detail": "TYPE_UNMATCHED"})
        else:
            assert call("GET", path)[0] == 200
    assert call("DELETE", path)[0] == 204


def test_floats_that_json_does_not_have_are_shown_without_value(simulator, call) -> None:
    meter = simulator.meters["SIME0000000000001"]
    path = "9/0-0:10.0.100.255/2"
    descriptor = AttributeDescriptor(9, bytes((0, 0, 10, 0, 100, 255)), 2)
    meter.set(descriptor, encode(Data(DataType.ARRAY, (Data(DataType.FLOAT32, float("nan")),))))
    status, shown = call("GET", f"{METER}/attributes/{path}")
    assert (status, shown["value"]) == (200, [{"type": "float32", "value": None}])
    meter.forget(descriptor)


def test_bodies_are_bounded_and_must_be_json(call) -> None:
    assert call("PUT", FILTER, body=b"{" * 10)[0] == 400
    assert call("PUT", FILTER, body=b"[" * MAXIMUM_BODY)[0] == 400
    assert call("PUT", FILTER, body=b"\xff\xfe")[0] == 400
    assert call("PUT", FILTER, body=b"9" * 5_000)[0] == 400
    assert call("PUT", FILTER, body=b" " * (MAXIMUM_BODY + 1))[0] == 413
    nested: Any = {"type": "unsigned", "value": 1}
    for _ in range(30):
        nested = {"type": "array", "value": [nested]}
    assert call("PUT", FILTER, nested)[0] == 422


def test_faults_are_switched_on_and_off(simulator, call) -> None:
    faults = METER + "/faults"
    on = {"kind": "hang", "exchanges": 2, "after": 3}
    assert call("POST", faults, on) == (201, [on])
    assert call("POST", faults, {"kind": "garbage"})[0] == 201
    assert call("DELETE", faults + "?kind=hang")[0] == 204
    assert call("GET", faults) == (200, [{"kind": "garbage", "exchanges": None}])
    assert call("DELETE", faults)[0] == 204
    assert simulator.meters["SIME0000000000001"].faults.as_list() == []
    for wrong in (
        {"kind": "sulk"},
        {},
        5,
        {"kind": "hang", "exchanges": 0},
        {"kind": "hang", "exchanges": "x"},
        {"kind": "hang", "exchanges": True},
        {"kind": "hang", "after": -1},
        {"kind": "hang", "after": None},
        {"kind": "hang", "exchanges": 10**400},
    ):
        assert call("POST", faults, wrong)[0] == 422
    assert call("DELETE", faults + "?kind=sulk")[0] == 422


def test_behaviour_is_changed_for_one_meter(simulator, call) -> None:
    path = METER + "/behaviour"
    meter = simulator.meters["SIME0000000000001"]
    assert call("PUT", path, {"latency": [0.1, 0.2], "loss": 0.5})[0] == 204
    assert (meter.behaviour.latency, meter.behaviour.loss) == ((0.1, 0.2), 0.5)
    assert call("DELETE", path)[0] == 204
    assert meter.behaviour is meter.settings.behaviour
    for wrong in (5, {"latency": 1}, {"loss": 2}, {"mood": "bad"}, {"loss": "much"}):
        assert call("PUT", path, wrong)[0] == 422


def test_behaviour_that_is_left_out_is_that_of_the_fleet(simulator, call) -> None:
    path = METER + "/behaviour"
    meter = simulator.meters["SIME0000000000001"]
    usual, keep = simulator.fleet.settings.behaviour, CounterAtKeyChange.KEEP
    told = {"counter_at_key_change": "keep", "told_counter": 4_200_000_000}
    assert call("PUT", path, told)[0] == 204
    assert meter.behaviour == replace(usual, counter_at_key_change=keep, told_counter=4_200_000_000)
    simulator.fleet.settings.behaviour = replace(usual, counter_at_key_change=keep)
    try:
        assert call("PUT", path, {"loss": 0.5})[0] == 204
        assert meter.behaviour == Behaviour(loss=0.5, counter_at_key_change=keep)
    finally:
        simulator.fleet.settings.behaviour = usual
    assert call("DELETE", path)[0] == 204
    for name, value in (("counter_at_key_change", "lose"), ("told_counter", -1), ("told_counter", "5")):
        status, answer = call("PUT", path, {name: value})
        assert status == 422
        assert name in answer["detail"]


def test_a_lie_about_the_counter_is_told_to_the_public_client(simulator, call) -> None:
    meter = simulator.meters["SIME0000000000003"]
    path = f"/meters/{meter.identification}/attributes/1/0-0:43.1.0.255/2"
    assert call("PUT", path, {"type": "double-long-unsigned", "value": 4_000_000_007})[0] == 204

    def read_counter() -> int:
        with connected(simulator, meter, client_address=16) as public:
            public.associate()
            return int(public.get(COUNTER).value)

    assert read_counter() == 4_000_000_007
    with connected(simulator, meter, counter=50) as client:
        client.associate()
    assert read_counter() == 4_000_000_007
    assert call("DELETE", path)[0] == 204
    assert read_counter() == client.counter - 1
    occurrence = {"kind": "invocation-counter", "value": 4_294_967_290}
    assert call("POST", f"/meters/{meter.identification}/occurrences", occurrence)[0] == 201
    assert read_counter() == 4_294_967_290


def test_keys_tell_what_was_used_with_them(call) -> None:
    with SimulatorThread(Fleet.build(2, shared_keys=True, gas_meters=2), http_port=0) as simulator:
        first, second = simulator.meters.values()
        ask = partial(call, port=simulator.http_port)
        assert ask("GET", "/keys") == (200, {"count": 0, "results": []})
        with connected(simulator, first, counter=7) as client:
            client.associate()
            device = first.gas_meter(1)
            default_key = first.mbus_key(device, KeyName.MBUS_DEFAULT)
            vector = make_fixed_field(device.identification_number, manufacturer_id("SIM"))
            wrapped = wrap_gcm(default_key, vector, 3, 2, bytes(16))
            assert client.action(mbus_method(first, 6), sent_data(wrapped)) == 0
        shared = {
            "key": make_key_id(first.key(KeyName.ENCRYPTION)),
            "fixed_field": CLIENT_TITLE.hex(),
            "highest": 10,
            "repeated": [],
        }
        of_device = {
            "key": make_key_id(default_key),
            "fixed_field": vector.hex(),
            "highest": 3,
            "repeated": [],
        }
        assert ask("GET", "/keys")[1] == {"count": 2, "results": [shared, of_device]}
        assert ask("GET", "/keys?offset=1&limit=1")[1] == {"count": 2, "results": [of_device]}
        assert ask("GET", "/keys?repeated=true")[1] == {"count": 0, "results": []}
        with connected(simulator, second, counter=9) as client:
            client.associate()
        shared |= {"highest": 11, "repeated": [9, 10]}
        assert ask("GET", "/keys?repeated=true")[1] == {"count": 1, "results": [shared]}
        assert ask("GET", "/keys?repeated=perhaps")[0] == 400
        shown = ask("GET", "/meters/SIME0000000000001")[1]
        assert shown["mbus_keys"] == [
            {
                "identification": device.identification,
                "encryption_key_status": "ENCRYPTION_KEY_IN_USE",
                "key_change_counter": 3,
                "optical_port_closed": True,
            }
        ]
        assert ask("GET", "/meters/SIME0000000000002")[1]["repeated_invocation_counters"] == [9, 10]


def test_occurrences_happen_now(simulator, call) -> None:
    first, second = (simulator.meters[f"SIME000000000000{number}"] for number in (1, 2))
    one = METER + "/occurrences"
    assert call("POST", one, {"kind": "alarm", "register": 1, "bit": 9}) == (201, {"meters": 1})
    alarms = METER + "/attributes/1/0-0:97.98.0.255/2"
    assert call("GET", alarms)[1]["value"] == 1 << 9
    fault = {"kind": "fault", "fault": "hang", "exchanges": 3, "meters": "SIME*", "share": 0.5}
    assert call("POST", "/occurrences", fault) == (201, {"meters": 2})
    assert sum(bool(meter.faults.as_list()) for meter in simulator.meters.values()) == 2
    assert call("POST", "/occurrences", {"kind": "fault-off"}) == (201, {"meters": 3})
    with connected(simulator, second) as client:
        client.associate()
        assert (
            call("POST", "/occurrences", {"kind": "unreachable", "meters": second.identification})[0] == 201
        )
        with pytest.raises(Closed):
            client.take_frame()
    assert call("POST", "/occurrences", {"kind": "reachable"})[0] == 201
    with connected(simulator, second) as client:
        client.associate()
    assert first.faults.as_list() == []


@pytest.mark.parametrize(
    ("path", "document", "detail"),
    [
        ("/occurrences", 5, "an occurrence is an object with a kind"),
        ("/occurrences", {"kind": "relay"}, "state: is missing"),
        ("/occurrences", {"kind": "reachable", "at": "+5s"}, "at: has no place here"),
        ("/occurrences", {"kind": "reachable", "meters": "X*"}, "meters: 'X*' is no meter of the fleet"),
        (METER + "/occurrences", {"kind": "reachable", "meters": "*"}, "meters: has no place here"),
        (METER + "/occurrences", {"kind": "alarm", "register": 3, "bit": 0}, "kind: alarm: no selected"),
    ],
)
def test_occurrences_that_make_no_sense(call, path, document, detail) -> None:
    status, answer = call("POST", path, document)
    assert (status, answer["detail"][: len(detail)]) == (422, detail)
    assert call("POST", "/meters/SIME9999999999999/occurrences", {"kind": "reachable"})[0] == 404
