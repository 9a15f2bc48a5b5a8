"""Reading many attributes of a meter of which anything may be expected."""

import itertools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.protocol_dlms import AccessResult, Data, DataType, TraceRecord, errors, is_secret
from osgp.protocol_dlms.each import MOST_FAILURES, EachValue, ListRequests, ListSize
from tests.protocol_dlms.peers import Answer, WrapperMeter
from tests.protocol_dlms.sessions import session

SECRET = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 7)
DENIED, GARBAGE = b"\x01\x03", b"\x00\x77"


def number(attribute: AttributeDescriptor) -> Data:
    return Data(DataType.UNSIGNED, attribute.logical_name[5])


def attributes(count: int) -> list[AttributeDescriptor]:
    return [AttributeDescriptor(1, bytes((0, 0, 96, 1, 0, last)), 2) for last in range(count)]


def requested(request: bytes) -> list[int]:
    """The last octets of the logical names that a GET, with list or without, asks for."""
    start = 4 if request[1] == 3 else 3
    return [request[position + 7] for position in range(start, len(request), 10)]


class Asked:
    """A meter's side that notes the lists it was asked for."""

    def __init__(self, result: Callable[[int], bytes], refuses: Callable[[list[int]], bytes | None]) -> None:
        self.lists: list[list[int]] = []
        self._result = result
        self._refuses = refuses

    def __call__(self, request: bytes) -> bytes:
        names = requested(request)
        self.lists.append(names)
        if request[1] == 1:
            return bytes((0xC4, 1, request[2])) + self._result(names[0])
        refusal = self._refuses(names)
        if refusal is not None:
            return refusal.replace(b"II", request[2:3])
        return bytes((0xC4, 3, request[2], len(names))) + b"".join(map(self._result, names))


def plain(name: int) -> bytes:
    return bytes((0, 17, name))


def read(answer: Answer, count: int, with_list_max: int = 8) -> list[EachValue]:
    with session(WrapperMeter(answer), with_list_max=with_list_max) as meter:
        values = list(meter.get_each(attributes(count)))
        assert meter.is_open
    return values


def test_lists_as_long_as_the_meter_takes() -> None:
    meter = Asked(plain, lambda names: None)
    assert read(meter, 20) == [number(attribute) for attribute in attributes(20)]
    assert [len(names) for names in meter.lists] == [8, 8, 4]


@pytest.mark.parametrize(
    "refusal",
    [
        b"\xd8\x01\x01",
        b"\xd8\x01\x02",
        b"\xd8\x02\x02",
        b"\xd8\x01\x04",
        b"\xc4\x01II\x01\xfa",
        b"\xc4\x03II\x01\x01\x03",
    ],
    ids=bytes.hex,
)
@pytest.mark.parametrize("longest", [1, 2, 3, 4])
def test_a_meter_that_takes_shorter_lists_than_it_is_known_for(refusal: bytes, longest: int) -> None:
    meter = Asked(plain, lambda names: refusal if len(names) > longest else None)
    assert read(meter, 40) == [number(attribute) for attribute in attributes(40)]
    failures = [names for names in meter.lists if len(names) > longest]
    # Once it is known how long they may be, none is too long any more.
    assert len(failures) <= (2 * MOST_FAILURES if longest == 1 else 2)
    assert len(meter.lists) <= 40 // (longest if longest != 3 else 2) + len(failures)


@pytest.mark.parametrize("longest", [1, 2, 3, 4])
def test_what_is_learned_of_lists_holds_for_the_association_and_the_next(longest: int) -> None:
    """The next association begins with the length that works."""
    meter = Asked(plain, lambda names: b"\xd8\x01\x01" if len(names) > longest else None)
    with session(WrapperMeter(meter), with_list_max=32) as client:
        assert client.list_size_learned is None
        list(client.get_each(attributes(32)))
        learned = client.list_size_learned
        assert learned == {1: 1, 2: 2, 3: 2, 4: 4}[longest]
        meter.lists.clear()
        for _ in range(5):
            assert client.get_many(attributes(8)) == [number(attribute) for attribute in attributes(8)]
        assert {len(names) for names in meter.lists} == {learned}
    meter.lists.clear()
    with session(WrapperMeter(meter), with_list_max=learned) as client:
        list(client.get_each(attributes(8)))
        assert client.list_size_learned is None
    assert {len(names) for names in meter.lists} == {learned}


def test_one_short_list_is_enough_to_learn_from() -> None:
    """As of a message with a few fields: each visit would have one request more."""
    meter = Asked(plain, lambda names: b"\xd8\x01\x01" if len(names) > 4 else None)
    with session(WrapperMeter(meter), with_list_max=32) as client:
        client.get_many(attributes(7))
        assert client.list_size_learned == 4
    assert [len(names) for names in meter.lists] == [7, 4, 3]


def test_nothing_is_learned_from_attributes_that_spoil_lists() -> None:
    for spoiling in range(8):
        meter = Asked(plain, lambda names, name=spoiling: b"\xc4\x03II\x00" if name in names else None)
        with session(WrapperMeter(meter), with_list_max=8) as client:
            client.get_many(attributes(8))
            assert client.list_size_learned is None


def test_attributes_that_spoil_lists_but_not_themselves() -> None:
    """As a clock with octets behind it does, which is read nevertheless when it comes alone."""
    spoiling = {0, 3, 20, 33}
    meter = Asked(plain, lambda names: b"\xc4\x03II\x00" if spoiling & set(names) else None)
    assert read(meter, 64) == [number(attribute) for attribute in attributes(64)]
    # Nothing came before the first of them, and yet lists go on being as long as they may.
    assert sum(len(names) == 8 for names in meter.lists) == 8
    assert len(meter.lists) < 40


def test_one_attribute_that_cannot_be_decoded_costs_itself_alone() -> None:
    meter = Asked(lambda name: GARBAGE if name == 5 else plain(name), lambda names: None)
    values = read(meter, 32)
    assert isinstance(values[5], errors.DecodeError)
    rest = [number(attribute) for attribute in attributes(32) if attribute.logical_name[5] != 5]
    assert values[:5] + values[6:] == rest
    # The others go on in full lists.
    assert [len(names) for names in meter.lists] == [8, 4, 4, 2, 1, 1, 2, 8, 8, 8]


def test_one_refusal_that_makes_the_meter_decline_the_list() -> None:
    meter = Asked(
        lambda name: DENIED if name == 5 else plain(name),
        lambda names: b"\xc4\x01II\x01\x03" if 5 in names else None,
    )
    values = read(meter, 32)
    assert values[5] is AccessResult.READ_WRITE_DENIED
    assert all(isinstance(value, Data) for value in values[:5] + values[6:])
    assert [len(names) for names in meter.lists] == [8, 4, 4, 2, 1, 1, 2, 8, 8, 8]


def test_an_answer_to_another_request_ends_the_association() -> None:
    def answer(request: bytes) -> bytes:
        return bytes((0xC4, 3, request[2] ^ 1, 0))

    with session(WrapperMeter(answer), with_list_max=8) as meter:
        with pytest.raises(errors.IllegalResponse):
            list(meter.get_each(attributes(8)))
        assert not meter.is_open
        with pytest.raises(errors.MeterClosed):
            list(meter.get_each(attributes(8)))


def test_single_attributes_that_a_meter_takes_exception_to() -> None:
    def result(name: int) -> bytes:
        return b"" if name % 3 == 0 else plain(name)

    class Excepting(Asked):
        def __call__(self, request: bytes) -> bytes:
            names = requested(request)
            return b"\xd8\x01\x03" if any(name % 3 == 0 for name in names) else super().__call__(request)

    values = read(Excepting(result, lambda names: None), 30)
    for attribute, value in zip(attributes(30), values, strict=True):
        if attribute.logical_name[5] % 3 == 0:
            assert isinstance(value, errors.ExceptionResponse)
        else:
            assert value == number(attribute)


@pytest.mark.parametrize(
    "body", ["", "00", "01", "0100", "02"], ids=["nothing", "data", "result", "success", "other"]
)
def test_answers_with_nothing_in_them(body: str) -> None:
    """Some meters answer for an attribute that they cannot read with a head and no body."""
    empty = bytes.fromhex(body)
    meter = Asked(lambda name: empty if name == 5 else plain(name), lambda names: None)
    values = read(meter, 16, with_list_max=1)
    assert isinstance(values[5], errors.DecodeError)
    assert [value for value in values if isinstance(value, Data)] == values[:5] + values[6:]
    # The same instead of a whole list.
    cut = Asked(plain, lambda names: b"\xc4\x01II" + empty if 5 in names else None)
    assert read(cut, 16) == [number(attribute) for attribute in attributes(16)]


@pytest.mark.parametrize("answer", ["d80101", "d80103", "d80202"])
def test_a_meter_that_has_nothing_but_exceptions_is_lost(answer: str) -> None:
    requests: list[bytes] = []

    def excepting(request: bytes) -> bytes:
        requests.append(request)
        return bytes.fromhex(answer)

    with session(WrapperMeter(excepting), with_list_max=8) as meter:
        with pytest.raises(errors.ExceptionResponse):
            list(meter.get_each(attributes(100)))
        assert not meter.is_open
    assert len(requests) < 15


@pytest.mark.parametrize("fatal", ["d80105", "d80106000003e8", "0e050600"])
def test_what_is_no_refusal_ends_the_association(fatal: str) -> None:
    with session(WrapperMeter(lambda request: bytes.fromhex(fatal)), with_list_max=8) as meter:
        with pytest.raises(errors.DlmsError):
            list(meter.get_each(attributes(8)))
        assert not meter.is_open


def test_secrets_are_asked_for_alone_and_stay_out_of_traces() -> None:
    records: list[TraceRecord] = []
    meter = Asked(lambda name: bytes((0, 9, 3)) + b"psw", lambda names: None)
    wanted = [*attributes(3), SECRET, *attributes(3)]
    with session(WrapperMeter(meter), with_list_max=8, trace=records.append) as client:
        values = list(client.get_each(wanted))
        assert client.get_many(wanted) == values
    assert values == [Data(DataType.OCTET_STRING, b"psw")] * 7
    assert [len(names) for names in meter.lists] == [3, 1, 3] * 2
    assert is_secret(SECRET)
    shown = [record.apdu for record in records if b"psw" in record.apdu]
    assert len(shown) == 2 * 2  # the lists


@pytest.mark.parametrize(
    ("class_id", "secrets", "methods"),
    [
        (15, {0, 7}, {1, 2}),
        (44, {0, 5}, set()),
        (45, {0, 3}, set()),
        (46, {0, 4}, set()),
        (64, set(), {2}),
        (72, set(), {6, 7, 8}),
        (100, {0, 6, 7}, {2}),
    ],
)
def test_members_of_classes_that_hold_secrets(class_id: int, secrets: set[int], methods: set[int]) -> None:
    """Passwords, PINs and keys of the Blue Book's classes; 0 stands for all attributes of an object."""
    name = bytes((0, 0, 25, 4, 0, 255))
    found = {number for number in range(12) if is_secret(AttributeDescriptor(class_id, name, number))}
    assert found == secrets
    assert {number for number in range(12) if is_secret(MethodDescriptor(class_id, name, number))} == methods


def test_time_left_of_the_session_goes_down() -> None:
    with session(WrapperMeter(Asked(plain, lambda names: None))) as meter:
        first = meter.seconds_left
        assert 0 < meter.seconds_left <= first <= 60


@given(
    count=st.integers(0, 70),
    size=st.integers(0, 20),
    longest=st.integers(1, 20),
    bad=st.sets(st.integers(0, 69)),
    denied=st.sets(st.integers(0, 69)),
)
def test_every_attribute_has_its_answer_whatever_fails(
    count: int, size: int, longest: int, bad: set[int], denied: set[int]
) -> None:
    requests = itertools.count()

    def one(attribute: AttributeDescriptor) -> EachValue:
        next(requests)
        name = attribute.logical_name[5]
        if name in bad:
            return errors.DecodeError("unknown data type 119")
        return AccessResult.OBJECT_UNDEFINED if name in denied else number(attribute)

    def many(chunk: Sequence[AttributeDescriptor]) -> Sequence[EachValue] | None:
        assert 1 < len(chunk) <= size
        if len(chunk) > longest or any(attribute.logical_name[5] in bad for attribute in chunk):
            next(requests)
            return None
        return [one(attribute) for attribute in chunk]

    wanted = attributes(count)
    values = list(ListRequests(ListSize(size), many, one).request(wanted, size))
    assert len(values) == count
    for attribute, value in zip(wanted, values, strict=True):
        name = attribute.logical_name[5]
        if name in bad:
            assert isinstance(value, errors.DecodeError)
        else:
            assert value == (AccessResult.OBJECT_UNDEFINED if name in denied else number(attribute))
    assert next(requests) <= 2 * count
