"""Profiles that no meter has: small ones, strange ones, and parts of those of the catalogue."""

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from osgp import catalogue
from osgp.catalogue import CosemObject, Profile, assembly

TAGS = """tags = [
    "ASSOCIATION_LN", "LOGICAL_DEVICE_NAME", "DEVICE_ID_1",
    "ACTIVE_FIRMWARE_IDENTIFIER", "CLOCK", "ACTIVE_ENERGY_IMPORT",
    "ACTIVE_ENERGY_EXPORT", "AMR_PROFILE_STATUS", "AVERAGE_VOLTAGE_L1", "MBUS_MASTER_VALUE",
    "INTERVAL_VALUES_E", "STANDARD_EVENT_CODE", "STANDARD_EVENT_LOG", "MODEM", "MAXIMUM_DEMAND",
    "NOTES", "SETTINGS", "BEGIN",
]
"""

SINGLE_TARIFF = """
protocol = "LAB_NET"
version = "2024.a"

[ASSOCIATION_LN]
class = 15
version = 1
obis = "0-0:40.0.0.255"
group = "ABSTRACT"
attributes = [
    [2, "object_list_type", "FIXED_IN_METER", "R"],
    [3, "associated_partners_type", "DYNAMIC", "R"],
    [4, "context_name_type", "DYNAMIC", "R"],
    [5, "xDLMS_context_type", "DYNAMIC", "R"],
    [6, "mechanism_name_type", "DYNAMIC", "R"],
    [8, "enum", "DYNAMIC", "R"],
]

[LOGICAL_DEVICE_NAME]
class = 1
obis = "0-0:42.0.0.255"
group = "ABSTRACT"
attributes = [[2, "octet-string", "FIXED_IN_METER", "R"]]

[DEVICE_ID_1]
class = 1
obis = "0-0:96.1.0.255"
group = "ABSTRACT"
attributes = [[2, "visible-string", "FIXED_IN_METER", "R"]]

[ACTIVE_FIRMWARE_IDENTIFIER]
class = 1
obis = "1-0:0.2.0.255"
group = "ABSTRACT"
attributes = [[2, "utf8-string", "FIXED_IN_METER", "R"]]

[CLOCK]
class = 8
obis = "0-0:1.0.0.255"
group = "ABSTRACT"
attributes = [
    [2, "octet-string", "DYNAMIC", "RW", "CURRENT_LOCAL_DATE_AND_TIME"],
    [3, "long", "SET_BY_CLIENT", "RW", -60],
    [4, "clock_status", "DYNAMIC", "R", "OK"],
    [8, "boolean", "SET_BY_CLIENT", "RW", true],
]

[ACTIVE_ENERGY_IMPORT]
class = 3
obis = "1-0:1.8.0.255"
group = "ELECTRICITY"
attributes = [
    [2, "long64-unsigned", "DYNAMIC", "R"],
    [3, "scal_unit_type", "FIXED_IN_PROFILE", "R", "-1, Wh"],
]

[ACTIVE_ENERGY_EXPORT]
class = 3
obis = "1-0:2.8.0.255"
group = "ELECTRICITY"
attributes = [[2, "double-long-unsigned", "DYNAMIC", "R"], [3, "scal_unit_type", "DYNAMIC", "R"]]

[AMR_PROFILE_STATUS]
class = 1
obis = "0-0:96.10.2.255"
group = "ELECTRICITY"
attributes = [[2, "long-unsigned", "DYNAMIC", "R"]]

[INTERVAL_VALUES_E]
class = 7
version = 1
obis = "1-0:99.1.0.255"
group = "ELECTRICITY"
attributes = [
    [2, "array", "DYNAMIC", "R"],
    [3, "array", "FIXED_IN_PROFILE", "R", ["CLOCK/2", "AMR_PROFILE_STATUS/2", "ACTIVE_ENERGY_IMPORT/2"]],
    [4, "double-long-unsigned", "FIXED_IN_PROFILE", "R", 1800],
    [6, "object_definition", "FIXED_IN_METER", "R"],
    [7, "double-long-unsigned", "DYNAMIC", "R"],
    [8, "double-long-unsigned", "FIXED_IN_PROFILE", "R", 5000],
]
"""

STRANGE = """
protocol = "LAB"
version = "odd"

[event_types]
STANDARD_EVENT_LOG = [[1, "POWER_FAILURE"], [2, "POWER_RETURNED"], [70000, "CLOCK_UPDATE"]]

[STANDARD_EVENT_CODE]
class = 1
obis = "0-0:96.11.0.255"
group = "ABSTRACT"
attributes = [[2, "double-long-unsigned", "DYNAMIC", "R"]]

[STANDARD_EVENT_LOG]
class = 7
version = 1
obis = "0-0:99.98.0.255"
group = "ABSTRACT"
event_log = "STANDARD_EVENT_LOG"
attributes = [
    [2, "array", "DYNAMIC", "R"],
    [3, "array", "FIXED_IN_PROFILE", "R", [
        "STANDARD_EVENT_CODE/2",
        "MAXIMUM_DEMAND/5/3",
        "AVERAGE_VOLTAGE_L1/2",
    ]],
    [6, "object_definition", "FIXED_IN_METER", "R"],
]

[INTERVAL_VALUES_E]
class = 7
version = 1
obis = "1-0:99.1.0.255"
group = "ELECTRICITY"
attributes = [
    [2, "array", "DYNAMIC", "R"],
    [3, "array", "SET_BY_CLIENT", "RW"],
    [4, "double-long-unsigned", "SET_BY_CLIENT", "RW"],
    [8, "double-long-unsigned", "SET_BY_CLIENT", "RW"],
]

[AVERAGE_VOLTAGE_L1]
class = 3
obis = "1-0:32.24.0.255"
group = "ELECTRICITY"
attributes = [[2, "unsigned", "DYNAMIC", "R"], [3, "scal_unit_type", "FIXED_IN_PROFILE", "R", "0, V"]]

[MBUS_MASTER_VALUE]
class = 4
obis = "0-x:24.2.1.255"
group = "GAS"
attributes = [
    [2, "double-long-unsigned", "DYNAMIC", "R"],
    [3, "scal_unit_type", "BASED_ON_MODEL", "R"],
    [5, "octet-string", "DYNAMIC", "R"],
]

[MODEM]
class = 47
obis = "0-0:25.6.0.255"
group = "ABSTRACT"
attributes = [
    [2, "visible-string", "DYNAMIC", "R"],
    [3, "enum", "DYNAMIC", "R"],
    [5, "enum", "DYNAMIC", "R"],
    [6, "cell_info_type", "DYNAMIC", "R"],
    [7, "array", "DYNAMIC", "R"],
    [8, "date-time", "DYNAMIC", "R"],
]

[MAXIMUM_DEMAND]
class = 4
obis = "1-0:1.6.0.255"
group = "ELECTRICITY"
attributes = [
    [2, "double-long-unsigned", "DYNAMIC", "R"],
    [3, "scal_unit_type", "DYNAMIC", "R"],
    [4, "structure", "DYNAMIC", "R"],
    [5, "octet-string", "DYNAMIC", "R"],
]

[NOTES]
class = 1
obis = "0-0:96.13.0.255"
group = "ABSTRACT"
attributes = [[2, "array", "SET_BY_CLIENT", "RW"]]

[SETTINGS]
class = 1
obis = "0-0:96.13.1.255"
group = "ABSTRACT"
attributes = [[2, "structure", "SET_BY_CLIENT", "RW"]]

[BEGIN]
class = 1
obis = "0-0:96.13.2.255"
group = "ABSTRACT"
attributes = [[2, "octet-string", "DYNAMIC", "R", "CURRENT_LOCAL_DATE_AND_TIME"]]
"""


def load(folder: Path, *profiles: str) -> tuple[Profile, ...]:
    """The profiles of a folder with these files."""
    (folder / "tag-order.toml").write_text(TAGS)
    for number, text in enumerate(profiles):
        (folder / f"{number}.toml").write_text(text)
    return assembly.load([folder], assembly.load_classes((catalogue.DATA, folder)))


def names_of(cosem_object: CosemObject) -> set[str]:
    """The tags that an object refers to."""
    captured = {
        each.tag for attribute in cosem_object.attributes.values() for each in attribute.capture_objects
    }
    return captured | {*cosem_object.selectable_objects, *cosem_object.source_objects.values()}


def without(profile: Profile, *patterns: str) -> Profile:
    """The profile without the objects of some tags, and without the buffers that would need them."""
    left = {
        each.tag: each for each in profile if not any(fnmatchcase(each.tag, pattern) for pattern in patterns)
    }
    while broken := [tag for tag, each in left.items() if not names_of(each) <= left.keys()]:
        for tag in broken:
            del left[tag]
    by_name = {
        each.get_logical_name(channel): (each, channel)
        for each in left.values()
        for channel in ((1, 2, 3, 4) if each.per_channel else (None,))
    }
    event_logs = {category: log for category, log in profile.event_logs.items() if log.tag in left}
    return replace(
        profile,
        event_logs=MappingProxyType(event_logs),
        _objects=MappingProxyType(left),
        _by_logical_name=MappingProxyType(by_name),
    )
