"""GetOutages."""

from dataclasses import replace
from typing import Any

import pytest

from osgp.faults import Fault
from osgp.messages import buffer_reading
from osgp.monitoring.get_outages import GetOutages
from osgp.protocol_dlms import AccessResult, CosemDateTime, Data, DataType, EntryDescriptor
from osgp.protocol_dlms.errors import AccessError, DlmsError, ResponseTimeout
from osgp.simulator.codec.axdr import (
    NULL_DATA,
    array,
    double_long_unsigned,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from tests.monitoring.fleet import MonitoredFleet, TimedAssociation
from tests.visited import having

WINTER = CosemDateTime(2026, 1, 31, 0xFF, 14, 30, 0, 0, -60, 0).to_bytes()
LATER = CosemDateTime(2026, 7, 2, 0xFF, 14, 30, 0, 0, -120, 0x80).to_bytes()
SUMMER = CosemDateTime(2026, 7, 1, 0xFF, 14, 30, 0, 0, -120, 0x80).to_bytes()


def perform(fleet: MonitoredFleet, encoded: bytes, profile: str = "SMR-5.1") -> dict[str, Any]:
    fleet.put(fleet.meter(profile), "POWER_FAILURE_EVENT_LOG", encoded)
    return fleet.perform("GetOutages", profile)


@pytest.mark.parametrize(("profile", "polyphase"), having("POWER_FAILURE_EVENT_LOG"))
def test_what_a_meter_remembers(fleet: MonitoredFleet, profile: str, polyphase: bool) -> None:
    result = fleet.perform("GetOutages", profile, polyphase=polyphase)
    assert (result["rejected_rows"], result["rejected_row_count"]) == ([], 0)
    ends = [outage["end_time"] for outage in result["outages"]]
    assert ends == sorted(ends)
    assert ends
    assert all(end.endswith("Z") for end in ends)
    assert all(outage["duration"] >= 180 for outage in result["outages"])


def test_ends_and_durations(fleet: MonitoredFleet) -> None:
    rows = [
        structure(octet_string(WINTER), double_long_unsigned(180)),
        structure(octet_string(SUMMER), long_unsigned(720)),
        structure(b"\x19" + LATER, NULL_DATA),
    ]
    assert perform(fleet, array(rows)) == {
        "outages": [
            {"end_time": "2026-01-31T13:30:00Z", "duration": 180},
            {"end_time": "2026-07-01T12:30:00Z", "duration": 720},
            # Blue Book, class 7, buffer: null-data is the value of the row before.
            {"end_time": "2026-07-02T12:30:00Z", "duration": 720},
        ],
        "rejected_rows": [],
        "rejected_row_count": 0,
        "unavailable": [],
    }


def test_newest_first_and_twice(fleet: MonitoredFleet) -> None:
    """Seen in the field. A log tells rows oldest first, and each once."""
    rows = [
        structure(octet_string(SUMMER), double_long_unsigned(720)),
        structure(octet_string(WINTER), double_long_unsigned(180)),
        structure(octet_string(WINTER), double_long_unsigned(180)),
    ]
    assert [outage["duration"] for outage in perform(fleet, array(rows))["outages"]] == [180, 720]


def test_a_log_that_does_not_tell_durations(fleet: MonitoredFleet) -> None:
    """Blue Book, class 7: capture_objects tells the columns of the buffer."""
    clock = structure(
        long_unsigned(8), octet_string(bytes((0, 0, 1, 0, 0, 255))), integer(2), long_unsigned(0)
    )
    fleet.put(fleet.meter("SMR-5.1"), "POWER_FAILURE_EVENT_LOG", array([clock]), 3)
    result = perform(fleet, array([structure(octet_string(WINTER))]))
    assert result["outages"] == [{"end_time": "2026-01-31T13:30:00Z", "duration": None}]
    assert [item["reason"] for item in result["unavailable"]] == [
        "The meter does not capture it in POWER_FAILURE_EVENT_LOG."
    ]


def test_a_meter_that_does_not_give_the_whole_log(fleet: MonitoredFleet) -> None:
    """Seen in the field: buffers that are read by entries only. What has worked is known the next time."""
    asked: list[Any] = []

    class Picky(TimedAssociation):
        def read_profile(self, buffer: Any, selection: Any = None) -> Any:
            asked.append(selection)
            if not isinstance(selection, EntryDescriptor):
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, buffer)
            return super().read_profile(buffer, selection)

    whole = fleet.perform("GetOutages", "SMR-5.1")
    operation = GetOutages()
    with fleet.visit("SMR-5.1") as meter:
        picky = replace(meter, association=Picky(meter.association, 500, 0.01))
        for count in (2, 1):
            asked.clear()
            result = operation.represent_result(operation.perform(picky, {}))
            assert result == whole
            assert len(asked) == count


def test_part_of_a_log_does_not_pass_for_all(fleet: MonitoredFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen in the field: a log by entries, and a line that breaks after the first of them."""
    monkeypatch.setattr(buffer_reading, "FIRST_ROWS", 2)
    rows = [structure(octet_string(WINTER), double_long_unsigned(180)) for _ in range(5)]
    fleet.put(fleet.meter("SMR-5.1"), "POWER_FAILURE_EVENT_LOG", array(rows))
    answered: list[Any] = []

    class Losing(TimedAssociation):
        def read_profile(self, buffer: Any, selection: Any = None) -> Any:
            if not isinstance(selection, EntryDescriptor):
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, buffer)
            if answered:
                raise ResponseTimeout("nothing came")
            answered.append(selection)
            return super().read_profile(buffer, selection)

    with fleet.visit("SMR-5.1") as meter:
        losing = replace(meter, association=Losing(meter.association, 500, 0.01))
        monkeypatch.setattr(losing.association, "get", lambda _: Data(DataType.LONG_UNSIGNED, 5))
        with pytest.raises(ResponseTimeout, match="nothing came"):
            GetOutages().perform(losing, {})
    assert len(answered) == 1


@pytest.mark.parametrize("empty", [array([]), NULL_DATA])
def test_no_outages(fleet: MonitoredFleet, empty: bytes) -> None:
    assert perform(fleet, empty)["outages"] == []


def test_bad_rows_do_not_cost_the_good_ones(fleet: MonitoredFleet) -> None:
    good = structure(octet_string(WINTER), double_long_unsigned(180))
    rows = [
        good,
        structure(NULL_DATA, double_long_unsigned(1)),
        structure(octet_string(b"short"), double_long_unsigned(1)),
        structure(octet_string(WINTER)),
        structure(octet_string(WINTER), octet_string(b"long")),
        structure(octet_string(WINTER), b"\x0f\xff"),
        double_long_unsigned(5),
        good,
    ]
    result = perform(fleet, array(rows))
    # Durations that make no sense cost themselves, not their rows.
    assert [outage["duration"] for outage in result["outages"]] == [180, None]
    assert result["rejected_rows"] == [
        {"index": 1, "reason": "The clock is left out."},
        {"index": 2, "reason": "The clock does not tell a complete time."},
        {"index": 3, "reason": "The row has 1 columns instead of 2."},
        {"index": 6, "reason": "The row has 0 columns instead of 2."},
    ]
    assert result["rejected_row_count"] == 4
    assert [item["reason"] for item in result["unavailable"]] == [
        "1 value makes no sense: octets instead of a number."
    ]


def test_only_the_first_bad_rows_are_told(fleet: MonitoredFleet) -> None:
    result = perform(fleet, array([structure()] * 250))
    assert len(result["rejected_rows"]) == 100
    assert result["rejected_row_count"] == 250


@pytest.mark.parametrize(
    "encoded",
    [
        octet_string(b"no rows"),
        b"\x01\x84\xff\xff\xff\xff\x02",
        b"\x01\x05\x02\x02",
        b"\x01\x01\x02\x02\x09\x84\xff\xff\xff\xff",
        b"\x02" * 60,
        b"\x01\x82\x30\x00" + b"\x02\x00" * 0x3000,
    ],
)
def test_what_is_no_buffer_is_a_fault(fleet: MonitoredFleet, encoded: bytes) -> None:
    fleet.put(fleet.meter("SMR-5.1"), "POWER_FAILURE_EVENT_LOG", encoded)
    with pytest.raises(Fault) as caught:
        fleet.perform("GetOutages", "SMR-5.1")
    assert isinstance(caught.value, DlmsError) or "rows of POWER_FAILURE_EVENT_LOG" in caught.value.message
