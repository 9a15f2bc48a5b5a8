"""An M-Bus client that notes which keys it is given, what an M-Bus device makes of wrapped ones, and what the
platform has of simulated devices."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from osgp.devices.models import KeyType
from osgp.simulator.codec.axdr import Data
from osgp.simulator.codec.results import ActionResult
from osgp.simulator.meter.gas_meter import GasMeter
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.meter.query import Handler, Invocation, Outcome
from tests.memory_keys import MemoryKeys

TAG = "MBUS_CLIENT_SETUP"
METHODS = {6: "data_send", 7: "set_encryption_key", 8: "transfer_key"}


@dataclass
class Calls:
    """The methods that were invoked, in ``steps``, and the last parameter of each."""

    steps: list[str]
    refusing: Collection[str] = ()
    parameters: dict[str, Data] = field(default_factory=dict, repr=False)

    def octets(self, method: str) -> bytes:
        """The octet-string that a method got."""
        octets = self.parameters[method].value
        assert isinstance(octets, bytes)
        return octets

    def record(self) -> list[bytes]:
        """The blocks of the one M-Bus data record that data_send got."""
        [record] = self.parameters["data_send"].value
        return [block.value for block in record.value]


@contextmanager
def listening(
    simulated: SimulatedMeter, channel: int, steps: list[str], refusing: Collection[str] = ()
) -> Iterator[Calls]:
    """The client on a channel takes all keys, but not by the methods in ``refusing``."""
    calls = Calls(steps, refusing)

    def make_handler(name: str) -> Handler:
        def handle(call: Invocation) -> Outcome:
            calls.steps.append(name)
            assert call.parameter is not None
            calls.parameters[name] = call.parameter
            refused = name in calls.refusing
            return ActionResult.TEMPORARY_FAILURE if refused else ActionResult.SUCCESS, None

        return handle

    entry = simulated.type.objects[simulated.type.profile[TAG].get_logical_name(channel)]
    handlers = {number: make_handler(name) for number, name in METHODS.items()}
    with mock.patch.object(entry, "handlers", handlers):
        yield calls


def open_cbc(default_key: bytes, wrapped: bytes) -> bytes:
    """The key in AES-CBC."""
    decryptor = Cipher(algorithms.AES128(default_key), modes.CBC(bytes(16))).decryptor()
    return decryptor.update(wrapped) + decryptor.finalize()


def open_gcm(default_key: bytes, device: bytes, wrapped: bytes) -> tuple[int, int, bytes]:
    """The key change counter, the key id and the key in AES-GCM. ``device`` is in front of the counter.

    Raises InvalidTag.
    """
    counter, sealed, tag = wrapped[:4], wrapped[4:-8], wrapped[-8:]
    mode = modes.GCM(device + counter, tag, min_tag_length=8)
    decryptor = Cipher(algorithms.AES128(default_key), mode).decryptor()
    plain = decryptor.update(sealed) + decryptor.finalize()
    assert plain[1] == len(plain) - 2
    return int.from_bytes(counter, "big"), plain[0], plain[2:]


def find_device(simulated: SimulatedMeter, channel: int) -> GasMeter:
    """The device that a simulated meter has on a channel."""
    device = simulated.gas_meter(channel)
    assert device is not None
    return device


def make_keys_of(simulated: SimulatedMeter, channel: int) -> MemoryKeys:
    """What the platform has of the device, also the counter of former tests."""
    device = find_device(simulated, channel)
    return MemoryKeys(
        {
            KeyType.G_METER_MASTER_KEY: simulated.mbus_key(device, KeyName.MBUS_DEFAULT),
            KeyType.G_METER_ENCRYPTION_KEY: simulated.mbus_key(device, KeyName.MBUS_USER),
        },
        mbus_identification_number=device.identification_number,
        mbus_manufacturer=device.manufacturer,
        key_change_counter=simulated.make_mbus_keys(device).key_change_counter,
    )
