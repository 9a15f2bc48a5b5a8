"""SetPushSetupAlarm, SetPushSetupSms, SetPushSetupLastGasp and SetPushSetupUdp: what meters get, keep and
refuse.
"""

import json
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.faults import Fault, FaultCode
from osgp.messages.registry import find_operation
from osgp.simulator import FaultKind
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.visited import ANSWERS, PROFILES, Visits, having, outcome_with, perform, saying
from tests.writing import writing

ALARM, SMS, UDP = "PUSH_SETUP_ALARM", "PUSH_SETUP_SMS", "PUSH_SETUP_UDP"
HERE: dict[str, Any] = {"host": "192.0.2.7", "port": 4059}
OBJECTS = [
    {"class_id": 1, "obis_code": "0-0:96.1.1.255", "attribute": 2, "data_index": 0},
    {"class_id": 40, "obis_code": "0-1:25.9.0.255", "attribute": 1, "data_index": 0},
    {"class_id": 1, "obis_code": "0-0:97.98.0.255", "attribute": 2, "data_index": 0},
]
ENCODED_OBJECTS = (
    "0103"
    "0204 120001 09060000600101ff 0f02 120000"
    "0204 120028 09060001190900ff 0f01 120000"
    "0204 120001 09060000616200ff 0f02 120000"
).replace(" ", "")
ENCODED_HOST = b"192.0.2.7:4059".hex()
A_XDR, MANUFACTURERS = ("00", "A_XDR_ENCODED_APDU"), ("80", "MANUFACTURER_SPECIFIC")
MESSAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "SetPushSetupAlarm": (ALARM, {**HERE, "push_objects": OBJECTS}),
    "SetPushSetupSms": (SMS, HERE),
    "SetPushSetupLastGasp": (UDP, {**HERE, "push_objects": OBJECTS}),
    "SetPushSetupUdp": (UDP, HERE),
}


def message_type(profile: str) -> tuple[str, str]:
    """The octet and the name."""
    return A_XDR if profile.startswith("SMR-5") else MANUFACTURERS


def destination(transport: str, text: str, kind: str) -> dict[str, str]:
    return {"transport": transport, "destination": text, "message_type": kind}


def locate(simulated: SimulatedMeter, tag: str) -> dict[str, Any]:
    item = simulated.type.profile[tag]
    return {"class_id": item.class_id, "obis_code": item.obis, "attribute": 2, "data_index": 0}


@pytest.mark.parametrize(("profile", "polyphase"), having(ALARM))
def test_alarm(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    octet, kind = message_type(profile)
    with (
        saying(simulated, {(ALARM, 3): "0203160309016116ff", (ALARM, 2): "0100"}),
        writing(simulated) as written,
        visits.visit(simulated) as meter,
    ):
        result = perform(meter, "SetPushSetupAlarm", {**HERE, "push_objects": OBJECTS})
    assert result == {
        "destination": {
            "before": destination("SMTP", "a", "255"),
            "after": destination("TCP", "192.0.2.7:4059", kind),
        },
        "push_objects": {"before": [], "after": OBJECTS},
    }
    assert written == [
        ((ALARM, 3), f"02031600090e{ENCODED_HOST}16{octet}"),
        ((ALARM, 2), ENCODED_OBJECTS),
    ]


@pytest.mark.parametrize(("profile", "polyphase"), having(SMS))
def test_sms(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    octet, kind = message_type(profile)
    with (
        saying(simulated, {(SMS, 3): "0203160409008016"}),
        writing(simulated) as written,
        visits.visit(simulated) as meter,
    ):
        result = perform(meter, "SetPushSetupSms", HERE)
    after = destination("TCP", "192.0.2.7:4059", kind)
    assert result == {"destination": {"before": None, "after": after}}
    assert written == [((SMS, 3), f"02031600090e{ENCODED_HOST}16{octet}")]


@pytest.mark.parametrize(("profile", "polyphase"), having(UDP))
def test_last_gasp(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    window = "0101 0202 090c07ea01010100000000ffffff 090c07ea01020200000000ffffff".replace(" ", "")
    with (
        saying(simulated, {(UDP, 3): "020316010903c0000216ff", (UDP, 4): window}),
        writing(simulated) as written,
        visits.visit(simulated) as meter,
    ):
        first = perform(meter, "SetPushSetupLastGasp", HERE)
        assert meter.get(UDP, "communication_window").value
        second = perform(meter, "SetPushSetupLastGasp", {**HERE, "push_objects": OBJECTS[:1]})
    after = destination("UDP", "192.0.2.7:4059", "A_XDR_ENCODED_APDU")
    assert first == {
        "destination": {"before": destination("UDP", "0xc00002", "255"), "after": after},
        "push_objects": None,
    }
    assert second["destination"] == {"before": after, "after": after}
    assert second["push_objects"]["after"] == OBJECTS[:1]
    assert written[0] == ((UDP, 3), f"02031601090e{ENCODED_HOST}1600")
    assert [attribute for attribute, _ in written] == [(UDP, 3), (UDP, 3), (UDP, 2)]


@pytest.mark.parametrize(("profile", "polyphase"), having(UDP))
def test_udp(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    window = "0101 0202 090c07ea01010100000000ffffff 090c07ea01020200000000ffffff".replace(" ", "")
    with (
        saying(simulated, {(UDP, 4): window, (UDP, 3): "0203160109001600"}),
        writing(simulated) as written,
        visits.visit(simulated) as meter,
    ):
        cleared = perform(meter, "SetPushSetupUdp")
        moved = perform(meter, "SetPushSetupUdp", {"host": "2001:db8::7", "port": 1})
    assert cleared == {
        "destination": None,
        "communication_window": {
            "before": [{"begin": "07ea01010100000000ffffff", "end": "07ea01020200000000ffffff"}],
            "after": [],
        },
    }
    assert moved == {
        "destination": {
            "before": destination("UDP", "", "A_XDR_ENCODED_APDU"),
            "after": destination("UDP", "[2001:db8::7]:1", "A_XDR_ENCODED_APDU"),
        },
        "communication_window": {"before": [], "after": []},
    }
    address = b"[2001:db8::7]:1".hex()
    assert written == [
        ((UDP, 4), "0100"),
        ((UDP, 3), f"02031601090f{address}1600"),
        ((UDP, 4), "0100"),
    ]


@pytest.mark.parametrize(("message", "needed"), [(name, tag) for name, (tag, _) in MESSAGES.items()])
def test_profiles_without_it(message: str, needed: str) -> None:
    operation = find_operation(message)
    parameters = operation.parse(MESSAGES[message][1])
    lacking = {*PROFILES} - {profile for profile, _ in having(needed)}
    assert {"DSMR-2.2"} <= lacking < {*PROFILES}
    for profile in lacking:
        with pytest.raises(Fault) as info:
            operation.check_profile(catalogue.find_profile(*profile.split("-", 1)), parameters)
        assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


class TestPushObjects:
    def test_half_of_it_is_enough(self, visits: Visits) -> None:
        simulated = visits.simulated("SMR-5.1")
        with saying(simulated, {}), writing(simulated) as written, visits.visit(simulated) as meter:
            assert perform(meter, "SetPushSetupAlarm", HERE)["push_objects"] is None
            # The data index may be left out.
            entry = {"class_id": 8, "obis_code": "0.0.1.0.0.255", "attribute": 2}
            result = perform(meter, "SetPushSetupAlarm", {"push_objects": [entry]})
        kept = {**entry, "obis_code": "0-0:1.0.0.255", "data_index": 0}
        assert (result["destination"], result["push_objects"]["after"]) == (None, [kept])
        assert [attribute for attribute, _ in written] == [(ALARM, 3), (ALARM, 2)]

    @pytest.mark.parametrize("with_list_max", [1, 32])
    @pytest.mark.parametrize("message", ["SetPushSetupAlarm", "SetPushSetupLastGasp"])
    def test_nothing_is_written_unless_all_can_be_read(
        self, visits: Visits, message: str, with_list_max: int
    ) -> None:
        simulated = visits.simulated("SMR-5.5")
        stranger = {"class_id": 1, "obis_code": "0-0:96.99.9.255", "attribute": 2, "data_index": 0}
        hidden = {"class_id": 1, "obis_code": "0-0:96.1.1.255", "attribute": 3, "data_index": 0}
        asked = {**HERE, "push_objects": [OBJECTS[0], stranger, OBJECTS[1], hidden]}
        with (
            saying(simulated, {}),
            writing(simulated) as written,
            visits.visit(simulated, connection={"with_list_max": with_list_max}) as meter,
            pytest.raises(Fault, match="Nothing was written") as info,
        ):
            perform(meter, message, asked)
        assert written == []
        assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
        assert info.value.pointer == "/push_objects"
        assert not info.value.retryable
        assert "push_objects/1: 1/0-0:96.99.9.255/2" in info.value.message
        assert "push_objects/3: 1/0-0:96.1.1.255/3" in info.value.message
        assert "push_objects/0" not in info.value.message

    def test_the_fault_names_only_some(self, visits: Visits) -> None:
        simulated = visits.simulated("SMR-5.5")
        strangers = [
            {"class_id": 1, "obis_code": f"0-0:96.99.{number}.255", "attribute": 2} for number in range(64)
        ]
        with (
            saying(simulated, {}),
            visits.visit(simulated) as meter,
            pytest.raises(Fault, match=r"push_objects/7: .*; and 56 more\.$") as info,
        ):
            perform(meter, "SetPushSetupAlarm", {"push_objects": strangers})
        assert len(info.value.message) < 1000

    def test_a_value_that_cannot_be_decoded(self, visits: Visits) -> None:
        simulated = visits.simulated("SMR-5.5")
        entry = locate(simulated, "DEVICE_ID_1")
        with (
            saying(simulated, {("DEVICE_ID_1", 2): "0905aa"}),
            writing(simulated) as written,
            visits.visit(simulated) as meter,
            pytest.raises(Fault, match="push_objects/1: ") as info,
        ):
            perform(meter, "SetPushSetupAlarm", {**HERE, "push_objects": [OBJECTS[1], entry]})
        assert (info.value.code, written) == (FaultCode.ILLEGAL_RESPONSE, [])

    @pytest.mark.parametrize(
        ("obis_code", "class_id", "attribute", "elements"),
        [("0-1:25.9.0.255", 40, 3, 3), ("1-0:1.8.0.255", 3, 3, 2), ("0-0:1.0.0.255", 8, 2, 0)],
    )
    def test_elements(
        self, visits: Visits, obis_code: str, class_id: int, attribute: int, elements: int
    ) -> None:
        simulated = visits.simulated("SMR-5.5")
        entry = {"class_id": class_id, "obis_code": obis_code, "attribute": attribute}
        fitting = [{**entry, "data_index": index} for index in range(elements + 1)]
        with (
            saying(simulated, {(ALARM, 3): "0203160009001600"}),
            writing(simulated) as written,
            visits.visit(simulated) as meter,
        ):
            result = perform(meter, "SetPushSetupAlarm", {"push_objects": fitting})
            assert result["push_objects"]["after"] == fitting
            with pytest.raises(Fault, match=f"has no element {elements + 1}") as info:
                perform(
                    meter,
                    "SetPushSetupAlarm",
                    {**HERE, "push_objects": [*fitting, {**entry, "data_index": elements + 1}]},
                )
        assert info.value.code == FaultCode.VALIDATION_ERROR
        assert len(written) == 1

    def test_the_longest_list_goes_in_blocks(self, visits: Visits) -> None:
        simulated = visits.simulated("SMR-5.5", polyphase=True)
        profile = simulated.type.profile
        objects = [
            {"class_id": item.class_id, "obis_code": item.obis, "attribute": 1, "data_index": 0}
            for item in profile.list_objects(polyphase=True)
            if not item.per_channel
        ][:64]
        assert len(objects) == 64
        with saying(simulated, {}), visits.visit(simulated) as meter:
            result = perform(meter, "SetPushSetupAlarm", {**HERE, "push_objects": objects})
        assert result["push_objects"]["after"] == objects


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize(
    "octets",
    [
        "00",
        "0100",
        "0203160009001601",
        "02021600090161",
        "02030f00090161160a",
        f"0203160009820201{'61' * 513}1600",
    ],
)
def test_whatever_it_was_it_can_be_set(visits: Visits, message: str, octets: str) -> None:
    tag, parameters = MESSAGES[message]
    simulated = visits.simulated("SMR-5.5")
    nonsense = {(tag, 3): octets, (tag, 2): "0101020212000109060000600101ff", (tag, 4): "010109020000"}
    with saying(simulated, nonsense), visits.visit(simulated) as meter:
        result = perform(meter, message, parameters)
    assert result["destination"]["after"]["destination"] == "192.0.2.7:4059"
    if octets == "0203160009001601":
        assert result["destination"]["before"] == destination("TCP", "", "XML_ENCODED_APDU")
    elif octets != "02030f00090161160a":
        assert result["destination"]["before"] is None
    assert result.get("push_objects", {"before": None})["before"] is None
    assert result.get("communication_window", {"before": None})["before"] is None


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("with_list_max", [1, 32])
def test_refused(visits: Visits, message: str, with_list_max: int) -> None:
    tag, parameters = MESSAGES[message]
    simulated = visits.simulated("SMR-5.5")
    with (
        saying(simulated, {}),
        writing(simulated, refused=[(tag, 3)]),
        visits.visit(simulated, connection={"with_list_max": with_list_max}) as meter,
        pytest.raises(Fault, match="read-write-denied") as info,
    ):
        perform(meter, message, parameters)
    assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    others = {"SetPushSetupUdp": "communication_window", "SetPushSetupSms": ""}.get(message, "push_objects")
    if others:
        assert info.value.message.startswith("Refused: destination: ")
        assert info.value.message.endswith(f"Written: {others}.")


@pytest.mark.parametrize("message", MESSAGES)
def test_a_meter_that_keeps_another_destination(visits: Visits, message: str) -> None:
    tag, parameters = MESSAGES[message]
    simulated = visits.simulated("SMR-5.5")
    with (
        saying(simulated, {(tag, 3): "020316000901611600"}),
        writing(simulated, dropped=[(tag, 3)]),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=r"accepted destination, but has .*'destination': 'a'") as info,
    ):
        perform(meter, message, parameters)
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


def test_a_meter_that_keeps_other_objects_or_windows(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.5")
    window = "0101 0202 090c07ea01010100000000ffffff 090c07ea01020200000000ffffff".replace(" ", "")
    long = f"01{64:02x}" + ENCODED_OBJECTS[4:40] * 64
    with (
        saying(simulated, {(ALARM, 2): long, (UDP, 4): window}),
        writing(simulated, dropped=[(ALARM, 2), (UDP, 4)]),
        visits.visit(simulated) as meter,
    ):
        with pytest.raises(Fault, match="accepted push_objects, but has") as info:
            perform(meter, "SetPushSetupAlarm", {"push_objects": OBJECTS})
        assert len(info.value.message) < 800
        with pytest.raises(Fault, match="accepted communication_window, but has"):
            perform(meter, "SetPushSetupUdp")


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("message", MESSAGES)
def test_a_result_or_a_fault(visits: Visits, message: str, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.5", polyphase=True)
    with saying(simulated, {}):
        outcome = outcome_with(visits, kind, simulated, message, MESSAGES[message][1])
    assert isinstance(outcome, Fault) or json.dumps(outcome)


@pytest.mark.parametrize("message", MESSAGES)
def test_round_trips(visits: Visits, message: str) -> None:
    """With lists one to read, one to write and one to read back; without, as many for each attribute."""
    parameters = MESSAGES[message][1]
    pushed = len(parameters.get("push_objects", ()))
    simulated = visits.simulated("SMR-5.5")
    for with_list_max in (1, 32):
        with (
            saying(simulated, {}),
            writing(simulated) as written,
            visits.visit(simulated, connection={"with_list_max": with_list_max}) as meter,
        ):
            before = meter.association.statistics.round_trips
            perform(meter, message, parameters)
            taken = meter.association.statistics.round_trips - before
        assert taken == (3 if with_list_max > 1 else 3 * len(written) + pushed)


HOSTS = [
    "192.0.2.1",
    "2001:db8::1",
    "::1",
    "localhost",
    "push.example.org",
    "push-1.example.org",
    "a" * 63 + ".nl",
    "host_1",
]
NO_HOSTS = [
    "",
    " ",
    "a b",
    "192.0.2.256",
    "192.0.2",
    "1.2.3.4.5",
    "[2001:db8::1]",
    "fe80::1%eth0",
    "push.example.org:4059",
    "192.0.2.1:4059",
    "push..org",
    ".org",
    "-a.org",
    "a-.org",
    "a" * 64,
    "a." * 126 + "ab",
    "püsh.example.org",
    "a\n",
    "a\x00",
    "a\t",
    7,
    None,
    ["a"],
]


@pytest.mark.parametrize("host", HOSTS)
def test_hosts(host: str) -> None:
    for message in MESSAGES:
        assert find_operation(message).parse({**HERE, "host": host})["host"] == host


@pytest.mark.parametrize("host", NO_HOSTS)
@pytest.mark.parametrize("message", MESSAGES)
def test_refuses_other_hosts(message: str, host: object) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(message).parse({**HERE, "host": host})
    assert set(info.value.detail) == {"host"}


@pytest.mark.parametrize("port", [0, -1, 65536, "80", 4059.0, True, None])
@pytest.mark.parametrize("message", MESSAGES)
def test_refuses_other_ports(message: str, port: object) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(message).parse({**HERE, "port": port})
    assert set(info.value.detail) == {"port"}


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("missing", ["host", "port"])
def test_host_and_port_go_together(message: str, missing: str) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(message).parse({name: value for name, value in HERE.items() if name != missing})
    assert set(info.value.detail) == {missing}


def test_nothing_at_all() -> None:
    with pytest.raises(ValidationError, match="must be given"):
        find_operation("SetPushSetupAlarm").parse({})
    for message in ("SetPushSetupSms", "SetPushSetupLastGasp"):
        with pytest.raises(ValidationError) as info:
            find_operation(message).parse({})
        assert set(info.value.detail) == {"host", "port"}
    assert find_operation("SetPushSetupUdp").parse({}) == {}


@pytest.mark.parametrize("message", ["SetPushSetupSms", "SetPushSetupUdp"])
def test_takes_no_objects(message: str) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(message).parse({**HERE, "push_objects": OBJECTS})
    assert set(info.value.detail) == {"push_objects"}


@pytest.mark.parametrize("message", ["SetPushSetupAlarm", "SetPushSetupLastGasp"])
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"class_id": 65536}, "class_id"),
        ({"class_id": -1}, "class_id"),
        ({"obis_code": "0-0:96.1.1"}, "obis_code"),
        ({"attribute": 128}, "attribute"),
        ({"attribute": -1}, "attribute"),
        ({"data_index": 65536}, "data_index"),
        ({"data_index": "0"}, "data_index"),
        ({"data_index": None}, "data_index"),
        ({"attribute": 0, "data_index": 1}, "data_index"),
        ({"class_id": 7, "obis_code": "1-0:99.1.0.255", "data_index": 1}, "data_index"),
        ({"class_id": 15, "obis_code": "0-0:40.0.0.255", "attribute": 7}, "attribute"),
        ({"class_id": 15, "obis_code": "0-0:40.0.0.255", "attribute": 0}, "attribute"),
        ({"obis_code": OBJECTS[1]["obis_code"], "class_id": 40, "attribute": 1}, "attribute"),
        ({"channel": 1}, "channel"),
    ],
)
def test_refuses_entries(message: str, changes: dict[str, Any], field: str) -> None:
    objects = [OBJECTS[1], {**OBJECTS[0], **changes}]
    with pytest.raises(ValidationError) as info:
        find_operation(message).parse({**HERE, "push_objects": objects})
    detail = json.loads(json.dumps(info.value.detail))
    entries = detail.pop("push_objects")
    assert detail == {}
    entry = entries["1"] if isinstance(entries, dict) else entries[1]
    assert set(entry) == {field}


@pytest.mark.parametrize("objects", [[], [{**OBJECTS[0], "attribute": n} for n in range(65)], {}, "x", None])
def test_refuses_lists(objects: object) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation("SetPushSetupAlarm").parse({"push_objects": objects})
    assert set(info.value.detail) == {"push_objects"}
