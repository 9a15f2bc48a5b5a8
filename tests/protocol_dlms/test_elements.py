"""Elements of an array, decoded as they are asked for: no more of a list of objects than is needed."""

from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import Data, DataType, axdr, errors, services
from osgp.protocol_dlms.answers import decode_elements, decode_value
from osgp.protocol_dlms.axdr_reader import MOST_IN_PART
from osgp.protocol_dlms.budget import Budget
from osgp.protocol_dlms.consumption import FREE_SECONDS, OCTETS_PER_ELEMENT, Consumption
from osgp.protocol_dlms.reply_limits import MOST_LISTED

OBJECT_LIST = AttributeDescriptor(15, bytes.fromhex("0000280000ff"), 2)
OBJECT = bytes.fromhex("0204 120003 1100 09060100010800ff 0202 0100 0100")


def compact(description: str, contents: bytes) -> bytes:
    return b"\x13" + bytes.fromhex(description) + axdr.encode_length(len(contents)) + contents


def many(count: int, element: bytes) -> bytes:
    return b"\x01" + axdr.encode_length(count) + element * count


def test_a_list_of_objects_as_large_as_it_may_be_is_made_only_as_far_as_it_is_taken() -> None:
    right = bytes.fromhex("0203 0f02 1601 00")
    entry = OBJECT.replace(bytes.fromhex("0100 0100"), b"\1\x14" + 20 * right + b"\1\0")
    value, visit = many(500, entry), Consumption()
    shared = Budget(consumption=visit)
    taken = decode_elements(value, OBJECT_LIST, lambda elements: list(islice(elements, 3)), shared)
    assert [element.type for element in taken] == [DataType.STRUCTURE] * 3
    assert shared.elements == MOST_LISTED - 500 - 3 * (4 + 2 + 20 + 20 * 3)
    assert visit.wasted == 0
    assert len(decode_elements(value, OBJECT_LIST, list, Budget())) == 500


@pytest.mark.parametrize(
    "entry",
    [many(MOST_IN_PART + 1, b"\0"), many(400, b"\2\1" * 11 + b"\0")],
    ids=["wide", "deep"],
)
@pytest.mark.parametrize(
    "decode",
    [
        lambda raw, budget: decode_value(raw, OBJECT_LIST, budget),
        lambda raw, budget: decode_elements(raw, OBJECT_LIST, list, budget),
    ],
    ids=["value", "elements"],
)
def test_an_entry_has_a_limit_of_its_own(entry: bytes, decode: Callable[[bytes, Budget], object]) -> None:
    visit, raw = Consumption(), many(2, entry)
    with pytest.raises(errors.ValueTooLarge):
        decode(raw, Budget(consumption=visit))
    assert len(raw) <= visit.wasted <= len(raw) + OCTETS_PER_ELEMENT * (2 + MOST_IN_PART)


def test_the_limit_of_entries_is_not_that_of_what_follows() -> None:
    values = b"\2" + 2 * (b"\0" + many(2, OBJECT))
    whole = services.decode_list(values, [OBJECT_LIST, OBJECT_LIST], Budget())
    assert whole[0] == whole[1]
    limited = Budget()
    decode_value(many(2, OBJECT), OBJECT_LIST, limited)
    limited.check(limited.elements)


def test_the_elements_of_a_compact_array_come_one_by_one() -> None:
    value = compact("0202 11 11", b"\1\2\3\4\5\6")
    first = decode_elements(value, OBJECT_LIST, next, Budget())
    assert first == axdr.decode(bytes.fromhex("0202 1101 1102"))
    assert axdr.decode_parts(value, list) == list(axdr.decode(value).value)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("00", "not an array"),
        ("0102 00", "announced"),
        ("0101 06", "cut short"),
        ("", "cut short"),
        ("0101 00 00", "1 octets follow"),
        ("13 0202 11 11 03 010203", "do not fit"),
    ],
)
def test_elements_of_what_is_no_array(octets: str, message: str) -> None:
    visit = Consumption()
    with pytest.raises(errors.DecodeError, match=message):
        decode_elements(bytes.fromhex(octets), OBJECT_LIST, list, Budget(consumption=visit))
    assert visit.wasted >= len(bytes.fromhex(octets))


def test_whoever_declines_the_elements_gives_the_turn_back() -> None:
    def decline(elements: Iterator[Data]) -> None:
        next(elements)
        raise errors.DecodeError("declined")

    visit = Consumption(seconds=2 * FREE_SECONDS)
    for _ in range(3):
        with pytest.raises(errors.DecodeError, match="declined"):
            decode_elements(many(5_000, b"\0"), OBJECT_LIST, decline, Budget(consumption=visit))
    assert visit.wasted > 3 * 5_000
