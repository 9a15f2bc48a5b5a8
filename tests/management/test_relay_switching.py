"""DisconnectRelay and ReconnectRelay: every control mode and state, and meters that do something else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.faults import Fault, FaultCode
from osgp.messages.operation import MeterOperation, OutcomeUnknown
from osgp.messages.registry import find_operation
from osgp.messages.visited_meter import VisitedMeter
from osgp.simulator import FaultKind
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.visited import ANSWERS, PROFILES, SILENT, Visits, outcome_with, perform, saying

TAG = "DISCONNECT_CONTROL"
OUTPUT, STATE, MODE = (TAG, 2), (TAG, 3), (TAG, 4)
NAMES = ("DISCONNECTED", "CONNECTED", "READY_FOR_RECONNECTION")
D, C, R = range(3)
REFUSED = -1
DISCONNECT, RECONNECT = "DisconnectRelay", "ReconnectRelay"
EXPECTED = {
    # By mode: the states after it from D, C and R.
    DISCONNECT: {0: (D, REFUSED, REFUSED)} | dict.fromkeys(range(1, 7), (D, D, D)),
    RECONNECT: {0: (REFUSED, C, REFUSED)}
    | dict.fromkeys((2, 4), (C, C, REFUSED))
    | dict.fromkeys((1, 3, 5, 6), (R, C, R)),
}


@contextmanager
def relay(visits: Visits, profile: str, mode: int, state: int, **said: str) -> Iterator[SimulatedMeter]:
    """A meter whose relay is in this mode and state; connected again in the end."""
    simulated = visits.simulated(profile)
    names = {"output_state": OUTPUT, "control_state": STATE, "control_mode": MODE}
    values = {MODE: f"16{mode:02x}"} | {names[name]: octets for name, octets in said.items()}
    simulated.memory.control_state = state
    try:
        with saying(simulated, values):
            yield simulated
    finally:
        simulated.memory.control_state = C


def count_actions(simulated: SimulatedMeter) -> int:
    return simulated.memory.statistics.actions


def find_outcome(meter: VisitedMeter, message: str) -> Any:
    operation = find_operation(message)
    assert isinstance(operation, MeterOperation)
    return operation.represent_result(operation.find_outcome(meter, operation.parse({})))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("message", [DISCONNECT, RECONNECT])
@pytest.mark.parametrize("mode", range(7))
@pytest.mark.parametrize("state", [D, C, R])
def test_every_mode_and_state(visits: Visits, profile: str, message: str, mode: int, state: int) -> None:
    expected = EXPECTED[message][mode][state]
    with relay(visits, profile, mode, state) as simulated, visits.visit(simulated) as meter:
        actions, round_trips = count_actions(simulated), meter.association.statistics.round_trips
        begun = datetime.now(UTC)
        if expected == REFUSED:
            with pytest.raises(Fault, match=f"{NAMES[state]}, and control mode {mode} allows no") as info:
                perform(meter, message)
            assert (info.value.code, info.value.retryable) == (FaultCode.UNSUPPORTED_DEVICE_ACTION, False)
        else:
            result = perform(meter, message)
            assert begun <= datetime.fromisoformat(result.pop("as_of")) <= datetime.now(UTC)
            assert result == {"before": NAMES[state], "after": NAMES[expected], "control_mode": mode}
        sent = int(expected not in (state, REFUSED))
        assert count_actions(simulated) - actions == sent
        assert meter.association.statistics.round_trips - round_trips == (3 if sent else 1)
        assert simulated.memory.control_state == (state if expected == REFUSED else expected)


@pytest.mark.parametrize("message", [DISCONNECT, RECONNECT])
@pytest.mark.parametrize("mode", range(7))
@pytest.mark.parametrize("state", [D, C, R])
def test_what_came_of_a_lost_attempt(visits: Visits, message: str, mode: int, state: int) -> None:
    wanted = {DISCONNECT: (D,), RECONNECT: (C,) if mode in (0, 2, 4) else (C, R)}[message]
    with relay(visits, "SMR-5.1", mode, state) as simulated, visits.visit(simulated) as meter:
        actions, round_trips = count_actions(simulated), meter.association.statistics.round_trips
        if state in wanted:
            result = find_outcome(meter, message)
            assert result.pop("as_of")
            assert result == {"before": None, "after": NAMES[state], "control_mode": mode}
        else:
            with pytest.raises(Fault, match=f"lost .* {NAMES[state]} now.* not repeated") as info:
                find_outcome(meter, message)
            assert not isinstance(info.value, OutcomeUnknown)
            assert (info.value.code, info.value.retryable) == (FaultCode.UNABLE_TO_PROCESS_REQUEST, False)
        assert count_actions(simulated) == actions
        assert meter.association.statistics.round_trips == round_trips + 1


def test_a_lost_attempt_of_a_meter_that_does_not_tell(visits: Visits) -> None:
    with relay(visits, "SMR-5.1", 4, D, control_state="00") as simulated, visits.visit(simulated) as meter:
        for message in (DISCONNECT, RECONNECT):
            with pytest.raises(OutcomeUnknown):
                find_outcome(meter, message)


def test_a_lost_attempt_without_the_mode(visits: Visits) -> None:
    """Only "ready for reconnection" needs it."""
    with relay(visits, "SMR-5.1", 9, R) as simulated, visits.visit(simulated) as meter:
        with pytest.raises(OutcomeUnknown):
            find_outcome(meter, RECONNECT)
        with pytest.raises(Fault, match="READY_FOR_RECONNECTION now"):
            find_outcome(meter, DISCONNECT)
        simulated.memory.control_state = D
        result = find_outcome(meter, DISCONNECT)
        assert (result["after"], result["control_mode"]) == ("DISCONNECTED", None)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"control_mode": "1607"}, "control mode 7"),
        ({"control_mode": "00"}, "control mode None"),
        ({"control_state": "1603"}, "control state 3"),
        ({"control_state": "0901ff"}, "not a number"),
        ({"output_state": "0300"}, "CONNECTED, although its output has no power. Nothing was sent"),
    ],
)
def test_nothing_is_sent_to_a_meter_that_makes_no_sense(
    visits: Visits, said: dict[str, str], text: str
) -> None:
    with relay(visits, "SMR-5.1", 4, C, **said) as simulated, visits.visit(simulated) as meter:
        actions = count_actions(simulated)
        with pytest.raises(Fault, match=text) as info:
            perform(meter, DISCONNECT)
        assert info.value.code == FaultCode.ILLEGAL_RESPONSE
        assert count_actions(simulated) == actions


def test_the_output_need_not_be_told(visits: Visits) -> None:
    with relay(visits, "SMR-5.1", 4, C, output_state="00") as simulated, visits.visit(simulated) as meter:
        assert perform(meter, DISCONNECT)["after"] == "DISCONNECTED"


def test_a_meter_that_accepts_and_does_nothing(visits: Visits) -> None:
    with (
        relay(visits, "SMR-5.1", 4, D, control_state="1601", output_state="03ff") as simulated,
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match="accepted the disconnection, but its relay is CONNECTED") as info,
    ):
        perform(meter, DISCONNECT)
    assert (info.value.code, info.value.retryable) == (FaultCode.ILLEGAL_RESPONSE, False)


def test_a_meter_that_refuses(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells another mode than the one that it obeys."""
    monkeypatch.setattr("osgp.management.disconnect_control._parse_control_mode", lambda data: 4)
    with (
        relay(visits, "SMR-5.1", 0, C) as simulated,
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match="read-write-denied") as info,
    ):
        perform(meter, DISCONNECT)
    assert not info.value.retryable


@pytest.mark.parametrize("message", [DISCONNECT, RECONNECT])
@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if kind not in SILENT])
def test_hostile_answers_end_in_a_fault_or_the_truth(visits: Visits, message: str, kind: FaultKind) -> None:
    with relay(visits, "SMR-5.1", 4, C if message == DISCONNECT else D) as simulated:
        outcome = outcome_with(visits, kind, simulated, message, {})
        if not isinstance(outcome, Fault):
            assert outcome["after"] == NAMES[simulated.memory.control_state]


def test_it_is_no_part_of_the_management_of_meters() -> None:
    for message in (DISCONNECT, RECONNECT):
        operation = find_operation(message)
        assert operation.granted_to == {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.RELAY}
        assert not operation.repeatable
