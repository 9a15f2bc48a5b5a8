"""The meter as the secondary station of HDLC connections, window 1, with segmentation both ways. No I/O."""

from collections import deque

from .codec.errors import RemoteProtocolError
from .codec.hdlc import (
    LLC_COMMAND,
    LLC_RESPONSE,
    Control,
    Frame,
    FrameDecoder,
    LinkParameters,
    decode_parameters,
    encode_frame,
    encode_parameters,
    information_control,
    receive_ready_control,
    upper_address,
)
from .links import OTHER_CLIENT, ApduReceived, Disconnected, Event, FrameToSend

INFORMATION_FIELD = 512
"""Most octets of information that the meters send and take in one frame."""

MAXIMUM_APDU = 65_536
MAXIMUM_CONNECTIONS = 16


class _Connection:
    """One connection between a client and a server address."""

    __slots__ = (
        "client",
        "last_sent",
        "parameters",
        "receive_number",
        "received",
        "segments",
        "send_number",
        "server",
    )

    def __init__(self, client: bytes, server: bytes, parameters: LinkParameters) -> None:
        self.client = client
        self.server = server
        self.parameters = parameters
        self.send_number = 0
        self.receive_number = 0
        self.received = bytearray()
        self.segments: deque[tuple[bytes, bool]] = deque()
        self.last_sent = b""

    def take_segment(self) -> bytes:
        """The I frame with the next segment of the answer."""
        octets, more = self.segments.popleft()
        control = information_control(self.send_number, self.receive_number)
        self.send_number = (self.send_number + 1) % 8
        self.last_sent = encode_frame(Frame(self.client, self.server, control, octets, more))
        return self.last_sent


class HdlcLink:
    """HDLC connections on one TCP connection, by client address and upper server address."""

    __slots__ = ("_connections", "_decoder", "_events")

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        self._connections: dict[tuple[int, int], _Connection] = {}
        self._events: deque[Event] = deque()

    def receive_data(self, data: bytes) -> None:
        """Take the next octets of the stream."""
        self._decoder.receive_data(data)

    def take_event(self) -> Event | None:
        """What happened; None until more data arrives."""
        while not self._events:
            frame = self._decoder.take_frame()
            if frame is None:
                return None
            self._receive(frame)
        return self._events.popleft()

    def send(
        self, client_address: int, server_address: int, apdu: bytes, misaddressed: bool = False
    ) -> bytes:
        """The first frame of an answer; the others follow as the client asks for them."""
        connection = self._connections.get((client_address, server_address))
        if connection is None:
            return b""
        octets = LLC_RESPONSE + apdu
        size = connection.parameters.transmit
        starts = range(0, len(octets), size)
        connection.segments = deque(
            (octets[start : start + size], start + size < len(octets)) for start in starts
        )
        if misaddressed:
            client, server = connection.client, connection.server
            connection.client = bytes((client[0] ^ 0x02, *client[1:]))
            connection.server = bytes((server[0] ^ 0x02, *server[1:]))
            frame = connection.take_segment()
            connection.client, connection.server = client, server
            return frame
        return connection.take_segment()

    def refuse(self, client_address: int, server_address: int) -> bytes:
        """DM instead of the UA that would have opened a connection."""
        connection = self._connections.pop((client_address, server_address), None)
        if connection is None:
            return b""
        return encode_frame(Frame(connection.client, connection.server, Control.DM))

    def notify(self, client_address: int, server_address: int, apdu: bytes) -> bytes:
        """A UI frame, which is not counted."""
        station = self._connections.get((client_address, server_address))
        if station is None:
            return b""
        return encode_frame(Frame(station.client, station.server, Control.UI, LLC_RESPONSE + apdu))

    def send_to_other(self, client_address: int, server_address: int, apdu: bytes) -> bytes:
        """A UI frame to another client."""
        station = self._connections.get((client_address, server_address))
        if station is None:
            return b""
        client = bytes((station.client[0] ^ OTHER_CLIENT << 1, *station.client[1:]))
        return encode_frame(Frame(client, station.server, Control.UI, LLC_RESPONSE + apdu))

    def _receive(self, frame: Frame) -> None:
        client, server = upper_address(frame.source), upper_address(frame.destination)
        connection = self._connections.get((client, server))
        if frame.control == Control.SNRM:
            self._open(frame, client, server)
        elif frame.control == Control.DISC:
            self._close(frame, client, server)
        elif connection is None:
            self._reply(frame, Control.DM)
        elif frame.is_information:
            self._take_information(frame, connection, client, server)
        elif frame.is_receive_ready:
            self._take_receive_ready(frame, connection)
        elif frame.control != Control.UI:
            self._reply(frame, Control.FRMR)

    def _reply(self, frame: Frame, control: int, information: bytes = b"") -> None:
        octets = encode_frame(Frame(frame.source, frame.destination, control, information))
        self._events.append(FrameToSend(octets))

    def _open(self, frame: Frame, client: int, server: int) -> None:
        if (client, server) in self._connections:
            self._events.append(Disconnected(client, server))
        elif len(self._connections) >= MAXIMUM_CONNECTIONS:
            self._reply(frame, Control.DM)
            return
        wanted = decode_parameters(frame.information)
        agreed = LinkParameters(
            min(wanted.receive, INFORMATION_FIELD), min(wanted.transmit, INFORMATION_FIELD)
        )
        self._connections[client, server] = _Connection(frame.source, frame.destination, agreed)
        answer = Frame(frame.source, frame.destination, Control.UA, encode_parameters(agreed))
        self._events.append(
            FrameToSend(
                encode_frame(answer), client, server, opening=True, parameterless=not frame.information
            )
        )

    def _close(self, frame: Frame, client: int, server: int) -> None:
        if self._connections.pop((client, server), None) is None:
            self._reply(frame, Control.DM)
            return
        self._events.append(Disconnected(client, server))
        self._reply(frame, Control.UA)

    def _take_information(self, frame: Frame, connection: _Connection, client: int, server: int) -> None:
        if frame.send_number != connection.receive_number:
            # The client repeats itself: it has missed what was sent last.
            repeated = connection.last_sent or self._receive_ready(connection)
            self._events.append(FrameToSend(repeated))
            return
        connection.receive_number = (connection.receive_number + 1) % 8
        connection.received += frame.information
        if len(connection.received) > MAXIMUM_APDU:
            raise RemoteProtocolError("a segmented APDU is too long")
        if frame.segmented:
            connection.last_sent = self._receive_ready(connection)
            self._events.append(FrameToSend(connection.last_sent))
            return
        octets = bytes(connection.received)
        connection.received.clear()
        connection.segments.clear()
        connection.last_sent = b""
        if octets[: len(LLC_COMMAND)] != LLC_COMMAND:
            raise RemoteProtocolError("the LLC header is wrong")
        self._events.append(ApduReceived(client, server, octets[len(LLC_COMMAND) :]))

    def _take_receive_ready(self, frame: Frame, connection: _Connection) -> None:
        if frame.receive_number != connection.send_number:
            self._events.append(FrameToSend(connection.last_sent or self._receive_ready(connection)))
        elif connection.segments:
            self._events.append(FrameToSend(connection.take_segment()))
        else:
            self._events.append(FrameToSend(self._receive_ready(connection)))

    @staticmethod
    def _receive_ready(connection: _Connection) -> bytes:
        control = receive_ready_control(connection.receive_number)
        return encode_frame(Frame(connection.client, connection.server, control))
