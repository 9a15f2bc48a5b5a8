"""The page that says how complete days are, its tile, and its metrics."""

from collections.abc import Callable
from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from osgp.accounts.models import Organisation
from osgp.completeness import metrics
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.networks.models import CommunicationNetwork
from tests import factories
from tests.admin.conftest import make_user, signed_in
from tests.completeness.conftest import Clock
from tests.readings.columns import column, deliver, interval_ends, utc

pytestmark = pytest.mark.django_db

DAY = date(2026, 10, 14)
Count = Callable[[], None]


def get_url(query: str = "") -> str:
    return f"{reverse('admin:completeness_daytotal_changelist')}?{query}"


@pytest.fixture
def operator() -> Client:
    """An operator of the platform."""
    return signed_in(make_user("operator", None, "view_series"))


@pytest.fixture
def fleet(organisation: Organisation, other_organisation: Organisation, count: Count) -> list[Device]:
    """A full meter in a network, an empty one in a group, and somebody else's."""
    network = CommunicationNetwork.objects.create(name="CDMA")
    meters = [
        factories.make_device("E1", owner=organisation, network=network),
        factories.make_device("E2", owner=organisation),
        factories.make_device("E3", owner=other_organisation),
    ]
    deliver(meters[0], column(interval_ends(DAY)))
    groups.add(DeviceGroup.objects.create(organisation=organisation, name="north"), ["E2"])
    count()
    return meters


@pytest.mark.usefixtures("fleet")
def test_an_operator_sees_all(operator: Client) -> None:
    context = operator.get(get_url()).context
    assert (context["day"], context["period"]) == (DAY, "INTERVAL")
    assert context["headline"].share == "33.33 %"
    shown = {split.title: {row.name: row.share for row in split.rows} for split in context["splits"]}
    assert shown == {
        "By group": {"north": "0.00 %"},
        "By network": {"no network": "0.00 %", "CDMA": "100 %"},
        "By profile": {"SMR-5.1": "33.33 %"},
        "By organisation": {"UTILITY": "50.00 %", "STRANGER": "0.00 %"},
    }
    assert [(each["reason"], each["number"]) for each in context["reasons"]] == [("NEVER_ASKED", 192)]


@pytest.mark.usefixtures("fleet")
def test_an_organisation_sees_its_own(organisation: Organisation) -> None:
    reader = signed_in(make_user("reader", organisation, "view_series"))
    answer = reader.get(get_url("day=2026-10-14"))
    assert answer.context["headline"].share == "50.00 %"
    assert {split.title for split in answer.context["splits"]} == {"By group", "By network", "By profile"}
    assert "STRANGER" not in answer.content.decode()


@pytest.mark.usefixtures("fleet")
def test_links_lead_to_what_is_missing(operator: Client) -> None:
    context = operator.get(get_url()).context
    [group] = next(split for split in context["splits"] if split.title == "By group").rows
    page = operator.get(group.url)
    assert [one["device"].identification for one in page.context["found"]] == ["E2"]


@pytest.mark.usefixtures("fleet")
def test_days_are_walked_through(operator: Client) -> None:
    context = operator.get(get_url("day=2026-10-13")).context
    assert (context["before"], context["after"]) == (date(2026, 10, 12), DAY)
    assert [row.day for row in context["history"]] == [date(2026, 10, day) for day in (13, 12, 11)]
    assert context["headline"].total.meters == 2  # E1 begins with its first value.


def test_months_are_walked_through(operator: Client, device: Device, count: Count, moment: Clock) -> None:
    moment.moment = utc(2026, 11, 2, 7)
    count()
    context = operator.get(get_url("period=MONTHLY")).context
    assert (context["before"], context["day"], context["after"]) == (
        date(2026, 9, 30),
        date(2026, 10, 31),
        date(2026, 11, 30),
    )
    assert context["headline"].total.expected == 1
    assert operator.get(get_url("period=MONTHLY&day=2026-10-05")).context["day"] == date(2026, 10, 31)


@pytest.mark.parametrize(
    "query", ["day=x", "day=0001-01-01", "day=9999-12-31", "period=ACTUAL", "period=%27"]
)
def test_odd_questions(operator: Client, count: Count, query: str) -> None:
    answer = operator.get(get_url(query))
    assert (answer.status_code, answer.context["day"]) == (200, DAY)


def test_before_anything_is_counted(operator: Client, moment: Clock) -> None:
    assert "The first count takes a few seconds" in operator.get(get_url()).content.decode()


def test_who_may_not_see_missing_readings_may_not_see_it(organisation: Organisation) -> None:
    stranger = signed_in(make_user("stranger", organisation, "view_device"))
    assert stranger.get(get_url()).status_code == 403
    assert "completeness" not in stranger.get(reverse("admin:index")).context["overview"]


@pytest.mark.usefixtures("fleet")
def test_the_overview_has_a_tile(organisation: Organisation, operator: Client) -> None:
    tile = operator.get(reverse("admin:index")).context["overview"]["completeness"]
    assert (tile["share"], tile["missing"]) == ("33.33 %", 192)
    reader = signed_in(make_user("reader", organisation, "view_series", "view_request"))
    assert "96 missing" in reader.get(reverse("admin:index")).content.decode()


@pytest.mark.usefixtures("fleet")
def test_metrics() -> None:
    told = {
        (family.name, *sample.labels.values()): sample.value  # type: ignore[union-attr]
        for family, samples in metrics.collect()
        for sample in samples
    }
    assert told["osgp_intervals_expected", "INTERVAL", "CDMA"] == 96
    assert told["osgp_intervals_missing", "INTERVAL", "", "NEVER_ASKED"] == 192
    assert told["osgp_meters_incomplete", "INTERVAL", ""] == 2
    assert told["osgp_meters_incomplete", "INTERVAL", "CDMA"] == 0
    assert told["osgp_intervals_expected", "DAILY", ""] == 2
