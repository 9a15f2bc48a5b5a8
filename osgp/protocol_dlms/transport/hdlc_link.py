"""An HDLC data link over TCP: connection, information frames with segmentation, disconnection (Green Book
8.4.5).

The window size is one in both directions. TCP neither loses nor reorders octets, so frames are never
repeated: a wrong check sequence or a frame out of order is a fault of the meter, and ends the session.
"""

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.settings import Limits, MeterAddress
from osgp.protocol_dlms.transport import hdlc
from osgp.protocol_dlms.transport.hdlc import Control, Frame
from osgp.protocol_dlms.transport.stream import Stream

OFFERED_INFORMATION_SIZE = 1024
MAX_FLAGS = 64


class HdlcLink:
    """HDLC between our client and one logical device."""

    def __init__(self, stream: Stream, client_address: int, address: MeterAddress, limits: Limits) -> None:
        self._stream = stream
        self._client = hdlc.encode_client_address(client_address)
        self._server = hdlc.encode_server_address(address.logical_device_address)
        self._apdu_size = limits.apdu_size
        self.unsolicited: list[bytes] = []
        self._send_sequence = 0
        self._receive_sequence = 0
        self._information_size = hdlc.DEFAULT_INFORMATION_SIZE

    def open(self) -> None:
        """Send SNRM, with parameters since some meters refuse it without, and receive UA."""
        self._send_frame(
            Control.SNRM | hdlc.POLL_FINAL,
            hdlc.build_link_parameters(OFFERED_INFORMATION_SIZE),
            segmented=False,
        )
        answer = self._receive_frame()
        if answer.unnumbered == Control.DM:
            raise errors.ConnectionEstablishError("the meter refuses the data link")
        if answer.unnumbered != Control.UA:
            raise errors.IllegalResponse("the meter does not acknowledge the data link")
        self._information_size = min(hdlc.parse_receive_size(answer.information), OFFERED_INFORMATION_SIZE)

    def send(self, apdu: bytes) -> None:
        rest = hdlc.LLC_COMMAND + apdu
        while len(rest) > self._information_size:
            self._send_information(rest[: self._information_size], segmented=True)
            rest = rest[self._information_size :]
            self._await_receive_ready()
        self._send_information(rest, segmented=False)

    def receive(self) -> bytes:
        """Receive one APDU and join its segments."""
        apdu = bytearray()
        while True:
            frame = self._receive_information()
            apdu += frame.information
            if len(apdu) > self._apdu_size + len(hdlc.LLC_RESPONSE):
                raise errors.ReplyTooLarge(f"an APDU of more than {self._apdu_size} octets")
            if not frame.segmented:
                break
            if not frame.information:
                raise errors.IllegalResponse("an HDLC segment with nothing in it")
            if frame.is_final:
                self._send_frame(
                    Control.RR | hdlc.POLL_FINAL | self._receive_sequence << 5, b"", segmented=False
                )
        if not apdu.startswith(hdlc.LLC_RESPONSE):
            raise errors.IllegalResponse("an HDLC answer without LLC header")
        if len(apdu) == len(hdlc.LLC_RESPONSE):
            raise errors.IllegalResponse("an empty APDU")
        return bytes(apdu[len(hdlc.LLC_RESPONSE) :])

    def disconnect(self) -> None:
        """Send DISC and receive UA or DM."""
        self._send_frame(Control.DISC | hdlc.POLL_FINAL, b"", segmented=False)
        self._receive_frame()

    def _send_information(self, information: bytes, *, segmented: bool) -> None:
        control = self._receive_sequence << 5 | hdlc.POLL_FINAL | self._send_sequence << 1
        self._send_frame(control, information, segmented=segmented)
        self._send_sequence = (self._send_sequence + 1) & 0x07

    def _await_receive_ready(self) -> None:
        frame = self._receive_frame()
        if not frame.is_receive_ready or frame.receive_sequence != self._send_sequence:
            raise errors.IllegalResponse("the meter does not ask for the next HDLC segment")

    def _receive_information(self) -> Frame:
        frame = self._receive_frame()
        if not frame.is_information:
            if frame.unnumbered == Control.DM:
                raise errors.SocketClosedByRemote("the meter ended the data link")
            raise errors.IllegalResponse(f"an HDLC frame with control field {frame.control:#04x}")
        if frame.send_sequence != self._receive_sequence or frame.receive_sequence != self._send_sequence:
            raise errors.IllegalResponse("an HDLC frame out of order")
        self._receive_sequence = (self._receive_sequence + 1) & 0x07
        return frame

    def _send_frame(self, control: int, information: bytes, *, segmented: bool) -> None:
        self._stream.send(hdlc.encode(self._server, self._client, control, information, segmented=segmented))

    def _receive_frame(self) -> Frame:
        stream = self._stream
        # A closing flag may also be the opening flag of the next frame, so there may be any number of flags.
        flags = 0
        while stream.peek() == hdlc.FLAG:
            stream.receive_exactly(1)
            flags += 1
            if flags > MAX_FLAGS:
                raise errors.IllegalResponse("HDLC flags without a frame")
        format_field = stream.receive_exactly(2)
        body = format_field + stream.receive_exactly(hdlc.parse_frame_length(format_field) - 2)
        if stream.receive_exactly(1)[0] != hdlc.FLAG:
            raise errors.IllegalResponse("an HDLC frame without closing flag")
        frame = hdlc.decode(body)
        if (frame.destination, frame.source) != (self._client, self._server):
            raise errors.IllegalResponse("an HDLC frame with other addresses than ours")
        return frame
