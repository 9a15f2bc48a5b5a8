"""GetThdFingerprint."""

from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.simulator.codec.axdr import NULL_DATA, array, long_unsigned, octet_string
from tests import factories
from tests.catalogue.generations import ALL, WITH_THD
from tests.monitoring.fleet import MonitoredFleet


@pytest.mark.parametrize("profile", WITH_THD)
@pytest.mark.parametrize("polyphase", [False, True])
@pytest.mark.parametrize("with_list_max", [1, 32])
def test_the_phases_that_a_meter_has(
    fleet: MonitoredFleet, profile: str, polyphase: bool, with_list_max: int
) -> None:
    result = fleet.perform("GetThdFingerprint", profile, polyphase=polyphase, with_list_max=with_list_max)
    phases = ("l1", "l2", "l3") if polyphase else ("l1",)
    assert result.pop("unavailable") == []
    assert {name for name, value in result.items() if value is not None} == {
        f"{name}_{phase}"
        for name in (
            "thd_instantaneous_current",
            "thd_instantaneous_current_fingerprint",
            "thd_current_over_limit_counter",
        )
        for phase in phases
    }
    assert len(result) == 9
    for phase in phases:
        current = result[f"thd_instantaneous_current_{phase}"]
        assert current["unit"] == "%"
        assert Decimal(current["value"]) >= 0
        assert len(result[f"thd_instantaneous_current_fingerprint_{phase}"]) == 15
        assert isinstance(result[f"thd_current_over_limit_counter_{phase}"], int)


def test_only_profiles_with_the_objects_support_it() -> None:
    operation = registry.find_operation("GetThdFingerprint")
    assert tuple(each.key for each in catalogue.list_profiles() if operation.supports(each)) == WITH_THD
    assert set(WITH_THD) < set(ALL)


@pytest.mark.django_db
def test_a_meter_of_plain_smr_5_2_has_none(api: APIClient, organisation: Organisation) -> None:
    device = factories.make_device(owner=organisation, protocol_name="SMR", protocol_version="5.2")
    url = "/api/v1/monitoring/get-thd-fingerprint/"
    answer = api.post(url, {"device_identification": device.identification}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, 416)
    device.protocol_version = "5.2c"
    device.save()
    answer = api.post(url, {"device_identification": device.identification}, format="json")
    assert answer.status_code == 202


def test_values_that_are_left_out(fleet: MonitoredFleet) -> None:
    meter = fleet.meter("SMR-5.2c")
    for tag in ("CURRENT_L1", "CURRENT_FINGERPRINT_L1"):
        fleet.put(meter, f"THD_INSTANTANEOUS_{tag}", NULL_DATA)
    fleet.put(meter, "THD_CURRENT_OVER_LIMIT_COUNTER_L1", NULL_DATA)
    result = fleet.perform("GetThdFingerprint", "SMR-5.2c")
    assert result.pop("unavailable") == []
    assert set(result.values()) == {None}


@pytest.mark.parametrize(
    ("tag", "encoded"),
    [
        ("THD_INSTANTANEOUS_CURRENT_L1", octet_string(b"1")),
        ("THD_INSTANTANEOUS_CURRENT_FINGERPRINT_L1", long_unsigned(1)),
        ("THD_INSTANTANEOUS_CURRENT_FINGERPRINT_L1", array([long_unsigned(1), NULL_DATA])),
        ("THD_INSTANTANEOUS_CURRENT_FINGERPRINT_L1", array([octet_string(b"1")])),
        ("THD_INSTANTANEOUS_CURRENT_FINGERPRINT_L1", array([long_unsigned(1)] * 1_001)),
        ("THD_CURRENT_OVER_LIMIT_COUNTER_L1", array([])),
    ],
)
def test_values_of_another_type(fleet: MonitoredFleet, tag: str, encoded: bytes) -> None:
    """Each costs itself, and is told."""
    meter = fleet.meter("SMR-5.5")
    fleet.put(meter, tag, encoded)
    result = fleet.perform("GetThdFingerprint", "SMR-5.5")
    [missing] = result["unavailable"]
    assert missing["name"] == tag.lower()
    assert tag in missing["reason"]
    others = {name: value for name, value in result.items() if name.endswith("_l1") and name != tag.lower()}
    assert result[tag.lower()] is None
    assert None not in others.values()
    for each in others:
        fleet.put(meter, each.upper(), octet_string(b"1"))
    with pytest.raises(Fault, match="CURRENT_L1") as caught:
        fleet.perform("GetThdFingerprint", "SMR-5.5")
    assert caught.value.code == FaultCode.ILLEGAL_RESPONSE
