"""GetGsmDiagnostic: the state of a meter's modem and its network."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile
from osgp.cosem import gsm_diagnostic as gsm
from osgp.cosem.clock import MeterClock
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.plausible_times import is_plausible
from osgp.devices.models import CommunicationMethod, Device
from osgp.faults import Fault, FaultCode
from osgp.messages.needs import Needs, any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.partial_reads import (
    AskedField,
    Partly,
    list_unavailable_fields,
    read_fields,
    require_any,
)
from osgp.messages.registry import register
from osgp.messages.serializers import ChoiceField
from osgp.messages.unavailable import UnavailableList
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

DIAGNOSTICS: Mapping[str, str] = {
    CommunicationMethod.GPRS: "GPRS_DIAGNOSTIC",
    CommunicationMethod.CDMA: "CDMA_DIAGNOSTIC",
    CommunicationMethod.LTE: "LTE_DIAGNOSTIC",
}


class GetGsmDiagnosticParameters(TypedDict):
    """Which modem."""

    communication_method: NotRequired[
        Annotated[
            str,
            ChoiceField([str(method) for method in DIAGNOSTICS]),
            "Of the modem that is asked, in meters with several; the device's own when left out.",
        ]
    ]


class Status(TypedDict):
    """A status by its number and name; RESERVED for numbers without a meaning."""

    code: int
    name: str


class CellInfo(TypedDict):
    """The cell in which the modem is."""

    cell_id: int | None
    location_id: int | None
    signal_quality: Annotated[str | None, "Such as MINUS_87_DBM."]
    bit_error_rate: Annotated[int | None, "0 to 7, 99: not known (3GPP TS 45.008)."]
    mobile_country_code: int | None
    mobile_network_code: int | None
    channel_number: int | None


class AdjacentCell(TypedDict):
    """A cell that the modem also receives."""

    cell_id: int | None
    signal_quality: str | None


class GetGsmDiagnosticResult(TypedDict):
    """Unknown values are null."""

    communication_method: CommunicationMethod
    operator: str | None
    modem_registration_status: Status | None
    circuit_switched_status: Status | None
    packet_switched_status: Status | None
    cell_info: CellInfo | None
    adjacent_cells: list[AdjacentCell] | None
    capture_time: Annotated[datetime | None, "When the modem was asked; null also if never."]
    unavailable: UnavailableList


@register
class GetGsmDiagnostic(MeterOperation[GetGsmDiagnosticParameters, GetGsmDiagnosticResult]):
    """Read the diagnostics of the modem through which a meter is reached: GPRS, CDMA or LTE.

    The communication method of the device decides which, unless another is given; the meter must have an
    object for it. A value that the meter refuses, or that is invalid, is null and unavailable; so is a
    single member of one, such as cell_info.signal_quality.
    """

    message = "GetGsmDiagnostic"
    service = Service.MANAGEMENT
    granted_to = frozenset(
        {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT, DeviceFunctionGroup.MONITORING}
    )
    needs = (any_of(*DIAGNOSTICS.values()),)

    def list_needs(self, parameters: GetGsmDiagnosticParameters) -> Mapping[str, Needs]:
        if "communication_method" not in parameters:
            return {}
        return {"communication_method": (DIAGNOSTICS[parameters["communication_method"]],)}

    def check_device(self, device: Device, parameters: GetGsmDiagnosticParameters) -> None:
        if "communication_method" not in parameters:
            _find_tag(device.profile, device.communication_method, device.identification)

    def perform(self, meter: VisitedMeter, parameters: GetGsmDiagnosticParameters) -> GetGsmDiagnosticResult:
        method = parameters.get("communication_method", meter.communication_method)
        tag = _find_tag(meter.profile, method, meter.identification)
        names = meter.find_object(tag).interface_class.enumerations
        fields = read_fields(
            meter,
            [
                AskedField(name, meter.find_attribute(tag, attribute), understand)
                for name, attribute, understand in _list_attributes(names, meter.clock, meter.visit_begin)
            ],
        )
        require_any(fields)
        values = {field.name: field.value for field in fields}
        return {
            "communication_method": CommunicationMethod(method),
            "operator": values["operator"],
            "modem_registration_status": values["modem_registration_status"],
            "circuit_switched_status": values["circuit_switched_status"],
            "packet_switched_status": values["packet_switched_status"],
            "cell_info": values["cell_info"],
            "adjacent_cells": values["adjacent_cells"],
            "capture_time": values["capture_time"],
            "unavailable": list_unavailable_fields(fields),
        }


def _list_attributes(
    names: Mapping[str, tuple[str, ...]], clock: MeterClock, now: datetime
) -> list[tuple[str, str, Callable[[Data], Any]]]:
    """Each field of the result: its name, that of its attribute, and how to understand a value."""
    return [
        ("operator", "operator", gsm.parse_operator),
        (
            "modem_registration_status",
            "status",
            _read_status("The modem registration status", names["status"]),
        ),
        (
            "circuit_switched_status",
            "cs_attachment",
            _read_status("The circuit switched status", names["cs_attachment"]),
        ),
        (
            "packet_switched_status",
            "ps_status",
            _read_status("The packet switched status", names["ps_status"]),
        ),
        ("cell_info", "cell_info", _read_cell_info),
        ("adjacent_cells", "adjacent_cells", _read_adjacent_cells),
        ("capture_time", "capture_time", lambda data: _read_capture_time(data, clock, now)),
    ]


def _read_status(name: str, names: tuple[str, ...]) -> Callable[[Data], Status | None]:
    def read(data: Data) -> Status | None:
        status = gsm.parse_status(data, names, name)
        return None if status is None else {"code": status.code, "name": status.name}

    return read


def _read_cell_info(data: Data) -> Partly | None:
    faults: dict[str, Fault] = {}
    cell = gsm.parse_cell_info(data, faults)
    if cell is None:
        return None
    shown: CellInfo = {
        "cell_id": cell.cell_id,
        "location_id": cell.location_id,
        "signal_quality": cell.signal_quality,
        "bit_error_rate": cell.bit_error_rate,
        "mobile_country_code": cell.mobile_country_code,
        "mobile_network_code": cell.mobile_network_code,
        "channel_number": cell.channel_number,
    }
    return Partly(shown, faults)


def _read_adjacent_cells(data: Data) -> Partly:
    faults: dict[str, Fault] = {}
    shown: list[AdjacentCell] = [
        {"cell_id": cell.cell_id, "signal_quality": cell.signal_quality}
        for cell in gsm.parse_adjacent_cells(data, faults)
    ]
    return Partly(shown, faults)


def _read_capture_time(data: Data, clock: MeterClock, now: datetime) -> datetime | None:
    if data.value is None:
        return None
    if not isinstance(data.value, bytes):
        raise make_illegal_response("The capture time is no date-time.")
    capture_time = clock.decode(data.value, near=now)
    if capture_time is not None and not is_plausible(capture_time, now):
        raise make_illegal_response(f"The capture time {capture_time.isoformat()} cannot be right.")
    return capture_time


def _find_tag(profile: Profile, communication_method: str, identification: str) -> str:
    """The modem's object. Raises Fault 416 when the profile has none for the way the meter is reached."""
    tag = DIAGNOSTICS.get(communication_method)
    if tag is not None and tag in profile:
        return tag
    raise Fault(
        FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
        f"{profile.key} meters such as {identification} have no modem diagnostics for "
        f"{communication_method or 'an unknown communication method'}.",
    )
