"""Requests that only change the platform: all or nothing, and never lost."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, NotRequired, TypedDict

import pytest
from django.db import DatabaseError, OperationalError
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import PlatformOperation, Sender, Service
from osgp.messages.serializers import SecretField
from osgp.messages.shapes import NoResult
from osgp.requests import states
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.requests.states import bulk as bulk_states
from osgp.visits import platform_requests, tasks
from tests import factories
from tests.devices.concurrency import at_once
from tests.processes import eventually

pytestmark = pytest.mark.django_db(transaction=True)


class RenameParameters(TypedDict):
    """One that is kept, and one that is not."""

    name: NotRequired[str]
    key: NotRequired[Annotated[str, SecretField()]]


class RenameOrganisation(PlatformOperation[RenameParameters, NoResult]):
    """Changes something, and then does what the test wants."""

    message = "RenameOrganisation"
    service = Service.MANAGEMENT
    outcome: BaseException | None = None

    def check(self, sender: Sender, device: Device | None, parameters: RenameParameters) -> None:
        pass

    def perform(
        self, sender: Sender, device_identification: str, parameters: RenameParameters
    ) -> tuple[Device | None, NoResult]:
        Organisation.objects.filter(pk=sender.organisation.pk).update(name="renamed")
        if self.outcome is not None:
            raise self.outcome
        return Device.objects.get(identification=device_identification), {}


@pytest.fixture
def operation(monkeypatch: pytest.MonkeyPatch) -> Iterator[RenameOrganisation]:
    operation = RenameOrganisation()
    monkeypatch.setitem(registry._operations, operation.message, operation)
    yield operation
    RenameOrganisation.outcome = None


@pytest.fixture
def request_(organisation: Organisation, device: Device) -> Request:
    return factories.make_request(
        organisation,
        device,
        "RenameOrganisation",
        meter=None,
        due_at=timezone.now() - timedelta(minutes=1),
    )


def test_success(operation: RenameOrganisation, request_: Request, device: Device) -> None:
    assert platform_requests.perform_due(10) == 1
    request_.refresh_from_db()
    assert (request_.state, request_.attempts, request_.device) == (RequestState.SUCCEEDED, 1, device)
    assert request_.completed_at is not None
    assert Action.objects.get().state == ActionState.DONE
    assert Organisation.objects.get().name == "renamed"
    assert platform_requests.perform_due(10) == 0


def test_a_fault_changes_nothing_but_the_request(operation: RenameOrganisation, request_: Request) -> None:
    RenameOrganisation.outcome = Fault(FaultCode.EXISTING_DEVICE, "There is one.")
    assert platform_requests.perform_due(10) == 1
    request_.refresh_from_db()
    assert request_.state == RequestState.FAILED
    assert request_.fault is not None
    assert request_.fault["code"] == 204
    assert Action.objects.get().fault == request_.fault
    assert Organisation.objects.get().name != "renamed"


@pytest.mark.parametrize("error", [ZeroDivisionError("secret detail"), DatabaseError("secret detail")])
def test_an_internal_error_is_tried_again(
    operation: RenameOrganisation, request_: Request, error: Exception
) -> None:
    RenameOrganisation.outcome = error
    for attempt in (1, 2, 3):
        Request.objects.update(due_at=timezone.now() - timedelta(minutes=1))
        assert platform_requests.perform_due(10) == 1
        request_.refresh_from_db()
        assert request_.attempts == attempt
        assert request_.state == (RequestState.RETRYING if attempt < 3 else RequestState.FAILED)
    assert request_.fault is not None
    assert request_.fault["code"] == 414
    assert "secret detail" not in str(request_.fault)
    assert Organisation.objects.get().name != "renamed"


def test_a_process_that_dies_leaves_the_request_as_it_was(
    operation: RenameOrganisation, request_: Request
) -> None:
    RenameOrganisation.outcome = SystemExit()
    with pytest.raises(SystemExit):
        platform_requests.perform_due(10)
    request_.refresh_from_db()
    assert (request_.state, request_.attempts) == (RequestState.QUEUED, 0)
    assert Organisation.objects.get().name != "renamed"
    RenameOrganisation.outcome = None
    Request.objects.update(due_at=timezone.now() - timedelta(minutes=1))  # The lease has run out.
    assert platform_requests.perform_due(10) == 1


def test_a_cancelled_request_is_not_carried_out(operation: RenameOrganisation, request_: Request) -> None:
    assert states.cancel(request_.pk)
    assert platform_requests.perform_due(10) == 0
    assert Organisation.objects.get().name != "renamed"


def test_a_slice_ends_at_its_limit(
    operation: RenameOrganisation, organisation: Organisation, device: Device
) -> None:
    for _ in range(3):
        factories.make_request(
            organisation,
            device,
            "RenameOrganisation",
            meter=None,
            due_at=timezone.now() - timedelta(minutes=1),
        )
    assert platform_requests.perform_due(2) == 2
    assert Request.objects.filter(state=RequestState.QUEUED).count() == 1


@pytest.mark.parametrize("end", ["success", "fault", "cancelled", "cancelled with others", "overdue"])
def test_secrets_are_forgotten_once_the_request_is_final(
    operation: RenameOrganisation, request_: Request, end: str
) -> None:
    Action.objects.update(parameters={"key": "ciphertext", "name": "x"})
    if end == "success":
        platform_requests.perform_due(1)
    elif end == "fault":
        RenameOrganisation.outcome = Fault(FaultCode.EXISTING_DEVICE, "There is one.")
        platform_requests.perform_due(1)
    elif end == "cancelled":
        states.cancel(request_.pk)
    elif end == "cancelled with others":
        assert bulk_states.cancel_waiting(Request.objects.all(), 10) == [request_.pk]
    else:
        Request.objects.update(max_schedule_time=timezone.now() - timedelta(seconds=1))
        states.fail_overdue()
    request_.refresh_from_db()
    assert request_.is_final
    assert Action.objects.get().parameters == {"name": "x"}


def test_one_that_kills_whoever_carries_it_out_is_given_up(
    operation: RenameOrganisation, request_: Request, organisation: Organisation, device: Device
) -> None:
    """SystemExit stands for a sudden death: nothing catches it, and the transaction is rolled back."""
    RenameOrganisation.outcome = SystemExit()
    for deaths in (1, 2, 3):
        with pytest.raises(SystemExit):
            platform_requests.perform_due(10)
        request_.refresh_from_db()
        assert (request_.state, request_.crashes, request_.attempts) == (RequestState.QUEUED, deaths, 0)
        # Nobody can tell yet that it will not go on.
        assert platform_requests.perform_due(10) == 0
        Request.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    RenameOrganisation.outcome = None
    innocent = factories.make_request(
        organisation, device, "RenameOrganisation", meter=None, due_at=timezone.now() - timedelta(seconds=30)
    )
    assert platform_requests.perform_due(10) == 1
    request_.refresh_from_db()
    assert (request_.state, request_.crashes) == (RequestState.FAILED, 3)
    assert request_.fault is not None
    assert request_.fault["code"] == FaultCode.UNABLE_TO_PROCESS_REQUEST
    assert Action.objects.get(request=request_).state == ActionState.FAULT
    innocent.refresh_from_db()
    assert (innocent.state, innocent.crashes, innocent.attempts) == (RequestState.SUCCEEDED, 0, 1)


def test_what_somebody_else_is_at_is_left_to_them(operation: RenameOrganisation, request_: Request) -> None:
    due_at = request_.due_at
    chosen = states.choose_platform_request()
    assert chosen is not None
    assert chosen.pk == request_.pk
    assert states.choose_platform_request() is None
    request_.refresh_from_db()
    assert request_.crashes == 1
    for _ in range(2):
        states.leave_platform_request(chosen)
        request_.refresh_from_db()
        assert (request_.crashes, request_.due_at) == (0, due_at)


def test_many_at_once_take_no_other_for_dead(
    operation: RenameOrganisation, organisation: Organisation, device: Device
) -> None:
    for _ in range(20):
        factories.make_request(
            organisation,
            device,
            "RenameOrganisation",
            meter=None,
            due_at=timezone.now() - timedelta(minutes=1),
        )
    done = at_once(6, lambda _: platform_requests.perform_due(100))
    assert sum(number for number in done if isinstance(number, int)) == 20
    outcomes = set(Request.objects.values_list("state", "attempts", "crashes"))
    assert outcomes == {(RequestState.SUCCEEDED, 1, 0)}


@pytest.mark.parametrize("can_say_so", [True, False])
def test_an_error_that_the_process_survives_is_no_death(
    operation: RenameOrganisation, request_: Request, monkeypatch: pytest.MonkeyPatch, can_say_so: bool
) -> None:
    """As when the database refuses connections: it is due as before, however often that happens."""

    def lost(*_: object) -> None:
        raise OperationalError("too many clients")

    for _ in range(5):
        with monkeypatch.context() as patch:
            patch.setattr(states, "start_platform_request", lost)
            if not can_say_so:
                patch.setattr(states, "leave_platform_request", lost)
            with pytest.raises(OperationalError):
                platform_requests.perform_due(10)
        if can_say_so:
            request_.refresh_from_db()
            assert (request_.state, request_.crashes) == (RequestState.QUEUED, 0)
        else:
            with monkeypatch.context() as patch:
                patch.setattr(states, "choose_platform_request", lambda: None)
                assert platform_requests.perform_due(10) == 0
    assert platform_requests.perform_due(10) == 1
    request_.refresh_from_db()
    assert (request_.state, request_.crashes) == (RequestState.SUCCEEDED, 0)


def test_a_flood_of_hints_takes_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each greenlet that used the database itself would open a connection of its own."""
    names: list[str] = []
    others_have_returned = threading.Event()

    def perform_due(limit: int) -> int:
        names.append(threading.current_thread().name)
        assert others_have_returned.wait(180)
        return 0

    monkeypatch.setattr(platform_requests, "perform_due", perform_due)
    hints = [threading.Thread(target=tasks.perform_platform_requests) for _ in range(20)]
    for hint in hints:
        hint.start()
    eventually(lambda: sum(hint.is_alive() for hint in hints) == 2, "all but two to return")
    others_have_returned.set()
    for hint in hints:
        hint.join(180)
    assert len(names) == 2
    assert all(name.startswith("database-lane") for name in names)
    tasks.perform_platform_requests()
    assert len(names) == 3
