"""GET, SET and ACTION: normal, in lists, in blocks, with selective access, and every refusal."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType, decode, decode_length, encode, encode_length
from osgp.simulator.codec.requests import decode_request
from osgp.simulator.meter import methods
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.services import ServiceHandler

from .client import (
    INVOKE_ID,
    RawClient,
    connected,
    get_normal,
    get_with_list,
    list_results,
    method_reference,
    reference,
    set_normal,
)

NOW = 1_718_452_800.0
"""2024-06-15T12:00Z: 14:00 in Amsterdam."""

IMPORT = AttributeDescriptor(3, bytes((1, 0, 1, 8, 0, 255)), 2)
CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
OBJECT_LIST = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 2)
INTERVALS = AttributeDescriptor(7, bytes((1, 0, 99, 1, 0, 255)), 2)
SPECIAL_DAYS = AttributeDescriptor(11, bytes((0, 0, 11, 0, 0, 255)), 2)
ADMINISTRATIVE = AttributeDescriptor(1, bytes((0, 1, 94, 31, 0, 255)), 2)
ALARM_FILTER = AttributeDescriptor(1, bytes((0, 0, 97, 98, 10, 255)), 2)
DISCONNECT = MethodDescriptor(70, bytes((0, 0, 96, 3, 10, 255)), 1)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """Meters whose time stands still."""
    settings = FleetSettings(clock=lambda: NOW, with_list_max=4, maximum_pdu_size=300)
    with SimulatorThread(Fleet.build(2, gas_meters=2, settings=settings)) as running:
        yield running


@pytest.fixture
def client(simulator: SimulatorThread) -> Iterator[RawClient]:
    """An associated client."""
    with connected(simulator, simulator.meters["SIME0000000000001"]) as associated:
        associated.associate()
        yield associated


def special_days(count: int) -> Data:
    """A table of that many days."""

    def day(index: int) -> Data:
        parts = (Data(18, index), Data(9, bytes((0x07, 0xE8, 1, 1 + index % 28, 0xFF))), Data(17, 1))
        return Data(DataType.STRUCTURE, tuple(Data(DataType(kind), value) for kind, value in parts))

    return Data(DataType.ARRAY, tuple(day(index) for index in range(count)))


def date_time(hour: int, minute: int = 0) -> Data:
    """A time on 15 June 2024 in Amsterdam."""
    return Data(DataType.OCTET_STRING, bytes((0x07, 0xE8, 6, 15, 0xFF, hour, minute, 0, 0)) + b"\xff\x88\x80")


def definition(descriptor: AttributeDescriptor) -> Data:
    """A capture object definition."""
    class_id, logical_name, attribute_id = descriptor
    return Data(
        DataType.STRUCTURE,
        (
            Data(DataType.LONG_UNSIGNED, class_id),
            Data(DataType.OCTET_STRING, logical_name),
            Data(DataType.INTEGER, attribute_id),
            Data(DataType.LONG_UNSIGNED, 0),
        ),
    )


def time_range(
    begin: Data, end: Data, *columns: AttributeDescriptor, by: AttributeDescriptor = CLOCK
) -> Data:
    """A range descriptor."""
    selected = Data(DataType.ARRAY, tuple(definition(column) for column in columns))
    return Data(DataType.STRUCTURE, (definition(by), begin, end, selected))


def entries(first: int, last: int, first_column: int = 1, last_column: int = 0) -> Data:
    """An entry descriptor."""
    return Data(
        DataType.STRUCTURE,
        (
            Data(DataType.DOUBLE_LONG_UNSIGNED, first),
            Data(DataType.DOUBLE_LONG_UNSIGNED, last),
            Data(DataType.LONG_UNSIGNED, first_column),
            Data(DataType.LONG_UNSIGNED, last_column),
        ),
    )


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


def test_no_answer_is_longer_than_the_client_takes(simulator) -> None:
    meter = simulator.meters["SIME0000000000002"]
    with connected(simulator, meter) as client:
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


def test_what_was_not_negotiated_is_refused(simulator) -> None:
    with connected(simulator, simulator.meters["SIME0000000000002"]) as client:
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


def test_what_is_set_is_kept_by_this_meter_only(simulator, client: RawClient) -> None:
    assert client.set(ALARM_FILTER, Data(DataType.DOUBLE_LONG_UNSIGNED, 12_345)) == 0
    assert client.get(ALARM_FILTER).value == 12_345
    assert decode(simulator.meters["SIME0000000000002"].get(ALARM_FILTER)).value == 0


@pytest.mark.parametrize(
    ("descriptor", "data", "result"),
    [
        (IMPORT, Data(DataType.DOUBLE_LONG_UNSIGNED, 1), 3),
        (ALARM_FILTER, Data(DataType.LONG_UNSIGNED, 1), 12),
        (ALARM_FILTER, Data(DataType.NULL_DATA), 12),
        (CLOCK, Data(DataType.OCTET_STRING, b"noon"), 12),
        (CLOCK, Data(DataType.OCTET_STRING, b"\xff" * 12), 12),
        (SPECIAL_DAYS, Data(DataType.ARRAY, (Data(DataType.UNSIGNED, 1),)), 12),
    ],
)
def test_what_may_not_be_set_is_refused(client: RawClient, descriptor, data, result) -> None:
    before = client.get(descriptor)
    assert client.set(descriptor, data) == result
    assert client.get(descriptor) == before


def test_a_list_is_set_with_a_result_for_each(client: RawClient) -> None:
    listed = reference(ADMINISTRATIVE) + reference(IMPORT) + reference(ALARM_FILTER)
    values = encode(Data(DataType.ENUM, 1)) + encode(Data(DataType.ENUM, 1)) + encode(Data(DataType.ENUM, 1))
    answer = client.request(bytes((0xC1, 4, INVOKE_ID, 3)) + listed + b"\x03" + values)
    assert answer.hex() == "c505c103" + "00030c"
    assert client.get(ADMINISTRATIVE).value == 1


def blocks(octets: bytes, size: int) -> list[bytes]:
    """Data blocks from number 1, without the services around them."""
    starts = range(0, len(octets), size)
    return [
        bytes((start + size >= len(octets),))
        + (number + 1).to_bytes(4, "big")
        + encode_length(len(octets[start : start + size]))
        + octets[start : start + size]
        for number, start in enumerate(starts)
    ]


def test_a_long_value_is_set_in_blocks(client: RawClient) -> None:
    table = special_days(30)
    parts = blocks(encode(table), 150)
    answer = client.request(bytes((0xC1, 2, INVOKE_ID)) + reference(SPECIAL_DAYS) + parts[0])
    assert answer.hex() == "c502c100000001"
    for number, part in enumerate(parts[1:-1], 2):
        assert client.request(bytes((0xC1, 3, INVOKE_ID)) + part).hex() == f"c502c1{number:08x}"
    answer = client.request(bytes((0xC1, 3, INVOKE_ID)) + parts[-1])
    assert answer.hex() == f"c503c100{len(parts):08x}"
    assert client.get(SPECIAL_DAYS) == table


def test_a_long_list_is_set_in_blocks(client: RawClient) -> None:
    values = b"\x02" + encode(special_days(12)) + encode(Data(DataType.ENUM, 2))
    parts = blocks(values, 150)
    listed = b"\x02" + reference(SPECIAL_DAYS) + reference(ADMINISTRATIVE)
    assert client.request(bytes((0xC1, 5, INVOKE_ID)) + listed + parts[0]).hex() == "c502c100000001"
    answer = client.request(bytes((0xC1, 3, INVOKE_ID)) + parts[1])
    assert answer.hex() == "c504c1" + "020000" + "00000002"
    assert client.get(ADMINISTRATIVE).value == 2


def test_a_broken_long_set_is_told_apart(client: RawClient) -> None:
    parts = blocks(encode(special_days(30)), 100)
    first = bytes((0xC1, 2, INVOKE_ID)) + reference(SPECIAL_DAYS) + parts[0]
    further = bytes((0xC1, 3, INVOKE_ID))
    assert client.request(further + parts[1]).hex() == "c503c112" + "00000002"
    client.request(first)
    assert client.request(further + parts[2]).hex() == "c503c113" + "00000003"
    assert client.request(further + parts[1]).hex() == "c503c112" + "00000002"
    client.request(first)
    assert client.request(bytes((0xC1, 3, 0xC5)) + parts[1]).hex() == "c503c511" + "00000002"


def test_a_value_that_never_ends_is_given_up(client: RawClient) -> None:
    part = encode_length(200) + bytes(200)
    answer = client.request(
        bytes((0xC1, 2, INVOKE_ID)) + reference(SPECIAL_DAYS) + b"\x00\x00\x00\x00\x01" + part
    )
    number = 1
    while answer[1] == 2:
        number += 1
        answer = client.request(bytes((0xC1, 3, INVOKE_ID, 0)) + number.to_bytes(4, "big") + part)
    assert answer.hex() == f"c503c111{number:08x}"
    assert number * 200 > 65_536 >= (number - 1) * 200


def test_methods(client: RawClient) -> None:
    nothing = Data(DataType.INTEGER, 0)
    assert client.action(DISCONNECT, nothing) == 0
    output = AttributeDescriptor(70, DISCONNECT.logical_name, 2)
    assert client.get(output).value is False
    assert client.action(DISCONNECT._replace(method_id=2), nothing) == 0
    assert client.get(output).value is True
    assert client.action(DISCONNECT) == 12
    assert client.action(DISCONNECT, Data(DataType.UNSIGNED, 0)) == 12
    assert client.action(DISCONNECT._replace(method_id=3), nothing) == 4
    assert client.action(DISCONNECT._replace(class_id=71), nothing) == 9
    assert client.action(DISCONNECT._replace(logical_name=bytes(6)), nothing) == 4
    # generate_key_pair is in the profile, but the simulator does not do it
    assert client.action(MethodDescriptor(64, bytes((0, 0, 43, 0, 0, 255)), 4), nothing) == 3


def test_the_passive_calendar_becomes_active(client: RawClient) -> None:
    calendar = bytes((0, 0, 13, 0, 0, 255))
    assert client.set(AttributeDescriptor(20, calendar, 6), Data(DataType.OCTET_STRING, b"SUMMER")) == 0
    assert client.action(MethodDescriptor(20, calendar, 1), Data(DataType.INTEGER, 0)) == 0
    assert client.get(AttributeDescriptor(20, calendar, 2)).value == b"SUMMER"


def test_a_list_of_methods(client: RawClient) -> None:
    reconnect = DISCONNECT._replace(method_id=2)
    listed = b"\x02" + method_reference(DISCONNECT) + method_reference(reconnect)
    answer = client.request(bytes((0xC3, 3, INVOKE_ID)) + listed + b"\x02" + b"\x0f\x00" + b"\x00")
    assert answer.hex() == "c703c1" + "02" + "0000" + "0c00"


def test_a_parameter_in_blocks(client: RawClient) -> None:
    first, last = blocks(b"\x0f\x00", 1)
    answer = client.request(bytes((0xC3, 4, INVOKE_ID)) + method_reference(DISCONNECT) + first)
    assert answer.hex() == "c704c100000001"
    assert client.request(bytes((0xC3, 6, INVOKE_ID)) + last).hex() == "c701c10000"
    assert client.request(bytes((0xC3, 6, INVOKE_ID)) + last).hex() == "c701c11000"
    client.request(bytes((0xC3, 4, INVOKE_ID)) + method_reference(DISCONNECT) + first)
    assert client.request(bytes((0xC3, 6, INVOKE_ID)) + first).hex() == "c701c10f00"
    assert client.action(DISCONNECT._replace(method_id=2), Data(DataType.INTEGER, 0)) == 0


def test_a_long_result_of_a_method_comes_in_blocks(client: RawClient, monkeypatch) -> None:
    returned = encode(Data(DataType.OCTET_STRING, bytes(range(256)) * 2))
    answer_long = {(70, 1): lambda call: (methods.ActionResult.SUCCESS, returned)}
    monkeypatch.setattr(methods, "_HANDLERS", methods._HANDLERS | answer_long)
    answer = client.request(bytes((0xC3, 1, INVOKE_ID)) + method_reference(DISCONNECT) + b"\x00")
    collected, number = b"", 1
    while True:
        assert answer[:3] == bytes((0xC7, 2, INVOKE_ID))
        assert int.from_bytes(answer[4:8], "big") == number
        collected += answer[decode_length(answer, 8)[1] :]
        if answer[3]:
            break
        answer = client.request(bytes((0xC3, 2, INVOKE_ID)) + number.to_bytes(4, "big"))
        number += 1
    assert number > 1
    assert collected == b"\x00\x01\x00" + returned
    assert client.request(bytes((0xC3, 2, INVOKE_ID)) + number.to_bytes(4, "big")).hex() == "c701c11000"


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        ("c0", "d80103"),
        ("c009c1", "d80103"),
        ("c001c10003", "d80103"),
        ("c003c1ff", "d80103"),
        ("c101c1" + "0003" + "0100010800ff" + "02" + "00" + "0600", "d80103"),
        ("c301c1" + "0046" + "000060030aff" + "01" + "05", "d80103"),
    ],
)
def test_malformed_requests_get_an_exception(client: RawClient, apdu: str, answer: str) -> None:
    assert client.request(bytes.fromhex(apdu)).hex() == answer
    client.get(CLOCK)


def test_a_request_longer_than_the_meter_takes_gets_an_exception(client: RawClient) -> None:
    assert client.request(set_normal(SPECIAL_DAYS, special_days(40))).hex() == "d80104"


def test_handlers_refuse_a_next_block_of_nothing(client: RawClient) -> None:
    handler = ServiceHandler(client.meter, client.meter.memory.associated.association)
    assert (
        handler.handle(decode_request(bytes.fromhex("c002c100000001"))).hex() == "c402c10100000001" + "0110"
    )


def test_new_keys_protect_what_comes_after_the_answer(simulator) -> None:
    settings = FleetSettings(clock=lambda: NOW)
    with SimulatorThread(Fleet.build(1, settings=settings)) as running:
        meter = running.meters["SIME0000000000001"]
        transfer = MethodDescriptor(64, bytes((0, 0, 43, 0, 0, 255)), 2)

        def wrapped(key_id: int, key: bytes, master: bytes | None = None) -> Data:
            sealed = aes_key_wrap(master or meter.key(KeyName.MASTER), key)
            parts = (Data(DataType.ENUM, key_id), Data(DataType.OCTET_STRING, sealed))
            return Data(DataType.STRUCTURE, parts)

        def keys(*items: Data) -> Data:
            return Data(DataType.ARRAY, items)

        new_encryption, new_authentication = bytes(range(16)), bytes(range(16, 32))
        with connected(running, meter) as client:
            client.associate()
            before = meter.key(KeyName.ENCRYPTION)
            assert client.action(transfer, keys(wrapped(0, new_encryption, bytes(16)))) == 250
            assert client.action(transfer, keys(wrapped(0, new_encryption), wrapped(7, bytes(16)))) == 250
            assert client.action(transfer, keys(wrapped(0, bytes(32)))) == 250
            assert client.action(transfer, Data(DataType.OCTET_STRING, bytes(24))) == 12
            assert meter.key(KeyName.ENCRYPTION) == before
            assert client.action(transfer, keys(wrapped(2, new_authentication))) == 0
            client.cipher = client.make_cipher()
            assert client.cipher.authentication_key == new_authentication
            client.get(CLOCK)
            assert client.action(transfer, keys(wrapped(0, new_encryption))) == 0
            # the old key is good for nothing any more, and with a new one counters start again
            assert client.exchange(client.encipher(get_normal(CLOCK))).hex() == "d80105"
            client.cipher, client.counter = client.make_cipher(), 0
            client.get(CLOCK)
        with connected(running, meter) as client:
            client.associate()
            client.get(CLOCK)
        assert meter.memory.counters.repeated == []
