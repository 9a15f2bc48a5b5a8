"""No request, however malformed, gets more than an answer out of a meter; no value that it takes makes it
ill."""

from hypothesis import given, settings
from hypothesis import strategies as st

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import Fleet, FleetSettings
from osgp.simulator.codec.axdr import FIXED, FIXED_OCTETS, Data, DataType, decode, encode
from osgp.simulator.codec.requests import Selection
from osgp.simulator.meter.query import WRITE, AccessError
from osgp.simulator.meter.shapes import Shape
from osgp.simulator.session import Session

from .client import (
    aarq,
    action_normal,
    get_normal,
    get_with_list,
    initiate_request,
    set_normal,
)
from .samples import (
    CLOCK,
    DISCONNECT,
    INTERVALS,
    NOW,
    SPECIAL_DAYS,
    date_time,
    entries,
    special_days,
    time_range,
)

PROFILE = "SMR-5.5"


def fleet() -> Fleet:
    """One meter without security, so that what is sent gets through to the services."""
    return Fleet.build(
        1, PROFILE, security="NONE", polyphase=True, gas_meters=1, settings=FleetSettings(clock=lambda: NOW)
    )


TEMPLATES = [
    aarq(initiate_request()),
    get_normal(CLOCK),
    get_normal(INTERVALS, 1, time_range(date_time(10), date_time(11), CLOCK)),
    get_with_list([CLOCK, INTERVALS]),
    set_normal(SPECIAL_DAYS, special_days(2)),
    action_normal(DISCONNECT, Data(DataType.INTEGER, 0)),
    bytes.fromhex("c002c100000001"),
    bytes.fromhex("c103c1010000000100"),
    bytes.fromhex("6203800100"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good APDU with some octets changed, cut or doubled, or just octets."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=40))
    apdu = bytearray(draw(st.sampled_from(TEMPLATES)))
    for place, octet in draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3)):
        apdu[place % len(apdu)] = octet
    if draw(st.booleans()):
        del apdu[draw(st.integers(1, len(apdu))) :]
    return bytes(apdu)


@settings(max_examples=300, deadline=None)
@given(st.lists(mutated(), max_size=12))
def test_whatever_is_sent_gets_an_answer(apdus: list[bytes]) -> None:
    meter = next(iter(fleet().meters.values()))
    session = Session(meter, 1, 1)
    session.receive(aarq(initiate_request()))
    for apdu in apdus:
        answer = session.receive(apdu)
        assert answer
        assert len(answer) <= meter.settings.maximum_pdu_size
    session.close()
    assert meter.memory.associated is None


def data_of(shape: Shape) -> st.SearchStrategy[Data]:
    """Any data of a shape, with a liking for the ends of its range."""
    return st.sampled_from(shape.types).flatmap(lambda data_type: _data(data_type, shape))


def _data(data_type: DataType, shape: Shape) -> st.SearchStrategy[Data]:
    if data_type is DataType.NULL_DATA:
        return st.just(Data(data_type))
    if data_type is DataType.STRUCTURE:
        return st.tuples(*[data_of(member) for member in shape.members]).map(
            lambda items: Data(data_type, items)
        )
    if data_type is DataType.ARRAY:
        elements = st.lists(data_of(shape.members[0]), max_size=3)
        return elements.map(lambda items: Data(data_type, tuple(items)))
    if data_type is DataType.BOOLEAN:
        return st.booleans().map(lambda value: Data(data_type, value))
    if data_type in FIXED:
        bits = FIXED[data_type].size * 8
        signed = data_type in (DataType.INTEGER, DataType.LONG, DataType.DOUBLE_LONG)
        lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        ends = st.sampled_from([lowest, highest, 0, 1, highest // 86_400 * 86_400])
        return (ends | st.integers(lowest, highest)).map(lambda value: Data(data_type, value))
    if data_type is DataType.BIT_STRING:
        size = shape.length or 8
        return st.text("01", min_size=size, max_size=size).map(lambda bits: Data(data_type, bits))
    size = FIXED_OCTETS.get(data_type, shape.length or 6)
    dates = st.sampled_from([bytes(size), b"\xff" * size, bytes.fromhex("270f0c1f05173b3b63028000")[:size]])
    dates |= st.sampled_from([bytes.fromhex("00010101ff000000ff02d000")[:size]])
    return (dates | st.binary(min_size=size, max_size=size)).map(lambda octets: Data(data_type, octets))


METER_TYPE = next(iter(fleet().meters.values())).type
WRITABLE = [
    (AttributeDescriptor(entry.class_id, entry.logical_name, attribute.attribute_id), attribute.shape)
    for entry in METER_TYPE.objects.values()
    for attribute in entry.attributes.values()
    if attribute.access & WRITE and entry.channel in (None, 1)
]
BUFFERS = [
    AttributeDescriptor(entry.class_id, entry.logical_name, 2)
    for entry in METER_TYPE.objects.values()
    if entry.class_id == 7 and entry.channel in (None, 1)
]
FIRST_ROW = Selection(2, entries(1, 1))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_a_meter_takes_it_goes_on_working(data: st.DataObject) -> None:
    meter = next(iter(fleet().meters.values()))
    for _ in range(data.draw(st.integers(1, 6))):
        descriptor, shape = data.draw(st.sampled_from(WRITABLE))
        value = data.draw(data_of(shape))
        try:
            meter.set(descriptor, encode(value))
        except AccessError:
            continue
        decode(meter.get(descriptor))
    decode(meter.get(CLOCK))
    for descriptor in BUFFERS:
        decode(meter.get(descriptor, FIRST_ROW))
