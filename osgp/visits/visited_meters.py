"""From the device of an action to the meter that its operation sees."""

from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from osgp import catalogue, platform_time
from osgp.devices.meter_settings import MeterSettings
from osgp.messages.knowledge import Knowledge
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Meter
from osgp.requests.work import WorkAction, WorkDevice
from osgp.sql import read_now
from osgp.visits.history import StoredHistory
from osgp.visits.outages import PatientLanes
from osgp.visits.stored_keys import StoredKeys, find_mbus_keys

SLOW_ANSWERS = 3
"""How often the database is asked for its time until an answer came fast enough to tell it."""


def read_platform_time(database: PatientLanes) -> datetime:
    """Return the time, in UTC, after the database was asked for it, so that no pause before counts.

    One statement. Raises Fault 414 if the clocks of this machine and of the database differ.
    """
    for _ in range(SLOW_ANSWERS):
        database.run(read_now)
        offset = platform_time.find_offset()
        if offset is not None and (offset.is_within_limit or offset.is_beyond_limit):
            break
    platform_time.check()
    return platform_time.now()


def make_visited_meter(
    action: WorkAction,
    device: WorkDevice,
    association: Meter,
    visit_begin: datetime,
    database: PatientLanes,
    settings: MeterSettings,
    knowledge: Knowledge,
) -> VisitedMeter:
    """Return the device of an action as its operation sees it.

    ``association``, ``settings`` and ``knowledge`` are those of the device itself or of its gateway.
    """
    profile = catalogue.find_profile(device.protocol_name, device.protocol_version)
    keys = StoredKeys(device.pk, device.identification, action, association, profile, database)
    return VisitedMeter(
        identification=device.identification,
        profile=profile,
        association=association,
        time_zone=ZoneInfo(device.time_zone),
        channel=device.channel,
        polyphase=device.polyphase,
        selective_access=device.selective_access,
        model=device.model,
        communication_method=device.communication_method,
        settings=settings,
        knowledge=knowledge,
        visit_begin=visit_begin,
        read_platform_time=partial(read_platform_time, database),
        history=StoredHistory(device, database),
        keys=keys,
        find_mbus_keys=partial(find_mbus_keys, keys),
    )
