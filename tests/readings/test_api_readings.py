"""GET /api/v1/readings/: filters, pages, forms, rights and errors."""

import csv
import io
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pyarrow import parquet
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings import export, queries
from osgp.readings.models import Delivery
from tests import factories
from tests.readings.columns import EXPORT, column, deliver, interval_ends, utc

pytestmark = pytest.mark.django_db

URL = "/api/v1/readings/"
DAY = date(2026, 10, 14)


def values(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [row["value"] for row in answer.json()["results"]]


def test_a_reading(api: APIClient, device: Device) -> None:
    uid = uuid.uuid4()
    deliver(device, column([utc(2026, 10, 14, 12)], [1234500], statuses=[129]), uid=uid)
    Delivery.objects.update(received_at=utc(2026, 10, 15))
    assert api.get(URL).json()["results"] == [
        {
            "device_identification": device.identification,
            "channel": None,
            "quantity": "1-0:1.8.0.255",
            "name": "ACTIVE_ENERGY_IMPORT",
            "period": "INTERVAL",
            "interval_end": "2026-10-14T12:00:00Z",
            "unit": "kWh",
            "value": "1234.500",
            "status": ["CRITICAL_ERROR", "POWER_DOWN"],
            "received_at": "2026-10-15T00:00:00Z",
            "received_by": str(uid),
            "confirmed_at": "2026-10-15T00:00:00Z",
            "late": False,
            "former": [],
        }
    ]


def test_pages_hold_everything_once(api: APIClient, device: Device, gas_meter: Device) -> None:
    ends = interval_ends(DAY, 3)
    deliver(device, column(ends), column(ends, quantity=EXPORT))
    hours = interval_ends(DAY, step=3600)
    deliver(gas_meter, column(hours, quantity="MBUS_MASTER_VALUE", unit="m³", capture_period=3600))
    url, seen = f"{URL}?page_size=100", []
    while url:
        answer = api.get(url)
        rows = answer.json()["results"]
        assert 0 < len(rows) <= 100
        seen += [(row["device_identification"], row["quantity"], row["interval_end"]) for row in rows]
        url = answer.headers["Link"].partition("<")[2].partition(">")[0] if "Link" in answer.headers else ""
    assert len(seen) == len(set(seen)) == 2 * 288 + 24
    by_series: dict[tuple[str, str], list[str]] = {}
    for identification, quantity, end in seen:
        by_series.setdefault((identification, quantity), []).append(end)
    assert len(by_series) == 3
    assert all(sorted(ends) == ends for ends in by_series.values())


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 96 + 96 + 24 + 1),
        ("device=G0000000000000001", 24),
        ("device=G0000000000000001&device=E0000000000000001", 217),
        ("channel=1", 24),
        ("channel=2", 0),
        ("quantity=1-0:1.8.0.255", 96),
        ("quantity=1.0.1.8.0.255&quantity=ACTIVE_ENERGY_EXPORT", 192),
        ("quantity=0-x:24.2.2.255", 24),
        ("quantity=MBUS_MASTER_VALUE", 24),
        ("quantity=1-0:99.99.99.255", 0),
        ("period=DAILY", 1),
        ("period=DAILY&period=INTERVAL&channel=1", 24),
        ("from=2026-10-14T22:00:00Z", 2 + 1 + 1),
        ("until=2026-10-13T22:30:00Z", 2),
        ("from=2026-10-14T10:00:00%2B02:00&until=2026-10-14T09:00:00Z&device=E0000000000000001", 8),
        ("late=true", 217),
        ("late=false", 0),
        ("changed=true", 0),
        ("changed=false", 217),
    ],
)
def test_filters(api: APIClient, device: Device, gas_meter: Device, query: str, count: int) -> None:
    ends = interval_ends(DAY)
    daily = column([utc(2026, 10, 14, 22)], [5], quantity="ACTIVE_ENERGY_IMPORT_RATE_1", period=Period.DAILY)
    deliver(device, column(ends), column(ends, quantity=EXPORT), daily)
    hours = interval_ends(DAY, step=3600)
    deliver(gas_meter, column(hours, quantity="MBUS_MASTER_VALUE", unit="m³", capture_period=3600))
    Delivery.objects.update(received_at=utc(2026, 10, 20))
    assert len(values(api.get(f"{URL}?page_size=1000&{query}"))) == count


def test_changed_values_show_what_the_meter_said_before(api: APIClient, device: Device) -> None:
    ends = interval_ends(DAY)
    uids = [uuid.uuid4(), uuid.uuid4()]
    deliver(device, column(ends), uid=uids[0])
    deliver(device, column(ends[5:7], [7, 8]), uid=uids[1])
    rows = api.get(f"{URL}?changed=true").json()["results"]
    assert [row["value"] for row in rows] == ["0.007", "0.008"]
    assert [row["received_by"] for row in rows] == [str(uids[1])] * 2
    [former] = rows[0]["former"]
    assert (former["value"], former["received_by"]) == ("1.005", str(uids[0]))
    assert len(values(api.get(f"{URL}?changed=false"))) == 94
    assert values(api.get(f"{URL}?changed=true&until=2026-10-13T23:45:00Z")) == ["0.007"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("device=no-such", "/device/0"),
        ("channel=5", "/channel"),
        ("quantity=1-0:1.8.0.256", "/quantity/0"),
        ("quantity=NO_SUCH", "/quantity/0"),
        ("quantity=%00", "/quantity/0"),
        ("period=HOURLY", "/period/0"),
        ("from=2026-10-14", "/from"),
        ("from=2026-10-14T00:00:00Z&until=2026-10-14T00:00:00Z", "/until"),
        ("until=0001-01-01T00:00:00Z", "/until"),
        ("changed=maybe", "/changed"),
        ("late=1", "/late"),
        ("format=xml", "/format"),
        ("format=csv&page_size=5", "/page_size"),
        ("page_size=0", "/page_size"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=MSAyMDI2LTEwLTE0IHg=", "/cursor"),
        ("colour=red", "/colour"),
        ("channel=1&channel=2", "/channel"),
    ],
)
def test_errors_name_the_field(api: APIClient, query: str, pointer: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_only_devices_with_a_monitoring_right(
    device: Device, other_organisation: Organisation, client_of: Callable[[str], APIClient]
) -> None:
    deliver(device, column(interval_ends(DAY)))
    stranger = client_of(factories.make_token(other_organisation))
    asked = f"{URL}?device={device.identification}"
    assert values(stranger.get(URL)) == []
    assert stranger.get(asked).status_code == 404
    assert stranger.get(asked).json()["name"] == "UNKNOWN_DEVICE"
    factories.grant(other_organisation, device, DeviceFunctionGroup.CONFIGURATION)
    assert stranger.get(asked).status_code == 404
    factories.grant(other_organisation, device, DeviceFunctionGroup.MONITORING)
    assert len(values(stranger.get(asked))) == 96
    unread = client_of(factories.make_token(other_organisation, scopes=["monitoring"]))
    assert unread.get(URL).status_code == 403
    assert APIClient().get(URL).status_code == 401


def test_a_page_takes_a_fixed_number_of_statements(api: APIClient, organisation: Organisation) -> None:
    def cost(devices: int) -> int:
        for number in range(devices):
            made = factories.make_device(f"X{Device.objects.count()}{number}", owner=organisation)
            deliver(made, column(interval_ends(DAY)))
        with CaptureQueriesContext(connection) as queries:
            assert len(values(api.get(f"{URL}?page_size=1000"))) == min(Device.objects.count() * 96, 1000)
        return len(queries)

    cost(1)  # The first call also notes that the token is used.
    assert cost(1) == cost(20)


@pytest.mark.parametrize("how", [{"QUERY_STRING": "format=csv"}, {"HTTP_ACCEPT": "text/csv, */*;q=0.5"}])
def test_csv(api: APIClient, device: Device, how: dict[str, str]) -> None:
    ends = interval_ends(DAY, 20)
    deliver(device, column(ends, statuses=[136] * len(ends)))
    deliver(device, column(ends[:1], [5], statuses=[136]))
    answer = api.get(URL, **how)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 1924
    assert tuple(rows[0]) == export.COLUMNS
    assert (rows[0]["value"], rows[0]["changed"], rows[1]["changed"]) == ("0.005", "true", "false")
    assert rows[1]["status"] == "DAYLIGHT_SAVING POWER_DOWN"


@pytest.mark.parametrize(
    "how", [{"QUERY_STRING": "format=parquet"}, {"HTTP_ACCEPT": "application/vnd.apache.parquet"}]
)
def test_parquet(
    api: APIClient, device: Device, how: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROW_GROUP", 500)
    deliver(device, column(interval_ends(DAY, 20)))
    answer = api.get(URL, **how)
    parts = list(answer.streaming_content)  # type: ignore[attr-defined]
    assert len(parts) == 5
    file = parquet.ParquetFile(pa.BufferReader(b"".join(parts)))
    assert file.num_row_groups == 4
    table = file.read().to_pylist()
    assert len(table) == 1924
    assert table[0]["interval_end"] == utc(2026, 10, 13, 22, 15)
    assert format(table[-1]["value"], "f") == "2.923000"
    assert (table[0]["status"], table[0]["name"]) == (None, "ACTIVE_ENERGY_IMPORT")


def test_nothing_as_csv_and_parquet(api: APIClient) -> None:
    assert b"".join(api.get(f"{URL}?format=csv").streaming_content).count(b"\n") == 1  # type: ignore[attr-defined]
    content = b"".join(api.get(f"{URL}?format=parquet").streaming_content)  # type: ignore[attr-defined]
    assert parquet.ParquetFile(pa.BufferReader(content)).metadata.num_rows == 0


def test_other_forms_are_refused(api: APIClient) -> None:
    assert api.get(URL, HTTP_ACCEPT="image/png").status_code == 406
    problem = api.get(f"{URL}?channel=9", HTTP_ACCEPT="text/csv")
    assert (problem.status_code, problem.headers["Content-Type"]) == (400, "application/problem+json")
    assert b'"/channel"' in problem.content


def test_the_command_line_writes_the_same(device: Device, tmp_path: Any) -> None:
    deliver(device, column(interval_ends(DAY)))
    for kind in ("csv", "parquet"):
        call_command(
            "export_readings",
            organisation="UTILITY",
            format=kind,
            output=str(tmp_path / kind),
            quantity=[EXPORT],
        )
    assert (tmp_path / "csv").read_text().count("\n") == 1
    call_command(
        "export_readings",
        "--organisation=UTILITY",
        f"--device={device.identification}",
        "--from=2026-10-14T00:00:00Z",
        f"--output={tmp_path / 'csv'}",
    )
    assert (tmp_path / "csv").read_text().count("\n") == 1 + 96 - 7
    assert parquet.ParquetFile(tmp_path / "parquet").metadata.num_rows == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--organisation=NOBODY"], "no organisation"),
        (["--organisation=UTILITY", "--device=UNKNOWN1"], "UNKNOWN1"),
        (["--organisation=UTILITY", "--from=yesterday"], "from: "),
        (["--organisation=UTILITY", "--output=/nowhere/file"], "/nowhere/file"),
    ],
)
def test_the_command_line_says_what_is_wrong(device: Device, arguments: list[str], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        call_command("export_readings", *arguments)


def test_a_value_received_long_after_its_interval_is_late(api: APIClient, device: Device) -> None:
    deliver(device, column([utc(2026, 10, 14, 12), utc(2026, 10, 14, 13)]))
    Delivery.objects.update(received_at=utc(2026, 10, 14, 12) + timedelta(hours=48, seconds=1))
    assert values(api.get(f"{URL}?late=true")) == ["1.000"]
    assert values(api.get(f"{URL}?late=false")) == ["1.001"]


def test_many_series_and_long_ones(
    api: APIClient, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However chunks and series are cut up on the way, each value comes once."""
    monkeypatch.setattr(queries, "SERIES_AT_A_TIME", 3)
    monkeypatch.setattr(queries, "CHUNKS_AT_A_TIME", 2)
    ends = [utc(2026, 10, day, 12) for day in range(1, 6)]
    devices = [factories.make_device(f"E{number}", owner=organisation) for number in range(4)]
    for number, each in enumerate(devices):
        deliver(each, column(ends[: number + 2]), column(ends[number:], quantity=EXPORT))
    text = b"".join(api.get(f"{URL}?format=csv").streaming_content).decode()  # type: ignore[attr-defined]
    rows = [line.split(",") for line in text.splitlines()[1:]]
    assert len(rows) == len({(row[0], row[2], row[5]) for row in rows}) == 2 + 3 + 4 + 5 + 5 + 4 + 3 + 2
    within = "from=2026-10-02T00:00:00Z&until=2026-10-04T00:00:00Z"
    url, seen = f"{URL}?{within}&page_size=3", 0
    while url:
        answer = api.get(url)
        seen += len(values(answer))
        url = answer.headers["Link"].partition("<")[2].partition(">")[0] if "Link" in answer.headers else ""
    assert seen == 1 + 2 + 2 + 2 + 2 + 2 + 1
