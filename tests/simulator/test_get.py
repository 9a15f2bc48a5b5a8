"""GET: normal, in lists, in blocks, with selective access, and every refusal."""

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator.codec.axdr import Data, DataType

from .client import (
    INVOKE_ID,
    RawClient,
    connected,
    get_normal,
    get_with_list,
    list_results,
    set_normal,
)
from .samples import (
    ADMINISTRATIVE,
    CLOCK,
    IMPORT,
    INTERVALS,
    OBJECT_LIST,
    SPECIAL_DAYS,
    date_time,
    entries,
    special_days,
    time_range,
)


@pytest.fixture
def client(frozen_client: RawClient) -> RawClient:
    """An associated client of a meter whose time stands still."""
    return frozen_client


def hours(rows: Data) -> list[tuple[int, int]]:
    """Hour and minute of each row."""
    return [(row.value[0].value[5], row.value[0].value[6]) for row in rows.value]


@pytest.mark.parametrize(
    ("descriptor", "result"),
    [
        (IMPORT._replace(logical_name=bytes((1, 0, 1, 8, 99, 255))), 4),
        (IMPORT._replace(class_id=4), 9),
        (IMPORT._replace(attribute_id=9), 4),
        (IMPORT._replace(attribute_id=0), 4),
    ],
)
def test_what_is_not_there_is_refused(client: RawClient, descriptor, result) -> None:
    assert client.get_result(descriptor) == result
    assert client.set(descriptor, Data(DataType.DOUBLE_LONG_UNSIGNED, 1)) == result


def test_every_object_tells_its_logical_name(client: RawClient) -> None:
    assert client.get(IMPORT._replace(attribute_id=1)).value == IMPORT.logical_name


def test_the_object_list_comes_in_blocks(client: RawClient) -> None:
    listed = client.get(OBJECT_LIST).value
    names = {item.value[2].value for item in listed}
    assert len(listed) == len(names) == len(client.meter.type.objects)
    for item in listed[:20]:
        class_id, _, logical_name, rights = (part.value for part in item.value)
        for attribute in rights[0].value:
            attribute_id, mode, _ = (part.value for part in attribute.value)
            if mode & 1:
                client.get(AttributeDescriptor(class_id, logical_name, attribute_id))


def test_no_answer_is_longer_than_the_client_takes(frozen) -> None:
    meter = frozen.meters["SIME0000000000002"]
    with connected(frozen, meter) as client:
        client.associate(pdu_size=100)
        lengths = []
        real = client.receive
        client.receive = lambda: lengths.append(len(answer := real())) or answer
        client.get(INTERVALS)
        assert max(lengths) <= 100
        assert len(lengths) > 100


def test_a_list_gives_a_result_for_each(client: RawClient) -> None:
    missing = IMPORT._replace(attribute_id=9)
    answer = client.request(get_with_list([CLOCK, missing, IMPORT]))
    assert answer[:3] == bytes((0xC4, 3, INVOKE_ID))
    clock, refusal, energy = list_results(answer[3:])
    assert (len(clock.value), refusal, energy) == (12, 4, client.get(IMPORT))


def test_a_long_list_comes_in_blocks(client: RawClient) -> None:
    days = client.set(SPECIAL_DAYS, special_days(10))
    assert days == 0
    answer = client.request(get_with_list([SPECIAL_DAYS, CLOCK, SPECIAL_DAYS]))
    first, _, last = list_results(client.collect(answer))
    assert first == last == special_days(10)


def test_lists_are_bounded(client: RawClient) -> None:
    assert client.request(get_with_list([CLOCK] * 5)).hex() == "d80101"
    assert client.request(get_with_list([])).hex() == "d80101"


def test_what_was_not_negotiated_is_refused(frozen) -> None:
    with connected(frozen, frozen.meters["SIME0000000000002"]) as client:
        client.associate(conformance=0x000010)  # GET only
        assert client.request(get_with_list([CLOCK])).hex() == "d80102"
        assert client.request(set_normal(ADMINISTRATIVE, Data(DataType.ENUM, 1))).hex() == "d80102"
        assert client.get_result(INTERVALS, 2, entries(1, 1)) == 13
        assert client.get_result(OBJECT_LIST) == 250
        assert client.get(CLOCK).type is DataType.OCTET_STRING


def test_a_broken_long_get_is_told_apart(client: RawClient) -> None:
    def next_block(number: int, invoke_id: int = INVOKE_ID) -> str:
        return client.request(bytes((0xC0, 2, invoke_id)) + number.to_bytes(4, "big")).hex()

    assert next_block(1) == "c402c1010000000101" + "10"
    client.request(get_normal(OBJECT_LIST))
    assert next_block(7) == "c402c1010000000701" + "13"
    assert next_block(1).endswith("10")
    client.request(get_normal(OBJECT_LIST))
    assert next_block(1, 0xC2) == "c402c2010000000101" + "0f"
    client.request(get_normal(OBJECT_LIST))
    client.get(CLOCK)
    assert next_block(1).endswith("10")


def test_a_range_of_time_is_inclusive(client: RawClient) -> None:
    rows = client.get(INTERVALS, 1, time_range(date_time(10), date_time(11)))
    assert hours(rows) == [(10, 0), (10, 15), (10, 30), (10, 45), (11, 0)]
    assert client.get(INTERVALS, 1, time_range(date_time(10, 1), date_time(10, 14))).value == ()
    assert client.get(INTERVALS, 1, time_range(date_time(11), date_time(10))).value == ()


def test_columns_can_be_selected(client: RawClient) -> None:
    rows = client.get(INTERVALS, 1, time_range(date_time(10), date_time(10), IMPORT, CLOCK))
    assert [cell.type for cell in rows.value[0].value] == [
        DataType.OCTET_STRING,
        DataType.DOUBLE_LONG_UNSIGNED,
    ]
    stranger = IMPORT._replace(logical_name=bytes((1, 0, 1, 8, 1, 255)))
    assert client.get_result(INTERVALS, 1, time_range(date_time(10), date_time(10), stranger)) == 13


def test_entries_count_from_the_oldest(client: RawClient) -> None:
    everything = client.get(INTERVALS).value
    assert len(everything) == 960
    assert client.get(INTERVALS, 2, entries(1, 2)).value == everything[:2]
    assert client.get(INTERVALS, 2, entries(959, 0)).value == everything[-2:]
    narrow = client.get(INTERVALS, 2, entries(3, 3, 3, 3)).value
    assert narrow == (Data(DataType.STRUCTURE, everything[2].value[2:3]),)
    assert client.get_result(INTERVALS, 2, entries(0, 5)) == 13


@pytest.mark.parametrize(
    ("selector", "parameters", "result"),
    [
        (1, entries(1, 2), 12),
        (1, time_range(date_time(10), Data(DataType.OCTET_STRING, b"soon")), 12),
        (1, time_range(date_time(10), Data(DataType.OCTET_STRING, bytes(12))), 12),
        (1, time_range(date_time(10), date_time(11), by=IMPORT), 13),
        (2, Data(DataType.NULL_DATA), 12),
        (3, Data(DataType.NULL_DATA), 13),
    ],
)
def test_meaningless_selections_are_refused(client: RawClient, selector, parameters, result) -> None:
    assert client.get_result(INTERVALS, selector, parameters) == result


def test_only_buffers_have_selective_access(client: RawClient) -> None:
    assert client.get_result(IMPORT, 1, entries(1, 1)) == 13
