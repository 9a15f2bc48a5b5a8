"""Simulated meters of every profile, and visits to them without database and requests."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from osgp import catalogue
from osgp.messages import registry
from osgp.messages.operation import MeterOperation
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Deadlines, Meter, MeterAddress, Security
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator import Security as SimulatedSecurity
from osgp.simulator.codec.axdr import decode
from osgp.simulator.codec.cosem_time import decode_date_time
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.visited import METERS, WITH_MBUS

NOW = datetime(2026, 11, 4, 10, 20, 30, tzinfo=UTC)
UNHURRIED = Deadlines(connect=60, apdu=60, session=300, release=30)


def wait_until_free(meter: SimulatedMeter) -> None:
    """Until the meter has noticed that the association before is gone: it has one at a time."""
    give_up = time.monotonic() + 60
    while meter.memory.associated is not None:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def _plain(value: Any) -> Any:
    return decode_date_time(value, UTC) if isinstance(value, bytes) and len(value) == 12 else value


class MonitoredFleet:
    """One of each kind of meters, with four gas meters where it has M-Bus channels, without security."""

    def __init__(self) -> None:
        self.now = NOW
        """True time of all meters."""
        self._held: dict[tuple[str, str, int | None], list[list[Any]]] = {}
        self.fleet = Fleet.build(
            len(METERS),
            [profile for profile, _ in METERS],
            polyphase=[polyphase for _, polyphase in METERS],
            security=SimulatedSecurity.NONE,
            gas_meters=[4 if profile in WITH_MBUS else 0 for profile, _ in METERS],
            settings=FleetSettings(clock=lambda: self.now.timestamp()),
        )

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["MonitoredFleet"]:
        fleet = cls()
        with SimulatorThread(fleet.fleet):
            yield fleet

    def reset(self) -> None:
        """Take back what a test has changed."""
        self.now = NOW
        for meter in self.fleet.meters.values():
            meter.memory.overrides = None
            meter.memory.record = None
            meter.faults.switch_off()

    def meter(self, profile: str, *, polyphase: bool = False) -> SimulatedMeter:
        """The simulated meter of a profile."""
        [found] = [
            meter
            for meter in self.fleet.meters.values()
            if (meter.type.profile.key, meter.polyphase) == (profile, polyphase)
        ]
        return found

    def put(
        self, meter: SimulatedMeter, tag: str, encoded: bytes, attribute: int = 2, channel: Any = None
    ) -> None:
        """Let a meter answer with any octets, whether or not they make sense."""
        memory = meter.memory
        memory.overrides = memory.overrides or {}
        memory.overrides[meter.type.profile[tag].address_attribute(attribute, channel)] = encoded

    def held(self, meter: SimulatedMeter, tag: str, channel: int | None = None) -> list[list[Any]]:
        """The rows of a buffer as the simulator's own codec reads them, times in UTC.

        A tenth of a second each; those of a meter that nobody has changed are kept.
        """
        key = meter.identification, tag, channel
        is_unchanged = self.now == NOW and meter.memory.overrides is None
        if is_unchanged and key in self._held:
            return self._held[key]
        rows = decode(meter.get(meter.type.profile[tag].address_attribute(2, channel))).value
        held = [[_plain(cell.value) for cell in row.value] for row in rows]
        if is_unchanged:
            self._held[key] = held
        return held

    @contextmanager
    def visit(
        self, profile: str, *, polyphase: bool = False, with_list_max: int = 32, **device: Any
    ) -> Iterator[VisitedMeter]:
        """An association with a meter; ``device`` are fields of VisitedMeter."""
        simulated = self.meter(profile, polyphase=polyphase)
        wait_until_free(simulated)
        address = MeterAddress(self.fleet.host, self.fleet.ports[0], simulated.logical_device_address)
        with Meter.connect(
            address, security=Security.NONE, with_list_max=with_list_max, deadlines=UNHURRIED
        ) as association:
            fields = {"identification": simulated.identification, "polyphase": polyphase} | device
            yield VisitedMeter(
                profile=catalogue.find_profile(*profile.split("-")),
                association=association,
                time_zone=ZoneInfo("Europe/Amsterdam"),
                **fields,
            )

    def perform(
        self, message: str, profile: str, parameters: Mapping[str, Any] | None = None, **visit: Any
    ) -> dict[str, Any]:
        """The result of a message as callers get it; the same, whether or not the serializer makes it."""
        operation = registry.find_operation(message)
        assert isinstance(operation, MeterOperation)
        with self.visit(profile, **visit) as meter:
            result = operation.perform(meter, operation.parse(parameters or {}))
        stored = operation.represent_result(result)
        assert stored == dict(operation.result_serializer(result).data)
        return stored


class TimedAssociation:
    """An association whose time goes by with each row that a meter sends."""

    def __init__(self, association: Any, seconds_left: float, seconds_per_row: float) -> None:
        self.seconds_left = seconds_left
        self.slices: list[int] = []
        self._association = association
        self._seconds_per_row = seconds_per_row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._association, name)

    def read_profile(self, *arguments: Any) -> Any:
        rows = self._association.read_profile(*arguments)
        self.slices.append(len(rows))
        self.seconds_left -= self._seconds_per_row * len(rows)
        return rows
