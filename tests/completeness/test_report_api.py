"""GET /api/v1/readings/completeness/."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.networks.models import CommunicationNetwork
from tests import factories
from tests.readings.columns import column, deliver, interval_ends

pytestmark = pytest.mark.django_db

URL = "/api/v1/readings/completeness/"
DAY = date(2026, 10, 14)
Count = Callable[[], None]


@pytest.fixture
def fleet(organisation: Organisation, other_organisation: Organisation, count: Count) -> list[Device]:
    """Four meters, of which one is somebody else's, one is in a network, and one is full."""
    network = CommunicationNetwork.objects.create(name="CDMA")
    meters = [
        factories.make_device(f"E{number}", owner=organisation, network=network if number == 1 else None)
        for number in range(3)
    ]
    meters.append(factories.make_device("E3", owner=other_organisation))
    deliver(meters[0], column(interval_ends(DAY)))
    for name, owner, members in (
        ("south", organisation, meters[:2]),
        ("west", other_organisation, meters[3:]),
    ):
        group = DeviceGroup.objects.create(organisation=owner, name=name)
        groups.add(group, [meter.identification for meter in members])
    count()
    return meters


def ask(api: APIClient, query: str = "") -> dict[str, Any]:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 200, answer.json()
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.usefixtures("fleet")
def test_a_day_of_the_organisation(api: APIClient) -> None:
    told = ask(api)
    assert told["as_of"]
    assert told["results"] == [
        {
            "day": "2026-10-14",
            "name": "UTILITY",
            "meters": {"expected": 3, "complete": 1},
            "intervals": {
                "expected": 288,
                "received": 96,
                "late": 0,
                "missing": 192,
                "reasons": {"NEVER_ASKED": 192},
            },
            "completeness": "0.3333",
        }
    ]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("network", {None: (2, "0.5000"), "CDMA": (1, "0.0000")}),
        ("profile", {"SMR-5.1": (3, "0.3333")}),
        ("group", {"south": (2, "0.5000")}),
    ],
)
def test_a_day_split(api: APIClient, by: str, expected: dict[str, Any]) -> None:
    rows = ask(api, f"by={by}")["results"]
    assert {row["name"]: (row["meters"]["expected"], row["completeness"]) for row in rows} == expected


@pytest.mark.usefixtures("fleet")
def test_pages_have_whole_days(api: APIClient) -> None:
    query = "from=2026-10-11&until=2026-10-15&by=group&page_size=2"
    days = []
    url = f"{URL}?{query}"
    while url:
        answer = api.get(url)
        days.append([row["day"] for row in answer.json()["results"]])
        url = answer.headers.get("Link", "").partition(";")[0].strip("<>")
    assert days == [["2026-10-11", "2026-10-12"], ["2026-10-13", "2026-10-14"]]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("by=colour", "/by"),
        ("period=ACTUAL", "/period"),
        ("from=2026-10-15&until=2026-10-15", "/until"),
        ("from=2026-01-01&until=2026-10-15", "/from"),
        ("from=yesterday", "/from"),
        ("cursor=x", "/cursor"),
        ("page_size=0", "/page_size"),
        ("day=2026-10-14", "/day"),
    ],
)
def test_bad_questions(api: APIClient, query: str, pointer: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.usefixtures("fleet")
def test_no_statement_reads_devices(api: APIClient) -> None:
    with CaptureQueriesContext(connection) as statements:
        ask(api, "by=network&from=2026-10-01&until=2026-10-15")
    tables = ("devices_device", "readings_series", "completeness_countedday")
    assert not [
        each["sql"] for each in statements if any(f'FROM "{table}"' in each["sql"] for table in tables)
    ]


def test_without_a_token() -> None:
    assert APIClient().get(URL).status_code == 401
