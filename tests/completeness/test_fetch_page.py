"""Operators' page of missing readings: how many meters lack them, fetching all, and how far that is."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch
from osgp.completeness import fetching
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import creation, steering
from osgp.pages.readings import fetching as page
from osgp.pages.readings import missing_page
from osgp.requests.models import Request, RequestState
from tests import factories
from tests.admin.conftest import make_user, signed_in
from tests.batches.conftest import create_all, make_fleet
from tests.readings.columns import column, deliver, interval_ends
from tests.readings.test_admin import MISSING, RANGE
from tests.readings.test_missing import DAY
from tests.state_check import states_by_hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("moment")]

COMPLETENESS = "/admin/completeness/daytotal/"


@pytest.fixture
def superuser() -> Client:
    user = make_user("operator", None)
    user.is_superuser = True
    user.save()
    return signed_in(user)


@pytest.fixture
def fleet(organisation: Organisation) -> list[Device]:
    return make_fleet(organisation, 60)


def show(client: Client, query: str = RANGE) -> str:
    answer = client.get(f"{MISSING}?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, query: str = RANGE) -> str:
    return client.post(f"{MISSING}?{query}", follow=True).content.decode()


def test_one_press_fetches_all_pages(superuser: Client, fleet: list[Device]) -> None:
    before = show(superuser)
    assert "Fetch all</button>" in before
    assert "<b>Up to 60</b> meters lack readings" in before
    assert "data-live" not in before
    content = press(superuser)
    assert "Accepted: 60 meters will be asked." in content
    batch = Batch.objects.get()
    for text in ('data-live="3"', f"/admin/batches/batch/{batch.pk}/change/", "looking for more meters"):
        assert text in content
    assert "Missing readings of 14 October 2026" in content
    assert "Fetch all" not in content, "it is under way"
    create_all()
    with states_by_hand():
        Request.objects.filter(device__in=fleet[:20]).update(state=RequestState.SUCCEEDED)
    content = show(superuser)
    assert '>20 <span class="quiet">of 60</span>' in content
    assert "Fetch all" in show(superuser, f"{RANGE}&device_type=SMART_METER_E"), "that is another filter"
    assert "Being fetched</h2>" in show(superuser, f"{RANGE}&device_type=SMART_METER_E")
    assert "Being fetched</h2>" not in show(superuser, "first=2026-10-12&last=2026-10-13")
    with states_by_hand():
        Request.objects.update(state=RequestState.SUCCEEDED)
    steering.settle()
    content = show(superuser)
    assert "Being fetched</h2>" not in content
    assert "data-live" not in content


def test_how_many_is_said_as_well_as_it_is_known(
    superuser: Client, fleet: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_COUNTED", 55)
    assert "<b>55+</b> meters lack readings" in show(superuser)
    assert re.search(r"<b>\d", show(superuser, f"{RANGE}&reason=NEVER_ASKED")) is None
    for device in fleet[1:]:
        deliver(device, column(interval_ends(DAY)))
    assert "<b>1</b> meter lacks readings" in show(superuser)


def test_totals_say_how_many(
    superuser: Client,
    organisation: Organisation,
    fleet: list[Device],
    count: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = DeviceGroup.objects.create(organisation=organisation, name="north")
    groups.add(group, [device.identification for device in fleet[:52]])
    count()
    monkeypatch.setattr(missing_page, "PAGE_SIZE", 20)
    assert "<b>60</b> meters lack readings" in show(superuser)
    assert "Fetch all 60</button>" in show(superuser)
    assert "<b>52</b> meters lack readings" in show(superuser, f"{RANGE}&group={group.pk}")


def test_operators_fetch_in_the_name_of_owners(
    superuser: Client, organisation: Organisation, other_organisation: Organisation, fleet: list[Device]
) -> None:
    theirs = factories.make_device("X1", owner=other_organisation)
    factories.grant(other_organisation, fleet[0], "MONITORING")
    press(superuser)
    create_all()
    totals = {batch.organisation: batch.total for batch in Batch.objects.all()}
    assert totals == {organisation: 60, other_organisation: 1}
    assert Request.objects.get(organisation=other_organisation).device == theirs
    content = show(superuser)
    assert content.count("Missing readings of 14 October 2026</a>") == 2


def test_a_user_sees_and_starts_batches_of_the_own_organisation(
    organisation: Organisation, other_organisation: Organisation, fleet: list[Device]
) -> None:
    sender = signed_in(make_user("sender", organisation, "view_series", "add_request"))
    content = press(sender)
    assert "Missing readings of 14 October 2026" in content
    assert "/admin/batches/batch/" not in content, "a link needs the permission to follow it"
    assert Batch.objects.get().application == "admin/sender"
    stranger = signed_in(make_user("stranger", other_organisation, "view_series", "add_request"))
    assert "Being fetched</h2>" not in show(stranger)
    assert "There is nothing to fetch" in press(stranger)


@pytest.mark.parametrize("path", ["", "{0}/change/"])
def test_batch_pages_say_what_is_fetched(
    superuser: Client, organisation: Organisation, fleet: list[Device], path: str
) -> None:
    group = DeviceGroup.objects.create(organisation=organisation, name="north")
    groups.add(group, [device.identification for device in fleet])
    press(superuser, f"{RANGE}&group={group.pk}&reason=NEVER_ASKED")
    content = superuser.get(f"/admin/batches/batch/{path.format(Batch.objects.get().pk)}").content.decode()
    link, text = re.findall(r'<a href="([^"]+)">(missing readings [^<]+)</a>', content)[0]
    assert text == "missing readings of 14 October 2026, group north, never asked"
    shown = superuser.get(link.replace("&amp;", "&")).content.decode()
    assert "Being fetched</h2>" in shown
    assert "Fetch all" not in shown, "the link leads to the same filter"


def test_completeness_leads_to_it(
    superuser: Client, organisation: Organisation, fleet: list[Device], count: Callable[[], None]
) -> None:
    count()
    content = superuser.get(f"{COMPLETENESS}?day={DAY}").content.decode()
    [url] = re.findall(r'<form method="post" action="([^"]+series[^"]+)">', content)
    answer: Any = superuser.post(url.replace("&amp;", "&"), follow=True)
    assert "Accepted: 60 meters will be asked." in answer.content.decode()
    assert (Batch.objects.get().target or {})["until"] == str(DAY + timedelta(days=1))
    reader = signed_in(make_user("reader", organisation, "view_series"))
    assert "Fetch what is missing" not in reader.get(f"{COMPLETENESS}?day={DAY}").content.decode()


def test_more_than_can_be_looked_at_in_one_go(
    superuser: Client, fleet: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST_LOOKED_AT", 8)
    assert "all meters that lack these readings will be asked" in press(superuser)
    assert Batch.objects.get().total == 8
    for _ in range(4):
        creation.create_slice()
    content = show(superuser)
    assert '0 <span class="quiet">of 32</span>' in content, "as many as there are by now"
