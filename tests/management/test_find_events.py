"""FindEvents: every log of every profile, what events mean, and rows that mean nothing."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.cosem.event_codes import UNKNOWN_EVENT
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import MeterOperation
from osgp.protocol_dlms import errors
from osgp.requests.models import Request
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters
from tests.answers import read_answer
from tests.protocol_dlms.peers import WrapperMeter
from tests.protocol_dlms.sessions import session
from tests.visited import METERS, NOW, PROFILES, Visits, perform, saying, visited

MESSAGE = "FindEvents"
URL = "/api/v1/management/find-events/"
DETAILED = {"POWER_QUALITY_EXTENDED_EVENT_LOG", "POWER_QUALITY_THD_EVENT_LOG"}


def asked(category: str, since: datetime, until: datetime) -> dict[str, str]:
    return {"event_log_category": category, "from": since.isoformat(), "until": until.isoformat()}


@pytest.mark.parametrize("category", catalogue.list_event_log_categories())
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(visits: Visits, profile: str, category: str) -> None:
    simulated = visits.simulated(profile, polyphase=(profile, True) in METERS)
    long_ago = NOW - timedelta(days=2000)
    with visits.visit(simulated) as meter:
        before = meter.association.statistics.round_trips
        if category not in meter.profile.event_logs:
            with pytest.raises(Fault) as fault:
                perform(meter, MESSAGE, asked(category, long_ago, NOW))
            assert fault.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
            assert meter.association.statistics.round_trips == before
            return
        everything = perform(meter, MESSAGE, asked(category, long_ago, NOW))
        events = everything["events"]
        times = [datetime.fromisoformat(event["timestamp"]) for event in events]
        middle = times[len(times) // 2]
        half = perform(meter, MESSAGE, asked(category, middle, NOW))
        none = perform(meter, MESSAGE, asked(category, long_ago, long_ago + timedelta(seconds=1)))
    assert everything["rejected_rows"] == []
    assert events
    for former, event in pairwise(events):
        set_back = event["event_type"] == "CLOCK_ADJUSTED_NEW_TIME"
        assert former["timestamp"] <= event["timestamp"] or set_back
    assert half["events"] == [event for event, time in zip(events, times, strict=True) if time >= middle]
    assert none == {
        "from": "2020-12-23T10:20:30Z",
        "until": "2020-12-23T10:20:31Z",
        "complete_until": "2020-12-23T10:20:31Z",
        "events": [],
        "rejected_rows": [],
        "rejected_row_count": 0,
    }
    for event in events:
        assert event["event_log_category"] == category
        assert event["event_type"] != UNKNOWN_EVENT
        assert (event["event_counter"] is not None) == (category == "COMMUNICATION_SESSION_LOG")
        if category in DETAILED and event["event_code"] != 255:
            assert event["magnitude"]["unit"] == ("V" if category.endswith("EXTENDED_EVENT_LOG") else "%")
        if category not in DETAILED:
            assert event["magnitude"] is None
        if event["duration"]:
            assert event["duration"]["unit"] == "s"


SUMMER = "090c 07ea060fff0a0000 00 ff88 80"  # 8:00 UTC


def row(clock: str, *cells: str) -> str:
    return f"02{1 + len(cells):02x}" + clock + "".join(cells)


def found(visits: Visits, profile: str, category: str, *rows: str) -> Any:
    simulated = visits.simulated(profile)
    said = f"01{len(rows):02x}" + "".join(rows)
    with saying(simulated, {(simulated.type.profile.event_logs[category].tag, 2): said}):
        return visits.perform(simulated, MESSAGE, asked(category, NOW - timedelta(days=9), NOW))


@pytest.mark.parametrize(
    ("profile", "code", "event_type"),
    [
        ("DSMR-2.2", 80, "PV_VOLTAGE_SAG_L1"),
        ("DSMR-4.2.2", 85, "PV_VOLTAGE_SWELL_L3"),
        ("SMR-4.3", 80, "OVER_VOLTAGE_L1"),
        ("SMR-5.5", 85, "VOLTAGE_L3_NORMAL"),
        ("SMR-5.5", 231, "MANUFACTURER_SPECIFIC_231"),
        ("SMR-5.5", 33, "UNKNOWN_EVENT_HEADEND"),
        ("DSMR-2.2", 255, "EVENTLOG_CLEARED"),
    ],
)
def test_what_codes_mean(visits: Visits, profile: str, code: int, event_type: str) -> None:
    result = found(visits, profile, "STANDARD_EVENT_LOG", row(SUMMER, f"11{code:02x}"))
    assert result == {
        "from": "2026-06-06T10:20:30Z",
        "until": "2026-06-15T10:20:30Z",
        "complete_until": "2026-06-15T10:20:30Z",
        "events": [
            {
                "timestamp": "2026-06-15T08:00:00Z",
                "event_code": code,
                "event_type": event_type,
                "event_log_category": "STANDARD_EVENT_LOG",
                "event_counter": None,
                "magnitude": None,
                "duration": None,
            }
        ],
        "rejected_rows": [],
        "rejected_row_count": 0,
    }


def test_details(visits: Visits) -> None:
    sag = row(SUMMER, "115d", "120001", "12000a")
    swell = row(SUMMER, "1162", "1209c4", "12ffff")
    cleared = row(SUMMER, "11ff", "120007", "00")
    events = found(visits, "SMR-5.2", "POWER_QUALITY_EXTENDED_EVENT_LOG", sag, swell, cleared)["events"]
    assert [(event["event_type"], event["magnitude"], event["duration"]) for event in events] == [
        ("VOLTAGE_SAG_IN_PHASE_L1", {"value": "0.1", "unit": "V"}, {"value": "1.0", "unit": "s"}),
        ("VOLTAGE_SWELL_IN_PHASE_L3", {"value": "250.0", "unit": "V"}, {"value": "6553.5", "unit": "s"}),
        # An event about no register: the number as it is. Null-data is as in the row before (Blue Book,
        # class 7, buffer).
        ("EVENTLOG_CLEARED", {"value": "7", "unit": "undefined"}, {"value": "65535", "unit": "undefined"}),
    ]
    [event] = found(visits, "SMR-5.5", "POWER_QUALITY_THD_EVENT_LOG", row(SUMMER, "1136", "12000c"))["events"]
    assert (event["event_type"], event["magnitude"]) == ("THD_NORMAL_L1", {"value": "12", "unit": "%"})


def test_magnitudes_count_as_the_meter_says(visits: Visits) -> None:
    """Blue Book, class 3, scaler_unit: hundredths of a volt where the profile has tenths."""
    simulated = visits.simulated("SMR-5.2")
    log = simulated.type.profile.event_logs["POWER_QUALITY_EXTENDED_EVENT_LOG"].tag
    hundredths = {("MAGNITUDE_OF_LAST_VOLTAGE_SAG_IN_PHASE_L1", 3): "02020ffe1623"}
    rows = {(log, 2): "0101" + row(SUMMER, "115d", "125014", "12000a")}
    with saying(simulated, hundredths | rows):
        parameters = asked("POWER_QUALITY_EXTENDED_EVENT_LOG", NOW - timedelta(days=9), NOW)
        [event] = visits.perform(simulated, MESSAGE, parameters)["events"]
    assert event["magnitude"] == {"value": "205.00", "unit": "V"}


def test_counters_and_wide_codes(visits: Visits) -> None:
    [event] = found(visits, "DSMR-4.2.2", "COMMUNICATION_SESSION_LOG", row(SUMMER, "1147", "12ffff"))[
        "events"
    ]
    assert (event["event_type"], event["event_counter"]) == ("METROLOGICAL_MAINTENANCE", 65535)
    rows = [row(SUMMER, "128183"), row(SUMMER, "12ffff"), row(SUMMER, "124242")]
    events = found(visits, "SMR-5.1", "AUXILIARY_EVENT_LOG", *rows)["events"]
    assert [(event["event_code"], event["event_type"]) for event in events] == [
        (0x8183, "MBUS_STATUS_BIT_3_TAMPER_P2_CHANNEL_2"),
        (0xFFFF, "AUXILIARY_EVENTLOG_CLEARED"),
        (0x4242, "UNKNOWN_EVENT_HEADEND"),
    ]


def test_rows_that_make_no_sense_cost_themselves_alone(visits: Visits) -> None:
    set_back = "090c 07ea060fff090000 00 ff88 80"
    rows = [
        row(SUMMER, "00"),
        row(SUMMER, "1104"),
        row("00", "1102"),
        row("090c ffffffffffffffffff 8000 ff", "1106"),
        row("0904 07ea060f", "1103"),
        row("1101", "1103"),
        row(SUMMER, "0901 05"),
        row(SUMMER, "0fff"),
        row(SUMMER),
        row(SUMMER, "1101", "1101"),
        row(SUMMER, "0202 1101 1101"),
        row(set_back, "0600000005"),
    ]
    result = found(visits, "SMR-5.0.0", "STANDARD_EVENT_LOG", *rows)
    # In the order of the log, although the last is the earliest: its event is that the clock was set.
    assert [(event["event_code"], event["timestamp"][11:13]) for event in result["events"]] == [
        (4, "08"),
        (5, "07"),
    ]
    assert [item["index"] for item in result["rejected_rows"]] == [0, *range(2, 11)]
    reasons = [item["reason"] for item in result["rejected_rows"]]
    assert reasons[0] == "There is no event code."
    assert reasons[1] == "The clock is left out. Its event code is 2."
    assert reasons[2] == "The clock does not tell a complete time. Its event code is 6."
    assert reasons[5] == "There is no event code."
    assert result["rejected_row_count"] == 10


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_logs_in_any_order(visits: Visits, order: tuple[int, ...]) -> None:
    """Seen in the field: logs that come newest first. Rows that come twice count once."""
    clocks = [f"090c 07ea060fff0a{minute:02x}00 00 ff88 80" for minute in range(4)]
    rows = [row(clocks[place], f"11{place + 1:02x}") for place in order]
    result = found(visits, "SMR-5.0.0", "STANDARD_EVENT_LOG", *rows, rows[-1])
    assert [event["event_code"] for event in result["events"]] == [1, 2, 3, 4]
    assert result["rejected_rows"] == []


def test_events_at_the_same_second_are_different_events(visits: Visits) -> None:
    result = found(visits, "SMR-5.0.0", "STANDARD_EVENT_LOG", row(SUMMER, "1101"), row(SUMMER, "1102"))
    assert [event["event_code"] for event in result["events"]] == [1, 2]


def test_columns_are_where_the_meter_says(visits: Visits) -> None:
    """Blue Book, class 7: capture_objects tells the columns of the buffer."""
    simulated = visits.simulated("SMR-5.0.0")
    profile = simulated.type.profile
    tag = profile.event_logs["STANDARD_EVENT_LOG"].tag
    columns = profile.list_capture_columns(tag)
    told = "".join(
        f"0204 12{each.descriptor.class_id:04x} 0906{each.descriptor.logical_name.hex()} 0f02 120000"
        for each in reversed(columns)
    )
    said = {
        (tag, 3): f"01{len(columns):02x}{told}",
        (tag, 2): "0101" + f"02 02 1101 {SUMMER}",
    }
    with saying(simulated, {place: octets.replace(" ", "") for place, octets in said.items()}):
        result = visits.perform(simulated, MESSAGE, asked("STANDARD_EVENT_LOG", NOW - timedelta(days=9), NOW))
    assert [(event["event_code"], event["timestamp"]) for event in result["events"]] == [
        (1, "2026-06-15T08:00:00Z")
    ]


def test_a_detail_that_makes_no_sense_does_not_cost_the_event(visits: Visits) -> None:
    bad = row(SUMMER, "115e", "0901ff", "12000a")
    result = found(visits, "SMR-5.5", "POWER_QUALITY_EXTENDED_EVENT_LOG", bad)
    [event] = result["events"]
    assert (event["event_code"], event["magnitude"], event["duration"]["value"]) == (94, None, "1.0")
    assert result["rejected_rows"] == [
        {"index": 0, "reason": "The magnitude is not a number. Its event code is 94."}
    ]


def test_a_meter_that_does_not_mind_the_range(visits: Visits) -> None:
    early = "090c 07ea0601ff0a0000 00 ff88 80"
    late = "090c 07ea060fff0c1400 00 ff88 80"
    just = "090c 07ea060fff0c141e 00 ff88 80"  # 10:20:30 UTC, which is now
    rows = [row(clock, "1101") for clock in (early, SUMMER, late, just, "090c 07ea060fff0c141e 01 ff88 80")]
    result = found(visits, "DSMR-2.2", "FRAUD_DETECTION_LOG", *rows)
    assert [event["timestamp"] for event in result["events"]] == [
        "2026-06-15T08:00:00Z",
        "2026-06-15T10:20:00Z",
        "2026-06-15T10:20:30Z",
    ]


def test_no_buffer_at_all(visits: Visits) -> None:
    simulated = visits.simulated("DSMR-4.2.2")
    for octets in ("0600000001", "01021101", "77"):
        with (
            saying(simulated, {("STANDARD_EVENT_LOG", 2): octets}),
            pytest.raises(Fault) as fault,
        ):
            visits.perform(simulated, MESSAGE, asked("STANDARD_EVENT_LOG", NOW - timedelta(days=1), NOW))
        assert fault.value.code == FaultCode.ILLEGAL_RESPONSE
    with saying(simulated, {("STANDARD_EVENT_LOG", 2): "00"}):
        result = visits.perform(simulated, MESSAGE, asked("STANDARD_EVENT_LOG", NOW - timedelta(days=1), NOW))
    assert result["events"] == []


def test_what_is_sent() -> None:
    """A range of the clock, in the meter's zone on both sides of a change of clocks, and all columns.

    A second more on either side: there are meters that do not count the bounds to the range.
    """
    requests: list[bytes] = []

    def answer(request: bytes) -> bytes:
        if request[12] == 0:
            # How the log is described: the meter does not tell.
            return bytes((0xC4, 1, request[2], 1, 3))
        requests.append(request)
        return bytes((0xC4, 1, request[2], 0, 1, 0))

    with session(WrapperMeter(answer)) as association:
        # Also a meter that cannot select columns is asked for a range.
        meter = visited(catalogue.find_profile("SMR", "5.0.0"), association, selective_access=False)
        since, until = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
        perform(meter, MESSAGE, asked("POWER_QUALITY_EVENT_LOG", since, until))
    expected = (
        "c001 0007 0000636205ff 02 01 01 0204"
        "0204 120008 0906 0000010000ff 0f02 120000"
        "090c 07ea0a19ff021d3b00ff8880"
        "090c 07ea0a19ff021e0100ffc400"
        "0100"
    )
    assert requests[0][:2].hex() + requests[0][3:].hex() == expected.replace(" ", "")


@pytest.mark.parametrize("refusal", [11, 13, 250])
def test_a_meter_that_declines_ranges_is_asked_for_all(refusal: int) -> None:
    """Any kind of range, then entries by number, then the whole log: once. Then that is known."""
    requests: list[bytes] = []
    early = row("090c 07ea0601ff0a0000 00 ff88 80", "1101")
    log = bytes.fromhex("0102" + early + row(SUMMER, "1102"))

    def answer(request: bytes) -> bytes:
        requests.append(request)
        is_whole = request[11:13] == b"\x02\x00"
        return bytes((0xC4, 1, request[2])) + (b"\x00" + log if is_whole else bytes((1, refusal)))

    with session(WrapperMeter(answer)) as association:
        meter = visited(catalogue.find_profile("DSMR", "2.2"), association)
        for most in (8, 1):
            requests.clear()
            result = perform(meter, MESSAGE, asked("STANDARD_EVENT_LOG", NOW - timedelta(days=9), NOW))
            assert [event["event_code"] for event in result["events"]] == [2]
            assert len([each for each in requests if each[11] in (2, 7)]) <= most


def test_a_log_that_is_refused() -> None:
    with session(WrapperMeter(lambda request: bytes((0xC4, 1, request[2], 1, 3)))) as association:
        meter = visited(catalogue.find_profile("DSMR", "2.2"), association)
        with pytest.raises(errors.AccessError, match="read-write-denied"):
            perform(meter, MESSAGE, asked("STANDARD_EVENT_LOG", NOW - timedelta(days=9), NOW))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"until": "2026-01-01T00:00:00Z"}, "/from"),
        ({"until": "2025-12-31T00:00:00Z"}, "/from"),
        ({"from": "2026-01-01"}, "/from"),
        ({"from": None}, "/from"),
        ({"until": "2026-02-30T00:00:00Z"}, "/until"),
        ({"event_log_category": "POWER_FAILURE_EVENT_LOG"}, "/event_log_category"),
        ({"event_log_category": 1}, "/event_log_category"),
        ({"category": "STANDARD_EVENT_LOG"}, "/category"),
    ],
)
def test_bad_input(api: APIClient, device: Device, changes: Any, pointer: str) -> None:
    body = {
        "device_identification": device.identification,
        "event_log_category": "STANDARD_EVENT_LOG",
        "from": "2026-01-01T00:00:00Z",
        "until": "2026-02-01T00:00:00Z",
        **changes,
    }
    answer = api.post(URL, body, format="json")
    assert answer.status_code == 400
    assert answer.json()["code"] == 401
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Request.objects.exists()


@pytest.mark.parametrize(
    ("protocol", "version", "category"),
    [
        ("DSMR", "2.2", "COMMUNICATION_SESSION_LOG"),
        ("SMR", "4.3", "POWER_QUALITY_EVENT_LOG"),
        ("SMR", "5.0.0", "AUXILIARY_EVENT_LOG"),
        ("SMR", "5.1", "POWER_QUALITY_EXTENDED_EVENT_LOG"),
        ("SMR", "5.1", "POWER_QUALITY_THD_EVENT_LOG"),
        ("SMR", "5.2", "POWER_QUALITY_THD_EVENT_LOG"),
    ],
)
def test_logs_that_a_meter_lacks_are_refused_at_once(
    api: APIClient, organisation: Organisation, protocol: str, version: str, category: str
) -> None:
    device = factories.make_device(owner=organisation, protocol_name=protocol, protocol_version=version)
    parameters = asked(category, NOW, NOW + timedelta(days=1))
    answer = api.post(URL, {"device_identification": device.identification, **parameters}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, 416)
    assert answer.json()["errors"][0]["pointer"] == "/event_log_category"
    bundle = {
        "device_identification": device.identification,
        "actions": [{"message": MESSAGE, **parameters}],
    }
    assert not Request.objects.exists()
    # In a bundle it fails alone, and here there is nothing else to do.
    answer = api.get(api.post("/api/v1/bundle/", bundle, format="json").json()["url"])
    [response] = answer.json()["responses"]
    assert (response["fault"]["code"], response["fault"]["retryable"]) == (416, False)


@pytest.mark.django_db(transaction=True)
def test_whoever_may_only_read_finds_events_alone_and_in_a_bundle(
    api: APIClient, organisation: Organisation, other_organisation: Organisation
) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.2")) as simulator:
        [device] = meters.add_meters(other_organisation, simulator).values()
        factories.grant(organisation, device, DeviceFunctionGroup.MONITORING)
        now = datetime.now(UTC)
        categories = ["STANDARD_EVENT_LOG", "POWER_QUALITY_EXTENDED_EVENT_LOG", "COMMUNICATION_SESSION_LOG"]
        commissioned = datetime(2021, 1, 1, tzinfo=UTC)
        wanted = [asked(category, commissioned, now) for category in categories]
        alone = {"device_identification": device.identification}
        posted = [
            api.post(URL, {**alone, **wanted[0]}, format="json"),
            api.post(
                "/api/v1/bundle/",
                {**alone, "actions": [{"message": MESSAGE, **each} for each in wanted]},
                format="json",
            ),
        ]
        assert [answer.status_code for answer in posted] == [202, 202]
        meters.visit(device)
        single, bundle = (read_answer(api.get(answer.json()["url"])) for answer in posted)
    assert single["status"] == "SUCCEEDED"
    assert single["result"]["events"]
    assert bundle["responses"][0]["result"] == single["result"]
    for category, response in zip(categories, bundle["responses"], strict=True):
        assert {event["event_log_category"] for event in response["result"]["events"]} == {category}


def test_parts_are_joined_whatever_the_order_of_keys() -> None:
    """A database may give them back in another one. Events at the end of the first part come again."""
    operation = registry.find_operation(MESSAGE)
    assert isinstance(operation, MeterOperation)
    events = [{"timestamp": f"2026-06-01T00:00:0{second}Z", "event_code": 1} for second in range(3)]
    rejected: dict[str, Any] = {"rejected_rows": [], "rejected_row_count": 0}
    earlier = {"from": "a", "events": [dict(reversed(event.items())) for event in events[:2]], **rejected}
    joined = operation.join(earlier, {"from": "b", "events": events[1:], **rejected})
    assert joined == {"from": "a", "events": events, **rejected}
