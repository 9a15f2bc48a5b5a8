"""From a meter to the readings: visits keep what was read together with the outcome."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch
from osgp.completeness import missing
from osgp.devices.models import Device
from osgp.fleet import steering
from osgp.messages.naming import BUNDLE
from osgp.readings import clock
from osgp.readings.models import Delivery, FormerClaim
from osgp.requests import states
from osgp.requests.models import Action, Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters
from tests.batches.conftest import create_all
from tests.readings.columns import column, deliver, interval_ends, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def devices(
    organisation: Organisation, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Device]]:
    monkeypatch.setattr(clock, "now", timezone.now)
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=5),
        "CONNECT_DEADLINE": timedelta(seconds=5),
    }
    with SimulatorThread(Fleet.build(1, "SMR-5.1", gas_meters=1)) as simulator:
        yield meters.add_meters(organisation, simulator)


def ask(organisation: Organisation, device: Device, message: str = "ActualMeterReads") -> Request:
    request = factories.make_request(organisation, device, message)
    meters.visit(device.gateway or device)
    request.refresh_from_db()
    return request


def test_actual_reads_are_kept(organisation: Organisation, devices: dict[str, Device]) -> None:
    meter, gas = devices.values()
    request = ask(organisation, meter)
    result: dict[str, Any] = Action.objects.get(request=request).result or {}
    assert request.state == RequestState.SUCCEEDED
    found = dict(rows("quantity", "value"))
    assert len(found) == 6
    assert found["1-0:1.8.0.255"] == result["active_energy_import"]["value"]
    assert found["1-0:2.8.2.255"] == result["active_energy_export_tariff_two"]["value"]
    assert Delivery.objects.get().correlation_uid == request.correlation_uid
    gas_request = ask(organisation, gas, "ActualMeterReadsGas")
    result = Action.objects.get(request=gas_request).result or {}
    [(quantity, end, value, unit, channel)] = [
        row for row in rows("quantity", "interval_end", "value", "unit", "channel") if row[0] not in found
    ]
    assert (quantity, value, unit, channel) == ("0-1:24.2.1.255", result["consumption"]["value"], "m³", 1)
    assert f"{end.replace(' ', 'T')}Z" == result["capture_time"]


def test_reading_again_within_a_day_adds_to_it(
    organisation: Organisation, devices: dict[str, Device]
) -> None:
    meter = next(iter(devices.values()))
    for _ in range(2):
        assert ask(organisation, meter).state == RequestState.SUCCEEDED
    assert Delivery.objects.count() == 2
    assert not FormerClaim.objects.exists() or len(rows("value")) == 6


def test_what_a_bundle_read_is_kept(organisation: Organisation, devices: dict[str, Device]) -> None:
    meter, gas = devices.values()
    request = factories.make_request(organisation, meter, BUNDLE)
    Action.objects.all().delete()
    for position, (message, device) in enumerate(
        [("ActualMeterReads", None), ("ActualMeterReadsGas", gas), ("SynchronizeTime", None)]
    ):
        Action.objects.create(request=request, position=position, message=message, device=device)
    meters.visit(meter)
    assert list(Action.objects.order_by("position").values_list("state", flat=True)) == ["DONE"] * 3
    assert len(rows("value")) == 7
    deliveries = Delivery.objects.order_by("pk").values_list("device", "message")
    assert list(deliveries) == [(meter.pk, "ActualMeterReads"), (gas.pk, "ActualMeterReadsGas")]


def test_nothing_is_kept_when_the_session_was_lost(
    organisation: Organisation, devices: dict[str, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "succeed", lambda *_: False)
    ask(organisation, next(iter(devices.values())))
    assert not Delivery.objects.exists()
    assert rows("value") == []


def test_a_hole_is_healed(api: APIClient, devices: dict[str, Device]) -> None:
    """The visit reads no more than the hole; then nothing is missing, and the batch is over."""
    meter, _ = devices.values()
    day = missing.get_default_days()[0]
    ends = interval_ends(day)
    deliver(meter, column(ends[:40] + ends[52:], [1] * (len(ends) - 12)))
    asked = {"from": str(day), "until": str(day + timedelta(days=1)), "device": [meter.identification]}
    [batch] = api.post("/api/v1/readings/missing/fetch/", asked, format="json").json()["batches"]
    create_all()
    meters.visit(meter)
    steering.settle()
    body = api.get(batch["url"]).json()
    assert (body["status"], body["requests"]["SUCCEEDED"]) == ("COMPLETED", 1)
    [result] = Action.objects.values_list("result", flat=True)
    assert [datetime.fromisoformat(result[name]) for name in ("begin_date", "end_date")] == [
        ends[40],
        ends[51],
    ]
    url = f"/api/v1/readings/missing/?from={asked['from']}&until={asked['until']}"
    left = api.get(f"{url}&device={meter.identification}").json()["results"]
    # Of what was there of the one quantity, the other is lacking.
    assert [gap["quantities"] for row in left for gap in row["gaps"]] == [["1-0:2.8.0.255"]] * 2
    api.post("/api/v1/readings/missing/fetch/", asked, format="json")
    create_all()
    meters.visit(meter)
    assert api.get(f"{url}&device={meter.identification}").json()["results"] == []


def test_what_was_missing_is_fetched(api: APIClient, devices: dict[str, Device]) -> None:
    meter, gas = devices.values()
    day = missing.get_default_days()[0]
    range_ = {"from": str(day), "until": str(day + timedelta(days=1))}
    url = f"/api/v1/readings/missing/?from={range_['from']}&until={range_['until']}"
    lacking = api.get(url).json()["results"]
    assert [row["device_identification"] for row in lacking] == [meter.identification, gas.identification]
    assert api.post("/api/v1/readings/missing/fetch/", range_, format="json").json()["requests"] == 2
    create_all()
    meters.visit(meter)
    assert set(Request.objects.values_list("state", flat=True)) == {"SUCCEEDED"}
    assert steering.settle() == 2
    assert set(Batch.objects.values_list("state", "total")) == {("COMPLETED", 1)}
    assert api.get(url).json()["results"] == []
    found = rows("quantity", "day", "status")
    assert len(found) == 2 * lacking[0]["count"] + lacking[1]["count"]
    assert {row[0] for row in found} == {"1-0:1.8.0.255", "1-0:2.8.0.255", "0-1:24.2.2.255"}
