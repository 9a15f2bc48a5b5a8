"""ScanMbusChannels: what meters of all profiles have on their channels, and what makes no sense there."""

from typing import Any

import pytest

from tests.visited import Visits, having, perform, saying

MESSAGE = "ScanMbusChannels"
EMPTY = {
    "occupied": False,
    "mbus_identification_number": "00000000",
    "mbus_manufacturer": None,
    "mbus_version": 0,
    "mbus_device_type": 0,
    "mbus_primary_address": 0,
    "unavailable": [],
}


@pytest.mark.parametrize(("profile", "polyphase"), having("MBUS_CLIENT_SETUP"))
def test_every_profile_with_channels(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    with visits.visit(simulated) as meter:
        before = meter.association.statistics.round_trips
        result = perform(meter, MESSAGE)
        assert meter.association.statistics.round_trips - before == 1
    assert result["channels"] == [
        *(
            {
                "channel": gas_meter.channel,
                "occupied": True,
                "mbus_identification_number": gas_meter.identification_number,
                "mbus_manufacturer": gas_meter.manufacturer,
                "mbus_version": gas_meter.version,
                "mbus_device_type": gas_meter.device_type,
                "mbus_primary_address": gas_meter.primary_address,
                "unavailable": [],
            }
            for gas_meter in simulated.gas_meters
        ),
        {"channel": 3, **EMPTY},
        {"channel": 4, **EMPTY},
    ]


def field(name: str, reason: str) -> dict[str, str]:
    return {"name": name, "reason": reason}


def scanned(visits: Visits, profile: str, said: Any) -> list[Any]:
    simulated = visits.simulated(profile)
    with saying(simulated, said):
        channels: list[Any] = visits.perform(simulated, MESSAGE)["channels"]
    return channels


def test_a_bcd_number_that_is_none(visits: Visits) -> None:
    first, second, *_ = scanned(visits, "DSMR-4.2.2", {("MBUS_CLIENT_SETUP/1", 6): "06a2056731"})
    assert first["mbus_identification_number"] is None
    assert first["unavailable"] == [
        field(
            "mbus_identification_number",
            "The M-Bus identification number 0xA2056731 is not a BCD number of eight digits.",
        )
    ]
    # The rest of the channel, and the other channels, are not affected.
    assert (first["occupied"], first["mbus_manufacturer"]) == (True, "SIM")
    assert second["unavailable"] == []


@pytest.mark.parametrize(
    ("profile", "octets", "number"),
    [
        ("DSMR-2.2", "0611223344", "11223344"),
        ("SMR-4.3", "0600000012", "00000012"),
        ("SMR-5.0.0", "0600ab4130", "11223344"),
        ("SMR-5.5", "0600000012", "00000018"),
        ("SMR-5.5", "00", None),
    ],
)
def test_numbers_by_class_version(visits: Visits, profile: str, octets: str, number: str | None) -> None:
    *_, third, _ = scanned(visits, profile, {("MBUS_CLIENT_SETUP/3", 6): octets})
    assert third["mbus_identification_number"] == number
    assert third["unavailable"] == []
    assert third["occupied"] is (number is not None)


def test_values_that_make_no_sense_are_told_one_by_one(visits: Visits) -> None:
    said = {
        ("MBUS_CLIENT_SETUP/1", 5): "12ffff",
        ("MBUS_CLIENT_SETUP/1", 6): "06ffffffff",
        ("MBUS_CLIENT_SETUP/1", 7): "127fff",
        ("MBUS_CLIENT_SETUP/1", 8): "0901ff",
        ("MBUS_CLIENT_SETUP/1", 9): "77",
        ("MBUS_CLIENT_SETUP/2", 9): "1103",
        ("MBUS_CLIENT_SETUP/3", 7): "1230e2",
        ("MBUS_CLIENT_SETUP/4", 8): "00",
        ("MBUS_CLIENT_SETUP/4", 9): "0901",
    }
    first, second, third, fourth = scanned(visits, "SMR-5.2", said)
    assert [item["name"] for item in first["unavailable"]] == [
        "mbus_primary_address",
        "mbus_identification_number",
        "mbus_manufacturer",
        "mbus_version",
        "mbus_device_type",
    ]
    assert first["occupied"] is None
    assert {first[item["name"]] for item in first["unavailable"]} == {None}
    assert (second["occupied"], second["unavailable"]) == (True, [])
    assert (third["occupied"], third["mbus_manufacturer"]) == (True, "LGB")
    assert (fourth["occupied"], fourth["mbus_version"]) == (None, None)


def test_refused_attributes(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    entry = next(
        item
        for item in simulated.type.objects.values()
        if (item.tag, item.channel) == ("MBUS_CLIENT_SETUP", 2)
    )
    monkeypatch.setattr(entry.attributes[6], "access", 0)
    _, second, third, _ = visits.perform(simulated, MESSAGE)["channels"]
    assert second["unavailable"] == [
        field("mbus_identification_number", "read-write-denied: 72/0-2:24.1.0.255/6")
    ]
    assert (second["occupied"], second["mbus_manufacturer"]) == (True, "SIM")
    assert third["unavailable"] == []
