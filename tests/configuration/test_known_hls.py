"""Which HLS mechanisms are on at P3: from the request to the device and its row over REST."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.simulator import Fleet, SimulatorThread
from tests.meters import add_meters, visit

API = "/api/v1/configuration"


def known(api: APIClient) -> dict[str, list[bool | None]]:
    rows = api.get("/api/v1/management/devices/").json()["results"]
    names = ("hls3_active", "hls4_active", "hls5_active")
    return {row["protocol_version"]: [row[name] for name in names] for row in rows}


@pytest.mark.django_db(transaction=True)
def test_it_is_known_once_it_was_read_or_written(api: APIClient, organisation: Organisation) -> None:
    def send(message: str, meter: Device, **parameters: Any) -> dict[str, Any]:
        body = {"device_identification": meter.identification, **parameters}
        posted = api.post(f"{API}/{message}/", body, format="json")
        assert posted.status_code == 202, posted.json()
        visit(meter)
        result: dict[str, Any] = api.get(posted.json()["url"]).json()["result"]
        return result

    fleet = Fleet.build(2, ["SMR-4.3", "SMR-5.1"])
    with SimulatorThread(fleet) as simulator:
        old, new = add_meters(organisation, simulator).values()
        assert known(api) == {"4.3": [None] * 3, "5.1": [None] * 3}
        told = send("get-configuration-object", old)
        assert set(told) == {"gprs_operation_mode", "configuration_flags", "unknown_bits"}
        assert known(api) == {"4.3": [False, False, True], "5.1": [None] * 3}
        flags = [{"flag": "HLS_5_ON_P3_ENABLE", "enabled": False}]
        told = send("set-configuration-object", new, configuration_flags=flags)
        assert set(told) == {"before", "after"}
        assert known(api) == {"4.3": [False, False, True], "5.1": [None, None, False]}
        settings = {"randomisation_start_window": 9, "multiplication_factor": 1, "number_of_retries": 1}
        flags = [{"flag": "HLS_3_ON_P3_ENABLE", "enabled": True}]
        send("set-configuration-object", old, configuration_flags=flags, gprs_operation_mode="TRIGGERED")
        send("set-randomisation-settings", old, direct_attach=1, **settings)
        assert known(api)["4.3"] == [True, False, True]
        alarm = [{"alarm_type": "FRAUD_ATTEMPT", "enabled": True}]
        send("set-alarm-notifications", new, alarm_notifications=alarm)
    # How the platform talks to the meters has not changed.
    assert {device.security for device in Device.objects.all()} == {"HLS5"}


def test_what_a_profile_lacks_is_refused_with_its_place(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    flags = [{"flag": name, "enabled": False} for name in ("PO_ENABLE", "DYNAMIC_MBUS_ADDRESS")]
    body = {"device_identification": device.identification, "configuration_flags": flags}
    answer = api.post(f"{API}/set-configuration-object/", body, format="json")
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"] == 416
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/configuration_flags/1/flag"]
