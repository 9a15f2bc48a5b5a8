"""New keys for M-Bus devices: which are taken, in which form, and how far a change has come."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from osgp import catalogue
from osgp.catalogue import MbusKeyWrapping
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.codec.errors import DecipheringError
from osgp.simulator.codec.mbus_keys import WrappedKey, make_fixed_field, unwrap_cbc, unwrap_gcm
from osgp.simulator.meter.identity import KeyName, manufacturer_id
from osgp.simulator.meter.meter import Meter
from osgp.simulator.nonces import make_key_id

from .client import Closed, RawClient, connected
from .key_changes import mbus_method, sent_data, wrap_cbc, wrap_gcm
from .meters import read

DEFAULT_KEY = bytes(range(16))
KEY = bytes.fromhex("11111111222222223333333344444455")
NEW, OTHER = bytes(range(16)), bytes(range(16, 32))
USER, FIRMWARE, OPTICAL = range(3)
DATA_SEND, SET_ENCRYPTION_KEY, TRANSFER_KEY = 6, 7, 8
TYPE_UNMATCHED, OTHER_REASON = 12, 250
TESTS_OF_A_PROFILE = 30
NONE, SET, TRANSFERRED, BOTH, IN_USE = range(5)
TAKING = [profile.key for profile in catalogue.list_profiles() if profile.mbus_key_wrapping == "GCM"]


# The forms, against known values


def test_a_known_key_in_cbc() -> None:
    wrapped = bytes.fromhex("08eab184363141f1e7b554939dfb75b8")
    assert wrap_cbc(DEFAULT_KEY, KEY) == wrapped
    assert unwrap_cbc(DEFAULT_KEY, wrapped) == KEY
    for size in (0, 15, 17, 32):
        with pytest.raises(DecipheringError):
            unwrap_cbc(DEFAULT_KEY, bytes(size))


def test_a_known_key_in_gcm() -> None:
    wrapped = bytes.fromhex("000000011928dd82e493e489eed5a235e771c2232523c60ac982f22c820a")
    vector = make_fixed_field("99310014", manufacturer_id("FLO"))
    assert vector.hex() == "140031998f195003"
    assert wrap_gcm(DEFAULT_KEY, vector, 1, OPTICAL, KEY) == wrapped
    assert unwrap_gcm(DEFAULT_KEY, vector, wrapped) == WrappedKey(OPTICAL, KEY, 1)
    assert make_fixed_field("00000561", manufacturer_id("SIM")).hex() == "610500002d4d5003"


@pytest.mark.parametrize("place", range(30))
def test_a_changed_key_in_gcm_is_no_key(place: int) -> None:
    vector = make_fixed_field("99310014", manufacturer_id("FLO"))
    octets = bytearray(wrap_gcm(DEFAULT_KEY, vector, 7, USER, KEY))
    octets[place] ^= 0x10
    with pytest.raises(DecipheringError):
        unwrap_gcm(DEFAULT_KEY, vector, bytes(octets))


def test_a_key_in_gcm_has_its_size() -> None:
    vector = make_fixed_field("99310014", manufacturer_id("FLO"))
    wrapped = wrap_gcm(DEFAULT_KEY, vector, 7, USER, KEY)
    for octets in (b"", wrapped[:-1], wrapped + b"\0", wrap_gcm(DEFAULT_KEY, vector, 7, USER, KEY, 24)):
        with pytest.raises(DecipheringError):
            unwrap_gcm(DEFAULT_KEY, vector, octets)


# At a meter


class Bench(NamedTuple):
    """A client and the M-Bus device on channel 1 behind its meter."""

    client: RawClient

    @property
    def meter(self) -> Meter:
        return self.client.meter

    def key(self, name: KeyName) -> bytes:
        """A key that the device has."""
        device = self.meter.gas_meter(1)
        assert device is not None
        return self.meter.mbus_key(device, name)

    @property
    def status(self) -> int:
        """What the meter says of the user key."""
        return int(read(self.meter, "MBUS_CLIENT_SETUP", 14, 1).value)

    def wrap(self, counter: int, key_id: int, key: bytes) -> bytes:
        """A key as the meter wants it."""
        default_key = self.key(KeyName.MBUS_DEFAULT)
        if self.meter.type.profile.mbus_key_wrapping is not MbusKeyWrapping.GCM:
            return wrap_cbc(default_key, key)
        return wrap_gcm(default_key, self.vector, counter, key_id, key)

    @property
    def vector(self) -> bytes:
        """SIM is 0x4D2D; the digits come from the number of the meter."""
        device = self.meter.gas_meter(1)
        assert device is not None
        return bytes.fromhex(device.identification_number)[::-1] + bytes.fromhex("2d4d5003")

    def invoke(self, method_id: int, octets: bytes, channel: int = 1) -> int:
        """transfer_key or set_encryption_key."""
        parameter = Data(DataType.OCTET_STRING, octets)
        return self.client.action(mbus_method(self.meter, method_id, channel), parameter)

    def transfer(self, counter: int, key: bytes, key_id: int = USER) -> int:
        return self.invoke(TRANSFER_KEY, self.wrap(counter, key_id, key))

    def set(self, key: bytes) -> int:
        return self.invoke(SET_ENCRYPTION_KEY, key)

    def send(self, counter: int, key_id: int, key: bytes) -> int:
        parameter = sent_data(self.wrap(counter, key_id, key))
        return self.client.action(mbus_method(self.meter, DATA_SEND), parameter)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """Meters of all profiles with a gas meter behind each that can have one."""
    profiles = [profile.key for profile in catalogue.list_profiles() if "MBUS_CLIENT_SETUP" in profile]
    count = TESTS_OF_A_PROFILE * len(profiles)
    with SimulatorThread(Fleet.build(count, profiles, gas_meters=count)) as running:
        yield running


@pytest.fixture
def bench(simulator: SimulatorThread, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A fresh meter of the profile in the parameter (SMR-5.1)."""
    profile = getattr(request, "param", "SMR-5.1")
    meter = next(
        each for each in simulator.meters.values() if each.type.profile.key == profile and not each.is_touched
    )
    with connected(simulator, meter) as client:
        client.associate()
        yield Bench(client)


@pytest.mark.parametrize("bench", ["DSMR-4.2.2", *TAKING], indirect=True)
def test_a_new_user_key_is_in_use_once_both_have_it(bench: Bench) -> None:
    before = bench.key(KeyName.MBUS_USER)
    assert bench.status == IN_USE
    assert bench.transfer(1, NEW) == 0
    assert (bench.status, bench.key(KeyName.MBUS_USER)) == (TRANSFERRED, before)
    assert bench.set(NEW) == 0
    assert (bench.status, bench.key(KeyName.MBUS_USER)) == (IN_USE, NEW)
    # the other way round
    assert bench.set(OTHER) == 0
    assert (bench.status, bench.key(KeyName.MBUS_USER)) == (SET, NEW)
    assert bench.transfer(2, OTHER) == 0
    assert (bench.status, bench.key(KeyName.MBUS_USER)) == (IN_USE, OTHER)


def test_halves_that_differ_are_not_in_use(bench: Bench) -> None:
    before = bench.key(KeyName.MBUS_USER)
    assert bench.transfer(1, NEW) == 0
    assert bench.set(OTHER) == 0
    assert (bench.status, bench.key(KeyName.MBUS_USER)) == (BOTH, before)
    assert bench.transfer(2, OTHER) == 0
    assert (bench.status, bench.key(KeyName.MBUS_USER)) == (IN_USE, OTHER)


def test_a_change_that_is_taken_back(bench: Bench) -> None:
    before = bench.key(KeyName.MBUS_USER)
    assert bench.set(NEW) == 0
    assert bench.set(before) == 0
    assert bench.status == IN_USE


@pytest.mark.parametrize("bench", ["DSMR-2.2", "SMR-4.3"], indirect=True)
def test_meters_that_take_no_keys(bench: Bench) -> None:
    before = bench.key(KeyName.MBUS_USER)
    assert bench.transfer(1, NEW) == OTHER_REASON
    assert bench.set(NEW) == OTHER_REASON
    assert bench.send(1, OPTICAL, NEW) == OTHER_REASON
    assert bench.key(KeyName.MBUS_USER) == before


@pytest.mark.parametrize("bench", TAKING, indirect=True)
def test_other_keys_are_sent(bench: Bench) -> None:
    assert bench.send(1, FIRMWARE, NEW) == 0
    assert bench.send(2, OPTICAL, OTHER) == 0
    assert bench.key(KeyName.MBUS_FIRMWARE_UPDATE_AUTHENTICATION) == NEW
    assert bench.key(KeyName.MBUS_P0) == OTHER
    assert bench.status == IN_USE
    keys = bench.meter.memory.mbus_keys
    assert keys is not None
    (device,) = keys.values()
    assert not device.optical_port_closed
    assert bench.send(3, OPTICAL, bytes(16)) == 0
    assert device.optical_port_closed
    assert bench.send(4, OPTICAL, NEW) == 0
    assert not device.optical_port_closed


@pytest.mark.parametrize("bench", ["DSMR-4.2.2"], indirect=True)
def test_a_dsmr_4_meter_sends_no_keys(bench: Bench) -> None:
    assert bench.send(1, OPTICAL, NEW) == OTHER_REASON
    assert bench.meter.memory.mbus_keys is None


def test_each_method_takes_its_keys_only(bench: Bench) -> None:
    assert bench.transfer(1, NEW, FIRMWARE) == OTHER_REASON
    assert bench.transfer(1, NEW, 3) == OTHER_REASON
    assert bench.send(1, USER, NEW) == OTHER_REASON
    assert bench.send(1, 3, NEW) == OTHER_REASON
    assert bench.set(bytes(15)) == OTHER_REASON
    assert bench.status == IN_USE


def test_parameters_of_another_shape(bench: Bench) -> None:
    number = Data(DataType.INTEGER, 0)
    for method_id in (DATA_SEND, SET_ENCRYPTION_KEY, TRANSFER_KEY):
        descriptor = mbus_method(bench.meter, method_id)
        assert bench.client.action(descriptor, number) == TYPE_UNMATCHED
        assert bench.client.action(descriptor) == TYPE_UNMATCHED
    descriptor = mbus_method(bench.meter, DATA_SEND)
    wrapped = bench.wrap(1, OPTICAL, NEW)
    one = sent_data(wrapped).value
    assert bench.client.action(descriptor, Data(DataType.ARRAY, one * 2)) == TYPE_UNMATCHED
    assert bench.client.action(descriptor, Data(DataType.ARRAY, ())) == OTHER_REASON
    assert bench.client.action(descriptor, sent_data(wrapped, (b"\x0d", b"\xfd\x18"))) == OTHER_REASON
    assert bench.client.action(descriptor, sent_data(wrapped[:-1])) == OTHER_REASON
    assert bench.client.action(descriptor, sent_data(wrapped)) == 0


def test_keys_that_are_not_for_the_device(bench: Bench) -> None:
    wrapped = bench.wrap(1, USER, NEW)
    assert bench.invoke(TRANSFER_KEY, wrapped[:-1] + bytes((wrapped[-1] ^ 1,))) == OTHER_REASON
    assert bench.invoke(TRANSFER_KEY, wrap_cbc(bench.key(KeyName.MBUS_DEFAULT), NEW)) == OTHER_REASON
    assert bench.invoke(TRANSFER_KEY, wrap_gcm(OTHER, bench.vector, 1, USER, NEW)) == OTHER_REASON
    strange = bytes(4) + bench.vector[4:]
    wrapped = wrap_gcm(bench.key(KeyName.MBUS_DEFAULT), strange, 1, USER, NEW)
    assert bench.invoke(TRANSFER_KEY, wrapped) == OTHER_REASON
    assert bench.status == IN_USE


def test_nothing_is_done_on_an_empty_channel(bench: Bench) -> None:
    wrapped = bench.wrap(1, USER, NEW)
    assert bench.invoke(TRANSFER_KEY, wrapped, channel=2) == OTHER_REASON
    assert bench.invoke(SET_ENCRYPTION_KEY, NEW, channel=2) == OTHER_REASON
    assert read(bench.meter, "MBUS_CLIENT_SETUP", 14, 2).value == NONE


def test_the_key_change_counter_has_to_rise(simulator: SimulatorThread, bench: Bench) -> None:
    assert bench.transfer(5, NEW) == 0
    # whichever key it comes with
    assert bench.send(5, OPTICAL, NEW) == OTHER_REASON
    assert bench.transfer(4, NEW) == OTHER_REASON
    assert bench.send(6, OPTICAL, NEW) == 0
    uses = {use.key_id: use for use in simulator.fleet.nonces.list_uses()}
    use = uses[make_key_id(bench.key(KeyName.MBUS_DEFAULT))]
    assert (use.fixed_field, use.highest, use.repeated) == (bench.vector, 6, (5,))


def test_a_key_that_the_method_does_not_take_uses_its_counter(
    simulator: SimulatorThread, bench: Bench
) -> None:
    """The device has not accepted it, but it was protected with it."""
    assert bench.transfer(1, NEW, OPTICAL) == OTHER_REASON
    assert bench.send(1, OPTICAL, NEW) == 0
    key_id = make_key_id(bench.key(KeyName.MBUS_DEFAULT))
    repeats = [use.repeated for use in simulator.fleet.nonces.list_repeats() if use.key_id == key_id]
    assert repeats == [(1,)]


def test_faults_that_refuse(bench: Bench) -> None:
    faults = bench.meter.faults
    for kind in (
        FaultKind.MBUS_TRANSFER_KEY_REFUSED,
        FaultKind.MBUS_SET_ENCRYPTION_KEY_REFUSED,
        FaultKind.MBUS_DATA_SEND_REFUSED,
    ):
        faults.switch_on(kind, 1)
    before = bench.key(KeyName.MBUS_P0)
    assert bench.transfer(1, NEW) == OTHER_REASON
    assert bench.set(NEW) == OTHER_REASON
    assert bench.send(2, OPTICAL, NEW) == OTHER_REASON
    assert (bench.status, bench.key(KeyName.MBUS_P0)) == (IN_USE, before)
    assert faults.as_list() == []
    assert (bench.transfer(3, NEW), bench.set(NEW), bench.send(4, OPTICAL, NEW)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("kind", "method_id", "status"),
    [
        (FaultKind.MBUS_TRANSFER_KEY_CLOSES, TRANSFER_KEY, TRANSFERRED),
        (FaultKind.MBUS_SET_ENCRYPTION_KEY_CLOSES, SET_ENCRYPTION_KEY, SET),
        (FaultKind.MBUS_DATA_SEND_CLOSES, DATA_SEND, IN_USE),
    ],
)
def test_faults_that_close(
    simulator: SimulatorThread, bench: Bench, kind: FaultKind, method_id: int, status: int
) -> None:
    bench.meter.faults.switch_on(kind, 1)
    parameters = {
        TRANSFER_KEY: Data(DataType.OCTET_STRING, bench.wrap(1, USER, NEW)),
        SET_ENCRYPTION_KEY: Data(DataType.OCTET_STRING, NEW),
        DATA_SEND: sent_data(bench.wrap(1, OPTICAL, NEW)),
    }
    with pytest.raises(Closed):
        bench.client.action(mbus_method(bench.meter, method_id), parameters[method_id])
    assert bench.status == status
    assert (bench.key(KeyName.MBUS_P0) == NEW) == (method_id == DATA_SEND)
    with connected(simulator, bench.meter) as again:
        again.associate()
        assert Bench(again).set(OTHER) == 0


def test_the_description_follows(simulator: SimulatorThread, bench: Bench) -> None:
    assert (bench.transfer(1, NEW), bench.set(NEW), bench.send(2, FIRMWARE, OTHER)) == (0, 0, 0)
    device = bench.meter.gas_meter(1)
    assert device is not None
    (keys,) = [
        each["keys"]
        for each in simulator.fleet.describe()
        if each["add_device"]["device_identification"] == device.identification
    ]
    assert keys["mbus_user_key"] == NEW.hex()
    assert keys["mbus_firmware_update_authentication_key"] == OTHER.hex()
