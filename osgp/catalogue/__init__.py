"""The COSEM objects of each meter profile. Profiles are data, one file each, in `data` or elsewhere.

Operations use the names of tags, attributes and methods, never an OBIS code or a number::

    profile = catalogue.find_profile("SMR", "5.1")
    descriptor = profile["ACTIVE_ENERGY_IMPORT"].address_attribute("value")
    in_profile = profile["ACTIVE_ENERGY_IMPORT"]["scaler_unit"].scaler_unit

Does not depend on Django or on how a meter is reached. To add a profile: docs/how-to/add-a-meter-profile.md.
"""

import os
import threading
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from osgp.catalogue import assembly
from osgp.catalogue.classes import InterfaceClass, InterfaceClasses, NotInInterfaceClass
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.catalogue.meanings import CounterSource, Flags, MbusKeyWrapping, SetFlags
from osgp.catalogue.model import (
    Attribute,
    AttributeNotInProfile,
    CaptureColumn,
    CaptureObject,
    CosemObject,
    ObjectNotInProfile,
    Profile,
)
from osgp.catalogue.reading import CatalogueError

__all__ = [
    "Attribute",
    "AttributeNotInProfile",
    "CaptureColumn",
    "CaptureObject",
    "CatalogueError",
    "CosemObject",
    "CounterSource",
    "Flags",
    "InterfaceClass",
    "InterfaceClasses",
    "MbusKeyWrapping",
    "NotInInterfaceClass",
    "ObjectNotInProfile",
    "Profile",
    "SetFlags",
    "UnknownProfile",
    "find_profile",
    "get_interface_classes",
    "is_secret",
    "list_event_log_categories",
    "list_event_types",
    "list_flag_names",
    "list_profiles",
]

DATA = Path(__file__).parent / "data"
FOLDERS_VARIABLE = "OSGP_PROFILES"
"""Environment variable with folders of further profile files, separated as in PATH."""

_loading = threading.RLock()


class UnknownProfile(LookupError):
    """No profile has this protocol name and version."""

    def __init__(self, protocol_name: str, protocol_version: str) -> None:
        super().__init__(f"there is no profile for protocol {protocol_name} version {protocol_version}")
        self.protocol_name = protocol_name
        self.protocol_version = protocol_version


def find_profile(protocol_name: str, protocol_version: str) -> Profile:
    """Return the profile of a protocol ("SMR", case ignored) and version ("5.1"), or raise UnknownProfile."""
    with _loading:
        found = _load_by_key().get((protocol_name.upper(), protocol_version))
    if found is None:
        raise UnknownProfile(protocol_name, protocol_version)
    return found


def list_profiles() -> tuple[Profile, ...]:
    """Return all profiles, oldest first. The first call of the process reads the files."""
    with _loading:
        return _load()


def get_interface_classes() -> InterfaceClasses:
    """Return all known COSEM interface classes. The first call of the process reads the files."""
    with _loading:
        return _load_interface_classes()


def is_secret(descriptor: AttributeDescriptor | MethodDescriptor) -> bool:
    """Return whether the data of a request are or hold a secret: key, password, PIN or authentication proof.

    Such data must not be shown or recorded. Attribute 0 stands for all attributes of an object.
    """
    return _load_interface_classes().is_secret(descriptor)


def list_event_log_categories() -> tuple[str, ...]:
    """Return the categories of the event logs of all profiles, ordered by profile (oldest first) and tag."""
    return _drop_repeated(category for profile in list_profiles() for category in profile.event_logs)


def list_event_types() -> tuple[str, ...]:
    """Return the names of the events of all profiles, ordered by profile (oldest first), log and code."""
    return _drop_repeated(
        name
        for profile in list_profiles()
        for category in profile.event_logs
        for _, name in sorted(profile.get_event_types(category).items())
    )


def list_flag_names(*tags: str) -> tuple[str, ...]:
    """Return the names of the flags of objects, ordered by tag, profile (oldest first) and bit."""
    return _drop_repeated(
        name
        for tag in tags
        for profile in list_profiles()
        if tag in profile and (flags := profile[tag].flags)
        for name in flags.names.values()
    )


def _drop_repeated(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def list_folders() -> tuple[Path, ...]:
    """Return the folders of the data files: the shipped one, then those in OSGP_PROFILES.

    Raises CatalogueError if one is not a folder.
    """
    further = [Path(name) for name in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if name]
    for folder in further:
        if not folder.is_dir():
            raise CatalogueError(f"{FOLDERS_VARIABLE}: {folder} is not a folder")
    return (DATA, *further)


@cache
def _load() -> tuple[Profile, ...]:
    return assembly.load(list_folders(), _load_interface_classes())


@cache
def _load_by_key() -> dict[tuple[str, str], Profile]:
    return {(profile.protocol_name, profile.protocol_version): profile for profile in _load()}


@cache
def _load_interface_classes() -> InterfaceClasses:
    return assembly.load_classes(list_folders())
