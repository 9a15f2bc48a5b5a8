"""Operators' pages: a device's load profile, and what is missing."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.batches.models import Batch
from osgp.completeness.models import AcceptedGap
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.pages.readings import charts, tables
from osgp.processes.health import lookout
from osgp.readings import clock, profile
from osgp.readings.profile import Range
from osgp.requests.models import Request
from tests import factories
from tests.admin.conftest import make_user, signed_in
from tests.batches.conftest import create_all
from tests.readings.columns import EXPORT, column, deliver, interval_ends, utc

pytestmark = pytest.mark.django_db

DAY = date(2026, 10, 14)


@pytest.fixture
def superuser(db: None) -> Client:
    user = make_user("operator", None)
    user.is_superuser = True
    user.save()
    return signed_in(user)


def page(client: Client, device: Device, query: str = "") -> str:
    answer = client.get(f"/admin/readings/series/device/{device.pk}/?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def shown(device: Device, view: str, day: date, period: str = "INTERVAL") -> profile.LoadProfile:
    return profile.read_load_profile(device, period, Range.from_day(view, day))


@pytest.mark.parametrize(
    ("day", "slots", "hours"),
    [(DAY, 96, 24), (date(2026, 3, 29), 92, 23), (date(2025, 10, 26), 100, 25)],
)
def test_a_day_has_as_many_intervals_as_it_has_hours(
    superuser: Client, device: Device, day: date, slots: int, hours: int
) -> None:
    ends = interval_ends(day - timedelta(days=1), 2)
    deliver(device, column(ends))
    [panel] = shown(device, "day", day).panels
    assert len(panel.slots) == slots
    assert {slot.used for slot in panel.slots} == {Decimal("0.001")}
    assert panel.missing == 0
    content = page(superuser, device, f"date={day}")
    assert content.count('<rect class="load') == slots
    assert ("this day has" in content) == (hours != 24)
    labels = re.findall(r">(\d\d:00)</text>", content)
    # 02:00 does not exist on the short day, and twice on the long one.
    assert labels == ["00:00", *["02:00"] * (hours - 23), *(f"{hour:02}:00" for hour in range(4, 24, 2))]


def test_gaps_flags_and_changes_are_visible(superuser: Client, device: Device) -> None:
    ends = interval_ends(DAY)
    there = ends[:20] + ends[30:60] + ends[61:]
    statuses = [{20: 128, 25: 2, 26: 8}.get(place, 0) for place in range(len(there))]
    deliver(device, column(there, list(range(1000, 1000 + len(there))), statuses=statuses))
    deliver(device, column(there[3:4], [1], statuses=[64]))
    profile_ = shown(device, "day", DAY)
    [chart] = charts.draw_charts(profile_)
    assert [mark.title.split(":")[0] for mark in chart.gaps] == ["10 missing", "1 missing"]
    assert [mark.kind for mark in chart.flags] == ["warning", "warning", "bad"]
    assert profile_.panels[0].missing == 11
    rows = tables.build_rows(profile_)
    assert [len(rows), sum(row.is_missing for row in rows)] == [96, 11]
    assert rows[3].former == "was 1.003"
    content = page(superuser, device, f"date={DAY}")
    assert "11 missing" in content
    for text in ("Power down", "Clock invalid", "Recovered value", "was 1.003"):
        assert text in content
    assert "Daylight saving" not in content


def test_a_month_is_summed_up_by_day(superuser: Client, device: Device) -> None:
    ends = interval_ends(date(2026, 9, 30), 32)
    deliver(device, column(ends), column(ends, quantity=EXPORT))
    profile_ = shown(device, "month", DAY)
    rows = tables.build_rows(profile_)
    assert [row.day for row in rows] == [date(2026, 10, 1) + timedelta(days=number) for number in range(31)]
    assert [row.cells[0].used for row in rows[23:26]] == [
        Decimal("0.096"),
        Decimal("0.100"),
        Decimal("0.096"),
    ]
    content = page(superuser, device, f"view=month&date={DAY}")
    assert content.count('class="area"') == 2
    assert "October 2026" in content


def test_days_months_and_single_reads(superuser: Client, device: Device) -> None:
    tag = "ACTIVE_ENERGY_IMPORT_RATE_1"
    midnights = [utc(2026, 10, 23, 22), utc(2026, 10, 24, 22), utc(2026, 10, 25, 23), utc(2026, 10, 27, 23)]
    deliver(device, column(midnights, [1, 4, 8, 20], quantity=tag, period=Period.DAILY))
    deliver(
        device,
        column([utc(2026, 9, 30, 22), utc(2026, 10, 31, 23)], [1, 9], quantity=tag, period=Period.MONTHLY),
    )
    deliver(device, column([utc(2026, 10, 14, 9, 3), utc(2026, 10, 14, 9, 7)], period=Period.ACTUAL))
    used = {slot.end: slot.used for slot in shown(device, "month", DAY, "DAILY").panels[0].slots}
    assert [value for value in used.values() if value is not None] == [Decimal("0.003"), Decimal("0.004")]
    year = shown(device, "year", DAY, "MONTHLY").panels[0]
    assert [slot.used for slot in year.slots if slot.reading] == [None, Decimal("0.008")]
    assert "2026-10-14" in page(superuser, device, "period=ACTUAL&date=2026-10-14")
    content = page(superuser, device, "period=ACTUAL&date=2026-10-14")
    assert content.count('<rect class="load') == 2
    for period, view in (("DAILY", "year"), ("MONTHLY", "year"), ("ACTUAL", "week")):
        assert (
            page(superuser, device, f"period={period}&view={view}&date=2026-10-14").count("<svg viewBox") == 1
        )


@pytest.mark.parametrize(
    ("view", "first", "until"),
    [
        ("day", DAY, date(2026, 10, 15)),
        ("week", date(2026, 10, 12), date(2026, 10, 19)),
        ("month", date(2026, 10, 1), date(2026, 11, 1)),
        ("year", date(2026, 1, 1), date(2027, 1, 1)),
    ],
)
def test_ranges(view: str, first: date, until: date) -> None:
    found = Range.from_day(view, DAY)
    assert (found.first, found.until) == (first, until)
    assert Range.from_day(view, found.after).first == until
    assert Range.from_day(view, found.before).until == first


def test_it_opens_on_the_latest_day_and_survives_odd_queries(superuser: Client, device: Device) -> None:
    assert "No interval readings" in page(superuser, device)
    deliver(device, column(interval_ends(DAY)))
    assert "Wednesday 14 October 2026" in page(superuser, device)
    for query in ("date=x", "view=decade", "date=9999-12-31", "date=0001-01-01"):
        assert "14 October 2026" in page(superuser, device, query)
    answer = superuser.get(f"/admin/readings/series/device/{device.pk}/?period=HOURLY")
    assert answer.status_code == 404


def test_a_meter_that_runs_backwards_and_one_that_stands_still(superuser: Client, device: Device) -> None:
    ends = interval_ends(DAY)
    deliver(
        device, column(ends, [1000 - number for number in range(96)]), column(ends, [5] * 96, quantity=EXPORT)
    )
    content = page(superuser, device)
    assert content.count("load negative") == 95
    assert "NaN" not in content


def test_the_device_page_leads_to_its_readings(superuser: Client, device: Device) -> None:
    content = superuser.get(f"/admin/devices/device/{device.pk}/change/").content.decode()
    assert f"/admin/readings/series/device/{device.pk}/" in content


def test_a_series_leads_to_its_device(superuser: Client, device: Device) -> None:
    deliver(device, column(interval_ends(DAY)))
    series = device.series.get()
    answer = superuser.get(f"/admin/readings/series/{series.pk}/change/")
    assert answer.headers["Location"] == f"/admin/readings/series/device/{device.pk}/?period=INTERVAL"


def test_only_those_with_a_monitoring_right_and_permission(
    device: Device, organisation: Organisation, other_organisation: Organisation
) -> None:
    deliver(device, column(interval_ends(DAY)))
    url = f"/admin/readings/series/device/{device.pk}/"
    assert signed_in(make_user("reader", organisation, "view_series")).get(url).status_code == 200
    assert signed_in(make_user("nobody", organisation)).get(url).status_code == 403
    stranger = signed_in(make_user("stranger", other_organisation, "view_series"))
    factories.grant(other_organisation, device, DeviceFunctionGroup.CONFIGURATION)
    assert stranger.get(url).status_code == 404
    assert device.identification not in stranger.get(MISSING).content.decode()
    factories.grant(other_organisation, device, DeviceFunctionGroup.MONITORING)
    assert stranger.get(url).status_code == 200
    assert device.identification in stranger.get(MISSING).content.decode()


MISSING = "/admin/readings/series/"
RANGE = "first=2026-10-14&last=2026-10-14"


def test_missing_readings(superuser: Client, organisation: Organisation, device: Device) -> None:
    ends = interval_ends(DAY)
    deliver(device, column(ends[:-4], [1] * 92), column(ends, quantity=EXPORT))
    whole = factories.make_device("WHOLE", owner=organisation)
    deliver(whole, column(ends))
    content = superuser.get(f"{MISSING}?{RANGE}").content.decode()
    assert "WHOLE" not in content
    for text in (device.identification, "14 Oct 23:15 – 15 Oct 00:00", "Never asked", "Active energy import"):
        assert text in content
    assert "Nothing is missing." in superuser.get(f"{MISSING}?{RANGE}&device=WHOLE").content.decode()


@pytest.mark.usefixtures("next_morning")
def test_the_button_fetches_them_again_once(superuser: Client, device: Device, gas_meter: Device) -> None:
    for said in ("2 meters will be asked", "already under way"):
        answer = superuser.post(f"{MISSING}?{RANGE}", follow=True)
        assert said in answer.content.decode()
    create_all()
    assert Request.objects.count() == 2
    assert {request.application for request in Request.objects.all()} == {"admin/operator"}
    content = superuser.get(f"{MISSING}?{RANGE}").content.decode()
    assert content.count(">Being fetched</span>") == 2


@pytest.mark.usefixtures("next_morning")
def test_the_button_needs_a_permission(device: Device, organisation: Organisation) -> None:
    reader = signed_in(make_user("reader", organisation, "view_series"))
    assert "Fetch all" not in reader.get(f"{MISSING}?{RANGE}").content.decode()
    reader.post(f"{MISSING}?{RANGE}")
    assert not Batch.objects.exists()
    sender = signed_in(make_user("sender", organisation, "view_series", "add_request"))
    sender.post(f"{MISSING}?{RANGE}")
    create_all()
    assert Request.objects.get().organisation == organisation


@pytest.mark.usefixtures("next_morning")
def test_gaps_of_chosen_meters_are_accepted(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    other = factories.make_device("E2", owner=organisation)

    def press(**fields: object) -> str:
        return superuser.post(f"{MISSING}?{RANGE}", fields, follow=True).content.decode()

    assert "Choose devices first." in press(accept="", comment="x")
    assert "Say why" in press(accept="", comment=" ", chosen=[device.pk])
    assert "Say why" in press(accept="", comment="x" * 201, chosen=[device.pk])
    assert not AcceptedGap.objects.exists()
    content = press(accept="", comment="In the <b>workshop", chosen=[device.pk, "x"])
    for text in ("Accepted: 1 gap of 1 meter.", "In the &lt;b&gt;workshop", "admin/operator, UTILITY"):
        assert text in content
    assert "badge-neutral" in content
    accepted = AcceptedGap.objects.get()
    assert (accepted.device, accepted.organisation, accepted.accepted_by) == (
        device,
        organisation,
        "admin/operator",
    )
    shown = superuser.get(f"{MISSING}?{RANGE}&reason=ACCEPTED").content.decode()
    assert device.identification in shown
    assert f">{other.identification}</a>" not in shown
    assert "1 meter will be asked" in superuser.post(f"{MISSING}?{RANGE}", follow=True).content.decode()
    create_all()
    assert Request.objects.get().device == other
    assert "Taken back: 1 gap of 1 meter." in press(take_back="", chosen=[device.pk])
    assert not AcceptedGap.objects.exists()


@pytest.mark.usefixtures("next_morning")
def test_accepting_needs_a_permission_and_a_grant(
    device: Device, organisation: Organisation, other_organisation: Organisation
) -> None:
    fields = {"accept": "", "comment": "x", "chosen": [device.pk]}
    reader = signed_in(make_user("reader", organisation, "view_series"))
    assert "Accept these gaps" not in reader.get(f"{MISSING}?{RANGE}").content.decode()
    reader.post(f"{MISSING}?{RANGE}", fields)
    stranger = signed_in(make_user("stranger", other_organisation, "view_series", "add_request"))
    assert (
        "Accepted: 0 gaps of 0 meters."
        in stranger.post(f"{MISSING}?{RANGE}", fields, follow=True).content.decode()
    )
    assert not AcceptedGap.objects.exists()
    sender = signed_in(make_user("sender", organisation, "view_series", "add_request"))
    sender.post(f"{MISSING}?{RANGE}", fields)
    assert AcceptedGap.objects.get().organisation == organisation


def test_an_unknown_or_foreign_device_is_told(
    superuser: Client, device: Device, other_organisation: Organisation
) -> None:
    stranger = signed_in(make_user("stranger", other_organisation, "view_series"))
    for client, named in ((superuser, "E9"), (stranger, device.identification)):
        content = client.get(f"{MISSING}?{RANGE}&device={named}").content.decode()
        assert f"Device: There is no device {named}." in content
        assert "Nothing is missing" not in content


@pytest.mark.parametrize(
    "query",
    [
        "first=2026-10-14&last=2026-10-13",
        "first=2020-01-01",
        "first=x",
        "period=ACTUAL",
        "group=99",
        "reason=LOST",
    ],
)
def test_odd_filters_are_told(superuser: Client, device: Device, query: str) -> None:
    answer = superuser.get(f"{MISSING}?{query}")
    assert answer.status_code == 200
    assert "errornote" in answer.content.decode()


def test_pages_and_their_statements(superuser: Client, organisation: Organisation) -> None:
    def cost() -> tuple[int, str]:
        # Pages look for missing processes every few seconds: here each of them does.
        lookout.forget()
        with CaptureQueriesContext(connection) as queries:
            content = superuser.get(f"{MISSING}?{RANGE}").content.decode()
        return len(queries), content

    for number in range(3):
        factories.make_device(f"E{number:03}", owner=organisation)
    few, content = cost()
    assert "Next page" not in content
    for number in range(3, 60):
        factories.make_device(f"E{number:03}", owner=organisation)
    many, content = cost()
    assert many == few + 2, "as there is another page, they are counted"
    [link] = re.findall(r'rel="next" href="([^"]+)"', content)
    rest = superuser.get(MISSING + link.replace("&amp;", "&")).content.decode()
    seen = [set(re.findall(r">(E\d{3})</a>", text)) for text in (content, rest)]
    assert [len(names) for names in seen] == [50, 10]
    assert not seen[0] & seen[1]


def test_yesterday_unless_told(superuser: Client, device: Device) -> None:
    yesterday = clock.now().date() - timedelta(days=1)
    deliver(device, column(interval_ends(yesterday)))
    content = superuser.get(MISSING).content.decode()
    assert f'value="{yesterday}"' in content
    assert "Nothing is missing." in content


def test_a_page_of_a_month_takes_few_statements(superuser: Client, device: Device) -> None:
    ends = interval_ends(date(2026, 10, 1), 31)
    deliver(device, column(ends), column(ends, quantity=EXPORT))
    with CaptureQueriesContext(connection) as queries:
        page(superuser, device, f"view=month&date={DAY}")
    assert len(queries) <= 22
