"""The head-end's DLMS client against the simulator's meters, which share no code with it, over sockets."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osgp import catalogue, simulator
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import (
    AccessResult,
    CaptureObjectDefinition,
    CosemDateTime,
    Data,
    DataType,
    Deadlines,
    EntryDescriptor,
    Framing,
    Keys,
    Meter,
    MeterAddress,
    RangeDescriptor,
    Security,
    errors,
    read_invocation_counter,
)
from osgp.simulator.codec import axdr as meter_axdr
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.protocol_dlms.peers import Counter
from tests.protocol_dlms.trees import trees

NOW = datetime(2024, 6, 15, 10, 20, 30, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CLIENT_TITLE = b"   \x00\x00\x00\x00\x01"
UNHURRIED = Deadlines(connect=20, apdu=30, session=120, release=20)
WAY = [(security, transport) for security in Security for transport in Framing]

PROFILE = catalogue.find_profile("SMR", "5.1")
CLOCK = PROFILE["CLOCK"].address_attribute(2)
SPECIAL_DAYS = PROFILE["SPECIAL_DAYS_TABLE"].address_attribute(2)
CALENDAR_NAME = PROFILE["ACTIVITY_CALENDAR"].address_attribute(6)
IMPORT = PROFILE["ACTIVE_ENERGY_IMPORT"].address_attribute(2)
INTERVALS = PROFILE["INTERVAL_VALUES_E"].address_attribute(2)
DAILY_VALUES = PROFILE["DAILY_VALUES_E"].address_attribute(2)
INTERVAL_VALUES = PROFILE["INTERVAL_VALUES_E"].address_attribute(2)
UNKNOWN = AttributeDescriptor(3, bytes((9, 9, 9, 9, 9, 9)), 2)

slow_but_sure = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Bench:
    """A running simulator, one meter for each way to talk, and how to connect to each."""

    def __init__(self, running: simulator.SimulatorThread) -> None:
        self.running = running
        self.described = {
            each["add_device"]["device_identification"]: each for each in running.fleet.describe()
        }
        # One counter for each meter, as the meters live on while tests come and go.
        self.counters = {identification: Counter(1000) for identification in self.described}

    def meter(self, security: Security, transport: Framing) -> SimulatedMeter:
        return next(
            meter
            for meter in self.running.meters.values()
            if (meter.security.value, meter.framing.value) == (security.value, transport.value)
        )

    @property
    def last(self) -> SimulatedMeter:
        return list(self.running.meters.values())[-1]

    def address(self, meter: SimulatedMeter) -> MeterAddress:
        fields = self.described[meter.identification]["add_device"]
        return MeterAddress(
            fields["network_address"],
            fields["port"],
            fields["logical_device_address"],
            Framing(fields["transport"]),
        )

    def keys(self, meter: SimulatedMeter) -> Keys:
        keys = self.described[meter.identification]["keys"]
        return Keys(
            bytes.fromhex(keys["authentication_key"]),
            bytes.fromhex(keys["encryption_key"]),
            keys["lls_password"].encode(),
        )

    def connect(self, meter: SimulatedMeter, **changes: Any) -> Meter:
        options: dict[str, Any] = {
            "security": Security(self.described[meter.identification]["add_device"]["security"]),
            "keys": self.keys(meter),
            "counter": self.counters[meter.identification],
            "client_system_title": CLIENT_TITLE,
            "with_list_max": 16,
            "deadlines": UNHURRIED,
        }
        return Meter.connect(self.address(meter), **{**options, **changes})

    def connect_again(self, meter: SimulatedMeter) -> Meter:
        """As :meth:`connect`, once the meter has noticed that the connection before is gone."""
        for _ in range(100):
            if meter.memory.associated is None:
                break
            time.sleep(0.05)
        return self.connect(meter)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    fleet = simulator.Fleet.build(
        len(WAY) + 1,
        "SMR-5.1",
        security=[simulator.Security(security.value) for security, _ in WAY] + [simulator.Security.HLS5],
        framing=[simulator.Framing(transport.value) for _, transport in WAY] + [simulator.Framing.WRAPPER],
        polyphase=True,
        gas_meters=[1] * (len(WAY) + 1),
        settings=simulator.FleetSettings(clock=NOW.timestamp),
    )
    with simulator.SimulatorThread(fleet) as running:
        yield Bench(running)


@pytest.fixture(scope="module")
def hls(bench: Bench) -> Iterator[Meter]:
    """One long association with the last meter, which is for this alone."""
    with bench.connect(bench.last) as meter:
        yield meter


every_way = pytest.mark.parametrize(("security", "transport"), WAY)


@every_way
def test_every_service(bench: Bench, security: Security, transport: Framing) -> None:
    simulated = bench.meter(security, transport)
    before = simulated.memory.statistics.releases
    with bench.connect(simulated) as meter:
        clock = meter.get(CLOCK)
        assert isinstance(clock.value, bytes)
        assert CosemDateTime.from_bytes(clock.value).to_datetime() == NOW

        values = meter.get_many([CLOCK, UNKNOWN, SPECIAL_DAYS])
        assert values[:2] == [clock, AccessResult.OBJECT_UNDEFINED]
        with pytest.raises(errors.AccessError) as refusal:
            meter.get(UNKNOWN)
        assert refusal.value.result is AccessResult.OBJECT_UNDEFINED

        name = Data(DataType.OCTET_STRING, f"{security} {transport}".encode())
        meter.set(CALENDAR_NAME, name)
        assert meter.get(CALENDAR_NAME) == name
        with pytest.raises(errors.AccessError) as refusal:
            meter.set(CALENDAR_NAME, Data(DataType.UNSIGNED, 1))
        assert refusal.value.result is AccessResult.TYPE_UNMATCHED
        assert meter.set_many([(CALENDAR_NAME, name), (UNKNOWN, name)]) == [
            AccessResult.SUCCESS,
            AccessResult.OBJECT_UNDEFINED,
        ]

        for method_id, connected in ((1, False), (2, True)):
            method = PROFILE["DISCONNECT_CONTROL"].address_method(method_id)
            assert meter.invoke(method, Data(DataType.INTEGER, 0)) is None
            assert simulated.memory.connected is connected
        with pytest.raises(errors.AccessError):
            meter.invoke(PROFILE["CLOCK"].address_method(99))

        rows = meter.read_profile(DAILY_VALUES)
        assert rows
        assert len({len(row) for row in rows}) == 1
    statistics = simulated.memory.statistics
    assert statistics.releases == before + 1
    assert statistics.authentication_failures == 0
    assert statistics.exceptions == 0
    assert simulated.memory.associated is None
    assert simulated.memory.counters.repeated == []


@every_way
def test_long_values_in_blocks_both_ways(bench: Bench, security: Security, transport: Framing) -> None:
    days = [
        Data(
            DataType.STRUCTURE,
            (
                Data(DataType.LONG_UNSIGNED, index),
                Data(DataType.OCTET_STRING, bytes((0x07, 0xE8, 1 + index % 12, 1 + index % 28, 0xFF))),
                Data(DataType.UNSIGNED, index % 7),
            ),
        )
        for index in range(250)
    ]
    table = Data(DataType.ARRAY, tuple(days))
    with bench.connect(bench.meter(security, transport)) as meter:
        meter.set(SPECIAL_DAYS, table)
        round_trips = meter.statistics.round_trips
        assert meter.get(SPECIAL_DAYS) == table
        assert meter.statistics.round_trips > round_trips + 2
        assert meter.set_many([(SPECIAL_DAYS, table), (UNKNOWN, table)]) == [
            AccessResult.SUCCESS,
            AccessResult.OBJECT_UNDEFINED,
        ]
        assert meter.get_many([SPECIAL_DAYS, CLOCK])[0] == table


@slow_but_sure
@given(data=trees(longest=2000))
def test_any_data_tree_arrives_as_the_meter_has_it(bench: Bench, hls: Meter, data: Data) -> None:
    """Encoded by the simulator's codec, which knows nothing of ours."""

    def as_the_meter_has_it(tree: Data) -> meter_axdr.Data:
        value = tree.value
        if tree.type in (DataType.ARRAY, DataType.STRUCTURE):
            assert isinstance(value, tuple)
            value = tuple(as_the_meter_has_it(element) for element in value)
        return meter_axdr.Data(meter_axdr.DataType(tree.type), value)

    simulated = bench.last
    overrides = simulated.memory.overrides = simulated.memory.overrides or {}
    previous = overrides.get(SPECIAL_DAYS)
    overrides[SPECIAL_DAYS] = meter_axdr.encode(as_the_meter_has_it(data))
    try:
        assert hls.get(SPECIAL_DAYS) == data
        assert hls.get_many([SPECIAL_DAYS, SPECIAL_DAYS]) == [data, data]
    finally:
        overrides.pop(SPECIAL_DAYS)
        if previous is not None:
            overrides[SPECIAL_DAYS] = previous


day_entries = st.lists(
    st.builds(
        lambda index, date, day: Data(
            DataType.STRUCTURE,
            (
                Data(DataType.LONG_UNSIGNED, index),
                Data(DataType.OCTET_STRING, date),
                Data(DataType.UNSIGNED, day),
            ),
        ),
        st.integers(0, 0xFFFF),
        st.dates(min_value=datetime(1990, 1, 1, tzinfo=UTC).date()).map(
            lambda date: date.year.to_bytes(2, "big") + bytes((date.month, date.day, 0xFF))
        ),
        st.integers(0, 255),
    ),
    max_size=200,
)


@slow_but_sure
@given(days=day_entries, name=st.binary(max_size=3000))
def test_what_is_set_comes_back(hls: Meter, days: list[Data], name: bytes) -> None:
    table, label = Data(DataType.ARRAY, tuple(days)), Data(DataType.OCTET_STRING, name)
    assert hls.set_many([(SPECIAL_DAYS, table), (CALENDAR_NAME, label)]) == [AccessResult.SUCCESS] * 2
    assert hls.get_many([CALENDAR_NAME, SPECIAL_DAYS]) == [label, table]
    hls.set(CALENDAR_NAME, label)
    assert hls.get(CALENDAR_NAME) == label


def time_of(row: tuple[object, ...]) -> datetime:
    assert isinstance(row[0], bytes)
    moment = CosemDateTime.from_bytes(row[0]).to_datetime()
    assert moment is not None
    return moment


@slow_but_sure
@given(data=st.data())
def test_a_range_is_the_part_of_the_buffer_between_its_ends(hls: Meter, data: st.DataObject) -> None:
    buffer = data.draw(st.sampled_from([DAILY_VALUES, INTERVAL_VALUES]))
    whole = hls.read_profile(buffer)
    span = (time_of(whole[-1]) - time_of(whole[0])) + timedelta(days=2)
    offsets = st.integers(0, int(span.total_seconds()) // 60)
    start = time_of(whole[0]) - timedelta(days=1)
    first, last = sorted(start + timedelta(minutes=data.draw(offsets)) for _ in range(2))
    bounds: list[Any] = [CosemDateTime.from_datetime(moment, AMSTERDAM) for moment in (first, last)]
    if data.draw(st.booleans()):
        bounds = [Data(DataType.OCTET_STRING, bound.to_bytes()) for bound in bounds]
    assert hls.read_profile(buffer, RangeDescriptor(*bounds)) == [
        row for row in whole if first <= time_of(row) <= last
    ]


def test_a_range_may_name_the_columns(hls: Meter) -> None:
    columns = PROFILE.list_capture_columns("DAILY_VALUES_E")
    chosen = [
        CaptureObjectDefinition(columns[index].descriptor, columns[index].data_index) for index in (0, 2)
    ]
    whole = hls.read_profile(DAILY_VALUES)
    everything = [CosemDateTime.from_datetime(moment, AMSTERDAM) for moment in (time_of(whole[0]), NOW)]
    selected = hls.read_profile(DAILY_VALUES, RangeDescriptor(everything[0], everything[1], chosen))
    assert selected == [(row[0], row[2]) for row in whole]


@slow_but_sure
@given(first=st.integers(1, 45), length=st.integers(0, 45), left=st.integers(1, 6), width=st.integers(0, 6))
def test_entries_and_columns_are_counted_from_one(
    hls: Meter, first: int, length: int, left: int, width: int
) -> None:
    """No length, no width: up to the last."""
    last = first + length - 1 if length else 0
    right = left + width - 1 if width else 0
    whole = hls.read_profile(DAILY_VALUES)
    expected = [row[left - 1 : right or None] for row in whole[first - 1 : last or None]]
    assert hls.read_profile(DAILY_VALUES, EntryDescriptor(first, last, left, right)) == expected


def test_every_attribute_that_a_profile_lists_reads_alike_alone_and_in_lists(hls: Meter) -> None:
    attributes = [
        cosem_object.address_attribute(attribute_id, 1 if cosem_object.per_channel else None)
        for cosem_object in PROFILE.list_objects(polyphase=True)
        for attribute_id, attribute in cosem_object.attributes.items()
        if "R" in attribute.access and cosem_object.class_id != 7
    ]
    together = hls.get_many(attributes)
    assert len(together) == len(attributes) > 100
    for attribute, value in zip(attributes, together, strict=True):
        if isinstance(value, Data):
            # Some values move on between two readings.
            assert hls.get(attribute).type == value.type
        else:
            with pytest.raises(errors.AccessError) as refusal:
                hls.get(attribute)
            assert refusal.value.result is value
    assert sum(isinstance(value, Data) for value in together) > len(attributes) // 2


# Invocation counters


@pytest.mark.parametrize("transport", Framing)
def test_a_counter_that_is_too_low_and_how_to_recover(bench: Bench, transport: Framing) -> None:
    simulated = bench.meter(Security.HLS5, transport)
    with bench.connect(simulated) as meter:
        meter.get(CLOCK)
    with pytest.raises(errors.InvocationCounterTooLow) as refusal:
        bench.connect(simulated, counter=Counter(5))
    shown = read_invocation_counter(
        bench.address(simulated), PROFILE["INVOCATION_COUNTER"].address_attribute("value"), UNHURRIED
    )
    assert refusal.value.expected >= shown > 1000
    with bench.connect(simulated) as meter:
        assert meter.get(CLOCK)


def test_wrong_keys(bench: Bench) -> None:
    for security in (Security.HLS5, Security.LLS):
        simulated = bench.meter(security, Framing.WRAPPER)
        right = bench.keys(simulated)
        for keys in (
            Keys(bytes(16), right.encryption_key, b"00000000"),
            Keys(right.authentication_key, bytes(16), b"too long by far"),
        ):
            with pytest.raises(errors.AuthenticationError):
                bench.connect(simulated, keys=keys)


def test_less_security_than_the_meter_wants(bench: Bench) -> None:
    with pytest.raises(errors.AuthenticationRequired):
        bench.connect(bench.meter(Security.LLS, Framing.WRAPPER), security=Security.NONE)
    with pytest.raises(errors.AssociationRejected):
        bench.connect(bench.meter(Security.HLS5, Framing.WRAPPER), security=Security.NONE)


# Faults

IMPATIENT = Deadlines(connect=20, apdu=0.4, session=60, release=0.4)

Errors = type[errors.DlmsError] | tuple[type[errors.DlmsError], ...]
UNANSWERED = (FaultKind.HANG, FaultKind.RELEASE_IGNORED, FaultKind.WRONG_ADDRESS, FaultKind.WRONG_INVOKE_ID)

FAULTS: list[tuple[FaultKind, Errors | None]] = [
    (FaultKind.DROP_MID_ANSWER, errors.SocketClosedByRemote),
    (FaultKind.WRONG_TAG, errors.UnableToDecipher),
    (FaultKind.REPLAYED_COUNTER, errors.ReplayedCounter),
    (FaultKind.UNCIPHERED, errors.UnableToDecipher),
    (FaultKind.WRONG_ADDRESS, (errors.IllegalResponse, errors.ResponseTimeout)),
    # If another request had that id, the answer is a late one, and the one that counts does not come.
    (FaultKind.WRONG_INVOKE_ID, (errors.IllegalResponse, errors.ResponseTimeout)),
    (FaultKind.CUT_SHORT, errors.DecodeError),
    (FaultKind.HANG, errors.ResponseTimeout),
    (FaultKind.TRAILING_BYTES, None),
    (FaultKind.RELEASE_EXCEPTION, None),
    (FaultKind.RELEASE_IGNORED, None),
]


@pytest.mark.parametrize("transport", Framing)
@pytest.mark.parametrize(("fault", "error"), FAULTS, ids=[str(fault) for fault, _ in FAULTS])
def test_faults_of_one_answer(
    bench: Bench, transport: Framing, fault: FaultKind, error: Errors | None
) -> None:
    simulated = bench.meter(Security.HLS5, transport)
    deadlines = IMPATIENT if fault in UNANSWERED else UNHURRIED
    if fault is FaultKind.WRONG_ADDRESS and transport is Framing.HDLC:
        # The frame is for others, as on a line that meters share; the meter is asked again, and answers.
        deadlines, error = UNHURRIED, None
    with bench.connect(simulated, deadlines=deadlines) as meter:
        simulated.faults.switch_on(fault, 1)
        if error is None:
            value = meter.get(CLOCK).value
            assert isinstance(value, bytes)
            assert CosemDateTime.from_bytes(value).to_datetime() == NOW
        else:
            with pytest.raises(error) as failure:
                meter.get(CLOCK)
            # What cannot be trusted is no stray frame; what cannot be understood costs the value alone.
            assert failure.value.retryable is (error is not errors.UnableToDecipher)
            assert meter.is_open is (error is errors.DecodeError)
    assert simulated.faults.as_list() == []
    with bench.connect_again(simulated) as meter:
        assert meter.get(CLOCK)
    assert simulated.memory.counters.repeated == []


def test_values_that_make_no_sense(bench: Bench, hls: Meter) -> None:
    """The client decodes what it can and refuses what it cannot; the association lives on."""
    faults = bench.last.faults
    faults.switch_on(FaultKind.HUGE_LENGTH, 1)
    with pytest.raises(errors.DecodeError):
        hls.get(IMPORT)
    assert hls.get(IMPORT).value
    faults.switch_on(FaultKind.LONG_CLOCK, 1)
    assert len(hls.get(CLOCK).value) == 14
    faults.switch_on(FaultKind.FEW_COLUMNS, 1)
    assert {len(row.value) for row in hls.get(INTERVALS).value} == {3}
    faults.switch_on(FaultKind.ABSURD_SCALER, 1)
    assert hls.get(IMPORT._replace(attribute_id=3)).value[0].value == 127
    assert faults.as_list() == []


def test_oddities_of_meters_that_mean_well(bench: Bench) -> None:
    hls5 = bench.meter(Security.HLS5, Framing.HDLC)
    for kind in (FaultKind.PROTOCOL_VERSION, FaultKind.DIAGNOSTIC_NULL, FaultKind.SNRM_PARAMETERS_REQUIRED):
        hls5.faults.switch_on(kind)
        with bench.connect_again(hls5) as connected:
            assert connected.get(CLOCK)
        hls5.faults.switch_off()


@pytest.mark.parametrize("transport", Framing)
@pytest.mark.parametrize("fault", [FaultKind.GARBAGE, FaultKind.ENDLESS, FaultKind.SLOW])
def test_floods_and_trickles(bench: Bench, transport: Framing, fault: FaultKind) -> None:
    simulated = bench.meter(Security.HLS5, transport)
    with bench.connect(simulated, deadlines=IMPATIENT) as meter:
        simulated.faults.switch_on(fault, 1)
        with pytest.raises(errors.DlmsError) as failure:
            meter.get(CLOCK)
        assert failure.value.code in (231, 232, 233)
        assert not meter.is_open
    with bench.connect_again(simulated) as meter:
        assert meter.get(CLOCK)


@pytest.mark.parametrize("transport", Framing)
def test_faults_while_associating(bench: Bench, transport: Framing) -> None:
    simulated = bench.meter(Security.HLS5, transport)
    expected: list[tuple[FaultKind, tuple[type[errors.DlmsError], ...]]] = [
        (FaultKind.REFUSE_ASSOCIATION, (errors.AssociationRejected,)),
        (FaultKind.REFUSE_CONNECTION, (errors.SocketClosedByRemote, errors.ConnectionReset)),
    ]
    if transport is Framing.HDLC:
        expected.append((FaultKind.SNRM_REFUSED, (errors.ConnectionEstablishError,)))
    for fault, kinds in expected:
        # A data link is asked for three times.
        simulated.faults.switch_on(fault, 3 if fault is FaultKind.SNRM_REFUSED else 1)
        with pytest.raises(kinds):
            bench.connect(simulated)
    with bench.connect_again(simulated) as meter:
        assert meter.get(CLOCK)


# Other fleets


@pytest.mark.parametrize("transport", Framing)
def test_logical_devices_of_any_address(transport: Framing) -> None:
    fleet = simulator.Fleet.build(
        300,
        "SMR-5.5",
        security=simulator.Security.NONE,
        framing=simulator.Framing(transport.value),
        settings=simulator.FleetSettings(clock=NOW.timestamp),
    )
    name = AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)
    with simulator.SimulatorThread(fleet) as running:
        bench = Bench(running)
        seen = set()
        for number in (1, 16, 126, 127, 128, 129, 255, 256, 300):
            simulated = list(running.meters.values())[number - 1]
            with bench.connect(simulated) as meter:
                seen.add(meter.get(name))
            assert simulated.memory.statistics.associations == 1
        assert len(seen) == 9


@pytest.mark.parametrize("size", [128, 200, 5000, 65535])
def test_meters_with_small_and_large_apdus(size: int) -> None:
    fleet = simulator.Fleet.build(
        1, "SMR-5.1", settings=simulator.FleetSettings(clock=NOW.timestamp, maximum_pdu_size=size)
    )
    with simulator.SimulatorThread(fleet) as running:
        bench = Bench(running)
        (simulated,) = running.meters.values()
        with bench.connect(simulated, with_list_max=32) as meter:
            value = Data(DataType.OCTET_STRING, bytes(index % 256 for index in range(10_000)))
            meter.set(CALENDAR_NAME, value)
            assert meter.get(CALENDAR_NAME) == value
            assert meter.get_many([CLOCK, CALENDAR_NAME] * 10)[-1] == value
            assert meter.read_profile(INTERVAL_VALUES)
        assert simulated.memory.statistics.exceptions == 0


def test_many_sessions_at_once() -> None:
    fleet = simulator.Fleet.build(
        40,
        "mix",
        framing=[simulator.Framing.WRAPPER, simulator.Framing.HDLC],
        settings=simulator.FleetSettings(clock=NOW.timestamp),
    )
    with simulator.SimulatorThread(fleet) as running:
        bench = Bench(running)

        def visit(simulated: SimulatedMeter) -> datetime | None:
            with bench.connect(simulated) as meter:
                value = meter.get(CLOCK).value
                assert isinstance(value, bytes)
                return CosemDateTime.from_bytes(value).to_datetime()

        def visit_again(simulated: SimulatedMeter) -> list[datetime | None]:
            # One thread per meter, or a slow one would still have the association that another one asks for.
            return [visit(simulated) for _ in range(3)]

        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(visit_again, running.meters.values())) == [[NOW] * 3] * 40
        assert all(meter.memory.counters.repeated == [] for meter in running.meters.values())
