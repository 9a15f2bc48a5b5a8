"""Values together with how the meter describes them, and how often it is asked."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from osgp import catalogue
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.messages.descriptions import FIRMWARE, Described, read_described
from osgp.messages.knowledge import Knowledge
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, Data, DataType
from osgp.protocol_dlms.errors import DecodeError
from osgp.system_notes.observations import Noticed

PROFILE = catalogue.find_profile("SMR", "5.1")
BEGIN = datetime(2026, 6, 15, 10, tzinfo=UTC)
TAGS = ("ACTIVE_ENERGY_IMPORT", "ACTIVE_ENERGY_EXPORT")
VALUES = [PROFILE[tag].address_attribute("value") for tag in TAGS]
SCALERS = [PROFILE[tag].address_attribute("scaler_unit") for tag in TAGS]
VERSION = PROFILE[FIRMWARE].address_attribute("value")
DENIED = AccessResult.READ_WRITE_DENIED


def scaling(scaler: int) -> Data:
    return Data(DataType.STRUCTURE, (Data(DataType.INTEGER, scaler), Data(DataType.ENUM, 30)))


def version(text: str) -> Data:
    return Data(DataType.OCTET_STRING, text.encode())


class Scripted:
    """An association with a meter that says what stands in ``says``, and keeps what it was asked."""

    def __init__(self, list_size: int = 32) -> None:
        self.list_size = list_size
        self.says: dict[AttributeDescriptor, Any] = {
            **{each: Data(DataType.DOUBLE_LONG_UNSIGNED, 7) for each in VALUES},
            **{each: scaling(0) for each in SCALERS},
            VERSION: version("1"),
        }
        self.asked: list[list[AttributeDescriptor]] = []

    def get_each(self, attributes: Sequence[AttributeDescriptor]) -> Iterator[Any]:
        for start in range(0, len(attributes), self.list_size):
            self.asked.append(list(attributes[start : start + self.list_size]))
        return iter([self.says[each] for each in attributes])


class Visited:
    """Visits to one meter, whose knowledge is kept between them."""

    def __init__(self, list_size: int = 32) -> None:
        self.association = Scripted(list_size)
        self.knowledge = Knowledge()
        self.now = BEGIN
        self.noticed: list[Noticed | None] = []
        """What was observed of the descriptions in the last visit."""

    def read(
        self,
        group: str = "it",
        values: Sequence[AttributeDescriptor] = VALUES,
        described_by: Sequence[AttributeDescriptor] = SCALERS,
        identification: str = "E1",
        channel: int | None = None,
    ) -> Described:
        meter = VisitedMeter(
            identification,
            PROFILE,
            self.association,  # type: ignore[arg-type]
            ZoneInfo("Europe/Amsterdam"),
            channel=channel,
            knowledge=self.knowledge,
            visit_begin=self.now,
        )
        self.association.asked = []
        described = read_described(meter, group, values, described_by)
        self.noticed = [observation.noticed for observation in meter.observations]
        return described

    @property
    def asked(self) -> list[list[AttributeDescriptor]]:
        return self.association.asked

    @property
    def says(self) -> dict[AttributeDescriptor, Any]:
        return self.association.says


def test_once_a_day_in_the_same_list() -> None:
    meter = Visited()
    assert meter.read().descriptions == {each: scaling(0) for each in SCALERS}
    assert meter.asked == [[*VALUES, *SCALERS, VERSION]]
    assert meter.knowledge.is_changed
    for hours in (0, 12, 23):
        meter.now = BEGIN + timedelta(hours=hours)
        described = meter.read()
        assert described.descriptions == {each: scaling(0) for each in SCALERS}
        assert described.values == [Data(DataType.DOUBLE_LONG_UNSIGNED, 7)] * 2
        assert meter.asked == [[*VALUES, VERSION]]
    meter.now = BEGIN + timedelta(days=1)
    meter.says[SCALERS[1]] = scaling(1)
    assert meter.read().descriptions == {SCALERS[0]: scaling(0), SCALERS[1]: scaling(1)}
    assert meter.asked == [[*VALUES, *SCALERS, VERSION]]


def test_a_contradiction_is_observed_when_it_is_told_and_its_end_once() -> None:
    meter = Visited()
    seen: list[list[bool]] = []
    for scaler in (0, 0, 1, 1, 0, 0):
        meter.says[SCALERS[0]] = scaling(scaler)
        meter.read()
        seen.append([noticed is not None for noticed in meter.noticed])
        meter.read()
        assert meter.noticed == []
        meter.now += timedelta(days=1)
    # None at first: an agreement from the start ends no note.
    assert seen == [[], [], [True], [True], [False], []]


def test_values_are_not_interpreted_with_the_descriptions_of_the_firmware_before() -> None:
    """Seen in the field: a firmware update changed the scalers of registers."""
    meter = Visited()
    meter.read()
    meter.read("other", VALUES[:1], SCALERS[:1])
    meter.says.update({VERSION: version("2")} | {each: scaling(3) for each in SCALERS})
    meter.now += timedelta(hours=1)
    assert set(meter.read().descriptions.values()) == {scaling(3)}
    assert meter.asked == [[*VALUES, VERSION], SCALERS]
    meter.read()
    assert meter.asked == [[*VALUES, VERSION]]
    # What others have asked for is asked again as well.
    meter.read("other", VALUES[:1], SCALERS[:1])
    assert meter.asked == [[VALUES[0], SCALERS[0], VERSION]]


@pytest.mark.parametrize(
    ("list_size", "asked"),
    [
        (1, [VALUES[:1], VALUES[1:]]),
        (2, [VALUES]),
        (3, [[*VALUES, VERSION]]),
    ],
)
def test_the_firmware_costs_no_round_trip(list_size: int, asked: list[list[AttributeDescriptor]]) -> None:
    meter = Visited(list_size)
    meter.read()
    assert list(chain(*meter.asked)) == [*VALUES, *SCALERS, VERSION]
    meter.read()
    assert meter.asked == asked


def test_lists_of_one_notice_another_firmware_once_a_day() -> None:
    meter = Visited(1)
    meter.read("other", VALUES[:1], SCALERS[:1])
    meter.now += timedelta(hours=6)
    meter.read()
    meter.now += timedelta(hours=18)
    meter.says[VERSION] = version("2")
    meter.read("other", VALUES[:1], SCALERS[:1])
    meter.read()
    assert list(chain(*meter.asked)) == [*VALUES, *SCALERS, VERSION]


def test_without_values_nothing_is_asked_as_long_as_all_is_known() -> None:
    meter = Visited()
    meter.read(values=())
    assert meter.asked == [[*SCALERS, VERSION]]
    assert set(meter.read(values=()).descriptions.values()) == {scaling(0)}
    assert meter.asked == []


def test_what_is_refused_counts_as_known_for_a_day() -> None:
    meter = Visited()
    meter.says[SCALERS[1]] = DENIED
    for _ in range(2):
        described = meter.read()
        assert described.descriptions[SCALERS[0]] == scaling(0)
        assert isinstance(described.descriptions[SCALERS[1]], Fault)
    assert meter.asked == [[*VALUES, VERSION]]
    meter.now += timedelta(days=1)
    meter.says[SCALERS[1]] = scaling(2)
    assert meter.read().descriptions[SCALERS[1]] == scaling(2)
    # What was told once stays so, until there is another firmware.
    meter.says[SCALERS[1]] = DENIED
    meter.now += timedelta(days=1)
    assert meter.read().descriptions[SCALERS[1]] == scaling(2)
    meter.says[VERSION] = version("2")
    assert isinstance(meter.read().descriptions[SCALERS[1]], Fault)
    assert isinstance(meter.read().descriptions[SCALERS[1]], Fault)
    assert meter.asked == [[*VALUES, VERSION]]


@pytest.mark.parametrize("failure", [AccessResult.TEMPORARY_FAILURE, DecodeError("nonsense")])
def test_what_only_failed_is_asked_again(failure: Any) -> None:
    meter = Visited()
    meter.says[SCALERS[1]] = failure
    assert isinstance(meter.read().descriptions[SCALERS[1]], Fault)
    meter.says[SCALERS[1]] = scaling(2)
    assert meter.read().descriptions[SCALERS[1]] == scaling(2)
    assert meter.asked == [[*VALUES, *SCALERS, VERSION]]
    # Once known it is believed meanwhile, unless it is of another firmware.
    meter.says[SCALERS[1]] = failure
    meter.now += timedelta(days=1)
    assert meter.read().descriptions[SCALERS[1]] == scaling(2)
    meter.says[VERSION] = version("2")
    assert isinstance(meter.read().descriptions[SCALERS[1]], Fault)
    meter.says[SCALERS[1]] = scaling(4)
    assert meter.read().descriptions[SCALERS[1]] == scaling(4)


def test_a_firmware_that_the_meter_does_not_tell_is_asked_for_once_a_day() -> None:
    meter = Visited()
    meter.says[VERSION] = DENIED
    meter.read()
    meter.read()
    assert meter.asked == [VALUES]
    meter.now += timedelta(days=1)
    meter.read()
    assert meter.asked == [[*VALUES, *SCALERS, VERSION]]


def test_descriptions_without_end_are_not_kept() -> None:
    meter = Visited()
    meter.says[SCALERS[0]] = Data(DataType.OCTET_STRING, b"x" * 30_000)
    meter.says[SCALERS[1]] = Data(DataType.ARRAY, (Data(DataType.UNSIGNED, 1),) * 30_000)
    meter.says[VERSION] = version("x" * 200)
    assert all(isinstance(each, Fault) for each in meter.read().descriptions.values())
    assert meter.knowledge.descriptions == {}


def test_another_device_on_a_channel_is_asked_anew() -> None:
    """The gateway has the knowledge of its M-Bus devices, whose scalers change with them."""
    value, scaler = (
        PROFILE["MBUS_MASTER_VALUE"].address_attribute(name, 1) for name in ("value", "scaler_unit")
    )
    meter = Visited()
    meter.says.update({value: Data(DataType.DOUBLE_LONG_UNSIGNED, 7), scaler: scaling(-2)})

    def read(identification: str) -> Any:
        return meter.read("it", [value], [scaler], identification, channel=1).descriptions[scaler]

    assert read("G1") == scaling(-2)
    meter.says[scaler] = scaling(-3)
    assert read("G2") == scaling(-3)
    assert read("G2") == scaling(-3)
    assert meter.asked == [[value, VERSION]]


def test_a_device_that_comes_back_to_its_channel_is_asked_anew() -> None:
    """It may only have been exchanged by mistake. Nothing that the other one said is taken for its own."""
    value, scaler = (
        PROFILE["MBUS_MASTER_VALUE"].address_attribute(name, 1) for name in ("value", "scaler_unit")
    )
    meter = Visited()
    meter.says[value] = Data(DataType.DOUBLE_LONG_UNSIGNED, 7)

    def read(identification: str, group: str = "it") -> Any:
        return meter.read(group, [value], [scaler], identification, channel=1).descriptions[scaler]

    for identification, said in (("G1", scaling(-2)), ("G2", scaling(-3)), ("G1", scaling(-2))):
        meter.says[scaler] = said
        assert read(identification) == said
        assert read(identification, "another group") == said
    meter.says[scaler] = DecodeError("not this time")
    assert isinstance(read("G2"), Fault)
    meter.says[scaler] = scaling(-3)
    assert read("G2") == scaling(-3)
    assert sorted(meter.knowledge.checked) == ["it 1 G2"]
