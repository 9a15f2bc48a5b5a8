"""The head-end's client against simulated meters that answer some requests oddly, see their quirks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from osgp.adhoc.retrieve_configuration_objects import AttributeStatus
from osgp.protocol_dlms import AccessResult, Data, DataType, Keys, Meter, errors
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.odd_objects import BADLY_SENT, REFUSED_REGISTER
from osgp.simulator.quirks import Quirk
from tests.visited import METERS, Visits, all_meters, having, perform

MESSAGE = "RetrieveConfigurationObjects"


@pytest.fixture(scope="module")
def visits() -> Iterator[Visits]:
    with all_meters() as visits:
        yield visits


@contextmanager
def quirks(simulated: SimulatedMeter, *names: Quirk) -> Iterator[None]:
    """For the time being a meter has these quirks."""
    simulated.memory.quirks = frozenset(names)
    try:
        yield
    finally:
        simulated.memory.quirks = None


def flatten(result: dict[str, Any]) -> dict[tuple[str, int], tuple[str, Any]]:
    """Status and value of each attribute; what differs from read to read left out."""
    return {
        (row["obis_code"], item["attribute"]): (item["status"], item["reason"])
        for row in result["objects"]
        for item in row["attributes"]
    }


def retrieve(
    visits: Visits, simulated: SimulatedMeter, *names: Quirk
) -> tuple[dict[tuple[str, int], tuple[str, Any]], int, int | None]:
    """What the message finds, its round trips, and the length of lists that was learned."""
    with quirks(simulated, *names), visits.visit(simulated, connection={"with_list_max": 32}) as meter:
        found = flatten(perform(meter, MESSAGE))
        association = meter.association
        return found, association.statistics.round_trips, association.list_size_learned


@pytest.mark.parametrize(("profile", "polyphase"), METERS)
def test_a_bad_block_costs_its_attribute_only(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    usual, round_trips, _ = retrieve(visits, simulated)
    odd, more, learned = retrieve(visits, simulated, Quirk.BAD_BLOCK)
    bad = simulated.type.find_tagged(BADLY_SENT)
    assert bad is not None
    [differing] = [key for key in usual if usual[key] != odd[key]]
    assert usual[differing] == (AttributeStatus.READ, None)
    assert odd[differing] == (AttributeStatus.UNDECODABLE, "a length of 68 octets")
    assert usual.keys() == odd.keys()
    assert learned is None
    # Half of the lists on the way down to it, and the other halves.
    assert more <= round_trips + 10


@pytest.mark.parametrize("name", [Quirk.LISTS_OF_FOUR, Quirk.LISTS_MALFORMED])
def test_lists_that_the_meter_does_not_take_are_split(visits: Visits, name: Quirk) -> None:
    simulated = visits.simulated("SMR-5.1", polyphase=True)
    usual, _, learned = retrieve(visits, simulated)
    assert learned is None
    odd, round_trips, learned = retrieve(visits, simulated, name)
    assert odd == usual
    works = 4 if name is Quirk.LISTS_OF_FOUR else 1
    assert learned == works
    asked = sum(status in {"READ", "REFUSED"} for status, _ in usual.values())
    assert round_trips <= asked / works + 15


@pytest.mark.parametrize("name", [Quirk.LISTS_OF_FOUR, Quirk.LISTS_MALFORMED])
@pytest.mark.parametrize("message", ["ActualMeterReads", "GetConfigurationObject", "GetAdministrativeStatus"])
def test_messages_that_read_lists(visits: Visits, message: str, name: Quirk) -> None:
    simulated = visits.simulated("SMR-5.1", polyphase=True)
    usual = visits.perform(simulated, message)
    with quirks(simulated, name):
        assert visits.perform(simulated, message) == usual


def settings_of(simulated: SimulatedMeter) -> Sequence[tuple[Any, Data]]:
    profile = simulated.type.profile
    calendar = profile["ACTIVITY_CALENDAR"].address_attribute("calendar_name_passive")
    zone = profile["CLOCK"].address_attribute("time_zone")
    filters = profile["ALARM_FILTER_1"].address_attribute("value")
    return [
        (calendar, Data(DataType.OCTET_STRING, b"name")),
        (zone, Data(DataType.LONG, -60)),
        (filters, Data(DataType.DOUBLE_LONG_UNSIGNED, 7)),
        (profile["CLOCK"].address_attribute("status"), Data(DataType.UNSIGNED, 7)),
        (filters, Data(DataType.DOUBLE_LONG_UNSIGNED, 9)),
    ]


def test_lists_of_values_are_split_when_the_meter_declines_them(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1", polyphase=True)
    values = settings_of(simulated)
    with quirks(simulated, Quirk.LISTS_OF_FOUR), visits.connect(simulated, with_list_max=32) as meter:
        results = meter.set_many(values)
        assert [result is AccessResult.SUCCESS for result in results] == [True, True, True, False, True]
        assert meter.get(values[-1][0]).value == 9
        assert meter.list_size_learned is None  # of lists to read nothing is known
    with quirks(simulated, Quirk.LISTS_MALFORMED), visits.connect(simulated, with_list_max=32) as meter:
        with pytest.raises(errors.OutcomeNotTold):
            meter.set_many(
                [(values[0][0], values[0][1]), (values[2][0], Data(DataType.DOUBLE_LONG_UNSIGNED, 5))]
            )
        assert meter.get(values[2][0]).value == 5
    simulated.memory.overrides = None


def connect_with_other_keys(visits: Visits, simulated: SimulatedMeter) -> Meter:
    return visits.connect(simulated, keys=Keys(bytes(16), bytes(16), b"12345678"))


def test_wrong_keys_told_by_exception(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1", polyphase=True)
    with pytest.raises(errors.AuthenticationError) as refusal:
        connect_with_other_keys(visits, simulated)
    assert (refusal.value.code, refusal.value.retryable) == (223, False)
    failures = simulated.memory.statistics.authentication_failures
    with (
        quirks(simulated, Quirk.KEYS_TOLD_BY_EXCEPTION),
        pytest.raises(errors.KeysNotAccepted, match=r"deciphering-error \(5\)") as told,
    ):
        connect_with_other_keys(visits, simulated)
    assert (told.value.code, told.value.retryable) == (230, False)
    assert simulated.memory.statistics.authentication_failures == failures + 1


@pytest.mark.parametrize(("profile", "polyphase"), having(REFUSED_REGISTER))
def test_a_register_that_the_profile_lists_and_the_meter_lacks(
    visits: Visits, profile: str, polyphase: bool
) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    register = simulated.type.profile[REFUSED_REGISTER].address_attribute("value")
    with visits.connect(simulated) as meter:
        assert meter.get(register)
    with quirks(simulated, Quirk.REGISTER_REFUSED), visits.connect(simulated) as meter:
        with pytest.raises(errors.AccessError) as refusal:
            meter.get(register)
        assert (refusal.value.result, refusal.value.retryable) == (AccessResult.OBJECT_UNDEFINED, False)
        assert meter.get(register._replace(logical_name=bytes((1, 0, 1, 8, 0, 255))))
