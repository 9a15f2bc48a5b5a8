"""RetrieveConfigurationObjects: all of a meter, in few round trips, whatever is wrong with it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.adhoc import retrieve_configuration_objects
from osgp.protocol_dlms import Meter
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from tests import meters
from tests.answers import read_answer
from tests.protocol_dlms.peers import ber_length
from tests.visited import METERS, NOW, Visits, perform, saying

MESSAGE = "RetrieveConfigurationObjects"


def attributes(result: Any) -> dict[tuple[str, int | None, int], Any]:
    """Attributes by tag, channel and number."""
    return {
        (row["tag"], row["channel"], item["attribute"]): item
        for row in result["objects"]
        for item in row["attributes"]
    }


@pytest.mark.parametrize(("profile", "polyphase"), METERS)
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    with visits.visit(simulated) as meter:
        before = meter.association.statistics.round_trips
        result = perform(meter, MESSAGE)
        round_trips = meter.association.statistics.round_trips - before
    known = catalogue.find_profile(*profile.split("-"))
    assert (result["unavailable"], result["missing"], result["complete"]) == ([], [], True)
    found = attributes(result)
    expected = {
        (item.tag, channel, attribute_id)
        for item in known.list_objects(polyphase)
        for channel in ((1, 2, 3, 4) if item.per_channel else (None,))
        for attribute_id in (1, *item.attributes)
    }
    assert set(found) == expected
    left_out = {key: item["reason"] for key, item in found.items() if item["status"] != "READ"}
    for (tag, channel, attribute_id), reason in left_out.items():
        item = known[tag]
        if reason == "BUFFER":
            assert (item.class_id, attribute_id) == (7, 2)
        elif reason == "SECRET":
            assert (tag, attribute_id) == ("ASSOCIATION_LN", 7)
        elif reason == "OBJECT_LIST":
            assert (tag, attribute_id) == ("ASSOCIATION_LN", 2)
        else:
            assert reason == "NOT_READABLE", (tag, channel, attribute_id)
            assert not item.attributes[attribute_id].readable
    assert sorted(left_out.values()).count("BUFFER") == sum(
        (4 if item.per_channel else 1) for item in known.list_objects(polyphase) if item.class_id == 7
    )
    # Twenty round trips for its list and 30 for its values, where one by one it would take 900.
    assert round_trips < len(found) / 10
    assert found["CLOCK", None, 3]["value"] == {"type": "long", "value": -60}
    assert found["ACTIVE_ENERGY_IMPORT", None, 3]["value"]["value"][1]["type"] == "enum"
    assert found["CLOCK", None, 1]["value"] == {"type": "octet-string", "value": "0000010000ff"}
    assert len(found["CLOCK", None, 2]["value"]["value"]) == 24


def simulated_alone(settings: FleetSettings, profile: str = "SMR-5.5") -> SimulatorThread:
    return SimulatorThread(Fleet.build(1, profile, polyphase=True, settings=settings))


def retrieved(running: SimulatorThread, **connection: Any) -> tuple[Any, Meter]:
    visits = Visits(running)
    [simulated] = running.meters.values()
    with visits.visit(simulated, connection=connection) as meter:
        return perform(meter, MESSAGE), meter.association


@pytest.mark.parametrize(("takes", "told"), [(32, 1), (32, 0), (1, 32), (5, 32), (16, 64)])
def test_lists_of_any_length_give_the_same(takes: int, told: int) -> None:
    # ``told`` is how long the platform thinks that lists may be, ``takes`` what the meter really takes.
    with simulated_alone(FleetSettings(clock=NOW.timestamp, with_list_max=32)) as running:
        usual, _ = retrieved(running)
        count = sum(item["status"] == "READ" for item in attributes(usual).values())
    with simulated_alone(FleetSettings(clock=NOW.timestamp, with_list_max=takes)) as running:
        result, association = retrieved(running, with_list_max=told)
    assert {key: item["status"] for key, item in attributes(result).items()} == {
        key: item["status"] for key, item in attributes(usual).items()
    }
    used = max(min(takes, told), 1)
    # As many requests as it takes lists, those for the meter's own list and a few that failed.
    assert association.statistics.round_trips <= count / (used / 2 if told > takes > 1 else used) + 80


def test_requests_fit_a_meter_that_receives_little() -> None:
    # The simulated meter hangs up on an APDU that is longer than it said.
    settings = FleetSettings(clock=NOW.timestamp, maximum_pdu_size=128, with_list_max=64)
    with simulated_alone(settings, "DSMR-2.2") as running:
        result, _ = retrieved(running, with_list_max=64)
    assert result["complete"] is True
    assert attributes(result)["CLOCK", None, 3]["status"] == "READ"


def test_what_is_wrong_with_one_attribute_costs_it_alone(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    odd = {
        ("DEVICE_ID_1", 2): "77",  # no data type
        ("CLOCK", 4): "0202 0600000001 0909",  # cut short
        ("ACTIVE_ENERGY_IMPORT", 2): "00",
        ("ACTIVE_ENERGY_IMPORT", 3): "0a03 414243",
        # What some meters let follow their clock.
        ("CLOCK", 2): "090c 07ea060fff0a141e00ff8880 0000",
    }
    with saying(simulated, odd), visits.visit(simulated) as meter:
        before = meter.association.statistics.round_trips
        result = perform(meter, MESSAGE)
        assert meter.association.statistics.round_trips - before < 100
        assert meter.association.is_open
    found = attributes(result)
    assert found["DEVICE_ID_1", None, 2]["status"] == "UNDECODABLE"
    assert found["DEVICE_ID_1", None, 2]["value"] is None
    assert "unknown data type" in found["DEVICE_ID_1", None, 2]["reason"]
    assert found["CLOCK", None, 4]["status"] == "UNDECODABLE"
    assert found["CLOCK", None, 2]["value"] == {"type": "octet-string", "value": "07ea060fff0a141e00ff8880"}
    assert found["ACTIVE_ENERGY_IMPORT", None, 2]["value"] == {"type": "null-data", "value": None}
    assert found["ACTIVE_ENERGY_IMPORT", None, 3]["value"] == {"type": "visible-string", "value": "ABC"}
    assert found["ACTIVE_ENERGY_EXPORT", None, 2]["status"] == "READ"


LISTED = "0204 120003 1100 0906 {name} 0202 0102 0203 0f01 1601 00 0203 0f02 1601 00 0100"


def listing(*names: str) -> str:
    return "01" + ber_length(len(names)).hex() + "".join(LISTED.format(name=name) for name in names)


def test_objects_that_are_not_there_are_refused_by_the_meter(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    with saying(simulated, {("ASSOCIATION_LN", 2): listing("010001 0800ff", "0909090909ff", "0000010000ff")}):
        result = visits.perform(simulated, MESSAGE)
    known, unknown, other_class = result["objects"]
    assert (known["tag"], known["attributes"][1]["status"]) == ("ACTIVE_ENERGY_IMPORT", "READ")
    assert unknown["tag"] is None
    assert unknown["attributes"][1] == {
        "attribute": 2,
        "status": "REFUSED",
        "value": None,
        "reason": "OBJECT_UNDEFINED",
    }
    assert other_class["tag"] is None
    assert other_class["attributes"][1]["reason"] == "OBJECT_CLASS_INCONSISTENT"
    assert "CLOCK" in result["missing"]
    assert "ACTIVE_ENERGY_IMPORT" not in result["missing"]


def test_more_than_any_meter_has_is_cut(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    monkeypatch.setattr(retrieve_configuration_objects, "MOST_ATTRIBUTES", 2)
    with saying(simulated, {("ASSOCIATION_LN", 2): listing(*["0100010800ff"] * 3)}):
        result = visits.perform(simulated, MESSAGE)
    reasons = [row["attributes"][1]["reason"] for row in result["objects"]]
    assert (reasons, result["complete"]) == ([None, None, "TOO_MANY"], False)


def test_large_values_are_left_out(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    monkeypatch.setattr(retrieve_configuration_objects, "LARGEST_VALUE", 5_000)
    large = "01821000" + "00" * 0x1000
    names = ["0000600100ff", "0100010800ff", "0100020800ff"]
    said = {("ASSOCIATION_LN", 2): listing(*names), ("ACTIVE_ENERGY_IMPORT", 2): large}
    with saying(simulated, said):
        result = visits.perform(simulated, MESSAGE)
    assert [row["attributes"][1]["reason"] for row in result["objects"][1:]] == ["TOO_LARGE", None]
    assert result["complete"] is False
    # All together they may not be too large either.
    monkeypatch.setattr(retrieve_configuration_objects, "LARGEST_VALUE", 10**6)
    monkeypatch.setattr(retrieve_configuration_objects, "LARGEST_RESULT", 5_000)
    with saying(simulated, said):
        result = visits.perform(simulated, MESSAGE)
    assert [row["attributes"][1]["reason"] for row in result["objects"][1:]] == [None, "TOO_LARGE"]
    assert result["complete"] is False


def test_what_time_does_not_allow_is_told(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    left = iter([100.0, *[90.0] * 40])
    monkeypatch.setattr(Meter, "seconds_left", property(lambda self: next(left, 20.0)))
    result = visits.perform(simulated, MESSAGE)
    items = list(attributes(result).values())
    assert sum(item["status"] == "READ" and item["attribute"] != 1 for item in items) == 40
    assert sum(item["reason"] == "OUT_OF_TIME" for item in items) > 300
    assert result["complete"] is False


def test_nothing_listed(visits: Visits) -> None:
    simulated = visits.simulated("DSMR-4.2.2")
    with saying(simulated, {("ASSOCIATION_LN", 2): "0100"}):
        result = visits.perform(simulated, MESSAGE)
    assert (result["objects"], result["complete"]) == ([], True)
    assert "CLOCK" in result["missing"]


@pytest.mark.django_db(transaction=True)
def test_by_itself_and_in_a_bundle_with_all_others(api: APIClient, organisation: Organisation) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-4.3", gas_meters=1)) as simulator:
        device, gas = meters.add_meters(organisation, simulator).values()
        alone = {"device_identification": device.identification}
        actions: list[dict[str, Any]] = [
            {"message": MESSAGE},
            {"message": "GetAssociationLnObjects"},
            {"message": "SynchronizeTime"},
            {"message": "ScanMbusChannels"},
            {
                "message": "GetSpecificConfigurationObject",
                "class_id": 8,
                "obis_code": "0-0:1.0.0.255",
                "attribute": 3,
            },
        ]
        posted = [
            api.post("/api/v1/adhoc/retrieve-configuration-objects/", alone, format="json"),
            api.post("/api/v1/bundle/", {**alone, "actions": actions}, format="json"),
        ]
        assert [answer.status_code for answer in posted] == [202, 202], posted[0].content
        meters.visit(device)
        single, bundle = (read_answer(api.get(answer.json()["url"])) for answer in posted)
        assert simulator.meters[device.identification].memory.statistics.associations == 1
    assert single["status"] == "SUCCEEDED", single["fault"]
    assert single["result"]["complete"] is True
    assert [response["fault"] for response in bundle["responses"]] == [None] * len(actions)
    first, second, _, fourth, fifth = (response["result"] for response in bundle["responses"])
    assert {row["tag"] for row in first["objects"]} == {row["tag"] for row in second["objects"]}
    assert fourth["channels"][0]["mbus_identification_number"] == gas.mbus_identification_number
    assert attributes(first)["CLOCK", None, 3]["value"] == fifth["value"]
