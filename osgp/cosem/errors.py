"""How data that make no sense are reported."""

from osgp.faults import Component, Fault, FaultCode


def make_illegal_response(what: str) -> Fault:
    """The meter answered in time and form, but with data that make no sense."""
    return Fault(FaultCode.ILLEGAL_RESPONSE, what, component=Component.PROTOCOL_DLMS, retryable=True)


class UnusableRow(ValueError):
    """One row of a buffer makes no sense; the text says why. The other rows are not affected."""
