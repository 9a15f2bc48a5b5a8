"""What the public client reads, without security: the invocation counter that a meter expects."""

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import errors
from osgp.protocol_dlms.data import DataType
from osgp.protocol_dlms.meter import Meter
from osgp.protocol_dlms.settings import PUBLIC_CLIENT, Deadlines, Limits, MeterAddress, Security
from osgp.protocol_dlms.steps import Step
from osgp.protocol_dlms.tracing import Trace
from osgp.protocol_dlms.transport import Line

_UNSIGNED_TYPES = (
    DataType.DOUBLE_LONG_UNSIGNED,
    DataType.UNSIGNED,
    DataType.LONG_UNSIGNED,
    DataType.LONG64_UNSIGNED,
)


def read_invocation_counter(
    address: MeterAddress,
    counter: AttributeDescriptor,
    deadlines: Deadlines | None = None,
    limits: Limits | None = None,
    trace: Trace | None = None,
    line: Line | None = None,
) -> int:
    """Read the meter's invocation counter for the global unicast key, 0 to 2**32 - 1.

    ``counter`` is an attribute that the public client may read. ``trace`` and ``line`` are those of
    :meth:`Meter.connect`. Raises the errors of :mod:`osgp.protocol_dlms.errors` and those of ``line``.
    """
    with (
        Meter.connect(
            address,
            security=Security.NONE,
            client_address=PUBLIC_CLIENT,
            deadlines=deadlines,
            limits=limits,
            trace=trace,
            line=line,
        ) as meter,
        errors.during(Step.INVOCATION_COUNTER),
    ):
        data = meter.get(counter)
    if data.type not in _UNSIGNED_TYPES or not isinstance(data.value, int) or data.value > 0xFFFFFFFF:
        raise errors.DecodeError("the meter's invocation counter is not an unsigned number of 32 bits")
    return data.value
