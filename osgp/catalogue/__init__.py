"""The COSEM objects of each meter profile. Meter types are data: `data/*.toml`, one file per profile.

Operations ask for tags and never spell an OBIS code::

    profile = catalogue.profile("SMR", "5.1")
    descriptor = profile["ACTIVE_ENERGY_IMPORT"].attribute(2)

Knows nothing of Django or of how a meter is reached. To add a profile: docs/how-to/add-a-meter-profile.md.
"""

import threading
from functools import cache
from pathlib import Path

from osgp.catalogue import assembly
from osgp.catalogue.definitions import CatalogueError
from osgp.catalogue.gas_meters import gas_scaler_unit
from osgp.catalogue.model import (
    Attribute,
    CaptureColumn,
    CaptureObject,
    CosemObject,
    ObjectNotInProfile,
    Profile,
)

__all__ = [
    "Attribute",
    "CaptureColumn",
    "CaptureObject",
    "CatalogueError",
    "CosemObject",
    "ObjectNotInProfile",
    "Profile",
    "UnknownProfile",
    "gas_scaler_unit",
    "profile",
    "profiles",
]

DATA = Path(__file__).parent / "data"

_loading = threading.Lock()


class UnknownProfile(LookupError):
    """No profile has this protocol name and version."""

    def __init__(self, protocol_name: str, protocol_version: str) -> None:
        super().__init__(f"there is no profile for protocol {protocol_name} version {protocol_version}")
        self.protocol_name = protocol_name
        self.protocol_version = protocol_version


def profile(protocol_name: str, protocol_version: str) -> Profile:
    """The profile of a protocol ("SMR", case ignored) and exact version ("5.1"), else `UnknownProfile`."""
    for candidate in profiles():
        if (
            candidate.protocol_name.upper() == protocol_name.upper()
            and candidate.protocol_version == protocol_version
        ):
            return candidate
    raise UnknownProfile(protocol_name, protocol_version)


def profiles() -> tuple[Profile, ...]:
    """All profiles, oldest first. Read once per process, by whichever thread asks first."""
    with _loading:
        return _load()


@cache
def _load() -> tuple[Profile, ...]:
    return assembly.load(DATA)
