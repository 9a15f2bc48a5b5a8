"""GetOutages."""

from typing import Any

import pytest

from osgp.faults import Fault
from osgp.protocol_dlms import CosemDateTime
from osgp.protocol_dlms.errors import DlmsError
from osgp.simulator.codec.axdr import (
    NULL_DATA,
    array,
    double_long_unsigned,
    long_unsigned,
    octet_string,
    structure,
)
from tests.monitoring.fleet import MonitoredFleet
from tests.visited import having

WINTER = CosemDateTime(2026, 1, 31, 0xFF, 14, 30, 0, 0, -60, 0).to_bytes()
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
        structure(b"\x19" + SUMMER, NULL_DATA),
    ]
    assert perform(fleet, array(rows)) == {
        "outages": [
            {"end_time": "2026-01-31T13:30:00Z", "duration": 180},
            {"end_time": "2026-07-01T12:30:00Z", "duration": 720},
            {"end_time": "2026-07-01T12:30:00Z", "duration": None},
        ],
        "rejected_rows": [],
        "rejected_row_count": 0,
    }


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
    assert len(result["outages"]) == 2
    assert result["rejected_rows"] == [
        {"index": 1, "reason": "The clock is left out."},
        {"index": 2, "reason": "The clock does not tell a complete time."},
        {"index": 3, "reason": "The row has 1 columns instead of 2."},
        {"index": 4, "reason": "The duration is not a number."},
        {"index": 5, "reason": "The duration is negative."},
        {"index": 6, "reason": "The row has 0 columns instead of 2."},
    ]
    assert result["rejected_row_count"] == 6


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
