"""The keys of an M-Bus device, and what the electricity meter in front of it holds of them."""

from enum import IntEnum

from .identity import KeyName

CLOSED_PORT_KEY = bytes(16)
"""Instead of a key for the optical port: the port is closed."""


class EncryptionKeyStatus(IntEnum):
    """Encryption_key_status of the M-Bus client (Blue Book)."""

    NO_ENCRYPTION_KEY = 0
    ENCRYPTION_KEY_SET = 1
    ENCRYPTION_KEY_TRANSFERRED = 2
    ENCRYPTION_KEY_SET_AND_TRANSFERRED = 3
    ENCRYPTION_KEY_IN_USE = 4


class MbusKeys:
    """The keys of one device: the ``user_key`` in use, the ``others`` that it was sent (of its firmware
    updates and its optical port), and the highest ``key_change_counter`` that it accepted (-1 before the
    first).

    A new user key comes in two halves, one for the device (transferred) and one for the meter in front of it
    (set). It is in use once both have the same.
    """

    __slots__ = (
        "_has_set",
        "_has_transferred",
        "_set",
        "_transferred",
        "key_change_counter",
        "others",
        "user_key",
    )

    def __init__(self, user_key: bytes) -> None:
        self.user_key = self._set = self._transferred = user_key
        self._has_set = self._has_transferred = False
        self.others: dict[KeyName, bytes] = {}
        self.key_change_counter = -1

    def transfer(self, key: bytes) -> None:
        """The device has a new user key."""
        self._transferred, self._has_transferred = key, True
        self._use()

    def set(self, key: bytes) -> None:
        """The meter in front of it has a new user key."""
        self._set, self._has_set = key, True
        self._use()

    def _use(self) -> None:
        if self._set == self._transferred:
            self.user_key = self._set
            self._has_set = self._has_transferred = False

    @property
    def status(self) -> EncryptionKeyStatus:
        """How far the last change of the user key has come."""
        if self._has_set and self._has_transferred:
            return EncryptionKeyStatus.ENCRYPTION_KEY_SET_AND_TRANSFERRED
        if self._has_set:
            return EncryptionKeyStatus.ENCRYPTION_KEY_SET
        if self._has_transferred:
            return EncryptionKeyStatus.ENCRYPTION_KEY_TRANSFERRED
        return EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE

    @property
    def optical_port_closed(self) -> bool:
        """Whether the device was told to close its optical port."""
        return self.others.get(KeyName.MBUS_P0) == CLOSED_PORT_KEY
