"""What comes while an answer is waited for and is no answer: it is skipped, within bounds.

Seen in the field: notifications and events within an association, answers that come late or twice from
gateways that repeat requests, frames for other clients of a meter on a line that they share.
"""

from osgp.protocol_dlms import errors

MOST_APDUS = 16
"""APDUs skipped while one answer is waited for."""
MOST_OCTETS = 256 * 1024
"""Octets of these APDUs."""
MOST_UNSOLICITED = 16
"""Unsolicited APDUs that a link holds until they are taken from it."""

NOTIFICATIONS = frozenset(
    (
        0x0F,  # data-notification
        0xC2,  # event-notification-request
        0xCA,  # glo-event-notification-request
        0xD2,  # ded-event-notification-request
        0xDB,  # general-glo-ciphering
        0xDC,  # general-ded-ciphering
        0xDD,  # general-ciphering
        0xDF,  # general-signing
        0xE0,  # general-block-transfer
    )
)
"""Tags of what a meter sends without being asked (Green Book, x-DLMS APDUs). The general protections are
among them because answers of these associations have the service-specific ones."""


class Strays:
    """Counts what is skipped during one exchange."""

    def __init__(self) -> None:
        self._apdus = 0
        self._octets = 0
        self._last = ""

    def begin(self) -> None:
        """Begin to count anew: the next exchange."""
        self._apdus = self._octets = 0

    def skip(self, size: int, what: str) -> None:
        """Skip an APDU of ``size`` octets. Raises :class:`errors.IllegalResponse` when there were too many.

        ``what`` says what it is, behind "the last one".
        """
        self._apdus += 1
        self._octets += size
        self._last = what
        if self._apdus > MOST_APDUS or self._octets > MOST_OCTETS:
            raise errors.IllegalResponse(
                f"instead of an answer {self._apdus} APDUs that answer nothing, the last one {what}"
            )

    def explain(self, timeout: errors.ResponseTimeout) -> errors.ResponseTimeout:
        """Return the error for an answer that did not come, with what came instead."""
        if not self._apdus:
            return timeout
        return errors.ResponseTimeout(
            f"{timeout.message}; of {self._apdus} APDUs that answer nothing the last one was {self._last}"
        )
