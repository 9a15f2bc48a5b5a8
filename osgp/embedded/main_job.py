"""The main job: ask every meter what it counted so far, over REST."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from osgp.embedded.client import ApiClient, ApiError
from osgp.embedded.registration import Description, format_fault

MESSAGES = {
    "SMART_METER_E": "actual-meter-reads",
    "SMART_METER_G": "actual-meter-reads-gas",
    "SMART_METER_W": "actual-meter-reads-gas",
}


@dataclass(frozen=True)
class Reading:
    """What one device answered; ``problem`` is empty if it was read."""

    device_identification: str
    device_type: str
    profile: str
    gateway: str
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    def format_value(self, name: str) -> str:
        """A measured value for people, e.g. ``1234.567 kWh``; a dash where the meter has none."""
        quantity = self.result.get(name)
        return f"{quantity['value']} {quantity['unit']}" if quantity else "-"


def read_meters(
    api: ApiClient, descriptions: Sequence[Description], *, deadline: float = 180.0
) -> Iterator[Reading]:
    """Send a request to every described device; yields each outcome as it comes in. Raises OSError."""
    submitted = []
    waiting: dict[str, Reading] = {}
    for description in descriptions:
        device = description["add_device"]
        reading = Reading(
            device_identification=device["device_identification"],
            device_type=device["device_type"],
            profile=f"{device['protocol_name']} {device['protocol_version']}",
            gateway=device.get("gateway") or "",
        )
        try:
            answer = api.submit(
                "monitoring",
                MESSAGES[reading.device_type],
                {"device_identification": reading.device_identification},
            )
        except ApiError as error:
            yield replace(reading, problem=str(error))
            continue
        submitted.append(answer)
        waiting[answer["correlation_uid"]] = reading
    for answer in api.fetch_final_answers(submitted, deadline=deadline):
        reading = waiting.pop(answer["correlation_uid"])
        if answer["status"] == "SUCCEEDED":
            yield replace(reading, result=answer["result"])
        else:
            yield replace(reading, problem=format_fault(answer))
    for reading in waiting.values():
        yield replace(reading, problem=f"no answer within {deadline:.0f} s")
