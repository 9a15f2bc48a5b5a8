"""Bodies without names: the meaning of a value is its position, and only few lists are known.

A list is recognised by the number of its values, their types and, where there is one, its name. Many more
lists are in use, some of which differ per grid; what they mean cannot be told from the push.
"""

from collections.abc import Callable
from typing import NamedTuple

from osgp.cosem.pushes.body import CLOCK, Body
from osgp.cosem.pushes.model import Layout, PushedValue
from osgp.cosem.pushes.shapes import get_clock, get_structure, get_text
from osgp.protocol_dlms import Data, DataType

KAIFA = "KFM_001"

_IMPORT = "1-0:1.7.0.255"
_POWERS = (_IMPORT, "1-0:2.7.0.255", "1-0:3.7.0.255", "1-0:4.7.0.255")
_ENERGIES = ("1-0:1.8.0.255", "1-0:2.8.0.255", "1-0:3.8.0.255", "1-0:4.8.0.255")
_CURRENTS = ("1-0:31.7.0.255", "1-0:51.7.0.255", "1-0:71.7.0.255")
_VOLTAGES = ("1-0:32.7.0.255", "1-0:52.7.0.255", "1-0:72.7.0.255")
_LIST_NAME = "1-1:0.2.129.255"
_METER_ID = "0-0:96.1.0.255"
_METER_TYPE = "0-0:96.1.7.255"

_Check = Callable[[Data], object]


def _is(*types: DataType) -> _Check:
    return lambda data: data.type in types or None


_UNSIGNED_32 = _is(DataType.DOUBLE_LONG_UNSIGNED)
_UNSIGNED_16 = _is(DataType.LONG_UNSIGNED)
# Kaifa sends 32 bits, and 64 of either sign in Sweden.
_WIDE = _is(
    DataType.DOUBLE_LONG,
    DataType.DOUBLE_LONG_UNSIGNED,
    DataType.LONG64,
    DataType.LONG64_UNSIGNED,
)


class _Position(NamedTuple):
    obis: str
    check: _Check
    """Returns None for a value that cannot be this one."""


def _all(check: _Check, *names: str) -> tuple[_Position, ...]:
    return tuple(_Position(name, check) for name in names)


_KAIFA_HEAD = (
    _Position(_LIST_NAME, lambda data: (get_text(data) or "").startswith("KFM_") or None),
    *_all(get_text, _METER_ID, _METER_TYPE),
    *_all(_WIDE, *_POWERS),
)
_KAIFA_ENERGIES = (_Position(CLOCK, get_clock), *_all(_WIDE, *_ENERGIES))
_ONE_PHASE = _all(_WIDE, _CURRENTS[0], _VOLTAGES[0])
_THREE_PHASES = _all(_WIDE, *_CURRENTS, *_VOLTAGES)

_LISTS = (
    # Kaifa MA105 and MA304, Norway and Sweden; the longer ones hourly
    (*_KAIFA_HEAD, *_ONE_PHASE),
    (*_KAIFA_HEAD, *_THREE_PHASES),
    (*_KAIFA_HEAD, *_ONE_PHASE, *_KAIFA_ENERGIES),
    (*_KAIFA_HEAD, *_THREE_PHASES, *_KAIFA_ENERGIES),
    # Landis+Gyr E450, Vienna
    (_Position(CLOCK, get_clock), *_all(_UNSIGNED_32, *_ENERGIES, *_POWERS)),
    # Landis+Gyr E450, Burgenland
    (
        *_all(_UNSIGNED_16, *_VOLTAGES, *_CURRENTS),
        *_all(_UNSIGNED_32, *_POWERS[:2], *_ENERGIES[:2]),
        _Position(_METER_ID, get_text),
    ),
)


def read(body: Data) -> Body | None:
    """Return the values of a list that is known by its types; None for all others."""
    members = get_structure(body)
    if members is None:
        return None
    for positions in _LISTS:
        if len(positions) == len(members) and all(
            position.check(member) is not None for position, member in zip(positions, members, strict=True)
        ):
            values = [
                PushedValue(member, position.obis)
                for position, member in zip(positions, members, strict=True)
            ]
            return Body(Layout.POSITIONS, values)
    return None


def read_kaifa_power(body: Data) -> Body | None:
    """Return the one value of Kaifa's list of every other second: the power. None for other bodies.

    It has no name. Only Kaifa puts a tag before the time in the header, which the caller has to look for.
    """
    members = get_structure(body)
    if members is None or len(members) != 1 or members[0].type is not DataType.DOUBLE_LONG_UNSIGNED:
        return None
    return Body(Layout.POSITIONS, [PushedValue(members[0], _IMPORT)], list_name=KAIFA)
