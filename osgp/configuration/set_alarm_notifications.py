"""SetAlarmNotifications: which alarms a meter sends."""

from collections.abc import Iterable, Mapping
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.named_switches import check_names
from osgp.cosem import alarm_filters
from osgp.cosem.alarm_filters import AlarmFilter, find_filters, list_alarm_types, list_filter_tags
from osgp.cosem.alarms import REGISTER_BITS
from osgp.messages.changes import Setting, put
from osgp.messages.needs import Needs, any_of, named_flag
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import ChoiceField, IntegerField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

TAGS = tuple(list_filter_tags().values())
ALARM_TYPES = list_alarm_types()


class AlarmNotification(TypedDict):
    """Whether the meter sends an alarm of this type."""

    alarm_type: Annotated[str, ChoiceField(ALARM_TYPES)]
    enabled: bool


class SetAlarmNotificationsParameters(TypedDict):
    """The alarms to turn on or off."""

    alarm_notifications: Annotated[
        list[AlarmNotification], "At least one, each once. All other alarms stay as they are."
    ]


class UnknownNotification(TypedDict):
    """A bit of a filter that is set and has no known meaning."""

    register: Annotated[
        int, IntegerField(min_value=1, max_value=max(list_filter_tags())), "The register of the filter."
    ]
    bit: Annotated[int, IntegerField(min_value=0, max_value=REGISTER_BITS - 1), "0 is the least significant."]


class EnabledAlarms(TypedDict):
    """What all alarm filters of the meter let through."""

    alarm_types: Annotated[
        list[Annotated[str, ChoiceField(ALARM_TYPES)]], "In the order of filters and of their bits."
    ]
    unknown_alarms: list[UnknownNotification]


class SetAlarmNotificationsResult(TypedDict):
    """The alarms that the meter sends, read from its filters."""

    before: EnabledAlarms
    after: Annotated[EnabledAlarms | None, "Null if the meter does not let its filters be read any more."]


@register
class SetAlarmNotifications(MeterOperation[SetAlarmNotificationsParameters, SetAlarmNotificationsResult]):
    """Choose which alarms a meter sends, in all of its alarm filters.

    The filters are read first: alarms that are not named keep what the meter has, and so do bits without a
    name. Filters that would not change are not written; the others are read back. An alarm type that no
    filter of the meter's profile knows is refused (416), also to turn it off.
    """

    message = "SetAlarmNotifications"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (any_of(*TAGS),)

    def check_parameters(self, parameters: SetAlarmNotificationsParameters) -> None:
        """Refuse an empty list, and alarms that are named twice. Raises ValidationError."""
        names = [item["alarm_type"] for item in parameters["alarm_notifications"]]
        check_names("alarm_notifications", "alarm_type", names)

    def list_needs(self, parameters: SetAlarmNotificationsParameters) -> Mapping[str, Needs]:
        return {
            f"alarm_notifications/{position}/alarm_type": (named_flag(item["alarm_type"], *TAGS),)
            for position, item in enumerate(parameters["alarm_notifications"])
        }

    def perform(
        self, meter: VisitedMeter, parameters: SetAlarmNotificationsParameters
    ) -> SetAlarmNotificationsResult:
        asked = {item["alarm_type"]: item["enabled"] for item in parameters["alarm_notifications"]}
        before = _read(meter)
        changed = [each.merge(asked) for each in before.values() if each.merge(asked) != each]
        after: dict[int, AlarmFilter | None] = {**before}
        told = put(meter, [_make_setting(meter, each) for each in changed])
        after.update({each.number: value for each, value in zip(changed, told, strict=True)})
        known = [each for each in after.values() if each is not None]
        return {
            "before": _describe(before.values()),
            "after": _describe(known) if len(known) == len(after) else None,
        }


def _read(meter: VisitedMeter) -> dict[int, AlarmFilter]:
    """Read all filters of the meter, by number."""
    tags = find_filters(meter.profile)
    values = meter.get_all([meter.find_attribute(tag, "value") for tag in tags.values()])
    return {
        number: alarm_filters.parse(value, meter.profile, number)
        for number, value in zip(tags, values, strict=True)
    }


def _make_setting(meter: VisitedMeter, changed: AlarmFilter) -> Setting:
    def understand(data: Data) -> AlarmFilter:
        return alarm_filters.parse(data, meter.profile, changed.number)

    tag = list_filter_tags()[changed.number]
    return Setting(tag, meter.find_attribute(tag, "value"), changed.encode(), understand)


def _describe(filters: Iterable[AlarmFilter]) -> EnabledAlarms:
    known: list[str] = []
    unknown: list[UnknownNotification] = []
    for each in filters:
        known += each.list_alarm_types()
        unknown += [{"register": alarm.register, "bit": alarm.bit} for alarm in each.list_unknown_alarms()]
    return {"alarm_types": known, "unknown_alarms": unknown}
