"""GetGsmDiagnostic: what a meter's modem tells about its network."""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import InterfaceClass, Profile
from osgp.cosem import gsm_diagnostic as gsm
from osgp.cosem.clock import utc_of
from osgp.cosem.errors import illegal
from osgp.devices.models import CommunicationMethod, Device
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import Data
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.partial_reads import (
    AskedField,
    FieldProblemSerializer,
    problems_of,
    read_fields,
    require_any,
    values_of,
)
from osgp.requests.registry import register
from osgp.requests.serializers import CharField, ChoiceField, DateTimeField, IntegerField, StrictSerializer

DIAGNOSTICS = {
    CommunicationMethod.GPRS: "GPRS_DIAGNOSTIC",
    CommunicationMethod.CDMA: "CDMA_DIAGNOSTIC",
    CommunicationMethod.LTE: "LTE_DIAGNOSTIC",
}


class GetGsmDiagnosticParameters(StrictSerializer):
    communication_method = ChoiceField(
        [str(method) for method in DIAGNOSTICS],
        required=False,
        help_text="Of the modem that is asked, in meters with several; the device's own when left out.",
    )


class StatusSerializer(StrictSerializer):
    """A status by its number and name; RESERVED for numbers without a meaning."""

    code = IntegerField()
    name = CharField()


class CellInfoSerializer(StrictSerializer):
    """The cell in which the modem is."""

    cell_id = IntegerField(allow_null=True)
    location_id = IntegerField(allow_null=True)
    signal_quality = CharField(allow_null=True, help_text="Such as MINUS_87_DBM.")
    bit_error_rate = IntegerField(allow_null=True, help_text="0 to 7, 99: not known (3GPP TS 45.008).")
    mobile_country_code = IntegerField(allow_null=True)
    mobile_network_code = IntegerField(allow_null=True)
    channel_number = IntegerField(allow_null=True)


class AdjacentCellSerializer(StrictSerializer):
    """A cell that the modem also receives."""

    cell_id = IntegerField(allow_null=True)
    signal_quality = CharField(allow_null=True)


class GetGsmDiagnosticResult(StrictSerializer):
    """What is not known is null."""

    communication_method = ChoiceField(CommunicationMethod)
    operator = CharField(allow_null=True)
    modem_registration_status = StatusSerializer(allow_null=True)
    circuit_switched_status = StatusSerializer(allow_null=True)
    packet_switched_status = StatusSerializer(allow_null=True)
    cell_info = CellInfoSerializer(allow_null=True)
    adjacent_cells = AdjacentCellSerializer(many=True, allow_null=True)
    capture_time = DateTimeField(allow_null=True, help_text="When the modem was asked; null also if never.")
    problems = FieldProblemSerializer(many=True)


@register
class GetGsmDiagnostic(MeterOperation):
    """Read the diagnostics of the modem through which a meter is reached: GPRS, CDMA or LTE.

    Which it is tells the device's communication method, unless another is given. CDMA is known from SMR 4.3,
    GPRS from SMR 5.0.0, LTE from SMR 5.2. A value that the meter refuses or that makes no sense is null, and
    told among the problems.
    """

    message = "GetGsmDiagnostic"
    service = Service.MANAGEMENT
    granted_to = frozenset(
        {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT, DeviceFunctionGroup.MONITORING}
    )
    Parameters = GetGsmDiagnosticParameters
    Result = GetGsmDiagnosticResult

    def supports(self, profile: Profile) -> bool:
        return any(tag in profile for tag in DIAGNOSTICS.values())

    def check_device(self, device: Device, parameters: ParameterValues) -> None:
        given = parameters.get("communication_method")
        try:
            _tag(device.profile, given or device.communication_method, device.identification)
        except Fault as fault:
            fault.pointer = "/communication_method" if given else ""
            raise

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        method = parameters.get("communication_method") or meter.communication_method
        tag = _tag(meter.profile, method, meter.identification)
        interface_class = meter.object(tag).interface_class
        asked = [
            AskedField(name, meter.attribute(tag, attribute_id), understand)
            for name, (attribute_id, understand) in _understood(interface_class, meter.time_zone).items()
        ]
        fields = read_fields(meter.association, asked)
        require_any(fields)
        return {
            "communication_method": method,
            **_shown(values_of(fields)),
            "problems": problems_of(fields),
        }


def _understood(
    interface_class: InterfaceClass, zone: ZoneInfo
) -> dict[str, tuple[int, Callable[[Data], Any]]]:
    """Fields by name: number of the attribute, and what its value means."""
    names = interface_class.enumerations
    return {
        "operator": (2, gsm.operator),
        "modem_registration_status": (3, _status("The modem registration status", names["status"])),
        "circuit_switched_status": (4, _status("The circuit switched status", names["cs_attachment"])),
        "packet_switched_status": (5, _status("The packet switched status", names["ps_status"])),
        "cell_info": (6, gsm.cell_info),
        "adjacent_cells": (7, gsm.adjacent_cells),
        "capture_time": (8, lambda data: _capture_time(data, zone)),
    }


def _status(name: str, names: tuple[str, ...]) -> Callable[[Data], gsm.Status | None]:
    return lambda data: gsm.status(data, names, name)


def _capture_time(data: Data, zone: ZoneInfo) -> Any:
    if data.value is None:
        return None
    if not isinstance(data.value, bytes):
        raise illegal("The capture time is no date-time.")
    return utc_of(data.value, zone)


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the result's serializer takes them."""
    shown = dict(values)
    for name, value in values.items():
        if isinstance(value, gsm.Status | gsm.CellInfo):
            shown[name] = value._asdict()
        elif name == "adjacent_cells" and value is not None:
            shown[name] = [cell._asdict() for cell in value]
    return shown


def _tag(profile: Profile, communication_method: str, identification: str) -> str:
    """The modem's object. Raises Fault 416 when the profile has none for the way the meter is reached."""
    tag = DIAGNOSTICS.get(communication_method)  # type: ignore[call-overload]
    if tag is not None and tag in profile:
        return str(tag)
    raise Fault(
        FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
        f"{profile.key} meters such as {identification} have no modem diagnostics for "
        f"{communication_method or 'an unknown communication method'}.",
    )
