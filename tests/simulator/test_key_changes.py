"""New keys for an electricity meter, half-way changes, and what becomes of its invocation counter."""

from collections.abc import Callable, Iterator
from secrets import token_bytes

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import (
    Behaviour,
    CounterAtKeyChange,
    FaultKind,
    Fleet,
    FleetSettings,
    Scenario,
    Security,
    SimulatorThread,
)
from osgp.simulator.codec.ciphering import KEY_OCTETS
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter
from osgp.simulator.nonces import make_key_id

from .client import (
    CHALLENGE,
    CLIENT_TITLE,
    Closed,
    RawClient,
    aarq,
    connected,
    get_normal,
    initiate_request,
)
from .key_changes import TRANSFER, transfer, transferred
from .samples import CLOCK

COUNTER = AttributeDescriptor(1, bytes((0, 0, 43, 1, 0, 255)), 2)
SOME_KEY = bytes(range(16))
KEEP = Behaviour(counter_at_key_change=CounterAtKeyChange.KEEP)
OTHER_REASON = 250


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """Meters with keys of their own, one for each test."""
    with SimulatorThread(Fleet.build(60)) as running:
        yield running


@pytest.fixture
def meter(simulator: SimulatorThread) -> Meter:
    """A meter that nobody has talked to."""
    return next(each for each in simulator.meters.values() if not each.is_touched)


@pytest.fixture
def client(simulator: SimulatorThread, meter: Meter) -> Iterator[RawClient]:
    """An associated client."""
    with connected(simulator, meter, counter=100) as associated:
        associated.associate()
        yield associated


@pytest.fixture
def new() -> bytes:
    """A key that no other test uses: what it is used with is noted for the whole fleet."""
    return token_bytes(KEY_OCTETS)


@pytest.fixture
def other() -> bytes:
    """Another one."""
    return token_bytes(KEY_OCTETS)


def tell_counter(simulator: SimulatorThread, meter: Meter) -> int:
    """The invocation counter that the public client reads."""
    with connected(simulator, meter, client_address=16) as public:
        public.associate()
        return int(public.get(COUNTER).value)


def answers(simulator: SimulatorThread, meter: Meter, counter: int | None = None) -> bool:
    """Whether a session under the meter's keys of now works, from a counter on (the next)."""
    with connected(simulator, meter, counter=counter) as again:
        again.associate()
        return bool(again.get(CLOCK).value)


# The counter at a change


def test_the_counter_restarts_with_a_new_encryption_key(
    simulator: SimulatorThread, client: RawClient, new: bytes
) -> None:
    meter = client.meter
    assert transfer(client, KeyName.AUTHENTICATION, new) == 0
    client.cipher = client.make_cipher()
    client.get(CLOCK)
    assert tell_counter(simulator, meter) == client.counter - 1
    assert transfer(client, KeyName.ENCRYPTION, new) == 0
    assert tell_counter(simulator, meter) == 0
    client.cipher, client.counter = client.make_cipher(), 0
    client.get(CLOCK)
    assert client.counter == 1
    assert meter.memory.counters.repeated == []


def test_the_counter_stays_with_a_meter_that_keeps_it(
    simulator: SimulatorThread, client: RawClient, new: bytes
) -> None:
    meter = client.meter
    meter.behaviour = KEEP
    assert transfer(client, KeyName.ENCRYPTION, new) == 0
    highest = client.counter - 1
    assert tell_counter(simulator, meter) == highest
    client.cipher, client.counter = client.make_cipher(), 5
    assert client.request(get_normal(CLOCK)).hex() == f"d80106{highest + 1:08x}"
    client.counter = highest + 1
    client.get(CLOCK)
    # 5 was new to the new key
    assert meter.memory.counters.repeated == []


def test_a_fleet_keeps_its_counters(new: bytes) -> None:
    with SimulatorThread(Fleet.build(1, settings=FleetSettings(behaviour=KEEP))) as running:
        (meter,) = running.meters.values()
        with connected(running, meter, counter=70) as client:
            client.associate()
            assert transfer(client, KeyName.ENCRYPTION, new) == 0
        assert meter.memory.counters.highest == client.counter - 1


# Half-way


def switched_refused(client: RawClient, name: KeyName, key: bytes) -> None:
    client.meter.faults.switch_on(FaultKind.KEY_SWITCHED_REFUSED, 1)
    assert transfer(client, name, key) == OTHER_REASON


def switched_closes(client: RawClient, name: KeyName, key: bytes) -> None:
    client.meter.faults.switch_on(FaultKind.KEY_SWITCHED_CLOSES, 1)
    with pytest.raises(Closed):
        transfer(client, name, key)


def refused(client: RawClient, name: KeyName, key: bytes) -> None:
    client.meter.faults.switch_on(FaultKind.KEY_REFUSED, 1)
    assert transfer(client, name, key) == OTHER_REASON


def ignored(client: RawClient, name: KeyName, key: bytes) -> None:
    client.meter.faults.switch_on(FaultKind.KEY_IGNORED, 1)
    assert transfer(client, name, key) == 0


@pytest.mark.parametrize("name", [KeyName.AUTHENTICATION, KeyName.ENCRYPTION])
@pytest.mark.parametrize(
    ("change", "switches"),
    [(switched_refused, True), (switched_closes, True), (refused, False), (ignored, False)],
)
def test_changes_that_go_wrong(
    simulator: SimulatorThread,
    client: RawClient,
    name: KeyName,
    change: Callable[[RawClient, KeyName, bytes], None],
    switches: bool,
    new: bytes,
) -> None:
    meter = client.meter
    before = meter.key(name)
    change(client, name, new)
    assert meter.key(name) == (new if switches else before)
    assert meter.faults.as_list() == []
    assert meter.memory.statistics.faults == 1
    if change is not switched_closes:
        # the association that is open goes on, under the keys that the meter has now
        client.cipher = client.make_cipher()
        client.get(CLOCK)
    client.close()
    assert answers(simulator, meter)
    assert meter.memory.counters.repeated == []


def test_a_fault_spares_the_first_of_two_keys(client: RawClient, new: bytes, other: bytes) -> None:
    meter = client.meter
    meter.faults.switch_on(FaultKind.KEY_SWITCHED_CLOSES, 1, after=1)
    assert transfer(client, KeyName.AUTHENTICATION, new) == 0
    assert meter.faults.as_list() == [{"kind": "key-switched-closes", "exchanges": 1}]
    assert meter.memory.statistics.faults == 0
    client.cipher = client.make_cipher()
    client.get(CLOCK)
    with pytest.raises(Closed):
        transfer(client, KeyName.ENCRYPTION, other)
    assert (meter.key(KeyName.AUTHENTICATION), meter.key(KeyName.ENCRYPTION)) == (new, other)
    with pytest.raises(ValueError, match="after"):
        meter.faults.switch_on(FaultKind.HANG, after=-1)


def test_faults_wait_for_keys_that_could_be_taken(client: RawClient) -> None:
    meter = client.meter
    meter.faults.switch_on(FaultKind.KEY_SWITCHED_CLOSES, 1)
    wrong = transferred(meter, (KeyName.ENCRYPTION, bytes(32)))
    assert client.action(TRANSFER, wrong) == OTHER_REASON
    assert len(meter.faults.as_list()) == 1


# Counters that are too low


@pytest.mark.parametrize("value", [0, 77, 4_100_000_000, 0xFFFFFFFF])
def test_another_tool_moves_the_counter(simulator: SimulatorThread, meter: Meter, value: int) -> None:
    happening = {"kind": "invocation-counter", "value": value, "meters": meter.identification}
    assert (
        Scenario.of({"occurrences": [happening]}, simulator.fleet).play(simulator.fleet.settings.clock()) == 1
    )
    assert tell_counter(simulator, meter) == value
    with connected(simulator, meter, counter=value) as client:
        client.cipher = client.make_cipher()
        information = client.encipher(initiate_request(), tag=0x21)
        request = aarq(information, context=3, mechanism=5, value=CHALLENGE, title=CLIENT_TITLE)
        assert client.exchange(request).hex() == f"d80106{min(value + 1, 0xFFFFFFFF):08x}"
    # it was too low, but what the other tool did with it nobody has seen
    assert meter.memory.counters.repeated == []
    if value < 0xFFFFFFFF:
        assert answers(simulator, meter, counter=value + 1)


def test_no_counter_is_left_above_the_highest(simulator: SimulatorThread, client: RawClient) -> None:
    client.meter.memory.counters.highest = 0xFFFFFFFF
    client.counter = 0xFFFFFFFF
    assert client.request(get_normal(CLOCK)).hex() == "d80106ffffffff"


def test_only_ciphered_meters_have_counters() -> None:
    fleet = Fleet.build(2, security=[Security.LLS, Security.NONE])
    with pytest.raises(ValueError, match="kind: invocation-counter: no selected meter has ciphered"):
        Scenario.of({"occurrences": [{"kind": "invocation-counter", "value": 1}]}, fleet)


@pytest.mark.parametrize("value", [-1, 0x1_0000_0000, "5", 1.5, True])
def test_a_counter_has_32_bits(value: object) -> None:
    with pytest.raises(ValueError, match="value: is a whole number from 0 to 4294967295"):
        Scenario.of({"occurrences": [{"kind": "invocation-counter", "value": value}]}, Fleet.build(1))


def test_a_meter_lies_about_the_counter_that_it_expects(client: RawClient) -> None:
    client.meter.behaviour = Behaviour(told_counter=4_000_000_001)
    highest = client.counter - 1
    client.counter = 5
    assert client.request(get_normal(CLOCK)).hex() == f"d80106{4_000_000_001:08x}"
    client.counter = highest + 1
    client.get(CLOCK)


def test_a_meter_hangs_up_on_a_low_counter(simulator: SimulatorThread, client: RawClient) -> None:
    meter = client.meter
    meter.faults.switch_on(FaultKind.LOW_COUNTER_CLOSES)
    client.get(CLOCK)
    client.counter = 5
    with pytest.raises(Closed):
        client.request(get_normal(CLOCK))
    # the AARQ too
    with connected(simulator, meter, counter=6) as again, pytest.raises(Closed):
        again.open()
    assert answers(simulator, meter)


@pytest.mark.parametrize(
    "arguments",
    [
        {"counter_at_key_change": "forget"},
        {"told_counter": -1},
        {"told_counter": 1 << 32},
        {"told_counter": True},
        {"told_counter": 1.5},
    ],
)
def test_impossible_behaviour(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Behaviour(**arguments)  # type: ignore[arg-type]


def test_a_scenario_changes_behaviour() -> None:
    fleet = Fleet.build(1, settings=FleetSettings(behaviour=Behaviour(maximum_connections=2)))
    (meter,) = fleet.meters.values()

    def happens(**table: object) -> Behaviour:
        Scenario.of({"occurrences": [{"kind": "behaviour", **table}]}, fleet).play(fleet.settings.clock())
        return meter.behaviour

    assert happens(counter_at_key_change="keep") == Behaviour(
        maximum_connections=2, counter_at_key_change=CounterAtKeyChange.KEEP
    )
    assert happens(told_counter=0).told_counter == 0
    assert happens() is fleet.settings.behaviour


# What was used with which key


def test_a_key_that_comes_back_shows_what_came_twice(
    simulator: SimulatorThread, client: RawClient, new: bytes
) -> None:
    meter = client.meter
    old = meter.key(KeyName.ENCRYPTION)
    for key in (new, old):
        assert transfer(client, KeyName.ENCRYPTION, key) == 0
        client.cipher, client.counter = client.make_cipher(), 100
        client.get(CLOCK)
    assert meter.memory.counters.repeated == [100]
    repeats = [use for use in simulator.fleet.nonces.list_repeats() if use.key_id == make_key_id(old)]
    assert [(use.fixed_field, use.repeated) for use in repeats] == [(CLIENT_TITLE, (100,))]


def test_a_refused_repeat_is_a_repeat(client: RawClient) -> None:
    client.counter -= 1
    client.request(get_normal(CLOCK))
    assert client.meter.memory.counters.repeated == [client.counter - 1]
    # one that is too low but was never used is none, nor is what was not protected with the key
    client.counter = 3
    client.request(get_normal(CLOCK))
    damaged = client.encipher(get_normal(CLOCK))
    client.exchange(damaged[:-1] + bytes((damaged[-1] ^ 1,)))
    client.exchange(damaged[:-1] + bytes((damaged[-1] ^ 1,)))
    assert len(client.meter.memory.counters.repeated) == 1


def test_meters_that_share_keys_show_what_came_twice() -> None:
    with SimulatorThread(Fleet.build(3, gas_meters=2, shared_keys=True)) as running:
        nonces = running.fleet.nonces
        first, second, third = running.meters.values()
        names = (KeyName.MASTER, KeyName.AUTHENTICATION, KeyName.ENCRYPTION)
        assert [first.key(name) for name in names] == [second.key(name) for name in names]
        assert len({first.key(name) for name in names}) == 3
        described = running.fleet.describe()
        gas = [each["keys"] for each in described if "gateway" in each["add_device"]]
        assert len({key for keys in gas for key in keys.values()}) == 8

        for meter, counter in ((first, 10), (second, 20)):
            with connected(running, meter, counter=counter) as client:
                client.associate()
        assert nonces.list_repeats() == []
        assert not third.is_touched

        with connected(running, third, counter=21) as client:
            client.associate()
            client.get(CLOCK)
        (use,) = nonces.list_repeats()
        assert use.key_id == make_key_id(first.key(KeyName.ENCRYPTION))
        assert use.fixed_field == CLIENT_TITLE
        assert (use.highest, use.repeated) == (24, (21, 22))
        assert [each.memory.counters.repeated for each in (first, second, third)] == [[], [], [21, 22]]


def test_nothing_is_kept_of_keys_that_nobody_used() -> None:
    fleet = Fleet.build(1_000)
    fleet.describe()
    assert fleet.nonces.list_uses() == []
    assert not any(meter.is_touched for meter in fleet.meters.values())


def test_another_fleet_has_seen_nothing() -> None:
    settings = FleetSettings()
    fleet = Fleet.build(1, seed=1, settings=settings)
    fleet.nonces.use(SOME_KEY, CLIENT_TITLE, 1)
    assert Fleet.build(1, seed=2, settings=settings).nonces.list_uses() == []
