"""SetRandomisationSettings: when a meter attaches to the network after a power failure."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.configuration_object import list_device_changes, make_setting, require_mode
from osgp.cosem import configuration_object, randomisation
from osgp.cosem.configuration_object import DIRECT_ATTACH, Configuration
from osgp.cosem.randomisation import TAG, RandomisationSettings
from osgp.faults import Fault
from osgp.messages.changes import Change, Setting, put
from osgp.messages.needs import Needs, named_flag
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField
from osgp.messages.shapes import HIDDEN
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data


class SetRandomisationSettingsParameters(TypedDict):
    """All four are needed, although meters use the last three only if ``direct_attach`` is 0."""

    direct_attach: Annotated[
        int, IntegerField(min_value=0, max_value=1), "1: attach at once. 0: at a random moment."
    ]
    randomisation_start_window: Annotated[
        int, IntegerField(min_value=1, max_value=65535), "Seconds in which the random moment lies."
    ]
    multiplication_factor: Annotated[
        int, IntegerField(min_value=1, max_value=7), "By which the window grows for each further attempt."
    ]
    number_of_retries: Annotated[int, IntegerField(min_value=1, max_value=31)]


class RandomisationState(TypedDict):
    """What a meter has. Null: not asked for, or the meter does not say, or nothing that makes sense."""

    direct_attach: int | None
    randomisation_start_window: int | None
    multiplication_factor: int | None
    number_of_retries: int | None


class SetRandomisationSettingsResult(TypedDict):
    """The settings of the meter, read from it."""

    before: RandomisationState
    after: RandomisationState
    configuration: Annotated[Change | None, HIDDEN]


@register
class SetRandomisationSettings(
    MeterOperation[SetRandomisationSettingsParameters, SetRandomisationSettingsResult]
):
    """Set whether a meter attaches to the network directly or at a random moment, and how that is drawn.

    Direct attach is the flag DIRECT_ATTACH_AT_POWER_ON of the configuration object, which otherwise stays as
    it is. With ``direct_attach`` 1 the other three values are checked, but neither read nor written. Only
    what differs is written, the flag first; it is read back. Where meters have no such flag (DSMR 4.2.2), 1
    is refused (416), and 0 writes the other three alone.

    Whether HLS 3, 4 and 5 are on at P3 is kept with the device, as by GetConfigurationObject.
    """

    message = "SetRandomisationSettings"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)

    def list_needs(self, parameters: SetRandomisationSettingsParameters) -> Mapping[str, Needs]:
        return {"direct_attach": (_HAS_FLAG,)} if parameters["direct_attach"] else {}

    def perform(
        self, meter: VisitedMeter, parameters: SetRandomisationSettingsParameters
    ) -> SetRandomisationSettingsResult:
        direct = bool(parameters["direct_attach"])
        has_flag = _HAS_FLAG.is_met_by(meter.profile)
        configuration, settings = _read(meter, has_flag=has_flag, has_settings=not direct)
        changes: dict[str, Change] = {}
        writing: list[Setting] = []
        if configuration is not None:
            wanted = configuration.merge({DIRECT_ATTACH: direct})
            changes[DIRECT_ATTACH] = Change(configuration, configuration)
            if wanted != configuration:
                require_mode(wanted)
                writing.append(make_setting(meter, wanted, DIRECT_ATTACH))
        if not direct:
            chosen = RandomisationSettings(
                parameters["randomisation_start_window"],
                parameters["multiplication_factor"],
                parameters["number_of_retries"],
            )
            changes[TAG] = Change(settings, settings)
            if chosen != settings:
                attribute = meter.find_attribute(TAG, "value")
                writing.append(Setting(TAG, attribute, chosen.encode(), randomisation.parse))
        for setting, after in zip(writing, put(meter, writing), strict=True):
            changes[setting.name] = changes[setting.name]._replace(after=after)
        nothing = Change(None, None)
        flag, rest = changes.get(DIRECT_ATTACH, nothing), changes.get(TAG, nothing)
        return {
            "before": _describe(flag.before, rest.before),
            "after": _describe(flag.after, rest.after),
            "configuration": changes.get(DIRECT_ATTACH),
        }

    def list_device_changes(
        self, parameters: SetRandomisationSettingsParameters, result: SetRandomisationSettingsResult
    ) -> Mapping[str, Any]:
        change = result["configuration"]
        return {} if change is None else list_device_changes(*change)


_HAS_FLAG = named_flag(DIRECT_ATTACH, configuration_object.TAG)


def _read(
    meter: VisitedMeter, *, has_flag: bool, has_settings: bool
) -> tuple[Configuration | None, RandomisationSettings | None]:
    """Read both, or one, in one go. Settings that make no sense are None: they are replaced as a whole."""
    tags = [configuration_object.TAG] * has_flag + [TAG] * has_settings
    values = meter.get_each([meter.find_attribute(tag, "value") for tag in tags])
    by_tag: dict[str, Data | Fault] = dict(zip(tags, values, strict=True))
    configuration, settings = by_tag.get(configuration_object.TAG), by_tag.get(TAG)
    if isinstance(configuration, Fault):
        raise configuration
    return (
        None if configuration is None else configuration_object.parse(configuration, meter.profile),
        _parse_settings(settings),
    )


def _parse_settings(data: Data | Fault | None) -> RandomisationSettings | None:
    if data is None or isinstance(data, Fault):
        return None
    try:
        return randomisation.parse(data)
    except Fault:
        return None


def _describe(
    configuration: Configuration | None, settings: RandomisationSettings | None
) -> RandomisationState:
    return {
        "direct_attach": None if configuration is None else int(configuration.list_flags()[DIRECT_ATTACH]),
        "randomisation_start_window": settings and settings.randomisation_start_window,
        "multiplication_factor": settings and settings.multiplication_factor,
        "number_of_retries": settings and settings.number_of_retries,
    }
