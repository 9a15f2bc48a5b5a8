"""Faults that a meter can be told to have, as real meters have them."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong. Those of an answer apply to any APDU; the others to the exchange that they name."""

    REFUSE_CONNECTION = "refuse-connection"
    """The connection is closed as soon as it is known for which meter it is."""
    REFUSE_ASSOCIATION = "refuse-association"
    """The AARE rejects, permanently and without a reason."""
    DROP_MID_ANSWER = "drop-mid-answer"
    """Half of the answer, then the connection is closed."""
    GARBAGE = "garbage"
    """Random octets instead of the answer."""
    ENDLESS = "endless"
    """Octets without end instead of the answer, until the client hangs up."""
    WRONG_TAG = "wrong-tag"
    """A ciphered answer with one bit of its authentication tag flipped."""
    REPLAYED_COUNTER = "replayed-counter"
    """A ciphered answer, correctly protected, with an invocation counter that was used before."""
    SLOW = "slow"
    """The answer comes octet by octet."""
    HANG = "hang"
    """No answer at all."""
    WRONG_ADDRESS = "wrong-address"
    """The answer carries the addresses of another client and server."""
    WRONG_INVOKE_ID = "wrong-invoke-id"
    """The answer carries the invoke id of another request."""
    TRAILING_BYTES = "trailing-bytes"
    """Values of GET answers have stray octets behind them, as some clocks do."""
    CUT_SHORT = "cut-short"
    """GET answers end behind the invoke id (C4 01 C1 and nothing more)."""
    UNCIPHERED = "unciphered"
    """The answer is in plain although the association is ciphered."""
    RELEASE_EXCEPTION = "release-exception"
    """The RLRQ is answered with an exception-response."""
    RELEASE_IGNORED = "release-ignored"
    """The RLRQ is not answered."""
    SNRM_REFUSED = "snrm-refused"
    """The HDLC connection is refused with DM."""
    SNRM_PARAMETERS_REQUIRED = "snrm-parameters-required"
    """An SNRM without parameters is refused with DM."""
    PROTOCOL_VERSION = "protocol-version"
    """The AARE that accepts has a protocol-version, which is left out as a rule."""
    DIAGNOSTIC_NULL = "diagnostic-null"
    """The AARE that accepts says "null" where it means "authentication required"."""
    SIXTEEN_OCTET_CHALLENGE = "sixteen-octet-challenge"
    """Challenges of any length but 16 octets are refused."""
    UNKNOWN_METHOD_CLOSES = "unknown-method-closes"
    """The connection is closed when a method is asked for that the meter does not have."""
    FEW_COLUMNS = "few-columns"
    """Rows of a buffer lack their last column."""
    WRONG_TYPES = "wrong-types"
    """The last simple value of each row, or of what else is read, is text."""
    UNORDERED_ROWS = "unordered-rows"
    """Rows of a buffer come in an order that is not that of time."""
    DOUBLED_ROWS = "doubled-rows"
    """Rows of a buffer come twice."""
    ABSURD_SCALER = "absurd-scaler"
    """A register claims to count in powers of 10^127."""
    HUGE_LENGTH = "huge-length"
    """A GET answer announces 4 GiB."""
    LONG_CLOCK = "long-clock"
    """The date-time of the clock has two octets too many."""
    LOW_COUNTER_CLOSES = "low-counter-closes"
    """The connection is closed, without an exception-response, when an invocation counter is too low."""
    KEY_REFUSED = "key-refused"
    """A transfer of keys fails (other-reason); the old ones stay."""
    KEY_SWITCHED_REFUSED = "key-switched-refused"
    """A transfer of keys is said to fail (other-reason), but the keys are the new ones."""
    KEY_SWITCHED_CLOSES = "key-switched-closes"
    """The keys that are transferred come into force, and the connection is closed without an answer."""
    KEY_IGNORED = "key-ignored"
    """A transfer of keys is said to succeed, but the old ones stay."""
    MBUS_TRANSFER_KEY_REFUSED = "mbus-transfer-key-refused"
    """The M-Bus client does not transfer a key (other-reason)."""
    MBUS_TRANSFER_KEY_CLOSES = "mbus-transfer-key-closes"
    """The M-Bus client transfers a key, and the connection is closed without an answer."""
    MBUS_SET_ENCRYPTION_KEY_REFUSED = "mbus-set-encryption-key-refused"
    """The M-Bus client does not take an encryption key (other-reason)."""
    MBUS_SET_ENCRYPTION_KEY_CLOSES = "mbus-set-encryption-key-closes"
    """The M-Bus client takes an encryption key, and the connection is closed without an answer."""
    MBUS_DATA_SEND_REFUSED = "mbus-data-send-refused"
    """The M-Bus client does not send data (other-reason)."""
    MBUS_DATA_SEND_CLOSES = "mbus-data-send-closes"
    """The M-Bus client sends data, and the connection is closed without an answer."""


class HangUp(Exception):
    """The meter closes the connection instead of answering."""


@dataclass(slots=True)
class ActiveFault:
    """A fault that is switched on; ``remaining`` exchanges, or None for as long as it is on. It spares the
    next ``spared`` exchanges that it would apply to."""

    kind: FaultKind
    remaining: int | None = None
    spared: int = 0


class FaultBox:
    """The faults of one meter. They are kept in its memory, so that meters without faults pay nothing."""

    __slots__ = ("_faults",)

    def __init__(self, faults: list[ActiveFault]) -> None:
        self._faults = faults

    def switch_on(self, kind: FaultKind, exchanges: int | None = None, *, after: int = 0) -> None:
        """Have the fault for the next ``exchanges`` that it applies to, or until it is switched off.

        Before that, so many go well (``after``): with 1 the second transfer of a key fails, not the first.
        """
        if exchanges is not None and exchanges < 1:
            raise ValueError("a fault lasts for one exchange at least")
        if after < 0:
            raise ValueError("a fault comes after 0 exchanges at least")
        self.switch_off(kind)
        self._faults.append(ActiveFault(kind, exchanges, after))

    def switch_off(self, kind: FaultKind | None = None) -> None:
        """Have the fault no more; all of them when none is named."""
        self._faults[:] = [fault for fault in self._faults if kind is not None and fault.kind is not kind]

    def take(self, *kinds: FaultKind) -> FaultKind | None:
        """The first of ``kinds`` that is on; this exchange counts."""
        for fault in self._faults:
            if fault.kind in kinds:
                if fault.spared:
                    fault.spared -= 1
                    continue
                if fault.remaining is not None:
                    fault.remaining -= 1
                    if fault.remaining == 0:
                        self._faults.remove(fault)
                return fault.kind
        return None

    def as_list(self) -> list[dict[str, object]]:
        """What is on, for people and for JSON; ``after`` only where exchanges are still spared."""
        shown: list[dict[str, object]] = []
        for fault in self._faults:
            shown.append({"kind": fault.kind.value, "exchanges": fault.remaining})
            if fault.spared:
                shown[-1]["after"] = fault.spared
        return shown
