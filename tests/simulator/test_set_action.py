"""SET and ACTION: normal, in lists, in blocks, and every refusal."""

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType, decode, decode_length, encode, encode_length
from osgp.simulator.codec.requests import decode_request
from osgp.simulator.codec.results import ActionResult
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.services import ServiceHandler

from .client import (
    INVOKE_ID,
    RawClient,
    connected,
    get_normal,
    method_reference,
    reference,
    set_normal,
)
from .samples import (
    ADMINISTRATIVE,
    ALARM_FILTER,
    CLOCK,
    DISCONNECT,
    IMPORT,
    NOW,
    SPECIAL_DAYS,
    blocks,
    special_days,
)

DEFINABLE = AttributeDescriptor(7, bytes((0, 1, 94, 31, 6, 255)), 2)


@pytest.fixture
def client(frozen_client: RawClient) -> RawClient:
    """An associated client of a meter whose time stands still."""
    return frozen_client


def test_what_is_set_is_kept_by_this_meter_only(frozen, client: RawClient) -> None:
    assert client.set(ALARM_FILTER, Data(DataType.DOUBLE_LONG_UNSIGNED, 12_345)) == 0
    assert client.get(ALARM_FILTER).value == 12_345
    assert decode(frozen.meters["SIME0000000000002"].get(ALARM_FILTER)).value == 0


@pytest.mark.parametrize(
    ("descriptor", "data", "result"),
    [
        (IMPORT, Data(DataType.DOUBLE_LONG_UNSIGNED, 1), 3),
        (ALARM_FILTER, Data(DataType.LONG_UNSIGNED, 1), 12),
        (ALARM_FILTER, Data(DataType.NULL_DATA), 12),
        (CLOCK, Data(DataType.OCTET_STRING, b"noon"), 12),
        (CLOCK, Data(DataType.OCTET_STRING, b"\xff" * 12), 12),
        (SPECIAL_DAYS, Data(DataType.ARRAY, (Data(DataType.UNSIGNED, 1),)), 12),
        # what has the right type, but no meter could live with
        (CLOCK, Data(DataType.OCTET_STRING, bytes.fromhex("270f0c1fff173b3b63ffc400")), 250),
        (CLOCK._replace(attribute_id=3), Data(DataType.LONG, 721), 250),
        (DEFINABLE._replace(attribute_id=4), Data(DataType.DOUBLE_LONG_UNSIGNED, 86_401), 250),
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
    entry = client.meter.type.objects[DISCONNECT.logical_name]
    monkeypatch.setitem(entry.handlers, 1, lambda call: (ActionResult.SUCCESS, returned))
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


def test_new_keys_protect_what_comes_after_the_answer(frozen) -> None:
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
