"""What Celery's tools show of a hint, and what they do not."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from kombu.message import Message

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import MeterSession, Request, RequestState
from osgp.visits import tasks
from osgp.visits.hint_display import describe_hints
from osgp.visits.hint_request import HintRequest
from tests import factories

pytestmark = pytest.mark.django_db

AGO = timedelta(minutes=1)


def session_of(device: Device) -> MeterSession:
    now = timezone.now()
    return MeterSession.objects.create(meter=device, opened_at=now, expires_at=now + AGO)


def waiting(organisation: Organisation, device: Device, message: str, **fields: Any) -> Request:
    return factories.make_request(organisation, device, message, **{"due_at": timezone.now() - AGO} | fields)


def test_the_meter_and_its_due_work_most_urgent_first(organisation: Organisation, device: Device) -> None:
    late = waiting(organisation, device, "SynchronizeTime", effective_priority=2)
    urgent = waiting(organisation, device, "ActualMeterReads", effective_priority=9)
    waiting(organisation, device, "NotYet", due_at=timezone.now() + AGO)
    waiting(organisation, device, "Over", state=RequestState.SUCCEEDED)
    session = session_of(device)
    assert describe_hints([session]) == {
        session.pk: (
            f"{device.identification}: ActualMeterReads {urgent.correlation_uid}, "
            f"SynchronizeTime {late.correlation_uid}"
        )
    }


def test_much_work_is_counted_and_nothing_due_is_said(
    organisation: Organisation, device: Device, django_assert_num_queries: Any
) -> None:
    other = factories.make_device("E2")
    sessions = [session_of(device), session_of(other)]
    requests = [waiting(organisation, device, "M" * 64) for _ in range(12)]
    with django_assert_num_queries(2):
        shown = describe_hints(sessions)
    text = shown[sessions[0].pk]
    assert [str(request.correlation_uid) in text for request in requests] == [True] * 5 + [False] * 7
    assert text.endswith(" and 7 more")
    assert len(text) < 600
    assert shown[sessions[1].pk] == "E2: nothing is due any more"


def received(task: Any) -> HintRequest:
    """A hint as a worker holds it."""
    message = Message(headers=task.headers, properties=task.properties, delivery_info={})
    return HintRequest(
        message, headers=task.headers, body=task.body, decoded=True, app=tasks.app, task=tasks.visit_meter
    )


def test_a_worker_tells_the_text_and_never_the_arguments() -> None:
    assert tasks.visit_meter.Request == "osgp.visits.hint_request:HintRequest"
    request = received(
        tasks.app.amqp.as_task_v2(
            str(uuid.uuid4()),
            tasks.visit_meter.name,
            ("a session", "the token"),
            argsrepr="E1: ActualMeterReads",
            kwargsrepr="{}",
        )
    )
    assert request.args == ("a session", "the token")
    for told in (request.info(), request.info(safe=False), request.info(safe=True)):
        assert told["args"] == "E1: ActualMeterReads"
        assert "the token" not in repr(told)
    assert "the token" not in f"{request!r} {request}"
