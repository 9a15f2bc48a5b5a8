"""What may have taken effect is asked for, not repeated and not called failed.

A meter's answer to a SET or an ACTION may fail verification after it has done what it was told (seen in the
field: a tag that is wrong once in a while), or say nothing of the outcome.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import FaultCode
from osgp.message_logs.models import MessageLog
from osgp.messages.operation import OutcomeUnknown
from osgp.protocol_dlms import AccessResult, ActionResult, errors
from osgp.protocol_dlms import Meter as Association
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.simulator.meter.meter import Meter
from osgp.visits import uncertainty
from osgp.visits.uncertainty import MAY_HAVE_TAKEN_EFFECT, is_uncertain
from tests import factories, meters
from tests.bundle import probes
from tests.bundle.probes import Probe, ProbeOnce
from tests.requests.operations import registered

pytestmark = pytest.mark.django_db(transaction=True)

DISCONNECT = "DisconnectRelay"
RELAY = 70
"""Class of the disconnect control."""
DISCONNECTED, CONNECTED = 0, 1


class NotTold(errors.DlmsError):
    """The answer says nothing of the outcome, or cannot be trusted; it would be the same again."""

    fault_code = FaultCode.UNABLE_TO_DECYPHER
    can_retry = False
    may_have_taken_effect = True


class WrongAnswer(errors.DlmsError):
    """Lasts as well, but is no answer to what could have an effect."""

    fault_code = FaultCode.UNABLE_TO_DECYPHER
    can_retry = False


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator, registered(*probes.ALL):
        yield simulator
    Probe.performed.clear()
    Probe.hooks.clear()


@pytest.fixture
def device(simulator: SimulatorThread, organisation: Organisation, settings: Settings) -> Device:
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=2),
        "CONNECT_DEADLINE": timedelta(seconds=2),
    }
    return next(iter(meters.add_meters(organisation, simulator).values()))


@pytest.fixture
def simulated(simulator: SimulatorThread, device: Device) -> Meter:
    return simulator.meters[device.identification]


class Answers:
    """What becomes of the answers to methods of the disconnect control, and how many were invoked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.invoked = 0
        self.error: Callable[[], Exception] | None = None
        self.takes_effect = self.stays_open = True
        invoke = Association.invoke

        def invoke_and_lose(association: Association, descriptor: Any, *args: Any) -> Any:
            if descriptor.class_id != RELAY or self.error is None:
                return invoke(association, descriptor, *args)
            self.invoked += 1
            if self.takes_effect:
                invoke(association, descriptor, *args)
            if not self.stays_open:
                association.close()
            raise self.error()

        monkeypatch.setattr(Association, "invoke", invoke_and_lose)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    return Answers(monkeypatch)


def due(organisation: Organisation, device: Device, message: str = DISCONNECT, **fields: Any) -> Request:
    return factories.make_request(
        organisation, device, message, **{"due_at": timezone.now() - timedelta(seconds=5)} | fields
    )


def visit_again(device: Device) -> None:
    Request.objects.filter(state=RequestState.RETRYING).update(due_at=timezone.now() - timedelta(seconds=1))
    meters.visit(device)


def outcome(request: Request) -> Action:
    request.refresh_from_db()
    return request.actions.get()


def not_told() -> Exception:
    return NotTold("the tag of the answer is wrong")


ONE_EXCHANGE_LATER = [not_told, lambda: WrongAnswer("the answer is wrong"), lambda: errors.DecodeError("?")]


@pytest.mark.parametrize("error", ONE_EXCHANGE_LATER)
def test_it_is_asked_for_at_once_if_the_association_holds(
    organisation: Organisation,
    device: Device,
    simulated: Meter,
    answers: Answers,
    error: Callable[[], Exception],
) -> None:
    answers.error = error
    request = due(organisation, device)
    meters.visit(device)
    action = outcome(request)
    assert (request.state, request.attempts, action.state) == (RequestState.SUCCEEDED, 1, ActionState.DONE)
    assert action.result is not None
    assert (action.result["before"], action.result["after"]) == (None, "DISCONNECTED")
    assert (answers.invoked, simulated.memory.control_state) == (1, DISCONNECTED)
    device.refresh_from_db()
    assert device.relay_status == "DISCONNECTED"


def test_what_the_meter_did_not_do_has_failed(
    organisation: Organisation, device: Device, simulated: Meter, answers: Answers
) -> None:
    answers.error, answers.takes_effect = not_told, False
    request = due(organisation, device)
    meters.visit(device)
    action = outcome(request)
    assert (request.state, action.state) == (RequestState.FAILED, ActionState.FAULT)
    assert request.fault is not None
    assert (request.fault["code"], request.fault["retryable"]) == (414, False)
    assert "CONNECTED now" in request.fault["message"]
    assert answers.invoked == 1


def test_it_is_asked_for_in_the_next_visit_otherwise(
    organisation: Organisation, device: Device, simulated: Meter, answers: Answers
) -> None:
    """Also after a fault that is not retryable: what is tried again is to ask."""
    answers.error, answers.stays_open = not_told, False
    request = due(organisation, device)
    meters.visit(device)
    action = outcome(request)
    assert (request.state, action.state) == (RequestState.RETRYING, ActionState.STARTED)
    visit_again(device)
    action = outcome(request)
    assert (request.state, request.attempts, action.state) == (RequestState.SUCCEEDED, 2, ActionState.DONE)
    assert (answers.invoked, simulated.memory.control_state) == (1, DISCONNECTED)


def test_without_another_attempt_it_is_unknown_and_says_why(
    organisation: Organisation, device: Device, answers: Answers
) -> None:
    answers.error, answers.stays_open = not_told, False
    request = due(organisation, device, bypass_retry=True)
    meters.visit(device)
    action = outcome(request)
    assert (request.state, action.state) == (RequestState.FAILED, ActionState.UNKNOWN)
    assert action.fault == OutcomeUnknown("the tag of the answer is wrong").as_dict()
    assert action.fault["message"].startswith("the tag of the answer is wrong; whether it took effect is unk")


def test_a_meter_that_cannot_tell_leaves_it_unknown(organisation: Organisation, device: Device) -> None:
    def lose() -> None:
        raise NotTold("no outcome in the answer")

    Probe.hooks["once"] = lose
    request = due(organisation, device, ProbeOnce.message, parameters={"name": "once"})
    meters.visit(device)
    action = outcome(request)
    assert (request.state, request.attempts, action.state) == (RequestState.FAILED, 1, ActionState.UNKNOWN)
    assert action.fault == OutcomeUnknown("no outcome in the answer").as_dict()
    assert Probe.performed == ["once"]


def test_what_the_meter_declined_for_now_is_tried_again(
    organisation: Organisation, device: Device, simulated: Meter, answers: Answers
) -> None:
    """temporary-failure (Green Book, Action-Result 2) says that the method was not invoked."""

    def declined() -> Exception:
        method = simulated_method()
        error = errors.AccessError(ActionResult.TEMPORARY_FAILURE, method)
        error.retryable = True
        return error

    answers.error, answers.takes_effect = declined, False
    request = due(organisation, device)
    meters.visit(device)
    assert (outcome(request).state, request.state) == (ActionState.PENDING, RequestState.RETRYING)
    answers.error = None
    visit_again(device)
    action = outcome(request)
    assert (request.state, simulated.memory.control_state) == (RequestState.SUCCEEDED, DISCONNECTED)
    assert action.result is not None
    assert (action.result["before"], action.result["after"]) == ("CONNECTED", "DISCONNECTED")


def simulated_method() -> Any:
    from osgp import catalogue

    return catalogue.find_profile("SMR", "5.1")["DISCONNECT_CONTROL"].address_method("remote_disconnect")


def test_what_may_be_repeated_fails_alone_and_says_that_it_may_have_taken_effect(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong tag does not change. Requests beside it only lost their meter."""
    write = Association.set

    def write_and_lose(association: Association, *args: Any) -> None:
        write(association, *args)
        association.close()
        raise NotTold("The tag of the answer is wrong.")

    monkeypatch.setattr(Association, "set", write_and_lose)
    request = due(organisation, device, "SynchronizeTime", effective_priority=9)
    other = due(organisation, device, "ActualMeterReads")
    meters.visit(device)
    action = outcome(request)
    assert (request.state, request.attempts, action.state) == (RequestState.FAILED, 1, ActionState.FAULT)
    assert request.fault == action.fault
    assert action.fault is not None
    assert (action.fault["code"], action.fault["retryable"]) == (230, False)
    assert action.fault["message"] == f"The tag of the answer is wrong. {MAY_HAVE_TAKEN_EFFECT}"
    assert outcome(other).state == ActionState.PENDING
    assert other.state == RequestState.RETRYING
    assert MAY_HAVE_TAKEN_EFFECT not in (other.fault or {})["message"]
    named = MessageLog.objects.get().failed_call["requests"]  # type: ignore[index]
    assert {each["message"] for each in named} == {"SynchronizeTime", "ActualMeterReads"}
    visit_again(device)
    assert outcome(other).state == ActionState.DONE


def test_the_rest_of_a_bundle_is_tried_again(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Association.set

    def write_and_lose(association: Association, *args: Any) -> None:
        write(association, *args)
        association.close()
        raise NotTold("the tag of the answer is wrong")

    monkeypatch.setattr(Association, "set", write_and_lose)
    bundle = due(organisation, device, "Bundle")
    bundle.actions.all().delete()
    for position, message in enumerate(["ActualMeterReads", "SynchronizeTime", "ActualMeterReads"]):
        Action.objects.create(request=bundle, position=position, message=message, device=device)
    states = bundle.actions.order_by("position").values_list("state", flat=True)
    meters.visit(device)
    bundle.refresh_from_db()
    assert (bundle.state, list(states)) == (RequestState.RETRYING, ["DONE", "FAULT", "PENDING"])
    visit_again(device)
    bundle.refresh_from_db()
    assert (bundle.state, list(states.all())) == (RequestState.SUCCEEDED, ["DONE", "FAULT", "DONE"])


def test_the_last_action_of_a_bundle_ends_it(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(association: Association, *_: Any) -> None:
        association.close()
        raise NotTold("the tag of the answer is wrong")

    monkeypatch.setattr(Association, "set", lose)
    bundle = due(organisation, device, "Bundle")
    bundle.actions.update(message="SynchronizeTime")
    meters.visit(device)
    assert (outcome(bundle).state, bundle.state) == (ActionState.FAULT, RequestState.SUCCEEDED)


def test_a_fault_that_lasts_before_the_association_is_that_of_all(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    Device.objects.filter(pk=device.pk).update(security="HLS3")
    requests = [due(organisation, device, "ActualMeterReads") for _ in range(2)]
    meters.visit(device)
    for request in requests:
        request.refresh_from_db()
        assert (request.state, request.attempts) == (RequestState.FAILED, 1)


def test_a_change_of_keys_goes_on_whatever_ended_its_association(
    organisation: Organisation, device: Device, simulated: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meter that answers the transfer of a key under the new one has the wrong tag for the former one."""
    monkeypatch.setattr(errors.UnableToDecipher, "can_retry", False)
    monkeypatch.setattr(errors.UnableToDecipher, "may_have_taken_effect", True, raising=False)
    invoke = Association.invoke

    def answer_wrongly(association: Association, *args: Any) -> Any:
        simulated.faults.switch_on(FaultKind.WRONG_TAG, 1)
        monkeypatch.setattr(Association, "invoke", invoke)
        return invoke(association, *args)

    monkeypatch.setattr(Association, "invoke", answer_wrongly)
    request = due(organisation, device, "GenerateAndReplaceKeys")
    meters.visit(device)
    assert (outcome(request).state, request.state) == (ActionState.PENDING, RequestState.RETRYING)
    assert request.fault is not None
    assert request.fault["code"] == 230
    visit_again(device)
    assert (outcome(request).state, request.state) == (ActionState.DONE, RequestState.SUCCEEDED)


def test_which_faults_leave_an_outcome_uncertain() -> None:
    method, attribute = simulated_method(), simulated_attribute()
    declined = errors.AccessError(ActionResult.OBJECT_UNDEFINED, method)
    declined_for_now = errors.AccessError(ActionResult.TEMPORARY_FAILURE, method)
    refused_for_now = errors.AccessError(AccessResult.TEMPORARY_FAILURE, attribute)
    declined_for_now.retryable = refused_for_now.retryable = True
    told = uncertainty.Fault(FaultCode.ILLEGAL_RESPONSE, "The relay is CONNECTED afterwards.")
    assert [is_uncertain(fault) for fault in (declined, declined_for_now, told)] == [False] * 3
    lost = errors.SocketClosedByRemote("The meter hung up.")
    assert [is_uncertain(fault) for fault in (refused_for_now, lost, OutcomeUnknown())] == [True] * 3


def simulated_attribute() -> Any:
    from osgp import catalogue

    return catalogue.find_profile("SMR", "5.1")["DISCONNECT_CONTROL"].address_attribute("control_state")
