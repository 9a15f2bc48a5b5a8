"""GetFirmwareVersion and GetFirmwareVersionGas: what meters tell, refuse and get wrong, and what is kept."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.firmware.models import FirmwareVersion
from osgp.messages.registry import find_operation
from osgp.simulator import Fleet, SimulatorThread
from tests import meters
from tests.visited import ANSWERS, METERS, PROFILES, SILENT, Visits, having, outcome_with, perform, saying

MESSAGE, GAS = "GetFirmwareVersion", "GetFirmwareVersionGas"
TAG = "MBUS_DEVICE_CONFIG_SIMPLE_VERSION_INFO"
MODULES = {
    "ACTIVE_FIRMWARE": ("ACTIVE_FIRMWARE_IDENTIFIER", "SIM E-METER"),
    "MODULE_ACTIVE_FIRMWARE": ("MODULE_ACTIVE_FIRMWARE_IDENTIFIER", "SIM MODULE"),
    "COMMUNICATION_MODULE_ACTIVE_FIRMWARE": ("COMMUNICATION_MODULE_ACTIVE_FIRMWARE_IDENTIFIER", "SIM MODEM"),
    "M_BUS_DRIVER_ACTIVE_FIRMWARE": ("MBUS_DRIVER_ACTIVE_FIRMWARE_IDENTIFIER", "SIM M-BUS"),
}


def told(result: Any) -> dict[str, str]:
    return {item["firmware_module_type"]: item["version"] for item in result["firmware_versions"]}


@pytest.mark.parametrize(("profile", "polyphase"), METERS)
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    before = datetime.now(UTC)
    with visits.visit(simulated) as meter:
        round_trips = meter.association.statistics.round_trips
        result = perform(meter, MESSAGE)
        assert meter.association.statistics.round_trips == round_trips + 1
    assert before <= datetime.fromisoformat(result["as_of"]) <= datetime.now(UTC)
    version = simulated.type.profile.protocol_version
    assert told(result) == {
        module: f"{text} {version}"
        for module, (tag, text) in MODULES.items()
        if tag in simulated.type.profile
    }
    assert ("M_BUS_DRIVER_ACTIVE_FIRMWARE" in told(result)) == version.startswith("5.")
    assert result["unavailable"] == []


@pytest.mark.parametrize("refused", MODULES)
def test_each_is_known_by_its_object(visits: Visits, refused: str) -> None:
    """Whichever one is missing, the others keep their names."""
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {(MODULES[refused][0], 2): "00"}):
        result = visits.perform(simulated, MESSAGE)
    others = {module: f"{text} 5.1" for module, (_, text) in MODULES.items() if module != refused}
    assert told(result) == others
    assert [problem["name"] for problem in result["unavailable"]] == [refused]


@pytest.mark.parametrize(
    ("octets", "version"),
    [
        (b"", ""),
        (b"V1\x00.\x1f2\n\x7f", "V1.2\x7f"),
        ("Ünïcode".encode(), "Ünïcode"),
        (b"V\xff\xfe1", "V\ufffd\ufffd1"),
        (b"\xc3", "\ufffd"),
        (b"x" * 127, "x" * 127),
        (b"<b>", "<b>"),
    ],
)
def test_decoding(visits: Visits, octets: bytes, version: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    said = f"09{len(octets):02x}{octets.hex()}"
    with saying(simulated, {("ACTIVE_FIRMWARE_IDENTIFIER", 2): said}):
        result = visits.perform(simulated, MESSAGE)
    assert told(result)["ACTIVE_FIRMWARE"] == version


@pytest.mark.parametrize("said", ["00", "1101", "0100", "098180" + 128 * "41"])
def test_what_is_no_version(visits: Visits, said: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {("ACTIVE_FIRMWARE_IDENTIFIER", 2): said}):
        result = visits.perform(simulated, MESSAGE)
    assert "ACTIVE_FIRMWARE" not in told(result)
    [problem] = result["unavailable"]
    assert problem["name"] == "ACTIVE_FIRMWARE"
    with (
        saying(simulated, {(tag, 2): said for tag, _ in MODULES.values()}),
        pytest.raises(Fault) as info,
    ):
        visits.perform(simulated, MESSAGE)
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


@pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
def test_gas_of_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    with saying(simulated, {(f"{TAG}/1", 2): "09030aBCff"}), visits.visit(simulated, channel=1) as meter:
        round_trips = meter.association.statistics.round_trips
        result = perform(meter, GAS)
        assert meter.association.statistics.round_trips == round_trips + 1
    assert result.pop("as_of")
    assert result == {"firmware_module_type": "SIMPLE_VERSION_INFO", "version": "0abcff"}
    assert visits.perform(simulated, GAS, channel=2)["version"] == "00400011"


@pytest.mark.parametrize("said", ["00", "0900", "1101", "098180" + 128 * "41"])
def test_gas_meters_without_a_version(visits: Visits, said: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {(f"{TAG}/1", 2): said}), pytest.raises(Fault) as info:
        visits.perform(simulated, GAS, channel=1)
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


@pytest.mark.parametrize("profile", sorted({*PROFILES} - {profile for profile, _ in having(TAG)}))
def test_gas_of_older_profiles(profile: str) -> None:
    with pytest.raises(Fault) as info:
        find_operation(GAS).check_profile(catalogue.find_profile(*profile.split("-", 1)), {})
    assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if kind not in SILENT])
def test_hostile_answers(visits: Visits, kind: Any) -> None:
    outcome = outcome_with(visits, kind, visits.simulated("SMR-5.1"), MESSAGE, {})
    assert isinstance(outcome, Fault) or told(outcome)


@pytest.mark.django_db(transaction=True)
def test_devices_have_their_history(api: APIClient, organisation: Organisation, admin_client: Client) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.1", gas_meters=1)) as simulator:
        device, gas = meters.add_meters(organisation, simulator).values()
        simulated = simulator.meters[device.identification]
        identifier = simulated.type.profile["ACTIVE_FIRMWARE_IDENTIFIER"].address_attribute("value")

        def read(target: Device, slug: str) -> Any:
            accepted = api.post(
                f"/api/v1/configuration/{slug}/",
                {"device_identification": target.identification},
                format="json",
            )
            assert accepted.status_code == 202, accepted.content
            meters.visit(device)
            answer = api.get(accepted.json()["url"]).json()
            assert answer["status"] == "SUCCEEDED"
            return answer["result"]

        for octets in (None, None, b"<V2>"):
            if octets:
                simulated.memory.overrides = {identifier: b"\x09\x04" + octets}
            result = read(device, "get-firmware-version")
        assert read(gas, "get-firmware-version-gas")["version"] == "00400011"
    rows = api.get("/api/v1/management/devices/").json()["results"]
    known = {row["device_identification"]: row["firmware_versions"] for row in rows}
    assert {item["firmware_module_type"]: item["version"] for item in known[device.identification]} == told(
        result
    )
    assert [item["version"] for item in known[gas.identification]] == ["00400011"]
    first = known[device.identification][0]
    assert (first["version"], first["since"], first["last_seen"]) == (
        "<V2>",
        result["as_of"],
        result["as_of"],
    )
    other = known[device.identification][1]
    assert other["since"] < other["last_seen"] == result["as_of"]
    history = FirmwareVersion.objects.filter(device=device, module_type="ACTIVE_FIRMWARE").order_by("since")
    assert [(row.version, row.is_current) for row in history] == [("SIM E-METER 5.1", False), ("<V2>", True)]
    page = admin_client.get(reverse("admin:devices_device_change", args=[device.pk])).content.decode()
    assert "1 former version<" in page
    assert "SIM E-METER 5.1" in page
    assert "?firmware=%3CV2%3E" in page
    assert "&lt;V2&gt;" in page
    assert "<V2>" not in page
    found = admin_client.get(reverse("admin:devices_device_changelist"), {"firmware": "<V2>"})
    assert [row.pk for row in found.context["cl"].result_list] == [device.pk]
    found = admin_client.get(reverse("admin:devices_device_changelist"), {"firmware": "SIM E-METER 5.1"})
    assert not found.context["cl"].result_list
