"""An independent client, gurux-dlms, talks to the simulator: nobody but the Green Book is between the two."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, DataType, InterfaceType
from gurux_dlms.enums import Security as GuruxSecurity
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSDisconnectControl, GXDLMSProfileGeneric
from gurux_dlms.secure import GXDLMSSecureClient

from osgp.catalogue.communication import Framing, Security
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter


class GuruxClient:
    """gurux-dlms with a socket."""

    def __init__(self, simulator: SimulatorThread, meter: Meter, client_address: int = 1) -> None:
        self.socket = socket.create_connection((simulator.host, simulator.port), 10)
        self.client = client = GXDLMSSecureClient(True)
        self.hdlc = meter.framing is Framing.HDLC
        client.interfaceType = InterfaceType.HDLC if self.hdlc else InterfaceType.WRAPPER
        client.clientAddress = client_address
        client.serverAddress = meter.logical_device_address
        if client_address == 1 and meter.security is Security.LLS:
            client.authentication = Authentication.LOW
            client.password = meter.lls_password.encode()
        if client_address == 1 and meter.security is Security.HLS5:
            client.authentication = Authentication.HIGH_GMAC
            client.ciphering.security = GuruxSecurity.AUTHENTICATION_ENCRYPTION
            client.ciphering.systemTitle = b"GRX00001"
            client.ciphering.blockCipherKey = meter.key(KeyName.ENCRYPTION)
            client.ciphering.authenticationKey = meter.key(KeyName.AUTHENTICATION)
            client.ciphering.invocationCounter = 100

    def exchange(self, frames: Any) -> GXReplyData:
        """Send frames, receive whole answers, block by block."""
        reply = GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            self._exchange(frame, reply)
            while reply.isMoreData():
                self._exchange(self.client.receiverReady(reply), reply)
        assert reply.error == 0
        return reply

    def _exchange(self, frame: Any, reply: GXReplyData) -> None:
        self.socket.sendall(frame)
        received, notification = GXByteBuffer(), GXReplyData()
        while True:
            octets = self.socket.recv(65_536)
            assert octets
            received.set(octets)
            if self.client.getData(received, reply, notification):
                return

    def associate(self) -> None:
        """All passes of the association."""
        if self.hdlc:
            self.client.parseUAResponse(self.exchange(self.client.snrmRequest()).data)
        self.client.parseAareResponse(self.exchange(self.client.aarqRequest()).data)
        if self.client.authentication > Authentication.LOW:
            frames = self.client.getApplicationAssociationRequest()
            self.client.parseApplicationAssociationResponse(self.exchange(frames).data)

    def close(self) -> None:
        """Release, and disconnect where there is something to."""
        self.exchange(self.client.releaseRequest())
        if self.hdlc:
            self.exchange(self.client.disconnectRequest())
        self.socket.close()


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A meter for each security and transport."""
    fleet = Fleet.build(
        6,
        "SMR-5.5",
        security=["HLS5", "LLS", "NONE"],
        framing=["WRAPPER", "WRAPPER", "WRAPPER", "HDLC", "HDLC", "HDLC"],
        gas_meters=6,
    )
    with SimulatorThread(fleet) as running:
        yield running


@pytest.mark.parametrize("number", range(1, 7))
def test_a_session_with_everything_in_it(simulator: SimulatorThread, number: int) -> None:
    meter = simulator.meters[f"SIME{number:013d}"]
    gurux = GuruxClient(simulator, meter)
    gurux.associate()
    client = gurux.client

    def value(item: Any, attribute_id: int) -> Any:
        return gurux.exchange(client.read(item, attribute_id)).value

    assert len(value(GXDLMSClock(), 2)) == 12
    buffer = GXDLMSProfileGeneric("1.0.99.1.0.255")
    rows = value(buffer, 2)
    assert len(rows) == 960
    gurux.exchange(client.read(buffer, 3))
    assert gurux.exchange(client.readRowsByEntry(buffer, 3, 4)).value == rows[2:6]

    alarm_filter = GXDLMSData("0.0.97.98.10.255")
    alarm_filter.value = 4711
    alarm_filter.setDataType(2, DataType.UINT32)
    gurux.exchange(client.write(alarm_filter, 2))
    assert value(alarm_filter, 2) == 4711

    gurux.exchange(GXDLMSDisconnectControl("0.0.96.3.10.255").remoteDisconnect(client))
    assert meter.memory.connected is False
    gurux.close()
    assert meter.memory.statistics.releases == 1
    assert meter.memory.statistics.exceptions == 0
    assert meter.memory.counters.repeated == []


def test_the_public_client(simulator: SimulatorThread) -> None:
    meter = simulator.meters["SIME0000000000004"]
    gurux = GuruxClient(simulator, meter, client_address=16)
    gurux.associate()
    name = gurux.exchange(gurux.client.read(GXDLMSData("0.0.42.0.0.255"), 2)).value
    assert bytes(name) == meter.logical_device_name
    gurux.close()
