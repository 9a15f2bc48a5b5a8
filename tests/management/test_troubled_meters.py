"""Meters to which all happens that can: what they logged is known, and their M-Bus status is cleared."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from osgp import catalogue
from osgp.cosem.event_codes import UNKNOWN_EVENT, find_event_type
from osgp.messages.visited_meter import VisitedMeter
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from tests.simulator.dutch_events import CODES
from tests.visited import NOW, Visits, perform

PROFILE = catalogue.find_profile("SMR", "5.5")
UNITS = {"POWER_QUALITY_EXTENDED_EVENT_LOG": ("V", "s"), "POWER_QUALITY_THD_EVENT_LOG": ("%", None)}


@pytest.fixture(scope="module")
def troubled() -> Iterator[Visits]:
    """Three SMR 5.5 meters with a gas meter on every channel."""
    settings = FleetSettings(clock=NOW.timestamp, calm_from=None)
    fleet = Fleet.build(3, "SMR-5.5", polyphase=True, gas_meters=[4, 4, 4], settings=settings)
    with SimulatorThread(fleet) as running:
        yield Visits(running)


def test_both_tables_have_the_same_codes() -> None:
    """That of the standard was made apart from that of the profile."""
    for category, log in PROFILE.event_logs.items():
        for code in CODES[log.tag]:
            assert find_event_type(PROFILE, category, code) != UNKNOWN_EVENT, (category, code)
    theirs = {code for codes in CODES.values() for code in codes}
    ours = {code for category in PROFILE.event_logs for code in PROFILE.get_event_types(category)}
    assert ours - theirs == set(range(230, 250))


@pytest.mark.parametrize("category", PROFILE.event_logs)
def test_every_event_is_known_and_has_its_details(troubled: Visits, category: str) -> None:
    parameters = {
        "event_log_category": category,
        "from": (NOW - timedelta(days=1900)).isoformat(),
        "until": NOW.isoformat(),
    }
    magnitude, duration = UNITS.get(category, (None, None))
    codes: set[int] = set()
    for simulated in troubled.running.meters.values():
        result = troubled.perform(simulated, "FindEvents", parameters)
        assert result["rejected_rows"] == []
        for event in result["events"]:
            codes.add(event["event_code"])
            told = find_event_type(PROFILE, category, event["event_code"])
            assert event["event_type"] == told != UNKNOWN_EVENT
            assert (event["magnitude"] or {}).get("unit") == magnitude
            assert (event["duration"] or {}).get("unit") == duration
    assert codes <= set(CODES[PROFILE.event_logs[category].tag])
    assert len(codes) > 5


def test_a_status_is_cleared_once(troubled: Visits) -> None:
    for simulated in troubled.running.meters.values():
        with troubled.visit(simulated) as meter:
            before = numbers(meter, "READ_MBUS_STATUS", 2)
            assert all(before)
            first = perform(meter, "ClearMBusStatusOnAllChannels")["channels"]
            assert [row["status"] for row in first] == before
            assert all(row["cleared"] for row in first)
            assert [len(row["bits"]) for row in first] == [status.bit_count() for status in before]
            assert numbers(meter, "READ_MBUS_STATUS", 2) == [0, 0, 0, 0]
            # Class 72, attribute 12: the alarm that the device raised.
            assert numbers(meter, "MBUS_CLIENT_SETUP", 12) == [0, 0, 0, 0]
            second = perform(meter, "ClearMBusStatusOnAllChannels")["channels"]
            assert [(row["status"], row["cleared"]) for row in second] == [(0, False)] * 4


def numbers(meter: VisitedMeter, tag: str, attribute_id: int) -> list[Any]:
    """The attribute on each channel."""
    item = meter.find_object(tag)
    return [
        meter.association.get(item.address_attribute(attribute_id, channel)).value for channel in range(1, 5)
    ]
