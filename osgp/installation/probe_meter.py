"""ProbeMeter: find out how a meter wants to be talked to, and propose settings for its device."""

import time
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from rest_framework import serializers

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.firmware import parse_identifier
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.installation.probing import buffers, link, lists, objects, reconnecting
from osgp.installation.probing.applying import apply_findings
from osgp.installation.probing.clocks import ClockFinding, find_clock
from osgp.installation.probing.findings import Finding
from osgp.installation.probing.probe import Part, Probe
from osgp.installation.probing.reasons import find_reasons, make_fault
from osgp.messages.connections import UnreachedMeter
from osgp.messages.operation import ConcludedOperation, Interrupted, Service
from osgp.messages.registry import register
from osgp.messages.serializers import BooleanField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

if TYPE_CHECKING:
    from osgp.accounts.models import Organisation

PARTS = (
    Part(("receive_size",), link.find_agreed),
    Part(("scaler_units",), objects.find_descriptions),
    # What may cost the association comes last.
    Part(("profile",), objects.find_profile),
    Part(buffers.SETTINGS, buffers.find_ranges),
    Part(("with_list_max",), lists.find_list_size),
)
NAMES = {"logical_device_name": "LOGICAL_DEVICE_NAME", "firmware": "ACTIVE_FIRMWARE_IDENTIFIER"}


class ProbeMeterParameters(TypedDict):
    """Whether to change the device."""

    apply: NotRequired[
        Annotated[
            bool,
            BooleanField(),
            "Give the device what is proposed, from its next visit on. Default: false, nothing is changed.",
        ]
    ]


class ProbedMeter(TypedDict):
    """Who answered; null: it does not tell."""

    logical_device_name: str | None
    firmware: Annotated[str | None, "Identifier of the active firmware."]
    clock_ahead: Annotated[
        float | None,
        serializers.FloatField(allow_null=True),
        "Seconds that its clock is ahead of the platform's.",
    ]
    local_time: Annotated[str | None, "Offset of its local time, such as UTC+02:00."]


class ProbeMeterResult(TypedDict):
    """What was found out. Nothing of it holds unless it was applied."""

    meter: ProbedMeter
    findings: list[Finding]
    applied: Annotated[Any, serializers.DictField(), "What was given to the device, by name of the setting."]
    round_trips: Annotated[int, "Over the association."]
    seconds: Annotated[float, serializers.FloatField(), "How long the probe took."]


@register
class ProbeMeter(ConcludedOperation[ProbeMeterParameters, ProbeMeterResult, ProbeMeterResult]):
    """Find out how a meter wants to be talked to, and propose settings for its device.

    Over one association: how many attributes it takes at once, how it wants ranges of buffers, whether it
    describes its objects, how its clock tells times, and which profile fits; and with few connections more,
    how soon it takes another one. It reads only. Where no association can be opened, other addresses are
    tried, never with a password or key that the meter has refused; the request fails then, and its
    partial_result has the findings. A probe of a meter that was reached is not tried again by itself.
    """

    message = "ProbeMeter"
    service = Service.INSTALLATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER})
    needs = ("CLOCK",)
    bundleable = False
    probes = True

    def perform(self, meter: VisitedMeter, parameters: ProbeMeterParameters) -> ProbeMeterResult:
        begun = time.monotonic()
        probe = Probe(meter)
        meter.knowledge.forget_checks()
        names = {name: _read_name(probe, tag) for name, tag in NAMES.items()}
        clock = find_clock(probe)
        for part in PARTS:
            probe.run(part)
        link.find_deadlines(probe)
        reconnecting.try_connections(probe)
        return _make_result(
            names,
            clock,
            probe.findings.list_all(),
            meter.association.statistics.round_trips,
            time.monotonic() - begun,
        )

    def conclude(
        self,
        organisation: "Organisation",
        device: Device,
        parameters: ProbeMeterParameters,
        answer: ProbeMeterResult,
    ) -> ProbeMeterResult:
        if not parameters.get("apply"):
            return answer
        return {**answer, "applied": apply_findings(device.pk, answer["findings"])}

    def find_reason(self, meter: UnreachedMeter, parameters: ProbeMeterParameters) -> Interrupted:
        begun = time.monotonic()
        findings = find_reasons(meter)
        seconds = time.monotonic() - begun
        names = dict.fromkeys(NAMES)
        result = _make_result(names, ClockFinding(None, None), findings.list_all(), 0, seconds)
        return Interrupted(make_fault(meter.fault, findings), result)


def _read_name(probe: Probe, tag: str) -> str | None:
    """An octet-string as text; None if the meter does not tell. Raises errors that end the association."""
    if tag not in probe.meter.profile:
        return None
    answer = probe.get(probe.meter.find_attribute(tag, "value"))
    try:
        return parse_identifier(answer) if isinstance(answer, Data) else None
    except Fault:
        return None


def _make_result(
    names: dict[str, str | None],
    clock: ClockFinding,
    findings: list[Finding],
    round_trips: int,
    seconds: float,
) -> ProbeMeterResult:
    return {
        "meter": {
            "logical_device_name": names["logical_device_name"],
            "firmware": names["firmware"],
            "clock_ahead": clock.seconds_ahead,
            "local_time": clock.zone,
        },
        "findings": findings,
        "applied": {},
        "round_trips": round_trips,
        "seconds": round(seconds, 1),
    }
