"""Whatever is wrong with a meter's answers: a message ends with a result that can be stored, or a fault."""

from typing import Any

import pytest

from osgp.faults import Fault
from osgp.simulator import FaultKind
from tests.visited import ANSWERS, Visits, outcome_with, saying

MESSAGES: dict[str, dict[str, Any]] = {
    "SynchronizeTime": {},
    "RetrieveConfigurationObjects": {},
    "GetSpecificConfigurationObject": {"class_id": 3, "obis_code": "1-0:1.8.0.255", "attribute": 3},
    "GetAssociationLnObjects": {},
    "ScanMbusChannels": {},
    "TestAlarmScheduler": {"alarm_type": "LAST_GASP", "test_time": "2098-12-24T12:00:00Z"},
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("message", MESSAGES)
def test_a_result_or_a_fault(visits: Visits, message: str, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.5", polyphase=True)
    with saying(simulated, {}):  # the meter forgets what was written
        outcome = outcome_with(visits, kind, simulated, message, MESSAGES[message])
    assert isinstance(outcome, Fault | dict)
    if kind is FaultKind.HUGE_LENGTH and message == "ScanMbusChannels":
        assert isinstance(outcome, Fault)
    if kind is FaultKind.WRONG_TYPES and message == "GetAssociationLnObjects":
        # Only the last right of each object is spoiled.
        assert isinstance(outcome, dict)
        assert len(outcome["objects"]) > 200
        assert outcome["unavailable"]
    if kind is FaultKind.LONG_CLOCK and message == "RetrieveConfigurationObjects":
        assert isinstance(outcome, dict)
        assert outcome["complete"] is True
        assert all(
            item["status"] in {"READ", "NOT_READ"} for row in outcome["objects"] for item in row["attributes"]
        )
