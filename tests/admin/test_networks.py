"""Operators' pages about networks and cells, and the place of devices in them."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.networks.models import Cell, CommunicationNetwork
from osgp.requests.models import MeterSession
from tests.admin.conftest import make_user, signed_in
from tests.admin.test_devices import form_data, save
from tests.admin.test_pages import make_session
from tests.batches.conftest import make_fleet
from tests.factories import make_request

NETWORK = "admin:networks_communicationnetwork"
CELL = "admin:networks_cell"


def test_use_is_shown_beside_the_limit(
    superuser: Client, organisation: Organisation, make_busy: Callable[[], CommunicationNetwork]
) -> None:
    network = make_busy()
    page = superuser.get(reverse("admin:networks_communicationnetwork_changelist")).content.decode()
    visits = f"{reverse('admin:requests_metersession_changelist')}?network={network.pk}"
    assert f'<a href="{visits}"><b>2</b></a> <span class="quiet">of 2</span>' in page
    assert 'class="bar-bad" data-share="2"' in page
    assert re.search(r'class="field-waiting">1<', page)
    cells = superuser.get(reverse("admin:networks_cell_changelist")).content.decode()
    assert '<b>2</b></a> <span class="quiet">of 3</span>' in cells
    assert '3 <span class="quiet">of the network</span>' in cells
    number = "form-0-max_open_sessions"
    body = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": network.pk,
        number: 5,
        "_save": "Save",
    }
    superuser.post(reverse("admin:networks_communicationnetwork_changelist"), body)
    network.refresh_from_db()
    assert network.max_open_sessions == 5


@pytest.fixture
def make_busy(organisation: Organisation) -> Callable[[], CommunicationNetwork]:
    """A network with two live sessions in one cell, one that is over, and one request that waits."""

    def make() -> CommunicationNetwork:
        network = CommunicationNetwork.objects.create(
            name="CDMA", max_open_sessions=2, max_open_sessions_per_cell=3
        )
        cell = Cell.objects.create(network=network, base_station="B1", cell="1")
        devices = make_fleet(organisation, 3)
        Device.objects.update(network=network, cell=cell)
        make_session(devices[0], state="OPENED")
        make_session(devices[1], state="CLAIMED")
        make_session(devices[2], state="CLOSED", closed_at=timezone.now())
        make_request(organisation, devices[2], due_at=timezone.now() - timedelta(seconds=5))
        return network

    return make


def test_the_page_of_a_cell_leads_to_its_meters_and_visits(
    superuser: Client, device: Device, make_busy: Callable[[], CommunicationNetwork]
) -> None:
    network = make_busy()
    cell = network.cells.get()
    Device.objects.filter(pk=device.pk).update(network=None, cell=None)
    page = superuser.get(reverse(f"{CELL}_change", args=[cell.pk]))
    assert (page.context["meters"], page.context["waiting_now"]) == ("3", "1")
    assert '<b>2</b> <span class="quiet">of 3</span>' in page.content.decode()
    meters = superuser.get(page.context["meters_url"]).context["cl"].result_list
    assert set(meters) == set(Device.objects.exclude(pk=device.pk))
    visits = superuser.get(page.context["visits_url"]).context["cl"].result_list
    assert set(visits) == set(MeterSession.objects.all())
    page = superuser.get(reverse(f"{NETWORK}_change", args=[network.pk]))
    assert set(superuser.get(page.context["meters_url"]).context["cl"].result_list) == set(meters)
    devices = reverse("admin:devices_device_changelist")
    for query in ({"cell": "x"}, {"network": "-1"}, {"cell": cell.pk + 1}):
        assert not superuser.get(devices, query).context["cl"].result_list


def test_a_closed_place_looks_closed(superuser: Client) -> None:
    CommunicationNetwork.objects.create(name="GPRS", max_open_sessions=0)
    page = superuser.get(reverse(f"{NETWORK}_changelist")).content.decode()
    assert "of 0: closed" in page
    assert 'class="bar-bad" data-share="1"' in page


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "LTE"}, "name"),
        ({"name": ""}, "name"),
        ({"communication_method": "LTE"}, "communication_method"),
        ({"communication_method": "CARRIER PIGEON"}, "communication_method"),
        ({"max_open_sessions": "-1"}, "max_open_sessions"),
        ({"max_new_sessions_per_second": "many"}, "max_new_sessions_per_second"),
    ],
)
def test_what_is_wrong_with_a_network_is_told_at_its_field(
    superuser: Client, fields: dict[str, str], field: str
) -> None:
    first = CommunicationNetwork.objects.create(name="LTE", communication_method="LTE")
    answer = superuser.post(reverse(f"{NETWORK}_add"), {"name": "new", **fields})
    assert list(answer.context["adminform"].form.errors) == [field]
    body = {"name": "LTE", "communication_method": "LTE", "max_open_sessions": "7"}
    superuser.post(reverse(f"{NETWORK}_change", args=[first.pk]), body)
    first.refresh_from_db()
    assert first.max_open_sessions == 7


def test_a_cell_stays_in_its_network(superuser: Client) -> None:
    first, second = (CommunicationNetwork.objects.create(name=name) for name in ("A", "B"))
    body = {"network": first.pk, "base_station": "B1", "cell": "1", "max_open_sessions": ""}
    superuser.post(reverse(f"{CELL}_add"), body)
    cell = Cell.objects.get()
    superuser.post(reverse(f"{CELL}_change", args=[cell.pk]), body | {"network": second.pk, "cell": "2"})
    cell.refresh_from_db()
    assert (cell.network, cell.cell) == (first, "2")


def test_deleting_a_network_tells_what_becomes_of_its_cells_and_meters(
    superuser: Client, make_busy: Callable[[], CommunicationNetwork]
) -> None:
    network = make_busy()
    url = reverse(f"{NETWORK}_delete", args=[network.pk])
    page = superuser.get(url).content.decode()
    assert "Cells: 1" in page
    assert "Meters that will be in no network: 3" in page
    superuser.post(url, {"post": "yes"})
    assert not Cell.objects.exists()
    assert Device.objects.filter(network=None, cell=None).count() == 3


def test_a_device_is_put_into_a_network_and_a_cell_of_it(superuser: Client, device: Device) -> None:
    here, there = (CommunicationNetwork.objects.create(name=name) for name in ("here", "there"))
    cell = Cell.objects.create(network=here, base_station="B1", cell="1")
    for network in ("", there.pk):
        answer = save(superuser, device, network=network, cell=cell.pk)
        assert "This cell belongs to the network here" in str(answer.context["adminform"].form.errors["cell"])
    assert save(superuser, device, network=here.pk, cell=cell.pk).status_code == 302
    device.refresh_from_db()
    assert (device.network, device.cell) == (here, cell)
    found = superuser.get(
        reverse("admin:autocomplete"),
        {"app_label": "devices", "model_name": "device", "field_name": "cell", "term": "B1"},
    ).json()
    assert [row["text"] for row in found["results"]] == ["here B1/1"]
    save(superuser, device, network="", cell="")
    device.refresh_from_db()
    assert (device.network, device.cell) == (None, None)


def test_organisations_see_the_place_of_a_device_and_leave_it(
    organisation: Organisation, device: Device
) -> None:
    network = CommunicationNetwork.objects.create(name="LTE")
    Device.objects.filter(pk=device.pk).update(network=network)
    owner = signed_in(make_user("joost", organisation, "view_device", "change_device"))
    page = owner.get(reverse("admin:devices_device_change", args=[device.pk]))
    assert '<div class="readonly">LTE</div>' in page.content.decode()
    assert {"network", "cell"}.isdisjoint(form_data(owner, device))
    save(owner, device, network="", port="4100")
    device.refresh_from_db()
    assert (device.network, device.port) == (network, 4100)
    filters: Any = owner.get(reverse("admin:devices_device_changelist")).context["cl"].filter_specs
    assert "network" not in {item.title for item in filters}
