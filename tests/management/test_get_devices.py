"""GetDevices: what an organisation is told about its devices, over HTTP and on the command line."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device, DeviceType, RelayStatus
from osgp.simulator import Fleet, SimulatorThread
from tests.batches.conftest import make_fleet, make_group
from tests.factories import grant, make_device, make_gas_meter, make_token
from tests.meters import add_meters, visit

URL = "/api/v1/management/devices/"
AS_OF = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def names(api: APIClient, *query: tuple[str, str]) -> list[str]:
    answer = api.get(f"{URL}?{urlencode(query)}")
    assert answer.status_code == 200, answer.json()
    return [row["device_identification"] for row in answer.json()["results"]]


def test_a_row_tells_what_is_known(api: APIClient, device: Device, gas_meter: Device) -> None:
    Device.objects.filter(pk=device.pk).update(
        relay_status=RelayStatus.DISCONNECTED, relay_status_as_of=AS_OF, hls4_active=False, hls5_active=True
    )
    answer = api.get(URL)
    assert answer.status_code == 200
    assert "Link" not in answer.headers
    assert answer.json()["results"] == [
        {
            "device_identification": device.identification,
            "device_type": "SMART_METER_E",
            "protocol_name": "SMR",
            "protocol_version": "5.1",
            "lifecycle_status": "IN_USE",
            "gateway": None,
            "channel": None,
            "relay_status": {"status": "DISCONNECTED", "as_of": "2026-03-29T01:30:00Z"},
            "hls3_active": None,
            "hls4_active": False,
            "hls5_active": True,
            "firmware_versions": [],
        },
        {
            "device_identification": gas_meter.identification,
            "device_type": "SMART_METER_G",
            "protocol_name": "SMR",
            "protocol_version": "5.1",
            "lifecycle_status": "IN_USE",
            "gateway": device.identification,
            "channel": 1,
            "relay_status": None,
            "hls3_active": None,
            "hls4_active": None,
            "hls5_active": None,
            "firmware_versions": [],
        },
    ]


def test_an_organisation_sees_what_it_was_granted(
    api: APIClient, organisation: Organisation, other_organisation: Organisation
) -> None:
    granted = make_device("GRANTED")
    for group in (DeviceFunctionGroup.MONITORING, DeviceFunctionGroup.FIRMWARE):
        grant(organisation, granted, group)
    make_device("FOREIGN", owner=other_organisation)
    assert names(api) == ["GRANTED"]
    assert names(api, ("device", "FOREIGN")) == []


def test_a_gateway_that_may_not_be_seen_stays_hidden(
    api: APIClient, organisation: Organisation, other_organisation: Organisation
) -> None:
    make_gas_meter(gateway=make_device("FOREIGN", owner=other_organisation), owner=organisation)
    (row,) = api.get(URL).json()["results"]
    assert (row["gateway"], row["channel"]) == (None, 1)


def test_filters_combine(
    api: APIClient, organisation: Organisation, device: Device, gas_meter: Device
) -> None:
    north = make_fleet(organisation, 3, prefix="N")
    make_group(organisation, [*north, gas_meter], "north side")
    make_group(organisation, [north[0], device], "south")
    first, second, third = (item.identification for item in north)
    assert names(api, ("device", first), ("device", third), ("device", "UNKNOWN")) == [first, third]
    assert names(api, ("group", "north side")) == [gas_meter.identification, first, second, third]
    assert names(api, ("group", "north side"), ("group", "south")) == sorted(
        [gas_meter.identification, device.identification, first, second, third]
    )
    assert names(api, ("group", "north side"), ("device", second), ("device", device.identification)) == [
        second
    ]
    assert names(api, ("group", "north side"), ("device_type", "SMART_METER_G")) == [gas_meter.identification]
    assert names(api, ("device_type", "SMART_METER_W")) == []


def test_members_of_a_group_that_are_not_granted_any_more_are_left_out(
    api: APIClient, organisation: Organisation
) -> None:
    make_group(organisation, [make_device("LOST"), make_device("KEPT", owner=organisation)], "all")
    assert names(api, ("group", "all")) == ["KEPT"]


def test_pages_lead_through_everything_once(api: APIClient, organisation: Organisation) -> None:
    fleet = make_fleet(organisation, 7)
    make_group(organisation, fleet, "all of them")
    found: list[str] = []
    url: str | None = f"{URL}?{urlencode([('page_size', '3'), ('group', 'all of them')])}"
    while url:
        answer = api.get(url)
        found += [row["device_identification"] for row in answer.json()["results"]]
        link = answer.headers.get("Link")
        url = link.removesuffix('>; rel="next"').removeprefix("<") if link else None
    assert found == [device.identification for device in fleet]


def test_the_number_of_queries_does_not_grow(
    api: APIClient, organisation: Organisation, device: Device, gas_meter: Device
) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert api.get(URL).status_code == 200
        return len(queries)

    api.get(URL)
    few = count()
    make_fleet(organisation, 50)
    for channel in (2, 3, 4):
        make_gas_meter(f"GAS{channel}", gateway=device, channel=channel, owner=organisation)
    assert count() == few


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("colour=red", "/colour"),
        ("device=a+b", "/device/0"),
        ("device=OK&device=" + "A" * 41, "/device/1"),
        ("group=", "/group/0"),
        ("group=nobody", "/group/0"),
        ("device_type=SMART_METER_X", "/device_type"),
        ("device_type=SMART_METER_E&device_type=SMART_METER_G", "/device_type"),
        ("page_size=0", "/page_size"),
        ("page_size=1001", "/page_size"),
        ("cursor=%00", "/cursor"),
        ("cursor=", "/cursor"),
        ("group=%F0%9F%92%A5%00", "/group/0"),
    ],
)
def test_bad_queries_name_the_parameter(api: APIClient, query: str, pointer: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_group_of_another_organisation_does_not_exist(
    api: APIClient, other_organisation: Organisation
) -> None:
    make_group(other_organisation, make_fleet(other_organisation, 1), "theirs")
    assert api.get(f"{URL}?group=theirs").status_code == 400


def test_the_scope_read_is_needed(
    organisation: Organisation, client_of: Callable[[str], APIClient], device: Device
) -> None:
    assert client_of(make_token(organisation, scopes=["management"])).get(URL).status_code == 403
    assert client_of(make_token(organisation, scopes=["read"])).get(URL).status_code == 200
    assert APIClient().get(URL).status_code == 401


def run(*arguments: str) -> list[dict[str, Any]]:
    output = io.StringIO()
    call_command("devices", "--organisation", "UTILITY", *arguments, stdout=output)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_the_command_prints_the_rows_of_the_api(
    api: APIClient,
    organisation: Organisation,
    device: Device,
    gas_meter: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("osgp.commands.management.commands.devices.PAGE", 1)
    assert run() == api.get(URL).json()["results"]
    assert [row["device_identification"] for row in run("--type", DeviceType.SMART_METER_G)] == [
        gas_meter.identification
    ]
    assert run("--device", "UNKNOWN") == []
    make_group(organisation, [device], "north side")
    assert [row["device_identification"] for row in run("--group", "north side")] == [device.identification]
    with pytest.raises(CommandError, match="no device group south"):
        run("--group", "south")
    with pytest.raises(CommandError, match="no organisation NOBODY"):
        call_command("devices", "--organisation", "NOBODY")


@pytest.mark.django_db(transaction=True)
def test_the_relay_is_known_once_it_was_read(api: APIClient, organisation: Organisation) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        (meter,) = add_meters(organisation, simulator).values()
        assert [row["relay_status"] for row in api.get(URL).json()["results"]] == [None]
        body = {"device_identification": meter.identification}
        posted = api.post("/api/v1/management/read-relay-status/", body, format="json").json()
        visit(meter)
    told = api.get(posted["url"]).json()["result"]
    (row,) = api.get(URL).json()["results"]
    assert row["relay_status"] == {"status": told["relay_status"], "as_of": told["as_of"]}
