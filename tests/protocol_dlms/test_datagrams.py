"""UDP as the carrier (Green Book 7.3): what gets lost, and what may be sent again."""

import socket
import struct
import threading
from collections.abc import Sequence

import pytest

from osgp.catalogue.communication import Carrier, Framing
from osgp.protocol_dlms import (
    CaptureObjectDefinition,
    CosemDateTime,
    Data,
    DataType,
    Deadlines,
    Limits,
    Line,
    MeterAddress,
    RangeDescriptor,
    errors,
)
from osgp.protocol_dlms.transport.datagrams import Datagrams
from tests.protocol_dlms.datagram_peers import DatagramMeter, connect_to, losing
from tests.protocol_dlms.peers import Counter, WrapperMeter, aare, wrapped
from tests.protocol_dlms.sessions import CLOCK, ENERGY, LOAD_PROFILE, connect
from tests.protocol_dlms.talking import DATA_NOTIFICATION, blocks, counting

both = pytest.mark.parametrize("hls", [False, True], ids=["plain", "ciphered"])
QUICK = Deadlines(connect=10, apdu=0.8, session=60, release=0.8)
"""A request is sent again after 0.1 and after 0.3 seconds."""


def first_get(hls: bool) -> int:
    """The number of the datagram of the first GET, and of its answer."""
    return 2 if hls else 1


def of_service(datagrams: Sequence[bytes], *tags: int) -> list[bytes]:
    return [datagram for datagram in datagrams if datagram[8] in tags]


GETS = (0xC0, 0xC8)


@both
def test_a_session(hls: bool) -> None:
    with DatagramMeter(WrapperMeter(counting(), hls=hls)) as peer:
        with connect_to(peer.port, hls=hls) as meter:
            assert [meter.get(ENERGY).value for _ in range(20)] == list(range(1, 21))
            statistics = meter.statistics
        assert len(peer.received) == 22 + hls
    # Each frame is one datagram, and the release is the last one.
    assert all(struct.unpack_from(">HHHH", each)[3] == len(each) - 8 for each in peer.received)
    assert peer.received[-1][8] == 0x62
    assert statistics.round_trips == 21 + hls
    assert statistics.bytes_sent == sum(map(len, peer.received[:-1]))


@both
def test_blocks(hls: bool) -> None:
    peer_side = WrapperMeter(blocks(b"\x09\x06ab", b"cd", b"ef"), hls=hls)
    with DatagramMeter(peer_side) as peer, connect_to(peer.port, hls=hls) as meter:
        assert meter.get(ENERGY).value == b"abcdef"


@both
@pytest.mark.parametrize("way", ["requests", "answers"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_get_is_sent_again(times: int, way: str, hls: bool) -> None:
    begin = first_get(hls)
    lossy = {way: losing(*range(begin, begin + times))}
    counter = Counter()
    with DatagramMeter(WrapperMeter(counting(), hls=hls), **lossy) as peer:
        with connect_to(peer.port, hls=hls, deadlines=QUICK, counter=counter) as meter:
            # The meter counts how often it was asked.
            value = meter.get(ENERGY).value
            assert value == (1 if way == "requests" else times + 1)
            assert meter.get(ENERGY).value == value + 1
        gets = of_service(peer.received, *GETS)
        assert len(gets) == times + 2
    if hls:
        # Octet for octet, the meter would refuse it as a replay.
        assert len(set(gets)) == times + 2
        assert len(set(counter.taken)) == len(counter.taken)
    else:
        assert len(set(gets[: times + 1])) == 1


@both
def test_a_get_is_not_sent_again_without_end(hls: bool) -> None:
    begin = first_get(hls)
    with DatagramMeter(WrapperMeter(counting(), hls=hls), requests=losing(*range(begin, 99))) as peer:
        with (
            connect_to(peer.port, hls=hls, deadlines=QUICK) as meter,
            pytest.raises(errors.ResponseTimeout) as failure,
        ):
            meter.get(ENERGY)
        assert failure.value.retryable
        assert len(of_service(peer.received, *GETS)) == 3


@both
def test_what_is_not_sent_again(hls: bool) -> None:
    """A value would be set twice; the meter counts blocks, and would take a block for the next one."""

    def answer(request: bytes) -> bytes | None:
        return blocks(b"\x09\x04ab", b"cd")(request) if request[:2] == b"\xc0\x01" else None

    for use, tags in (
        (lambda meter: meter.set(ENERGY, Data(DataType.LONG_UNSIGNED, 5)), (0xC1, 0xC9)),
        (lambda meter: meter.get(ENERGY), GETS),
    ):
        with DatagramMeter(WrapperMeter(answer, hls=hls)) as peer:
            with (
                connect_to(peer.port, hls=hls, deadlines=QUICK) as meter,
                pytest.raises(errors.ResponseTimeout),
            ):
                use(meter)
            assert len(of_service(peer.received, *tags)) == (2 if tags is GETS else 1)


@both
def test_datagrams_come_twice_both_ways(hls: bool) -> None:
    def twice(number: int, datagram: bytes) -> Sequence[bytes]:
        return [datagram, datagram] if number > hls else [datagram]

    answer = counting()
    refused: list[bytes] = []

    class Strict(WrapperMeter):
        """Refuses a counter that it knows (Green Book, InvocationCounterError), and has no effect twice."""

        def _unprotect(self, apdu: bytes) -> bytes:
            plain = super()._unprotect(apdu)
            if self.hls and self.counters[-1] in self.counters[:-1]:
                refused.append(apdu)
                return b""
            return plain

    def strict(request: bytes) -> bytes:
        return (
            answer(request) if request else b"\xd8\x01\x06" + (peer_side.counters[-1] + 1).to_bytes(4, "big")
        )

    peer_side = Strict(strict, hls=hls)
    with (
        DatagramMeter(peer_side, requests=twice, answers=twice) as peer,
        connect_to(peer.port, hls=hls) as meter,
    ):
        values = [meter.get(ENERGY).value for _ in range(20)]
    assert values == (list(range(1, 21)) if hls else list(range(1, 41, 2)))
    assert len(refused) >= 19 * hls


def test_answers_in_another_order() -> None:
    """A GET that was sent again is answered twice; the answer with the lower counter comes last."""
    held: list[bytes] = []

    def reorder(number: int, datagram: bytes) -> Sequence[bytes]:
        if number == 2:
            held.append(datagram)
            return []
        return [datagram, *held] if number == 3 else [datagram]

    with (
        DatagramMeter(WrapperMeter(counting()), answers=reorder) as peer,
        connect_to(peer.port, deadlines=QUICK) as meter,
    ):
        assert [meter.get(ENERGY).value for _ in range(3)] == [2, 3, 4]
    assert held


@both
def test_both_answers_to_a_get_that_was_sent_again_are_first_blocks(hls: bool) -> None:
    """A slow meter: the second one arrives instead of the next block."""
    held: list[bytes] = []

    def delay(number: int, datagram: bytes) -> Sequence[bytes]:
        if number == first_get(hls):
            held.append(datagram)
            return []
        return [*held, datagram] if number == first_get(hls) + 1 else [datagram]

    with (
        DatagramMeter(WrapperMeter(blocks(b"\x09\x04ab", b"cd"), hls=hls), answers=delay) as peer,
        connect_to(peer.port, hls=hls, deadlines=QUICK) as meter,
    ):
        assert meter.get(ENERGY).value == b"abcd"
    assert held


def test_all_answers_to_a_get_that_was_sent_three_times_are_first_blocks() -> None:
    """The one with the lowest counter comes between the others."""
    held: list[bytes] = []

    def reorder(number: int, datagram: bytes) -> Sequence[bytes]:
        if number in (2, 3):
            held.append(datagram)
            return []
        return [held[1], held[0], datagram] if number == 4 else [datagram]

    with (
        DatagramMeter(WrapperMeter(blocks(b"\x09\x04ab", b"cd")), answers=reorder) as peer,
        connect_to(peer.port, deadlines=QUICK) as meter,
    ):
        assert meter.get(ENERGY).value == b"abcd"
    assert len(held) == 2


@both
def test_a_get_that_was_sent_again_is_refused_twice(hls: bool) -> None:
    """The second refusal arrives when something else was asked, which it does not answer."""
    held: list[bytes] = []
    read = counting()
    refusals = iter([True, True])

    def answer(request: bytes) -> bytes:
        return b"\xd8\x02\x02" if next(refusals, False) else read(request)

    def delay(number: int, datagram: bytes) -> Sequence[bytes]:
        if number == first_get(hls):
            held.append(datagram)
            return []
        return [*held, datagram] if number == first_get(hls) + 1 else [datagram]

    with (
        DatagramMeter(WrapperMeter(answer, hls=hls), answers=delay) as peer,
        connect_to(peer.port, hls=hls, deadlines=QUICK) as meter,
    ):
        with pytest.raises(errors.ExceptionResponse):
            meter.get(ENERGY)
        assert [meter.get(ENERGY).value for _ in range(2)] == [1, 2]
    assert held


@both
def test_a_refusal_like_that_of_a_get_that_was_sent_again(hls: bool) -> None:
    """The second refusal of the first GET was lost: that of the next GET is asked for once more."""
    begin = first_get(hls)
    peer_side = WrapperMeter(lambda _: b"\xd8\x02\x02", hls=hls)
    with DatagramMeter(peer_side, requests=losing(begin)) as peer:
        with connect_to(peer.port, hls=hls, deadlines=QUICK) as meter:
            for _ in range(2):
                with pytest.raises(errors.ExceptionResponse):
                    meter.get(ENERGY)
            assert meter.is_open
        assert len(of_service(peer.received, *GETS)) == 4


@both
def test_the_first_block_of_another_value(hls: bool) -> None:
    """The value has changed before the meter got the GET again: its blocks must not be mixed."""
    held: list[bytes] = []
    values = iter([b"\x09\x04ab", b"\x09\x04xy"])

    def change(request: bytes) -> bytes:
        return blocks(next(values) if request[1] == 1 else b"", b"cd")(request)

    def delay(number: int, datagram: bytes) -> Sequence[bytes]:
        if number == first_get(hls):
            held.append(datagram)
            return []
        return [*held, datagram] if number == first_get(hls) + 1 else [datagram]

    with (
        DatagramMeter(WrapperMeter(change, hls=hls), answers=delay) as peer,
        connect_to(peer.port, hls=hls, deadlines=QUICK) as meter,
        pytest.raises(errors.IllegalResponse, match="block 1 instead of 2"),
    ):
        meter.get(ENERGY)


def test_a_late_refusal_of_a_get_that_was_sent_again() -> None:
    """The first one comes after the second, whose counter is higher, and is refused for its own."""
    requests: list[bytes] = []

    def swap(number: int, datagram: bytes) -> Sequence[bytes]:
        requests.append(datagram)
        return [] if number == 2 else [datagram, requests[2]] if number == 3 else [datagram]

    answer = counting()

    def refuse_old(request: bytes) -> bytes:
        if peer_side.counters[-1] < max(peer_side.counters):
            return b"\xd8\x01\x06" + (max(peer_side.counters) + 1).to_bytes(4, "big")
        return answer(request)

    peer_side = WrapperMeter(refuse_old)
    with DatagramMeter(peer_side, requests=swap) as peer, connect_to(peer.port, deadlines=QUICK) as meter:
        assert [meter.get(ENERGY).value for _ in range(3)] == [1, 2, 3]
    assert sorted(peer_side.counters) != peer_side.counters


@both
def test_notifications_between(hls: bool) -> None:
    line, heard = Line(), []
    line.on_notification = heard.append

    def add(_: int, datagram: bytes) -> Sequence[bytes]:
        return [wrapped(DATA_NOTIFICATION), datagram]

    with (
        DatagramMeter(WrapperMeter(counting(), hls=hls), answers=add) as peer,
        connect_to(peer.port, hls=hls, line=line) as meter,
    ):
        assert [meter.get(ENERGY).value for _ in range(3)] == [1, 2, 3]
    assert heard == [DATA_NOTIFICATION] * (5 + hls)


def test_two_frames_in_a_datagram() -> None:
    def add(_: int, datagram: bytes) -> Sequence[bytes]:
        return [wrapped(DATA_NOTIFICATION) + datagram]

    with DatagramMeter(WrapperMeter(counting()), answers=add) as peer, connect_to(peer.port) as meter:
        assert [meter.get(ENERGY).value for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("size", [3, 8, 12])
def test_a_datagram_cut_short(size: int) -> None:
    def cut(number: int, datagram: bytes) -> Sequence[bytes]:
        return [datagram[:size] if number == 1 else datagram]

    with (
        DatagramMeter(WrapperMeter(counting(), hls=False), answers=cut) as peer,
        connect_to(peer.port, hls=False, deadlines=QUICK) as meter,
        pytest.raises(errors.IllegalResponse, match="a datagram ends"),
    ):
        meter.get(ENERGY)


def test_empty_datagrams_end() -> None:
    def empty(number: int, datagram: bytes) -> Sequence[bytes]:
        return [b""] * 40 if number == 1 else [datagram]

    with (
        DatagramMeter(WrapperMeter(counting(), hls=False), answers=empty) as peer,
        connect_to(peer.port, hls=False, deadlines=QUICK) as meter,
        pytest.raises(errors.IllegalResponse, match="instead of an answer 17"),
    ):
        meter.get(ENERGY)


@both
def test_a_port_where_nobody_listens(hls: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(errors.ConnectionRefused) as failure:
        connect_to(port, hls=hls)
    assert (failure.value.code, failure.value.retryable) == (225, True)


def test_nobody_else_is_heard() -> None:
    answer = counting()

    def intrude(request: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(wrapped(b"\xc4\x01" + request[2:3] + b"\x00\x12\x99\x99"), peer._peer)
        return answer(request)

    peer = DatagramMeter(WrapperMeter(intrude, hls=False))
    with peer, connect_to(peer.port, hls=False) as meter:
        assert [meter.get(ENERGY).value for _ in range(3)] == [1, 2, 3]


def test_whoever_waits_is_woken() -> None:
    asked, outcomes = threading.Event(), []

    def silent(_: bytes) -> None:
        asked.set()

    line = Line()
    with DatagramMeter(WrapperMeter(silent, hls=False)) as peer:

        def visit() -> None:
            try:
                with connect_to(peer.port, hls=False, line=line) as meter:
                    meter.get(ENERGY)
            except errors.DlmsError as error:
                outcomes.append(type(error))

        thread = threading.Thread(target=visit)
        thread.start()
        assert asked.wait(60)
        line.hang_up()
        thread.join(60)
        assert outcomes == [errors.MeterClosed]
        # Another worker may have the meter by now: it is told nothing.
        assert [each[8] for each in peer.received] == [0x60, 0xC0]


def wait_for_release(peer: DatagramMeter) -> None:
    for _ in range(100):
        if peer.received[-1][8] == 0x62:
            return
        threading.Event().wait(0.05)
    raise AssertionError("the meter was not told of the end")


@both
def test_a_meter_is_told_of_the_end_of_a_session_that_failed(hls: bool) -> None:
    with DatagramMeter(WrapperMeter(lambda _: b"\xc4\x01\xcf\x00\x11\x05", hls=hls)) as peer:
        with connect_to(peer.port, hls=hls, deadlines=QUICK) as meter:
            with pytest.raises(errors.IllegalResponse):
                meter.get(ENERGY)
            assert not meter.is_open
        wait_for_release(peer)
        assert len(of_service(peer.received, 0x62)) == 1


def test_a_meter_is_told_of_the_end_of_an_association_that_failed_with_its_aare() -> None:
    """It has accepted the association, and would refuse others."""

    def tamper(number: int, apdu: bytes) -> bytes:
        return apdu[:-1] + bytes((apdu[-1] ^ 1,))

    with DatagramMeter(WrapperMeter(counting(), tamper=tamper)) as peer:
        with pytest.raises(errors.UnableToDecipher):
            connect_to(peer.port)
        wait_for_release(peer)


def test_a_meter_is_told_of_the_end_of_an_association_that_was_not_used() -> None:
    with DatagramMeter(WrapperMeter(counting(), hls=False)) as peer:
        connect_to(peer.port, hls=False).close()
        wait_for_release(peer)


def test_a_meter_that_refuses_an_association_is_told_nothing() -> None:
    class Refusing(WrapperMeter):
        def _aare(self, counters: object) -> bytes:
            return aare(None, result=b"\x02\x01\x01")

    with (
        DatagramMeter(Refusing(counting(), hls=False)) as peer,
        pytest.raises(errors.AssociationRejected),
    ):
        connect_to(peer.port, hls=False)
    # The peer has taken what was sent to it before the datagram that ended it.
    assert len(peer.received) == 1


def test_a_release_that_is_lost_is_sent_again() -> None:
    with DatagramMeter(WrapperMeter(counting(), hls=False), requests=losing(2)) as peer:
        with connect_to(peer.port, hls=False, deadlines=QUICK) as meter:
            meter.get(ENERGY)
        assert len(of_service(peer.received, 0x62)) == 2


def propose(limits: Limits | None) -> int:
    """The receive size of the AARQ over UDP: the last two octets of the initiate request."""
    with DatagramMeter(WrapperMeter(counting(), hls=False)) as peer:
        with connect_to(peer.port, hls=False, limits=limits):
            pass
        return int.from_bytes(peer.received[0][-2:], "big")


def test_the_receive_size_fits_a_datagram_unless_told() -> None:
    assert propose(None) == 1392
    assert propose(Limits(apdu_size=65535)) == 1392
    assert propose(Limits(apdu_size=512)) == 512
    assert propose(Limits(apdu_size=4096)) == 4096


def test_requests_fit_a_datagram() -> None:
    """The meter takes 65535 octets, but not in one piece."""

    def answer(request: bytes) -> bytes:
        number = request[4:8] if request[1] == 3 else request[18 - 5 + 1 : 18]
        last = request[3] if request[1] == 3 else request[13]
        kind = 3 if last else 2
        return bytes((0xC5, kind)) + request[2:3] + (b"\x00" if last else b"") + number

    peer_side = WrapperMeter(answer, hls=False, size=0xFFFF)
    with DatagramMeter(peer_side) as peer:
        with connect_to(peer.port, hls=False) as meter:
            meter.set(ENERGY, Data(DataType.OCTET_STRING, bytes(5000)))
        assert max(map(len, peer.received)) == 1400
        assert len(of_service(peer.received, 0xC1)) == 4


def test_a_request_that_is_too_long_for_a_datagram_says_so() -> None:
    clock = CosemDateTime(2026, 3, 1, hour=0, minute=0, second=0)
    selection = RangeDescriptor(clock, clock, [CaptureObjectDefinition(CLOCK)] * 80)
    with (
        DatagramMeter(WrapperMeter(counting(), hls=False, size=0xFFFF)) as peer,
        connect_to(peer.port, hls=False) as meter,
        pytest.raises(errors.RequestTooLong, match="can be sent 1392 octets"),
    ):
        meter.read_profile(LOAD_PROFILE, selection)


def test_hdlc_is_refused_before_anything_is_sent() -> None:
    address = MeterAddress("127.0.0.1", 9, framing=Framing.HDLC, carrier=Carrier.UDP)
    with pytest.raises(errors.InvalidSettings, match="UDP"):
        connect(9, address=address)


def test_the_size_of_a_header_is_what_it_is() -> None:
    assert Datagrams.apdu_size + len(wrapped(b"")) == 1400
