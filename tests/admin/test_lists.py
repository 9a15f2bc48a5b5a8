"""Lists stay fast: the number of queries does not grow with the rows, and nothing counts whole tables."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import ApiToken, Organisation
from osgp.devices.models import Device
from osgp.pages.shared import paging as admin_paging
from osgp.pages.shared.display_text import allow_breaks
from osgp.pages.shared.paging import count_up_to_limit, find_first_number_since
from osgp.requests.models import Request, RequestState
from tests.admin.test_pages import FAULT, make_session
from tests.factories import make_device, make_gas_meter, make_organisation, make_request


def add_rows(start: int, count: int) -> None:
    """Rows of every list, each with a device and an organisation of its own."""
    now = timezone.now()
    for number in range(start, start + count):
        organisation = make_organisation(f"ORG{number}")
        device = make_device(f"E{number:04}", owner=organisation, failed_connections=number)
        make_gas_meter(f"G{number:04}", gateway=device, owner=organisation)
        session = make_session(device, closed_at=now)
        make_request(
            organisation, device, session=session, state=RequestState.FAILED, fault=FAULT, completed_at=now
        )
        ApiToken.issue(organisation, "portal")


def queries_of(client: Client, url: str) -> int:
    client.get(url)  # Content types and the like are looked up once per process.
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


MOST_QUERIES = {
    "index": 18,
    "devices_device_changelist": 6,
    "requests_request_changelist": 7,
    "requests_metersession_changelist": 6,
    "accounts_apitoken_changelist": 7,
    "accounts_organisation_changelist": 8,
}


def test_fifty_rows_cost_as_many_queries_as_two(superuser: Client) -> None:
    def queries() -> dict[str, int]:
        return {name: queries_of(superuser, reverse(f"admin:{name}")) for name in MOST_QUERIES}

    add_rows(0, 2)
    few = queries()
    add_rows(2, 48)
    assert queries() == few
    assert {name: most for name, most in MOST_QUERIES.items() if few[name] > most} == {}


def test_the_pages_of_one_device_request_and_session_do_not_query_per_row(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    session = make_session(device)
    first = make_request(organisation, device, session=session)
    urls = [
        reverse("admin:devices_device_change", args=[device.pk]),
        reverse("admin:requests_metersession_change", args=[session.pk]),
        reverse("admin:requests_request_change", args=[first.pk]),
    ]
    few = [queries_of(superuser, url) for url in urls]
    for number in range(20):
        make_request(make_organisation(f"ORG{number}"), device, session=session)
        make_session(device)
    assert [queries_of(superuser, url) for url in urls] == few


def test_no_list_counts_the_whole_table(
    superuser: Client, device: Device, organisation: Organisation
) -> None:
    make_request(organisation, device)
    make_session(device)
    for name in ("devices_device", "requests_request", "requests_metersession"):
        with CaptureQueriesContext(connection) as queries:
            superuser.get(reverse(f"admin:{name}_changelist"))
        counts = [item["sql"] for item in queries if "COUNT(" in item["sql"]]
        assert counts
        assert all("LIMIT" in sql for sql in counts), counts


def test_counting_stops_at_its_limit(organisation: Organisation, device: Device) -> None:
    for _ in range(4):
        make_request(organisation, device)
    assert str(count_up_to_limit(Request.objects.all(), 3)) == "3+"
    assert str(count_up_to_limit(Request.objects.all(), 4)) == "4"


def test_a_long_list_says_that_it_is_longer(
    superuser: Client, organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_paging.count_up_to_limit, "__defaults__", (60,))
    for _ in range(70):
        make_request(organisation, device)
    url = reverse("admin:requests_request_changelist")
    page = superuser.get(url, {"p": 2})
    assert len(page.context["cl"].result_list) == 10
    assert "60+" in page.content.decode()
    assert superuser.get(url, {"p": 3}).status_code == 302


@pytest.mark.parametrize("number", [0, 1, 5, 3000, 7000])
def test_the_first_number_since_a_time_misses_no_request(
    organisation: Organisation, device: Device, number: int
) -> None:
    now = timezone.now()
    rows = [
        Request(
            organisation=organisation,
            message="X",
            device_identification="E1",
            due_at=now,
            created_at=now - timedelta(minutes=number - position),
        )
        for position in range(number)
    ]
    Request.objects.bulk_create(rows)
    for hours in (0, 1, 24, 72, 1000):
        since = now - timedelta(hours=hours)
        bound = find_first_number_since(since)
        assert not Request.objects.filter(created_at__gte=since, pk__lte=bound).exists()
        with CaptureQueriesContext(connection) as queries:
            find_first_number_since(since)
        assert len(queries) <= 5


Visit = Callable[[dict[str, str]], set[Any]]


@pytest.fixture
def listed(superuser: Client) -> Callable[[str, dict[str, str]], set[str]]:
    def visit(name: str, query: dict[str, str]) -> set[str]:
        answer = superuser.get(reverse(f"admin:{name}_changelist"), query)
        assert answer.status_code == 200
        return {
            getattr(item, "identification", None)
            or getattr(item, "device_identification", None)
            or item.meter.identification
            for item in answer.context["cl"].result_list
        }

    return visit


def test_searching_devices(listed: Any) -> None:
    meter = make_device("E1234", network_address="meter-7.example.org")
    make_device("E1299", network_address="10.0.0.9")
    make_gas_meter("G777", gateway=meter, mbus_identification_number="12345678")
    assert listed("devices_device", {"q": "E12"}) == {"E1234", "E1299"}
    assert listed("devices_device", {"q": " E1234 "}) == {"E1234"}
    assert listed("devices_device", {"q": "12345678"}) == {"G777"}
    assert listed("devices_device", {"q": "10.0.0.9"}) == {"E1299"}
    assert listed("devices_device", {"q": "::ffff:10.0.0.9"}) == {"E1299"}
    assert listed("devices_device", {"q": "METER-7.example.org."}) == {"E1234"}
    assert listed("devices_device", {"q": "%"}) == set()


def test_filtering_devices(listed: Any) -> None:
    make_device("E1", failed_connections=1, last_success_at=timezone.now())
    make_device("E5", failed_connections=5, protocol_name="DSMR", protocol_version="4.2.2")
    assert listed("devices_device", {"connection": "failing"}) == {"E1", "E5"}
    assert listed("devices_device", {"connection": "failing-5"}) == {"E5"}
    assert listed("devices_device", {"connection": "never"}) == {"E5"}
    assert listed("devices_device", {"profile": "DSMR-4.2.2"}) == {"E5"}
    assert listed("devices_device", {"profile": "SMR-5.1"}) == {"E1"}


def test_searching_and_filtering_requests(listed: Any, organisation: Organisation) -> None:
    now = timezone.now()
    one, two = make_device("E1"), make_device("E2")
    first = make_request(organisation, one, created_at=now - timedelta(days=3))
    make_request(make_organisation("OTHER"), two, "FindEvents", state=RequestState.FAILED)
    name = "requests_request"
    assert listed(name, {"q": str(first.correlation_uid)}) == {"E1"}
    assert listed(name, {"q": first.correlation_uid.hex.upper()}) == {"E1"}
    assert listed(name, {"q": "E2"}) == {"E2"}
    assert listed(name, {"q": "E"}) == set()
    assert listed(name, {"created": "24h"}) == {"E2"}
    assert listed(name, {"created": "7d"}) == {"E1", "E2"}
    assert listed(name, {"message": "SynchronizeTime"}) == {"E1"}
    assert listed(name, {"organisation": str(organisation.pk)}) == {"E1"}
    assert listed(name, {"state__exact": "FAILED"}) == {"E2"}


def test_searching_and_filtering_sessions(listed: Any, device: Device) -> None:
    now = timezone.now()
    session = make_session(device, opened_at=now - timedelta(hours=2))
    make_session(make_device("E2"))
    name = "requests_metersession"
    assert listed(name, {"q": str(session.pk)}) == {device.identification}
    assert listed(name, {"q": "E2"}) == {"E2"}
    assert listed(name, {"opened": "1h"}) == {"E2"}


def test_names_of_messages_may_be_broken_between_their_words() -> None:
    assert allow_breaks("ActualMeterReads") == "Actual<wbr>Meter<wbr>Reads"
    assert allow_breaks("SetMBus<b>") == "Set<wbr>MBus&lt;b&gt;"
    assert allow_breaks("") == ""


def test_lists_let_long_names_of_messages_break(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    make_request(organisation, device, "ActualMeterReads")
    page = superuser.get(reverse("admin:requests_request_changelist")).content.decode()
    assert ">Actual<wbr>Meter<wbr>Reads</a>" in page


def test_devices_tell_where_they_are_reached(superuser: Client) -> None:
    meter = make_device("E1", network_address="10.1.2.3", port=4059)
    make_gas_meter("G1", gateway=meter, channel=2)
    page = superuser.get(reverse("admin:devices_device_changelist"))
    rows = {row.identification: row for row in page.context["cl"].result_list}
    address = page.context["cl"].model_admin.address
    assert address(rows["E1"]) == f'<span title="{meter.communication_method}">10.1.2.3<wbr>:4059</span>'
    assert f'href="/admin/devices/device/{meter.pk}/change/">E1</a>' in address(rows["G1"])
    assert "channel&nbsp;2" in address(rows["G1"])


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("requests_request", "state__exact"),
        ("requests_request", "q"),
        ("batches_batch", "message"),
        ("devices_device", "device_type__exact"),
        ("networks_communicationnetwork", "communication_method"),
    ],
)
def test_filters_that_no_database_can_look_for_are_refused(superuser: Client, name: str, field: str) -> None:
    url = reverse(f"admin:{name}_changelist")
    assert superuser.get(url, {field: "A\0B"}).status_code == 400
    assert superuser.get(url, {field: "AB"}, follow=True).status_code == 200
