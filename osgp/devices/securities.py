"""Security that meters may have and the platform has not: HLS 3 (MD5) and HLS 4 (SHA-1)."""

from osgp.catalogue.communication import Security
from osgp.faults import Component, Fault, FaultCode

UNSUPPORTED_SECURITIES = ("HLS3", "HLS4")


def make_unsupported_fault(security: str, pointer: str = "") -> Fault:
    """Return the fault of a meter that should be dialled with such security."""
    return Fault(
        FaultCode.UNSUPPORTED_COMMUNICATION_SETTING,
        f"There is no support for security {security}, only for {', '.join(Security)}.",
        component=Component.PROTOCOL_DLMS,
        pointer=pointer,
    )
