"""Which meters lack which values, and why."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.batches.models import Batch
from osgp.completeness.full_days import make_day_masks
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.networks.models import CommunicationNetwork
from osgp.readings import clock
from osgp.requests.models import Action, ActionState, Request, RequestState
from tests import factories
from tests.readings.columns import EXPORT, column, deliver, interval_ends, utc
from tests.readings.conftest import REGISTERED
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db

URL = "/api/v1/readings/missing/"
FETCH = f"{URL}fetch/"
DAY = date(2026, 10, 14)
RANGE = "from=2026-10-14&until=2026-10-15"
BODY = {"from": "2026-10-14", "until": "2026-10-15"}
FAULT = {"code": 227, "name": "CONNECTION_TIMED_OUT", "message": "x", "component": "y", "retryable": True}


def asked(
    organisation: Organisation,
    device: Device,
    state: ActionState,
    request_state: RequestState = RequestState.SUCCEEDED,
    *,
    begin: str = "2026-10-13T22:00:00Z",
    end: str = "2026-10-14T22:00:00Z",
    period: str = "INTERVAL",
    fault: dict[str, Any] | None = None,
) -> Request:
    """A request for periodic reads as visits leave it."""
    parameters = {"period_type": period, "begin_date": begin, "end_date": end}
    request = factories.make_request(
        organisation, device, "PeriodicMeterReads", parameters=parameters, state=request_state
    )
    Action.objects.filter(request=request).update(state=state, fault=fault)
    return request


@pytest.mark.usefixtures("next_morning")
def test_requests_with_relative_periods_count_as_well(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    """With a result by the times in it; without by those of a visit when it is or was due."""
    request = asked(organisation, device, ActionState.DONE)
    relative = {"period_type": "INTERVAL", "relative_period": "PREVIOUS_DAY"}
    times = {"begin_date": "2026-10-13T22:00:00Z", "end_date": "2026-10-14T22:00:00Z"}
    Action.objects.filter(request=request).update(parameters=relative, result=times)
    assert [gap["reason"] for gap in gaps(api)] == ["NOT_DELIVERED"]
    with states_by_hand():
        Action.objects.filter(request=request).update(state=ActionState.PENDING, result=None)
        Request.objects.update(state=RequestState.QUEUED, due_at=clock.now())
    assert [gap["reason"] for gap in gaps(api)] == ["BEING_FETCHED"]
    with states_by_hand():
        Action.objects.filter(request=request).update(state=ActionState.FAULT, fault=FAULT)
        Request.objects.update(state=RequestState.FAILED)
    assert [gap["reason"] for gap in gaps(api)] == ["REQUEST_FAILED"]


def results(api: APIClient, query: str = RANGE) -> list[dict[str, Any]]:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 200, answer.json()
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows


def gaps(api: APIClient, query: str = RANGE) -> list[dict[str, Any]]:
    [row] = results(api, query)
    found: list[dict[str, Any]] = row["gaps"]
    return found


@pytest.fixture
def invented(organisation: Organisation) -> Device:
    """A meter that keeps half-hours and nothing else, of a profile that is not shipped."""
    return factories.make_device(
        "T1", owner=organisation, protocol_name="TST", protocol_version="1.0", installed_at=REGISTERED
    )


def test_what_the_profile_keeps_no_buffer_for_is_not_missing(api: APIClient, invented: Device) -> None:
    assert [gap["count"] for gap in gaps(api)] == [48]
    for period in ("DAILY", "MONTHLY"):
        assert results(api, f"period={period}&from=2026-10-01&until=2026-11-01") == []


def test_half_hours_make_a_full_day_where_the_profile_has_them(api: APIClient, invented: Device) -> None:
    ends = interval_ends(DAY, step=1800)
    deliver(invented, column(ends[1:]))
    assert [(gap["count"], gap["last_interval_end"]) for gap in gaps(api)] == [(1, "2026-10-13T22:30:00Z")]
    deliver(invented, column(ends))
    assert results(api) == []


@pytest.mark.parametrize(("status", "reason"), [(0b1, "POWER_FAILURE"), (0b1000_0000, "NOT_DELIVERED")])
def test_the_profile_says_which_bit_tells_of_a_power_failure(
    api: APIClient, organisation: Organisation, invented: Device, status: int, reason: str
) -> None:
    """In Dutch meters it is the other one."""
    asked(organisation, invented, ActionState.DONE)
    ends = interval_ends(DAY, step=1800)
    deliver(invented, column(ends[4:], statuses=[status] + [0] * 43))
    assert [gap["reason"] for gap in gaps(api)] == [reason]
    rows = api.get("/api/v1/readings/", {"device": "T1"}).json()["results"]
    names = {0b1: ["POWER_DOWN"], 0b1000_0000: ["DATA_NOT_VALID"]}
    assert [row["status"] for row in rows[:2]] == [names[status], []]


def test_a_full_day_is_not_missing(api: APIClient, device: Device) -> None:
    deliver(device, column(interval_ends(DAY)))
    assert results(api) == []
    assert len(results(api, "from=2026-10-14&until=2026-10-16")) == 1


def test_gaps_are_grouped_into_ranges(api: APIClient, device: Device) -> None:
    ends = interval_ends(DAY, 2)
    there = [end for place, end in enumerate(ends) if place not in {10, *range(20, 30), *range(90, 100)}]
    deliver(device, column(there, [1] * len(there)), column(ends, quantity=EXPORT))
    [row] = results(api, "from=2026-10-14&until=2026-10-16")
    assert (row["device_identification"], row["count"]) == (device.identification, 21)
    assert row["missing_since"] == row["gaps"][0]["first_interval_end"] == "2026-10-14T00:45:00Z"
    assert [gap["count"] for gap in row["gaps"]] == [1, 10, 10]
    assert [gap["last_interval_end"] for gap in row["gaps"]] == [
        "2026-10-14T00:45:00Z",
        "2026-10-14T05:30:00Z",
        "2026-10-14T23:00:00Z",
    ]
    assert {tuple(gap["quantities"]) for gap in row["gaps"]} == {("1-0:1.8.0.255",)}


def test_a_meter_that_was_never_read_lacks_everything(api: APIClient, device: Device) -> None:
    [gap] = gaps(api)
    assert (gap["count"], gap["quantities"], gap["reason"]) == (96, [], "NEVER_ASKED")
    assert [gap["count"] for gap in gaps(api, f"{RANGE}&period=DAILY")] == [1]
    assert [gap["count"] for gap in gaps(api, "from=2026-09-01&until=2026-11-01&period=MONTHLY")] == [2]
    assert results(api, f"{RANGE}&period=MONTHLY") == []


def test_nothing_is_missing_from_before_the_installation(api: APIClient, device: Device) -> None:
    """At 10:05 in Amsterdam: the first quarter of an hour that counts is the one that ends at 10:15."""
    Device.objects.update(installed_at=utc(2026, 10, 14, 8, 5))
    [gap] = gaps(api)
    assert (gap["first_interval_end"], gap["count"]) == ("2026-10-14T08:15:00Z", 56)
    deliver(device, column(interval_ends(DAY)[50:]))
    assert [gap["count"] for gap in gaps(api)] == [10]
    assert results(api, "from=2026-10-12&until=2026-10-14") == []
    assert [gap["count"] for gap in gaps(api, f"{RANGE}&period=DAILY")] == [1]
    assert results(api, "period=DAILY&from=2026-10-01&until=2026-10-14") == []


def test_nothing_is_missing_from_before_the_first_value(api: APIClient, device: Device) -> None:
    """As long as nobody says when the meter was installed."""
    ends = interval_ends(DAY)
    deliver(device, column(ends[40:60]), column(ends[30:60], quantity=EXPORT))
    [before, after] = gaps(api)
    assert (before["count"], before["quantities"], after["count"]) == (10, ["1-0:1.8.0.255"], 36)
    assert before["first_interval_end"] == "2026-10-14T05:45:00Z"
    assert results(api, "from=2026-10-10&until=2026-10-14") == []
    deliver(device, column(ends[:10]))
    assert [gap["count"] for gap in gaps(api)] == [40, 36]


def test_a_meter_that_was_never_read_lacks_nothing_of_long_before_its_registration(
    api: APIClient, device: Device
) -> None:
    Device.objects.update(created_at=utc(2026, 10, 14, 12))
    query = "from=2026-10-10&until=2026-10-15"
    assert [gap["first_interval_end"] for gap in gaps(api, query)] == ["2026-10-12T22:15:00Z"]
    assert results(api, "from=2026-10-10&until=2026-10-13") == []


def test_a_gas_meter_has_a_value_an_hour(api: APIClient, device: Device, gas_meter: Device) -> None:
    rows = results(api, f"{RANGE}&device={gas_meter.identification}")
    assert [row["count"] for row in rows] == [24]
    hours = interval_ends(DAY, step=3600)[:-3]
    told = column(hours, quantity="MBUS_MASTER_VALUE", unit="m³", capture_period=3600)
    deliver(gas_meter, told)
    assert results(api, f"{RANGE}&device={gas_meter.identification}")[0]["count"] == 3


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-10-26", 96)])
def test_days_on_which_clocks_change(api: APIClient, device: Device, day: str, count: int) -> None:
    until = date.fromisoformat(day) + timedelta(days=1)
    assert gaps(api, f"from={day}&until={until}")[0]["count"] == count
    deliver(device, column(interval_ends(date.fromisoformat(day))))
    assert results(api, f"from={day}&until={until}") == []


def test_days_and_months(api: APIClient, device: Device) -> None:
    Device.objects.update(installed_at=REGISTERED)
    midnights = [utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)]
    tag = "ACTIVE_ENERGY_IMPORT_RATE_1"
    deliver(device, column(midnights, quantity=tag, period=Period.DAILY))
    assert results(api, "period=DAILY&from=2026-10-24&until=2026-10-26") == []
    [gap] = gaps(api, "period=DAILY&from=2026-10-24&until=2026-10-28")
    assert (gap["count"], gap["first_interval_end"]) == (2, "2026-10-26T23:00:00Z")
    deliver(device, column([utc(2026, 10, 31, 23)], quantity=tag, period=Period.MONTHLY))
    assert results(api, "period=MONTHLY&from=2026-10-01&until=2026-11-02") == []
    assert len(gaps(api, "period=MONTHLY&from=2026-09-01&until=2026-11-02")) == 1


def test_a_request_that_failed_says_why(api: APIClient, organisation: Organisation, device: Device) -> None:
    asked(organisation, device, ActionState.DONE)
    failed = asked(organisation, device, ActionState.FAULT, RequestState.FAILED, fault=FAULT)
    [gap] = gaps(api)
    assert (gap["reason"], gap["fault"]) == ("REQUEST_FAILED", FAULT)
    assert gap["correlation_uid"] == str(failed.correlation_uid)


def test_a_meter_that_cannot_be_reached(api: APIClient, organisation: Organisation, device: Device) -> None:
    Device.objects.update(failed_connections=3, last_success_at=utc(2026, 10, 13))
    [gap] = gaps(api)
    assert (gap["reason"], gap["unreachable_since"]) == ("UNREACHABLE", "2026-10-13T00:00:00Z")
    asked(organisation, device, ActionState.FAULT, RequestState.FAILED, fault=FAULT)
    assert gaps(api)[0]["fault"] == FAULT


def test_an_mbus_meter_is_unreachable_with_its_gateway(
    api: APIClient, device: Device, gas_meter: Device
) -> None:
    Device.objects.filter(pk=device.pk).update(failed_connections=3)
    assert gaps(api, f"{RANGE}&device={gas_meter.identification}")[0]["reason"] == "UNREACHABLE"


def test_a_meter_that_answered_without_them(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    ends = interval_ends(DAY)
    asked(organisation, device, ActionState.DONE)
    there = ends[:10] + ends[20:50] + ends[60:]
    statuses = [128 if end == ends[60] else 0 for end in there]
    deliver(device, column(there, [1] * len(there), statuses=statuses))
    assert [gap["reason"] for gap in gaps(api)] == ["NOT_DELIVERED", "POWER_FAILURE"]


def test_what_is_being_fetched(api: APIClient, organisation: Organisation, device: Device) -> None:
    asked(organisation, device, ActionState.FAULT, RequestState.FAILED, fault=FAULT)
    pending = asked(organisation, device, ActionState.PENDING, RequestState.QUEUED)
    [gap] = gaps(api)
    assert (gap["reason"], gap["correlation_uid"]) == ("BEING_FETCHED", str(pending.correlation_uid))


@pytest.mark.parametrize("other", [{"period": "DAILY"}, {"end": "2026-10-13T22:00:00Z"}])
def test_requests_for_something_else_say_nothing(
    api: APIClient, organisation: Organisation, device: Device, other: dict[str, Any]
) -> None:
    asked(organisation, device, ActionState.DONE, **other)
    assert gaps(api)[0]["reason"] == "NEVER_ASKED"


def test_filters(
    api: APIClient,
    organisation: Organisation,
    other_organisation: Organisation,
    device: Device,
    gas_meter: Device,
) -> None:
    other = factories.make_device("E2", owner=organisation)
    factories.make_device("E3", owner=other_organisation)
    factories.make_device("E4", owner=organisation, lifecycle_status="DESTROYED")
    network = CommunicationNetwork.objects.create(name="CDMA")
    Device.objects.filter(pk=device.pk).update(network=network)
    group = DeviceGroup.objects.create(organisation=organisation, name="north")
    groups.add(group, ["E2"])

    def found(query: str) -> list[str]:
        return [row["device_identification"] for row in results(api, f"{RANGE}&{query}")]

    everything = [device.identification, gas_meter.identification, other.identification]
    assert found("page_size=10") == everything
    assert found("group=north") == ["E2"]
    assert found("network=CDMA") == [device.identification, gas_meter.identification]
    assert found("device_type=SMART_METER_G") == [gas_meter.identification]
    assert found(f"device=E2&device={device.identification}") == [device.identification, "E2"]
    assert api.get(f"{URL}?device=E3").status_code == 404


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("period=ACTUAL", "/period"),
        ("from=2026-10-14T00:00:00Z", "/from"),
        ("from=2026-02-30", "/from"),
        ("from=1999-12-31", "/from"),
        ("from=2026-10-14&until=2026-10-14", "/until"),
        ("from=2024-10-14&until=2026-10-14", "/from"),
        ("group=none", "/group"),
        ("network=none", "/network"),
        ("device_type=SMART_METER_X", "/device_type"),
        ("device=%2A", "/device/0"),
        ("cursor=x", "/cursor"),
        ("colour=red", "/colour"),
    ],
)
def test_errors_name_the_field(api: APIClient, query: str, pointer: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_yesterday_unless_told(api: APIClient, device: Device) -> None:
    rows = results(api, "")
    yesterday = clock.now().date() - timedelta(days=1)
    assert len(interval_ends(yesterday)) == rows[0]["count"]


def test_pages_take_a_fixed_number_of_statements(api: APIClient, organisation: Organisation) -> None:
    ends = interval_ends(DAY)
    for number in range(30):
        made = factories.make_device(f"E{number:03}", owner=organisation)
        if number % 2:
            deliver(made, column(ends if number % 3 else ends[:-1], [1] * (96 if number % 3 else 95)))
    url, seen, costs = f"{URL}?{RANGE}&page_size=4", [], []
    while url:
        with CaptureQueriesContext(connection) as queries:
            answer = api.get(url)
        costs.append(len(queries))
        seen += [row["device_identification"] for row in answer.json()["results"]]
        url = answer.headers["Link"].partition("<")[2].partition(">")[0] if "Link" in answer.headers else ""
    assert seen == [f"E{number:03}" for number in range(30) if number % 2 == 0 or number % 3 == 0]
    assert len(set(costs[1:])) == 1


def test_a_day_of_values_at_odd_times_is_told_exactly(api: APIClient, device: Device) -> None:
    ends = interval_ends(DAY)
    deliver(device, column([end + timedelta(seconds=7) for end in ends[:-1]]), column(ends, quantity=EXPORT))
    [gap] = gaps(api)
    assert (gap["count"], gap["quantities"]) == (96, ["1-0:1.8.0.255"])


@pytest.mark.parametrize("body", [{"from": "x"}, {"cursor": -1}, {"cursor": "1"}, {"colour": "red"}, []])
def test_bad_bodies_store_nothing(api: APIClient, device: Device, body: Any) -> None:
    assert api.post(FETCH, body, format="json").status_code == 400
    assert not Batch.objects.exists()


def test_rights(
    device: Device, other_organisation: Organisation, client_of: Callable[[str], APIClient]
) -> None:
    stranger = client_of(factories.make_token(other_organisation))
    assert results(stranger) == []
    factories.grant(other_organisation, device, DeviceFunctionGroup.MONITORING)
    assert len(results(stranger)) == 1


def test_the_days_of_months() -> None:
    assert make_day_masks("INTERVAL", date(2026, 10, 30), date(2026, 12, 3)) == {
        date(2026, 10, 1): 0b11 << 29,
        date(2026, 11, 1): (1 << 30) - 1,
        date(2026, 12, 1): 0b11,
    }
    assert make_day_masks("MONTHLY", date(2026, 10, 2), date(2026, 12, 3)) == {
        date(2026, 10, 1): 1,
        date(2026, 11, 1): 1,
    }
    assert make_day_masks("MONTHLY", date(2026, 10, 31), date(2026, 11, 1)) == {date(2026, 10, 1): 1}
    assert make_day_masks("MONTHLY", date(2026, 10, 1), date(2026, 10, 31)) == {}


def test_what_the_meter_does_not_hold_any_more(
    api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its buffer has 960 rows: ten days."""
    monkeypatch.setattr(clock, "now", lambda: utc(2026, 10, 24, 12))
    found = gaps(api)
    assert [(gap["held"], gap["count"]) for gap in found] == [(False, 55), (True, 41)]


def test_days_that_are_not_over(api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: utc(2026, 10, 14, 12))
    assert [gap["count"] for gap in gaps(api)] == [56]
    deliver(device, column(interval_ends(DAY)[:56]))
    assert results(api) == []
