"""ClearAlarmRegister: take back the alarms that are set in a meter."""

from osgp.messages.needs import any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.alarm_registers import TAGS, Alarms, find_registers, list_alarms, read_registers
from osgp.protocol_dlms import Data, DataType


class ClearAlarmRegisterResult(Alarms):
    """The alarms that were set before."""


@register
class ClearAlarmRegister(MeterOperation[NoParameters, ClearAlarmRegisterResult]):
    """Set all alarm registers of the meter to zero, and return the alarms that were set until then.

    Registers without any alarm are left alone, so that one which arises at this moment is not lost there. It
    ends with the first register that the meter refuses to clear.
    """

    message = "ClearAlarmRegister"
    service = Service.MONITORING
    # An alarm that arises between two attempts is not lost: it is in the result of the second.
    repeatable = True
    needs = (any_of(*TAGS.values()),)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ClearAlarmRegisterResult:
        registers = read_registers(meter)
        for number, tag in find_registers(meter).items():
            if registers[number]:
                meter.set(tag, "value", Data(DataType.DOUBLE_LONG_UNSIGNED, 0))
        return list_alarms(meter.profile, registers)
