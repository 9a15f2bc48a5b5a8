"""From a message to the octets on the line: ciphered, in blocks and in frames as the order says."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..codec import hdlc
from ..codec.block_transfer import split_into_blocks
from ..codec.ciphering import Cipher
from ..codec.errors import LocalProtocolError
from ..codec.wrapper import encode_frame
from ..meter.identity import MANUFACTURER, KeyName
from ..meter.meter import Meter
from .forms import Message, Plan
from .orders import CIPHERED_FAULTS, Form, OrderError, PushFault, PushFraming, Transport

HDLC_DESTINATION, HDLC_SOURCE = bytes.fromhex("CEFF"), bytes.fromhex("03")
"""Addresses in UI frames, as Landis+Gyr meters send them: they name no meter."""
LONGEST_DATAGRAM = 65_507
"""Octets in a UDP datagram over IPv4."""


@dataclass(frozen=True, slots=True)
class Packets:
    """What leaves: over UDP one datagram each, over TCP one after the other.

    ``ends_open`` when only the end of the stream tells where the message ends.
    """

    octets: tuple[bytes, ...]
    ends_open: bool

    def cut(self) -> "Packets":
        """The first half of the octets."""
        left, kept = sum(map(len, self.octets)) // 2, []
        for packet in self.octets:
            if left > 0:
                kept.append(packet[:left])
            left -= len(packet)
        return Packets(tuple(kept), self.ends_open)


def is_ciphered(meter: Meter, plan: Plan) -> bool:
    """Whether a push is ciphered: as ordered, or else data-notifications of meters of such fleets."""
    if plan.order.ciphered is not None:
        return plan.order.ciphered
    if plan.order.fault in CIPHERED_FAULTS:
        return True
    return meter.settings.push_ciphered and meter.is_ciphered and plan.form in (Form.SMR5, Form.BODY)


def check(meter: Meter, plan: Plan) -> None:
    """OrderError when the fault of an order is none of such pushes."""
    if plan.order.fault in CIPHERED_FAULTS and plan.form is Form.DSMR4:
        raise OrderError("fault", f"{plan.order.fault} is one of ciphered pushes")
    if plan.order.fault is PushFault.SLOW and plan.transport is not Transport.TCP:
        raise OrderError("fault", f"{plan.order.fault} is one of pushes over TCP")


def pack(meter: Meter, plan: Plan, message: Message) -> Packets:
    """The octets of a message; each call uses an invocation counter, if the push is ciphered. OrderError when
    they do not fit what is to carry them."""
    if message.is_text:
        return _finish(plan, Packets((message.octets,), ends_open=True))
    order, apdu = plan.order, message.octets
    if is_ciphered(meter, plan):
        apdu = _cipher(meter, apdu, order.fault)
    try:
        packets = Packets(tuple(_frame(plan, message, apdu)), ends_open=False)
    except LocalProtocolError as error:
        raise OrderError("body", str(error)) from error
    if plan.transport is Transport.UDP and max(map(len, packets.octets)) > LONGEST_DATAGRAM:
        raise OrderError("body", f"a datagram holds {LONGEST_DATAGRAM} octets")
    return _finish(plan, packets)


def _frame(plan: Plan, message: Message, apdu: bytes) -> Iterator[bytes]:
    """Frames of an APDU or of its blocks. In HDLC only the first of a message has the LLC header."""
    order = plan.order
    blocks = [apdu] if order.block is None else split_into_blocks(apdu, order.block)
    for number, block in enumerate(blocks):
        if order.framing is PushFraming.WRAPPER:
            yield encode_frame(message.source, message.destination, block)
        else:
            information = block if number else hdlc.LLC_RESPONSE + block
            yield hdlc.encode_push(HDLC_DESTINATION, HDLC_SOURCE, information, order.information)


def _finish(plan: Plan, packets: Packets) -> Packets:
    return packets.cut() if plan.order.fault is PushFault.TRUNCATED else packets


def _cipher(meter: Meter, apdu: bytes, fault: PushFault | None) -> bytes:
    title = meter.system_title
    if fault is PushFault.WRONG_SYSTEM_TITLE:
        title = MANUFACTURER.encode() + bytes((title[3] ^ 0xFF,)) + title[4:]
    key = meter.key(KeyName.ENCRYPTION)
    counter = meter.memory.take_server_counter()
    if fault is PushFault.COUNTER_LOWERED:
        counter = max(counter - 2, 0)
    meter.settings.nonces.use(key, title, counter)
    ciphered = Cipher(key, meter.key(KeyName.AUTHENTICATION), title, b"").encipher_general(counter, apdu)
    return ciphered[:-1] + bytes((ciphered[-1] ^ 1,)) if fault is PushFault.BAD_TAG else ciphered
