"""How long alarms, their groups, pushes and their counts are kept."""

from osgp.alarms.models import Alarm, AlarmGroup, PushCount, ReceivedPush
from osgp.processes import retention


def register() -> None:
    """Register what is deleted; called at start-up."""
    retention.register(retention.make_kind("alarms", Alarm, "received_at", "ALARM_RETENTION"))
    retention.register(retention.make_kind("alarm groups", AlarmGroup, "last_at", "ALARM_RETENTION"))
    retention.register(retention.make_kind("pushes", ReceivedPush, "received_at", "PUSH_RETENTION"))
    retention.register(retention.make_kind("push counts", PushCount, "hour", "ALARM_RETENTION"))
