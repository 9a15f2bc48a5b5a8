"""System events: owners of a device are told what was noticed of it."""

import pytest

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.events.models import Event
from osgp.system_notes.models import SystemNote
from tests.factories import grant, make_organisation
from tests.system_notes.test_keeping import FINE, SEEN, observe

pytestmark = pytest.mark.django_db


def test_owners_get_an_event(organisation: Organisation, device: Device) -> None:
    grant(make_organisation("OTHER"), device, "MONITORING")
    observe(device, SEEN)
    [event] = Event.objects.all()
    note = SystemNote.objects.get()
    assert event.organisation == organisation
    assert event.body == {
        "type": "system.event",
        "data": {
            "event_uid": str(event.subject),
            "device_identification": device.identification,
            "kind": note.kind,
            "text": note.text,
            "what_to_do": note.what_to_do,
            "details": note.details,
            "occurred_at": note.last_seen_at.isoformat().replace("+00:00", "Z"),
        },
    }


def test_once_as_long_as_it_is_so(device: Device) -> None:
    observe(device, SEEN)
    observe(device, SEEN)
    assert Event.objects.count() == 1
    observe(device, FINE)
    observe(device, SEEN)
    assert Event.objects.count() == 2
