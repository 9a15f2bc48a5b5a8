"""Why a meter is not reached: what a probe tries then, and what it never does."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.catalogue.communication import Framing, Security
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.devices.meter_settings import MeterSettings
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.installation.probing import reconnecting
from osgp.installation.probing.applying import apply_findings
from osgp.installation.probing.findings import Finding
from osgp.installation.probing.reasons import find_reasons, list_addresses, make_fault
from osgp.messages.connections import Tried, UnreachedMeter
from osgp.protocol_dlms import Data, DataType, Deadlines, MeterAddress, Step, errors
from osgp.requests.models import Action, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator import Framing as SimulatedFraming
from tests import factories, meters

ANSWERED = Tried(None, 0.1)
SILENT = Tried(errors.ResponseTimeout("no answer from the meter in time"), 1.0)
ADDRESS = MeterAddress("192.0.2.1", 4059, 5)


def rejected(diagnostic: int) -> errors.AssociationRejected:
    error = errors.AssociationRejected("association rejected", 1, diagnostic)
    error.step = Step.ASSOCIATION
    return error


def refused() -> errors.AuthenticationError:
    error = errors.AuthenticationError("authentication-failure (13)", 1, 13)
    error.step = Step.ASSOCIATION
    return error


def at(step: Step, error: errors.DlmsError) -> errors.DlmsError:
    error.step = step
    return error


@dataclass
class Meters:
    """A meter that answers some of what is tried; all that was is noted."""

    address: MeterAddress = ADDRESS
    deadlines: Deadlines = field(default_factory=lambda: Deadlines(connect=10))
    connected: Tried = SILENT
    links: dict[tuple[int | None, int | None], Tried] = field(default_factory=dict)
    public: dict[int, Tried] = field(default_factory=dict)
    clients: dict[int, Tried] = field(default_factory=dict)
    log: list[Any] = field(default_factory=list)

    def connect(self, *, deadline: float | None = None) -> Tried:
        self.log.append(("connect", deadline))
        return self.connected

    def open_link(self, address: MeterAddress) -> Tried:
        key = address.server_lower_address, address.server_address_length
        self.log.append(("link", *key))
        return self.links.get(key, SILENT)

    def call_publicly(
        self,
        attributes: Sequence[AttributeDescriptor] = (),
        *,
        not_before: float | None = None,
        address: MeterAddress | None = None,
    ) -> Tried:
        number = (address or self.address).logical_device_address
        self.log.append(("public", number))
        return self.public.get(number, SILENT)

    def call_as(self, client_address: int) -> Tried:
        self.log.append(("client", client_address))
        return self.clients.get(client_address, SILENT)


def find(connections: Meters, fault: Fault, **settings: Any) -> dict[str, Finding]:
    profile = catalogue.find_profile("SMR", "5.5")
    meter = UnreachedMeter("E1", profile, Security.HLS5, MeterSettings(**settings), connections, fault)
    return {each["setting"]: each for each in find_reasons(meter).list_all()}


def test_a_refused_authentication_calls_no_other_client() -> None:
    """Seen in the field: meters that lock a client out after three refused authentications."""
    connections = Meters(public={5: ANSWERED})
    found = find(connections, refused())
    assert connections.log == [("public", 5)]
    assert "client_address" not in found


@pytest.mark.parametrize("diagnostic", [3, 4, 5, 6])
def test_other_clients_are_called_if_the_meter_does_not_know_ours(diagnostic: int) -> None:
    """Green Book 9.4.2, acse-service-user: calling-…-not-recognized."""
    unknown = Tried(rejected(diagnostic), 0.1)
    connections = Meters(public={5: ANSWERED}, clients={2: unknown, 3: ANSWERED})
    found = find(connections, rejected(diagnostic))
    assert connections.log[1:] == [("client", 2), ("client", 3)]
    assert found["client_address"]["proposed"] == 3


def test_the_first_refused_authentication_ends_that() -> None:
    connections = Meters(public={5: ANSWERED}, clients={1: Tried(refused(), 0.1), 3: ANSWERED})
    found = find(connections, rejected(3), client_address=2)
    assert [each for each in connections.log if each[0] == "client"] == [("client", 1)]
    assert found["client_address"]["proposed"] is None


@pytest.mark.parametrize("diagnostic", [None, 0, 1, 2, 7, 11, 12, 13, 14])
def test_other_rejections_do_not(diagnostic: int) -> None:
    connections = Meters(public={5: ANSWERED})
    find(connections, rejected(diagnostic))
    assert connections.log == [("public", 5)]


def test_the_addresses_of_hdlc_are_few_and_possible() -> None:
    """Green Book 8.4.2.2: one octet has no lower address, two have 7 bits for each part."""
    hdlc = MeterAddress("192.0.2.1", 4059, 1, Framing.HDLC)
    tried = [(each.server_lower_address, each.server_address_length) for each in list_addresses(hdlc)]
    assert tried == [(16, 4), (16, 2), (17, 4), (1, 4), (17, 2)]
    wide = MeterAddress(
        "192.0.2.1", 4059, 200, Framing.HDLC, server_lower_address=16, server_address_length=4
    )
    tried = [(each.server_lower_address, each.server_address_length) for each in list_addresses(wide)]
    assert tried == [(17, 4), (1, 4)]


def test_a_slow_connection() -> None:
    connections = Meters(connected=Tried(None, 25.2))
    found = find(connections, at(Step.CONNECTION, errors.ConnectionTimedOut("no TCP connection in time")))
    assert connections.log == [("connect", 60.0)]
    assert found["connect_deadline"]["proposed"] == 50.0


def test_a_pause_when_the_meter_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "PAUSES", (0.0, 0.0))
    connections = Meters()
    found = find(connections, at(Step.ASSOCIATION, errors.SocketClosedByRemote("the meter closed")))
    assert found["pause_between_connections"]["proposed"] is None
    # Twice after pauses, then the management logical device, and other frames.
    assert connections.log == [("public", 5), ("public", 5), ("public", 1), ("link", None, None)]


def test_what_the_public_client_reads() -> None:
    """SAP assignment (Blue Book, class 17): one structure of SAP and name for each logical device."""
    name = Data(DataType.OCTET_STRING, b"METER")
    device = Data(DataType.STRUCTURE, (Data(DataType.LONG_UNSIGNED, 1), name))
    counter = Data(DataType.DOUBLE_LONG_UNSIGNED, 77)
    lost = errors.DecodeError("nothing")
    answers = (Data(DataType.ARRAY, (device,)), name, lost, counter, lost, lost)
    connections = Meters(public={1: Tried(None, 0.1, answers)})
    found = find(connections, at(Step.ASSOCIATION, errors.ResponseTimeout("no answer")))
    assert connections.log == [("public", 5), ("public", 1)]
    assert found["logical_device_address"]["proposed"] == 1
    assert "1 (METER)" in found["logical_device_address"]["seen"]
    assert found["counter_object"]["proposed"] == "0-0:43.1.1.255"


def test_hostile_answers_of_the_public_client() -> None:
    many = Data(DataType.ARRAY, tuple(Data(DataType.STRUCTURE, ()) for _ in range(500)))
    for value in (many, Data(DataType.NULL_DATA, None), Data(DataType.OCTET_STRING, bytes(50))):
        found = find(Meters(public={5: Tried(None, 0.1, (value,))}), refused())
        assert found["logical_device_address"]["proposed"] is None


def test_what_was_not_dialled_is_not_probed() -> None:
    connections = Meters()
    assert not find(connections, errors.InvalidAddress("the meter has no network address"))
    assert not connections.log


def test_the_fault_stays_what_it_was_and_is_final() -> None:
    fault = at(Step.CONNECTION, errors.ConnectionTimedOut("no TCP connection in time"))
    meter = UnreachedMeter(
        "E1",
        catalogue.find_profile("SMR", "5.5"),
        Security.HLS5,
        MeterSettings(),
        Meters(connected=Tried(None, 25.0)),
        fault,
    )
    told = make_fault(fault, find_reasons(meter))
    assert (told.code, told.retryable) == (fault.code, False)
    assert told.message == "no TCP connection in time. The partial result proposes connect_deadline."


# --- A meter that knows one form of address only ----------------------------------------------------------


class OnlyFourOctets:
    """A gateway to a simulated meter that passes on what has a server address of four octets."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.lengths: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._target) as meter:
            back = threading.Thread(target=self._copy, args=(meter, client), daemon=True)
            back.start()
            while octets := client.recv(4096):
                address = octets[3:]
                length = next(number for number, octet in enumerate(address, 1) if octet & 1)
                self.lengths.append(length)
                if length == 4:
                    meter.sendall(octets)

    @staticmethod
    def _copy(meter: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while octets := meter.recv(4096):
                client.sendall(octets)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def gateway() -> Iterator[tuple[SimulatorThread, OnlyFourOctets]]:
    with SimulatorThread(Fleet.build(1, "SMR-5.5", framing=SimulatedFraming.HDLC)) as simulator:
        gateway = OnlyFourOctets("127.0.0.1", simulator.port)
        yield simulator, gateway
        gateway.close()


@pytest.mark.django_db(transaction=True)
def test_a_meter_that_knows_long_addresses_only(
    organisation: Organisation, gateway: tuple[SimulatorThread, OnlyFourOctets]
) -> None:
    """Seen in the field: meters that do not know the short forms of Green Book 8.4.2.2."""
    simulator, between = gateway
    [device] = meters.add_meters(organisation, simulator).values()
    Device.objects.update(port=between.port, own_settings={"apdu_deadline": 2.0})
    actions = []
    for _ in range(2):
        request = factories.make_request(organisation, device, "ProbeMeter")
        meters.visit(device)
        action = Action.objects.select_related("request").get(request=request)
        actions.append(action)
        if action.partial_result is not None:
            applied = apply_findings(device.pk, action.partial_result["findings"])
            assert applied == {"server_lower_address": 16, "server_address_length": 4}
    assert [action.request.state for action in actions] == [RequestState.FAILED, RequestState.SUCCEEDED]
    fault = actions[0].request.fault
    assert fault is not None
    assert "proposes server_address_length, server_lower_address" in fault["message"]
    assert set(between.lengths) == {1, 4}
