"""Simulated meters as messages see them during a visit, over real sockets but without the platform."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from osgp import catalogue
from osgp.faults import Fault
from osgp.messages import registry
from osgp.messages.operation import MeterOperation
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Deadlines, Framing, Keys, Meter, MeterAddress, Security
from osgp.simulator import FaultKind, Fleet, FleetSettings, SimulatorThread
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.protocol_dlms.peers import Counter

PROFILES = tuple(profile.key for profile in catalogue.list_profiles())
WITH_MBUS = tuple(profile.key for profile in catalogue.list_profiles() if "MBUS_CLIENT_SETUP" in profile)
"""The profiles that have M-Bus channels."""
METERS = tuple(
    (profile.key, polyphase)
    for profile in catalogue.list_profiles()
    for polyphase in (False, True)
    if profile["ACTIVE_ENERGY_IMPORT"].supports(polyphase=polyphase)
)
"""All kinds of meters: profiles, and whether they are polyphase. Of some profiles all are single-phase."""
NOW = datetime(2026, 6, 15, 10, 20, 30, tzinfo=UTC)
"""Where time stands still for the simulated meters of :func:`all_meters`."""
CLIENT_TITLE = b"   \x00\x00\x00\x00\x01"
UNHURRIED = Deadlines(connect=30, apdu=60, session=300, release=30)
IMPATIENT = Deadlines(connect=30, apdu=0.3, session=300, release=0.1)


def having(*tags: str) -> tuple[tuple[str, bool], ...]:
    """The kinds of meters that have all of these objects."""
    return tuple(
        (profile.key, polyphase)
        for profile in catalogue.list_profiles()
        for polyphase in (False, True)
        if (profile.key, polyphase) in METERS
        and all(tag in profile and profile[tag].supports(polyphase=polyphase) for tag in tags)
    )


class Visits:
    """Visits to the meters of a running simulator, one at a time to each."""

    def __init__(self, running: SimulatorThread) -> None:
        self.running = running
        self._described = {
            each["add_device"]["device_identification"]: each for each in running.fleet.describe()
        }
        # The meters live on while tests come and go: so do the counters.
        self._counters = {identification: Counter(1000) for identification in self._described}

    def simulated(self, profile: str, *, polyphase: bool = False) -> SimulatedMeter:
        """The first meter of a profile."""
        return next(
            meter
            for meter in self.running.meters.values()
            if (meter.type.profile.key, meter.polyphase) == (profile, polyphase)
        )

    def connect(self, simulated: SimulatedMeter, **changes: Any) -> Meter:
        """An association with a meter."""
        described = self._described[simulated.identification]
        fields, keys = described["add_device"], described["keys"]
        address = MeterAddress(
            fields["network_address"],
            fields["port"],
            fields["logical_device_address"],
            Framing(fields["transport"]),
        )
        options: dict[str, Any] = {
            "security": Security(fields["security"]),
            "keys": Keys(
                bytes.fromhex(keys["authentication_key"]),
                bytes.fromhex(keys["encryption_key"]),
                keys["lls_password"].encode(),
            ),
            "counter": self._counters[simulated.identification],
            "client_system_title": CLIENT_TITLE,
            "with_list_max": fields["with_list_max"],
            "deadlines": UNHURRIED,
        }
        return Meter.connect(address, **{**options, **changes})

    @contextmanager
    def visit(
        self, simulated: SimulatedMeter, *, connection: Mapping[str, Any] | None = None, **changes: Any
    ) -> Iterator[VisitedMeter]:
        """A visit; ``changes`` are fields of the VisitedMeter, ``connection`` options of Meter.connect."""
        with self.connect(simulated, **connection or {}) as association:
            yield visited(simulated.type.profile, association, polyphase=simulated.polyphase, **changes)

    def perform(
        self,
        simulated: SimulatedMeter,
        message: str,
        parameters: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Any:
        """The result of a message in a visit of its own, as it is stored."""
        with self.visit(simulated, **changes) as meter:
            return perform(meter, message, parameters)


@contextmanager
def all_meters() -> Iterator[Visits]:
    """One of each kind of meters, with two gas meters where it has M-Bus channels, at ``NOW``."""
    fleet = Fleet.build(
        len(METERS),
        [profile for profile, _ in METERS],
        polyphase=[polyphase for _, polyphase in METERS],
        gas_meters=[2 if profile in WITH_MBUS else 0 for profile, _ in METERS],
        settings=FleetSettings(clock=NOW.timestamp),
    )
    with SimulatorThread(fleet) as running:
        yield Visits(running)


def visited(profile: catalogue.Profile, association: Meter, **changes: Any) -> VisitedMeter:
    """A visited meter of any kind, Dutch unless told."""
    fields: dict[str, Any] = {"identification": "E1", "time_zone": ZoneInfo("Europe/Amsterdam")} | changes
    return VisitedMeter(profile=profile, association=association, **fields)


def perform(meter: VisitedMeter, message: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The result of a message, as a visit stores it; parameters are JSON."""
    operation = registry.find_operation(message)
    assert isinstance(operation, MeterOperation)
    validated = operation.parse(parameters or {})
    operation.check_profile(meter.profile, validated)
    return operation.represent_result(operation.perform(meter, validated))


@contextmanager
def saying(simulated: SimulatedMeter, values: Mapping[tuple[str, int], str]) -> Iterator[None]:
    """For the time being a meter says this, right or wrong: encoded data in hexadecimal by tag and attribute.

    The tag of an object per M-Bus channel has its channel behind it: ``MBUS_CLIENT_SETUP/2``.
    """
    assert not simulated.memory.overrides
    overrides = {}
    for (name, attribute_id), octets in values.items():
        tag, _, channel = name.partition("/")
        descriptor = simulated.type.profile[tag].address_attribute(
            attribute_id, int(channel) if channel else None
        )
        overrides[descriptor] = bytes.fromhex(octets)
    simulated.memory.overrides = overrides
    try:
        yield
    finally:
        simulated.memory.overrides = None


ANSWERS = tuple(
    kind
    for kind in FaultKind
    if not kind.name.startswith(("REFUSE", "RELEASE", "SNRM", "SIXTEEN", "PROTOCOL", "DIAGNOSTIC"))
)
"""What can be wrong with the answers to a message, once the association stands."""


SILENT = (
    FaultKind.HANG,
    FaultKind.SLOW,
    FaultKind.ENDLESS,
    FaultKind.WRONG_ADDRESS,
    FaultKind.WRONG_INVOKE_ID,
)
"""Where nothing that counts comes for a long time."""


def outcome_with(
    visits: Visits, kind: FaultKind, simulated: SimulatedMeter, message: str, parameters: Mapping[str, Any]
) -> Any:
    """The stored result, or the fault, of a message to a meter that has a fault from its first answer on."""
    deadlines = IMPATIENT if kind in SILENT else UNHURRIED
    with visits.visit(simulated, connection={"deadlines": deadlines}, communication_method="GPRS") as meter:
        simulated.faults.switch_on(kind)
        try:
            return json.loads(json.dumps(perform(meter, message, parameters)))
        except Fault as fault:
            return fault
        finally:
            simulated.faults.switch_off()
