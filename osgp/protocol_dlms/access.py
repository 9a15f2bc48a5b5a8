"""Results of the GET, SET and ACTION services (Green Book 9.5, Data-Access-Result and Action-Result)."""

from enum import IntEnum

_TRANSIENT = (2, 14, 15, 16, 17, 18, 19)
"""temporary-failure, and what a transfer in blocks that broke off ends with: data-block-unavailable, the
long services that were aborted or are not in progress, data-block-number-invalid. A hardware-fault stays, as
does what the meter lacks or does not allow.
"""


class AccessResult(IntEnum):
    """Data-Access-Result: the result of access to one attribute."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250

    @classmethod
    def from_code(cls, code: int) -> "AccessResult":
        """The result with that code; a code of a manufacturer's own making counts as OTHER_REASON."""
        return _ACCESS_RESULTS.get(code, cls.OTHER_REASON)

    @property
    def is_transient(self) -> bool:
        """Whether the same request may well succeed later."""
        return self in _TRANSIENT


class ActionResult(IntEnum):
    """Action-Result: the result of one method invocation."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250

    @classmethod
    def from_code(cls, code: int) -> "ActionResult":
        """The result with that code; a code of a manufacturer's own making counts as OTHER_REASON."""
        return _ACTION_RESULTS.get(code, cls.OTHER_REASON)

    @property
    def is_transient(self) -> bool:
        """Whether the same request may well succeed later."""
        return self in _TRANSIENT


_ACCESS_RESULTS = {int(result): result for result in AccessResult}
_ACTION_RESULTS = {int(result): result for result in ActionResult}
