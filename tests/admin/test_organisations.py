"""Limits of organisations, beside what is going on for them."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import MeterSession, SessionState, VisitLane

pytestmark = pytest.mark.django_db

FIELDS = {"identification": "UTILITY", "name": "Utility", "enabled": "on"}


def test_limits_are_set_and_their_use_is_shown(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    now = timezone.now()
    MeterSession.objects.create(
        meter=device,
        organisation=organisation,
        lane=VisitLane.NORMAL,
        state=SessionState.CLAIMED,
        opened_at=now,
        expires_at=now,
    )
    Organisation.objects.update(waiting_requests=1234)
    page = reverse("admin:accounts_organisation_change", args=[organisation.pk])
    body = FIELDS | {"max_visits": "40", "max_waiting_requests": "5000"}
    assert superuser.post(page, body).status_code == 302
    organisation.refresh_from_db()
    assert (organisation.max_visits, organisation.max_waiting_requests) == (40, 5000)
    for url in (page, reverse("admin:accounts_organisation_changelist")):
        shown = superuser.get(url).content.decode()
        assert "of 40" in shown
        assert "1,234" in shown
        assert "of 5,000" in shown


def test_no_limit_is_no_zero(superuser: Client, organisation: Organisation) -> None:
    page = reverse("admin:accounts_organisation_change", args=[organisation.pk])
    assert superuser.post(page, FIELDS | {"max_visits": "", "max_waiting_requests": ""}).status_code == 302
    organisation.refresh_from_db()
    assert (organisation.max_visits, organisation.max_waiting_requests) == (None, None)
    assert superuser.post(page, FIELDS | {"max_visits": "-1"}).status_code == 200
