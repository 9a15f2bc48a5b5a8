"""Simulated DLMS/COSEM smart meters: the meter's side of the protocol with a codec of its own.

It shares the catalogue of COSEM objects with the head-end and nothing else, which makes it the cross-check
of the head-end's DLMS client. See docs/how-to/simulate-meters.md.
"""

from osgp.catalogue.communication import Framing, Security

from .faults import FaultKind
from .fleet import Fleet
from .scenario import Scenario, ScenarioError
from .server import SimulatorServer
from .settings import Behaviour, CounterAtKeyChange, FleetSettings, make_first_counter
from .thread import SimulatorThread

__all__ = [
    "Behaviour",
    "CounterAtKeyChange",
    "FaultKind",
    "Fleet",
    "FleetSettings",
    "Framing",
    "Scenario",
    "ScenarioError",
    "Security",
    "SimulatorServer",
    "SimulatorThread",
    "make_first_counter",
]
