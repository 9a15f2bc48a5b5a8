"""Keys of a device that are kept in memory, for messages that change keys, without the platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from osgp.devices.models import KeyType
from osgp.faults import Fault, FaultCode


@dataclass
class MemoryKeys:
    """What osgp.messages.device_keys.DeviceKeys says. ``steps`` tells what was done, in order."""

    active: dict[KeyType, bytes] = field(default_factory=dict)
    identification: str = "TESTG0000000001"
    mbus_identification_number: str = ""
    mbus_manufacturer: str = ""
    new: dict[KeyType, bytes] = field(default_factory=dict)
    key_change_counter: int = -1
    steps: list[str] = field(default_factory=list)

    def is_done(self) -> bool:
        return False

    def use(self, key_type: KeyType) -> None:
        self.steps.append(f"use {key_type}")

    def read_active(self, *key_types: KeyType) -> dict[KeyType, bytes]:
        for key_type in key_types:
            if key_type not in self.active:
                raise Fault(FaultCode.KEY_NOT_PRESENT, f"There is no active {key_type}.")
        return {key_type: self.active[key_type] for key_type in key_types}

    def store_new(self, secrets: Mapping[KeyType, bytes]) -> None:
        self.steps.append("store " + " ".join(secrets))
        self.new.update(secrets)

    def activate(self, *key_types: KeyType) -> None:
        self.steps.append("activate " + " ".join(key_types))
        for key_type in key_types:
            self.active[key_type] = self.new.pop(key_type)

    def advance_key_change_counter(self, at_least: int) -> int:
        self.key_change_counter = max(at_least, self.key_change_counter + 1)
        return self.key_change_counter
