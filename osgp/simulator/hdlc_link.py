"""The meters as the secondary stations of the HDLC connections on one TCP connection. No I/O."""

from collections import deque
from collections.abc import Callable, Iterable

from .codec.errors import RemoteProtocolError
from .codec.hdlc import (
    LLC_COMMAND,
    LLC_RESPONSE,
    Control,
    Frame,
    FrameDecoder,
    decode_parameters,
    encode_frame,
    encode_parameters,
    is_all_station,
    upper_address,
)
from .hdlc_line import Line
from .hdlc_station import Station
from .links import OTHER_CLIENT, ApduReceived, Disconnected, Event, FrameToSend
from .quirks import Quirk

INFORMATION_FIELD = 512
"""Most octets of information that the meters send and take in one frame."""

MAXIMUM_CONNECTIONS = 16

_POLLS_NOT_READY = 2
"""How often a meter that is not ready says so before it answers."""

_Key = tuple[int, int]
"""Client address and upper server address."""


def _no_quirks(_: int) -> frozenset[Quirk]:
    return frozenset()


class HdlcLink:
    """HDLC connections on one TCP connection, by client address and upper server address.

    A meter has any lower address, and answers from the address that it was called by. ``find_quirks`` tells
    the quirks of the meter with an upper server address.
    """

    __slots__ = ("_answers", "_connections", "_decoder", "_events", "_find_quirks", "_let_go", "_line")

    def __init__(self, find_quirks: Callable[[int], frozenset[Quirk]] = _no_quirks) -> None:
        self._decoder = FrameDecoder()
        self._connections: dict[_Key, Station] = {}
        self._events: deque[Event] = deque()
        self._find_quirks = find_quirks
        self._line = Line()
        self._answers = 0
        # Pairs that were told to disconnect, and have not done so (False) or have (True).
        self._let_go: dict[_Key, bool] = {}

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
        """The first frames of an answer; the others follow as the client asks for them."""
        station = self._connections.get((client_address, server_address))
        if station is None:
            return b""
        quirks = self._find_quirks(server_address)
        self._answers += 1
        is_busy = Quirk.HDLC_NOT_READY in quirks and self._answers % 2 == 0
        client, server = station.client, station.server
        if misaddressed:
            station.client = bytes((client[0] ^ 0x02, *client[1:]))
            station.server = bytes((server[0] ^ 0x02, *server[1:]))
        frames = station.send(LLC_RESPONSE + apdu, _POLLS_NOT_READY if is_busy else 0)
        station.client, station.server = client, server
        return self._carry(frames, quirks)

    def refuse(self, client_address: int, server_address: int) -> bytes:
        """DM instead of the UA that would have opened a connection."""
        station = self._connections.pop((client_address, server_address), None)
        if station is None:
            return b""
        frame = encode_frame(Frame(station.client, station.server, Control.DM))
        return self._carry([frame], self._find_quirks(server_address))

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
        client, server = key = upper_address(frame.source), upper_address(frame.destination)
        quirks = self._find_quirks(server)
        if Quirk.HDLC_ECHO in quirks:
            self._events.append(FrameToSend(encode_frame(frame)))
        if self._line.loses_request(quirks) or is_all_station(frame.destination):
            return
        station = self._connections.get(key)
        if frame.control == Control.SNRM:
            self._open(frame, key, quirks)
        elif frame.control == Control.DISC:
            self._close(frame, key, quirks)
        elif station is None:
            self._reply(frame, quirks, Control.DM)
        elif frame.is_information:
            self._take_information(frame, station, client, server)
        elif frame.is_receive_ready:
            station.acknowledge(frame.receive_number)
            if frame.polls:
                self._emit(station.answer_poll(), quirks)
        elif frame.control != Control.UI:
            self._reply(frame, quirks, Control.FRMR)

    def _reply(self, frame: Frame, quirks: frozenset[Quirk], control: int, information: bytes = b"") -> None:
        self._emit([encode_frame(Frame(frame.source, frame.destination, control, information))], quirks)

    def _emit(self, frames: Iterable[bytes], quirks: frozenset[Quirk]) -> None:
        self._events.append(FrameToSend(self._carry(frames, quirks)))

    def _carry(self, frames: Iterable[bytes], quirks: frozenset[Quirk]) -> bytes:
        return b"".join(self._line.carry(frame, quirks) for frame in frames)

    def _open(self, frame: Frame, key: _Key, quirks: frozenset[Quirk]) -> None:
        if Quirk.HDLC_DM_FIRST in quirks and not self._let_go.get(key):
            if len(self._let_go) < MAXIMUM_CONNECTIONS:
                self._let_go[key] = False
            self._reply(frame, quirks, Control.DM)
            return
        if key in self._connections:
            self._events.append(Disconnected(*key))
        elif len(self._connections) >= MAXIMUM_CONNECTIONS:
            self._reply(frame, quirks, Control.DM)
            return
        agreed = decode_parameters(frame.information).agree(INFORMATION_FIELD)
        self._connections[key] = Station(frame.source, frame.destination, agreed)
        answer = encode_frame(Frame(frame.source, frame.destination, Control.UA, encode_parameters(agreed)))
        self._events.append(
            FrameToSend(
                self._carry([answer], quirks), *key, opening=True, parameterless=not frame.information
            )
        )

    def _close(self, frame: Frame, key: _Key, quirks: frozenset[Quirk]) -> None:
        if key in self._let_go:
            self._let_go[key] = True
        if self._connections.pop(key, None) is None:
            self._reply(frame, quirks, Control.DM)
            return
        self._events.append(Disconnected(*key))
        self._reply(frame, quirks, Control.UA)

    def _take_information(self, frame: Frame, station: Station, client: int, server: int) -> None:
        quirks = self._find_quirks(server)
        if frame.send_number != station.receive_number:
            # The client repeats itself: it has missed what was sent last. Or it goes on behind what got lost.
            station.acknowledge(frame.receive_number)
            if frame.polls:
                self._emit(station.answer_poll(), quirks)
            return
        octets = station.take_information(frame)
        if octets is None:
            if frame.polls:
                self._acknowledge(station, quirks)
            return
        if octets[: len(LLC_COMMAND)] != LLC_COMMAND:
            raise RemoteProtocolError("the LLC header is wrong")
        self._events.append(ApduReceived(client, server, octets[len(LLC_COMMAND) :]))

    def _acknowledge(self, station: Station, quirks: frozenset[Quirk]) -> None:
        """Ask for the next segments of a request."""
        is_busy = Quirk.HDLC_NOT_READY in quirks and station.receive_number % 3 == 0
        self._emit([station.receive_not_ready() if is_busy else station.receive_ready()], quirks)
