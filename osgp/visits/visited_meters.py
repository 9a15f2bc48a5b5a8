"""From the device of an action to the meter that its operation sees."""

from datetime import datetime
from zoneinfo import ZoneInfo

from osgp import catalogue
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Meter
from osgp.requests.work import WorkDevice
from osgp.visits.history import StoredHistory
from osgp.visits.outages import PatientLanes


def make_visited_meter(
    device: WorkDevice, association: Meter, visit_begin: datetime, database: PatientLanes
) -> VisitedMeter:
    """Return the device as operations see it, over the association of its own or of its gateway."""
    return VisitedMeter(
        identification=device.identification,
        profile=catalogue.find_profile(device.protocol_name, device.protocol_version),
        association=association,
        time_zone=ZoneInfo(device.time_zone),
        channel=device.channel,
        polyphase=device.polyphase,
        selective_access=device.selective_access,
        model=device.model,
        communication_method=device.communication_method,
        visit_begin=visit_begin,
        history=StoredHistory(device, database),
    )
