"""The keys of a device, as operations see them during a visit to its meter."""

from collections.abc import Mapping
from typing import Protocol

from osgp.devices.models import KeyType
from osgp.faults import Component, Fault, FaultCode


class DeviceKeys(Protocol):
    """The stored keys of one device, and who it is on the M-Bus. A visit changes them step by step.

    A key is NEW before the meter gets it, and ACTIVE once the meter is known to use it.
    """

    @property
    def identification(self) -> str:
        """The device."""
        ...

    @property
    def mbus_identification_number(self) -> str:
        """8 digits; empty if unknown."""
        ...

    @property
    def mbus_manufacturer(self) -> str:
        """3 letters; empty if unknown."""
        ...

    def is_done(self) -> bool:
        """Return whether a former attempt of this action changed the keys already."""
        ...

    def read_active(self, *key_types: KeyType) -> dict[KeyType, bytes]:
        """Return the ACTIVE keys of these types.

        Raises Fault 806 for one that is missing, 805 for one that cannot be read.
        """
        ...

    def store_new(self, secrets: Mapping[KeyType, bytes]) -> None:
        """Store keys as NEW, durably, before the meter gets them.

        Earlier NEW ones of these types are WITHDRAWN. Raises Fault 802 for a wrong length, and a retryable
        one while another visit changes keys of the device.
        """
        ...

    def use(self, key_type: KeyType) -> None:
        """Go on in the open association with the NEW key of this type, which the meter has just accepted."""
        ...

    def activate(self, *key_types: KeyType) -> None:
        """Make the keys that this visit stored as NEW the ACTIVE ones, together; the former are EXPIRED.

        If they are in use, the meter is asked first whether it has them: raises DLMS errors.
        """
        ...

    def advance_key_change_counter(self, at_least: int) -> int:
        """Return a key change counter that no former change of the device has had, and keep it.

        ``at_least``, or one more than the last one if that is higher. 0 to 2^32 - 1.
        """
        ...


class NoKeys:
    """The keys of a device of which none are stored."""

    identification = ""
    mbus_identification_number = ""
    mbus_manufacturer = ""

    def is_done(self) -> bool:
        """Nothing was done."""
        return False

    def use(self, key_type: KeyType) -> None:
        """Raises RuntimeError."""
        raise RuntimeError("no keys are kept here")

    def read_active(self, *key_types: KeyType) -> dict[KeyType, bytes]:
        """Raises Fault 806."""
        raise Fault(
            FaultCode.KEY_NOT_PRESENT,
            f"There is no active {key_types[0]}.",
            component=Component.SECRET_MANAGEMENT,
        )

    def store_new(self, secrets: Mapping[KeyType, bytes]) -> None:
        """Raises RuntimeError: there is no device to store them for."""
        raise RuntimeError("no keys are kept here")

    def activate(self, *key_types: KeyType) -> None:
        """Raises RuntimeError."""
        raise RuntimeError("no keys are kept here")

    def advance_key_change_counter(self, at_least: int) -> int:
        """Raises RuntimeError."""
        raise RuntimeError("no keys are kept here")


NO_KEYS = NoKeys()


def find_no_mbus_keys(identification_number: str, manufacturer: str) -> DeviceKeys:
    """Raises Fault 201: no M-Bus device is known."""
    raise Fault(FaultCode.UNKNOWN_DEVICE, "There is no such M-Bus device.", component=Component.PROTOCOL_DLMS)
