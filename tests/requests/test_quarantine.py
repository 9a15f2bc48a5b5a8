"""Requests that kill their workers leave a note with their device; dispatchers go on in any case."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests import states
from osgp.requests.models import MeterSession, Request, RequestState
from osgp.system_notes import announcing
from osgp.system_notes.models import NoteState, SystemNote
from tests.factories import make_request

pytestmark = pytest.mark.django_db


def lose(settings: Settings, request: Request) -> None:
    """The worker dies that carries out the only request, for the last time that is put up with."""
    most = settings.OSGP["MAX_CRASHES"]
    Request.objects.filter(pk=request.pk).update(crashes=most - 1)
    (session,) = states.open_sessions(1).sessions
    assert states.claim(session.pk, session.token, "worker")
    assert states.take_requests(session.pk, session.meter_id, 1, suspects=True)
    MeterSession.objects.filter(pk=session.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert states.reap() == 1


def test_a_note_tells_of_it(organisation: Organisation, device: Device, settings: Settings) -> None:
    request = make_request(organisation, device, "ActualMeterReads")
    lose(settings, request)
    request.refresh_from_db()
    assert (request.state, request.crashes) == (RequestState.FAILED, 3)
    note = SystemNote.objects.get()
    assert (note.device, note.kind, note.state) == (device, "QUARANTINE", NoteState.OPEN)
    assert note.text == "ActualMeterReads was given up: the worker that carried it out died 3 times."
    assert note.last_correlation_uid == request.correlation_uid
    assert note.details == {
        "correlation_uid": str(request.correlation_uid),
        "message": "ActualMeterReads",
        "crashes": 3,
    }


def test_it_is_told_each_time(
    organisation: Organisation, device: Device, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[object, int]] = []
    monkeypatch.setattr(
        announcing, "_announcements", [lambda note: told.append((note.last_correlation_uid, note.count))]
    )
    requests = []
    for _ in range(2):
        requests.append(make_request(organisation, device))
        lose(settings, requests[-1])
    assert told == [(requests[0].correlation_uid, 1), (requests[1].correlation_uid, 2)]
    assert SystemNote.objects.count() == 1


def test_a_note_of_an_mbus_device_is_with_that_device(
    organisation: Organisation, gas_meter: Device, settings: Settings
) -> None:
    lose(settings, make_request(organisation, gas_meter, "ActualMeterReadsGas"))
    assert SystemNote.objects.get().device == gas_meter


def test_platform_requests_too(organisation: Organisation, device: Device, settings: Settings) -> None:
    most = settings.OSGP["MAX_CRASHES"]
    request = make_request(organisation, device, "UpdateProtocol", meter=None, crashes=most)
    assert states.choose_platform_request() is None
    request.refresh_from_db()
    assert request.state == RequestState.FAILED
    assert SystemNote.objects.get().kind == "QUARANTINE"


def test_a_device_that_does_not_exist_yet_has_no_note(
    organisation: Organisation, device: Device, settings: Settings
) -> None:
    request = make_request(organisation, device, "AddDevice", meter=None, crashes=3)
    Request.objects.update(device=None)
    assert states.choose_platform_request() is None
    request.refresh_from_db()
    assert request.state == RequestState.FAILED
    assert not SystemNote.objects.exists()


def test_a_note_that_fails_does_not_keep_dispatchers_from_giving_up(
    organisation: Organisation,
    device: Device,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(note: SystemNote) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(announcing, "_announcements", [fail])
    request = make_request(organisation, device)
    lose(settings, request)
    request.refresh_from_db()
    assert request.state == RequestState.FAILED
    assert not SystemNote.objects.exists()
    assert "no note QUARANTINE" in caplog.text
