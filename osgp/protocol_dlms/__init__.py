"""The DLMS/COSEM client of the head-end: a :class:`Meter` to get, set and invoke, over TCP.

Depends neither on Django nor on meter types: callers pass descriptors from the catalogue.
"""

from osgp.catalogue import is_secret
from osgp.catalogue.communication import Carrier, Framing, Security
from osgp.protocol_dlms import errors
from osgp.protocol_dlms.access import AccessResult, ActionResult
from osgp.protocol_dlms.cosem_time import CosemDateTime
from osgp.protocol_dlms.data import Data, DataType
from osgp.protocol_dlms.meter import Meter
from osgp.protocol_dlms.public_client import read_invocation_counter
from osgp.protocol_dlms.selective_access import CaptureObjectDefinition, EntryDescriptor, RangeDescriptor
from osgp.protocol_dlms.session import Statistics
from osgp.protocol_dlms.settings import (
    Deadlines,
    InvocationCounter,
    Keys,
    Limits,
    MeterAddress,
)
from osgp.protocol_dlms.steps import Step
from osgp.protocol_dlms.tracing import Direction, Trace, TraceRecord
from osgp.protocol_dlms.transport import Line, Traffic

__all__ = [
    "AccessResult",
    "ActionResult",
    "CaptureObjectDefinition",
    "Carrier",
    "CosemDateTime",
    "Data",
    "DataType",
    "Deadlines",
    "Direction",
    "EntryDescriptor",
    "Framing",
    "InvocationCounter",
    "Keys",
    "Limits",
    "Line",
    "Meter",
    "MeterAddress",
    "RangeDescriptor",
    "Security",
    "Statistics",
    "Step",
    "Trace",
    "TraceRecord",
    "Traffic",
    "errors",
    "is_secret",
    "read_invocation_counter",
]
