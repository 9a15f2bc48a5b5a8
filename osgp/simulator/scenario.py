"""Scenarios: what happens to which meters, and when. A TOML file lists ``[[occurrences]]``::

[[occurrences]]
at = "+30s"                     # after the start; or -2d, now, or a time with its offset
meters = "SIME00000000000*"     # identifications or patterns, one or a list; all meters when left out
share = "10%"                   # of them, always the same ones
kind = "power-failure"          # osgp/simulator/occurrences.py has the kinds and their fields
duration = "5m"
"""

import logging
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from heapq import heapify, heappop
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from . import fields
from .fields import shown
from .fleet import Fleet
from .meter.meter import Meter
from .meter.query import AccessError
from .occurrence import Occurrence, OccurrenceError
from .occurrences import parse

logger = logging.getLogger(__name__)

TABLE = "occurrences"
MAXIMUM_OCCURRENCES = 10_000
_OWN_FIELDS = ("at", "meters", "share")


class ScenarioError(ValueError):
    """A scenario that makes no sense: the message names the table and the field."""


class Planned(NamedTuple):
    """``occurrence`` happens to ``meters`` at ``due`` (true time)."""

    due: float
    place: int
    occurrence: Occurrence
    meters: tuple[Meter, ...]


class Scenario:
    """What is still to happen to a fleet, in the order of time."""

    def __init__(self, planned: Sequence[Planned] = ()) -> None:
        self._planned = list(planned)
        heapify(self._planned)

    @classmethod
    def load(cls, path: Path, fleet: Fleet, start: float | None = None) -> "Scenario":
        """The scenario in a file; ScenarioError when it makes no sense.

        ``start`` is what relative times count from (UNIX time; now).
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ScenarioError(f"{path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{path}: {error}") from None
        try:
            return cls.of(document, fleet, start)
        except ScenarioError as error:
            raise ScenarioError(f"{path}: {error}") from None

    @classmethod
    def of(cls, document: Mapping[str, Any], fleet: Fleet, start: float | None = None) -> "Scenario":
        """The scenario that a document describes."""
        for name in document:
            if name != TABLE:
                raise ScenarioError(f"{name[:50]}: is no table of a scenario; there is {TABLE}")
        tables = document.get(TABLE, [])
        if not isinstance(tables, list) or len(tables) > MAXIMUM_OCCURRENCES:
            raise ScenarioError(f"{TABLE}: is a list of at most {MAXIMUM_OCCURRENCES} tables")
        start = fleet.settings.clock() if start is None else start
        planned = []
        for place, table in enumerate(tables):
            try:
                planned.append(plan(table, fleet, start, place))
            except OccurrenceError as error:
                raise ScenarioError(f"{TABLE}[{place}].{error}") from None
        return cls(planned)

    def __len__(self) -> int:
        return len(self._planned)

    @property
    def next_due(self) -> float | None:
        """When something happens next, None when nothing does."""
        return self._planned[0].due if self._planned else None

    def play(self, now: float) -> int:
        """Let everything happen that is due by ``now``; how many occurrences that were."""
        played = 0
        while self._planned and self._planned[0].due <= now:
            planned = heappop(self._planned)
            played += 1
            try:
                carry_out(planned)
            except AccessError as error:
                # Whether a meter takes a value may depend on what it has been told before.
                logger.warning("%s[%d] was refused: %s", TABLE, planned.place, error)
        return played


def plan(table: Any, fleet: Fleet, start: float, place: int = 0) -> Planned:
    """What a table of a scenario means for a fleet; OccurrenceError when it makes no sense."""
    if not isinstance(table, Mapping):
        raise OccurrenceError("kind", "is missing, since this is no table")
    own = {name: table[name] for name in _OWN_FIELDS if name in table}
    occurrence = parse({name: value for name, value in table.items() if name not in own})
    at = _parse_field("at", fields.moment, own.get("at", "now"))
    due = at.timestamp() if isinstance(at, datetime) else start + at
    meters = _select_meters(own, fleet, place)
    befallen = tuple(meter for meter in meters if occurrence.befalls(meter))
    if not befallen:
        raise occurrence.make_misfit(meters)
    return Planned(due, place, occurrence, befallen)


def carry_out(planned: Planned) -> None:
    """Let it happen to all its meters."""
    for meter in planned.meters:
        planned.occurrence.happen(meter, planned.due)


def _parse_field(name: str, parser: fields.Parser, value: Any) -> Any:
    try:
        return parser(value)
    except ValueError as error:
        raise OccurrenceError(name, str(error)) from None


def _select_meters(own: Mapping[str, Any], fleet: Fleet, place: int) -> list[Meter]:
    patterns = own.get("meters", "*")
    if isinstance(patterns, str):
        patterns = [patterns]
    if not isinstance(patterns, list) or not all(isinstance(each, str) for each in patterns):
        raise OccurrenceError("meters", "is an identification or a pattern, or a list of them")
    meters: dict[str, Meter] = {}
    for pattern in patterns:
        exact = fleet.meters.get(pattern)
        found = [exact] if exact is not None else _match_meters(pattern, fleet)
        if not found:
            raise OccurrenceError("meters", f"{shown(pattern)} is no meter of the fleet")
        meters |= {meter.identification: meter for meter in found}
    if "share" not in own:
        return list(meters.values())
    share = _parse_field("share", fields.share, own["share"])
    # The same ones at each start, as near to the share as whole meters allow, and at least one.
    drawn = sorted(meters.values(), key=lambda meter: crc32(f"{place}:{meter.identification}".encode()))
    return drawn[: max(round(len(drawn) * share), 1)]


def _match_meters(pattern: str, fleet: Fleet) -> list[Meter]:
    if not any(character in pattern for character in "*?["):
        return []
    return [meter for name, meter in fleet.meters.items() if fnmatchcase(name, pattern)]
