"""ClearAlarmRegister: take back the alarms that are set in a meter."""

from osgp.messages.needs import any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.alarm_registers import TAGS, Alarms, list_alarms, read_registers
from osgp.protocol_dlms import Data


class ClearAlarmRegisterResult(Alarms):
    """The alarms that were set before."""


@register
class ClearAlarmRegister(MeterOperation[NoParameters, ClearAlarmRegisterResult]):
    """Set all alarm registers of the meter to zero, and return the alarms that were set until then.

    Registers without any alarm are left alone, so that one which arises at this moment is not lost there; so
    are those that cannot be read. It ends with the first register that the meter refuses to clear.
    """

    message = "ClearAlarmRegister"
    service = Service.MONITORING
    # An alarm that arises between two attempts is not lost: it is in the result of the second.
    repeatable = True
    needs = (any_of(*TAGS.values()),)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ClearAlarmRegisterResult:
        registers = read_registers(meter)
        for number, bits in registers.bits.items():
            if bits:
                meter.set(TAGS[number], "value", _clear(registers.values[number]))
        return list_alarms(meter.profile, registers)


def _clear(value: Data) -> Data:
    """No alarms, in the data type that the register has in this meter."""
    return Data(value.type, "0" * len(value.value) if isinstance(value.value, str) else 0)
