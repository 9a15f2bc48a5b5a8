"""Errors for data that do not make sense."""

from osgp.faults import Component, Fault, FaultCode


def make_illegal_response(what: str) -> Fault:
    """Return the fault for an answer whose APDUs are valid and whose data are not."""
    return Fault(FaultCode.ILLEGAL_RESPONSE, what, component=Component.PROTOCOL_DLMS, retryable=True)


class UnusableRow(ValueError):
    """One row of a buffer is invalid; the text says why. The other rows are not affected."""
