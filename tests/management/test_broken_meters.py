"""Whatever is wrong with a meter's answers: a message ends with a result that can be stored, or a fault."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from osgp.faults import Fault
from osgp.simulator import FaultKind
from tests.visited import ANSWERS, NOW, Visits, outcome_with

LONG_AGO = NOW - timedelta(days=1000)
MESSAGES: dict[str, dict[str, Any]] = {
    "FindEvents": {
        "event_log_category": "POWER_QUALITY_EXTENDED_EVENT_LOG",
        "from": LONG_AGO.isoformat(),
        "until": NOW.isoformat(),
    },
    "GetGsmDiagnostic": {},
    "ReadRelayStatus": {},
    "ClearMBusStatusOnAllChannels": {},
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("message", MESSAGES)
def test_a_result_or_a_fault(visits: Visits, message: str, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.5", polyphase=True)
    outcome = outcome_with(visits, kind, simulated, message, MESSAGES[message])
    assert isinstance(outcome, Fault | dict)
    if message == "FindEvents" and isinstance(outcome, dict):
        check_events(kind, outcome)
    if message == "GetGsmDiagnostic" and kind is FaultKind.WRONG_TYPES:
        assert isinstance(outcome, dict)
        assert outcome["unavailable"]


def check_events(kind: FaultKind, outcome: dict[str, Any]) -> None:
    events, rejected = outcome["events"], outcome["rejected_rows"]
    if kind is FaultKind.FEW_COLUMNS:
        assert (events, len(rejected)) == ([], outcome["rejected_row_count"])
        assert rejected[0]["reason"] == "The row has 3 columns instead of 4."
    elif kind is FaultKind.WRONG_TYPES:
        # The duration is text: the events are there all the same.
        assert events
        assert {event["duration"] for event in events} == {None}
        assert len(rejected) == len(events)
        assert "The duration is not a number." in rejected[0]["reason"]
    else:
        times = [datetime.fromisoformat(event["timestamp"]) for event in events]
        assert times
        assert times == sorted(times)
        assert rejected == []


def test_events_that_come_twice_or_in_disorder(visits: Visits) -> None:
    """Seen in the field. Events are told oldest first, and each once."""
    simulated = visits.simulated("SMR-5.5", polyphase=True)
    usual, doubled, unordered = (
        visits.perform(simulated, "FindEvents", MESSAGES["FindEvents"])["events"]
        if kind is None
        else outcome_with(visits, kind, simulated, "FindEvents", MESSAGES["FindEvents"])["events"]
        for kind in (None, FaultKind.DOUBLED_ROWS, FaultKind.UNORDERED_ROWS)
    )
    assert doubled == usual
    assert unordered == usual
