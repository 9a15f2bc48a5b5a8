"""What is no answer is skipped, within bounds, and notifications are told to whom the line belongs to.

Seen in the field: data-notifications and event-notifications within an association, and before the AARE;
answers that come twice or late through gateways; frames for other clients on a line.
"""

import socket
from collections.abc import Callable

import pytest

from osgp.protocol_dlms import Data, DataType, Line, Meter, errors
from osgp.protocol_dlms.transport import strays
from tests.protocol_dlms import talking
from tests.protocol_dlms.peers import WrapperMeter, wrapped
from tests.protocol_dlms.sessions import CLOCK, ENERGY, IMPATIENT, RESET, UNRELEASED, session
from tests.protocol_dlms.talking import DATA_NOTIFICATION, UNSOLICITED, Late, blocks, changing, counting

both = pytest.mark.parametrize("hls", [False, True], ids=["plain", "ciphered"])


def listening() -> tuple[Line, list[bytes]]:
    line, heard = Line(), []
    line.on_notification = heard.append
    return line, heard


@both
@pytest.mark.parametrize("apdu", UNSOLICITED, ids=[f"{apdu[0]:02x}" for apdu in UNSOLICITED])
def test_a_notification_before_every_answer(apdu: bytes, hls: bool) -> None:
    """Green Book, DataNotification and EventNotification: the server sends them at any time."""
    line, heard = listening()
    answers = 0

    def add(_: int, frame: bytes) -> bytes:
        nonlocal answers
        answers += 1
        return wrapped(apdu) + frame

    with session(changing(WrapperMeter(counting(), hls=hls), add), hls=hls, line=line) as meter:
        assert [meter.get(ENERGY).value for _ in range(5)] == [1, 2, 3, 4, 5]
    # The AARE, pass 4 if there was one, five answers, and the RLRE.
    assert answers == (8 if hls else 7)
    assert heard == [apdu] * answers


@both
def test_notifications_are_told_in_their_order_and_not_without_end(hls: bool) -> None:
    line, heard = listening()
    sent: list[bytes] = []

    def add(_: int, frame: bytes) -> bytes:
        sent.extend(DATA_NOTIFICATION + bytes((len(sent) + each,)) for each in range(4))
        return b"".join(wrapped(apdu) for apdu in sent[-4:]) + frame

    with session(changing(WrapperMeter(counting(), hls=hls), add), hls=hls, line=line) as meter:
        assert [meter.get(ENERGY).value for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert heard == sent[:16]


@both
def test_nobody_has_to_listen(hls: bool) -> None:
    meter_side = changing(WrapperMeter(counting(), hls=hls), lambda _, frame: wrapped(UNSOLICITED[1]) + frame)
    with session(meter_side, hls=hls) as meter:
        assert meter.get(ENERGY).value == 1


@both
def test_every_answer_comes_twice(hls: bool) -> None:
    with session(changing(WrapperMeter(counting(), hls=hls), lambda _, frame: frame * 2), hls=hls) as meter:
        # More requests than there are invoke ids.
        assert [meter.get(ENERGY).value for _ in range(40)] == list(range(1, 41))


@both
def test_blocks_come_twice(hls: bool) -> None:
    """Green Book, block transfer: a block has a number, so the same one again is no other block."""
    peer = WrapperMeter(blocks(b"\x09\x06ab", b"cd", b"ef"), hls=hls)
    with session(changing(peer, lambda _, frame: frame * 2), hls=hls) as meter:
        assert [meter.get(ENERGY).value for _ in range(3)] == [b"abcdef"] * 3


@both
def test_writes_and_methods_are_answered_twice(hls: bool) -> None:
    def answer(request: bytes) -> bytes:
        if request[0] == 0xC1:
            return b"\xc5\x01" + request[2:3] + b"\x00"
        return b"\xc7\x01" + request[2:3] + b"\x00\x00"

    peer = WrapperMeter(answer, hls=hls)
    with session(changing(peer, lambda _, frame: frame * 2), hls=hls) as meter:
        for _ in range(3):
            meter.set(ENERGY, Data(DataType.LONG_UNSIGNED, 5))
            meter.invoke(RESET)
    assert [request[0] for request in peer.requests[hls:]] == [0xC1, 0xC3] * 3


LONG = Data(DataType.OCTET_STRING, bytes(300))


@both
@pytest.mark.parametrize(
    ("answer", "use"),
    [
        ("c402II 00 00000001 00 02 0904", lambda meter: meter.get(ENERGY)),
        ("c502II 00000001", lambda meter: meter.set(ENERGY, LONG)),
        ("c704II 00000001", lambda meter: meter.invoke(RESET, LONG)),
    ],
    ids=["get", "set", "action"],
)
def test_the_same_block_is_not_the_next(answer: str, use: Callable[[Meter], object], hls: bool) -> None:
    """The one that counts does not come, also where the meter ciphers the same anew."""

    def repeat(request: bytes) -> bytes:
        return bytes.fromhex(answer.replace("II", f"{request[2]:02x}"))

    with (
        session(WrapperMeter(repeat, hls=hls, size=150), hls=hls, deadlines=IMPATIENT) as meter,
        pytest.raises(errors.ResponseTimeout, match=r"came twice|former request"),
    ):
        use(meter)


@both
def test_two_refusals_are_two(hls: bool) -> None:
    """Green Book, ExceptionResponse: it has no invoke id, so one like the last is an answer too."""
    refusals = iter([True, True, False])
    read = counting()

    def answer(request: bytes) -> bytes:
        return b"\xd8\x02\x02" if next(refusals) else read(request)

    with session(WrapperMeter(answer, hls=hls), hls=hls) as meter:
        for _ in range(2):
            with pytest.raises(errors.ExceptionResponse):
                meter.get(ENERGY)
        assert meter.get(ENERGY).value == 1


def late_answer(request: bytes) -> bytes:
    """To the request before, of another value."""
    return bytes((0xC4, 1, 0xC0 | (request[2] - 1) & 0x0F)) + b"\x00\x12\x22\x22"


def late_block(request: bytes) -> bytes:
    invoke_id = 0xC0 | (request[2] - 1) & 0x0F
    return bytes((0xC4, 2, invoke_id, 0, 0, 0, 0, 2, 0, 2, 0x12, 0x22))


def late_set(request: bytes) -> bytes:
    return bytes((0xC5, 1, 0xC0 | (request[2] - 1) & 0x0F, 0))


def late_action(request: bytes) -> bytes:
    return bytes((0xC7, 1, 0xC0 | (request[2] - 1) & 0x0F, 0, 0))


@both
@pytest.mark.parametrize("late", [late_answer, late_block, late_set, late_action])
def test_answers_to_former_requests(late: talking.Answer, hls: bool) -> None:
    with session(Late(counting(), late, hls=hls), hls=hls) as meter:
        assert [meter.get(ENERGY).value for _ in range(20)] == list(range(1, 21))


@both
def test_an_invoke_id_that_was_not_used(hls: bool) -> None:
    def unused(request: bytes) -> bytes:
        return bytes((0xC4, 1, 0xCF)) + b"\x00\x12\x22\x22"

    with session(Late(counting(), unused, hls=hls), hls=hls) as meter:
        assert meter.get(ENERGY).value == 1
        with pytest.raises(errors.IllegalResponse, match="invoke id"):
            meter.get(ENERGY)
        assert not meter.is_open


def test_an_answer_before_the_last_one_is_a_replay() -> None:
    sent: list[bytes] = []

    def repeat(_: int, frame: bytes) -> bytes:
        sent.append(frame)
        return sent[-3] + frame if len(sent) == 5 else frame

    with session(changing(WrapperMeter(counting()), repeat)) as meter:
        assert [meter.get(ENERGY).value for _ in range(2)] == [1, 2]
        with pytest.raises(errors.ReplayedCounter):
            meter.get(ENERGY)


def test_a_late_answer_that_is_not_authentic() -> None:
    class Forged(Late):
        def _protect(self, plain: bytes, counters: talking.Iterator[int]) -> bytes:
            protected = super()._protect(plain, counters)
            self._before = self._before[:-1] + bytes((self._before[-1] ^ 1,)) if self._before else b""
            return protected

    with session(Forged(counting(), late_answer)) as meter:
        assert meter.get(ENERGY).value == 1
        with pytest.raises(errors.UnableToDecipher):
            meter.get(ENERGY)


@both
@pytest.mark.parametrize(
    ("server", "client"), [(1, 2), (2, 1), (0x67, 0x66)], ids=["client", "server", "push"]
)
def test_frames_for_others(server: int, client: int, hls: bool) -> None:
    other = wrapped(bytes.fromhex("c401c100122222"), server=server, client=client)
    empty = wrapped(b"", server=server, client=client)
    peer = changing(WrapperMeter(counting(), hls=hls), lambda _, frame: other + empty + frame)
    with session(peer, hls=hls) as meter:
        assert [meter.get(ENERGY).value for _ in range(20)] == list(range(1, 21))


@both
def test_a_notification_for_another_client_is_told_all_the_same(hls: bool) -> None:
    """Dutch pushes go to wPort 0x66, also within a session."""
    line, heard = listening()
    push = wrapped(DATA_NOTIFICATION, server=0x67, client=0x66)
    peer = changing(
        WrapperMeter(counting(), hls=hls), lambda number, frame: push + frame if not number else frame
    )
    with session(peer, hls=hls, line=line) as meter:
        assert meter.get(ENERGY).value == 1
    assert heard == [DATA_NOTIFICATION]


def after_the_association(octets: bytes, hls: bool) -> talking.Change:
    return lambda number, frame: octets if number == (2 if hls else 1) else frame


@both
@pytest.mark.parametrize(
    "frame",
    [wrapped(DATA_NOTIFICATION), wrapped(b"\xc4\x01\xc1\x00\x11\x05", client=9)],
    ids=["notifications", "others"],
)
def test_a_flood_ends(frame: bytes, hls: bool) -> None:
    line, heard = listening()
    peer = changing(WrapperMeter(counting(), hls=hls), after_the_association(frame * 1000, hls))
    with session(peer, hls=hls, line=line, deadlines=UNRELEASED) as meter:
        with pytest.raises(errors.IllegalResponse, match="instead of an answer 17 APDUs"):
            meter.get(ENERGY)
        assert not meter.is_open
    assert len(heard) <= strays.MOST_APDUS


@both
def test_a_flood_of_long_ones_ends(hls: bool) -> None:
    line, heard = listening()
    long = DATA_NOTIFICATION + bytes(60_000)
    peer = changing(WrapperMeter(counting(), hls=hls), after_the_association(wrapped(long) * 100, hls))
    with (
        session(peer, hls=hls, line=line, deadlines=UNRELEASED) as meter,
        pytest.raises(errors.IllegalResponse, match="instead of an answer 5 APDUs"),
    ):
        meter.get(ENERGY)
    assert heard == [long] * 4


def test_a_flood_before_the_association_ends() -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(wrapped(DATA_NOTIFICATION) * 1000)
        connection.recv(1000)

    with pytest.raises(errors.IllegalResponse, match="instead of an answer 17 APDUs"), session(flood):
        pass


@both
def test_the_bounds_are_those_of_one_exchange(hls: bool) -> None:
    many = wrapped(DATA_NOTIFICATION) * strays.MOST_APDUS
    with session(
        changing(WrapperMeter(counting(), hls=hls), lambda _, frame: many + frame), hls=hls
    ) as meter:
        assert [meter.get(ENERGY).value for _ in range(5)] == [1, 2, 3, 4, 5]


@both
def test_an_answer_that_never_comes_is_told_with_what_came(hls: bool) -> None:
    line, heard = listening()
    octets = wrapped(b"\xc4\x01\xc1\x00\x11\x05", client=9) + wrapped(DATA_NOTIFICATION, client=0x66)
    peer = changing(WrapperMeter(counting(), hls=hls), after_the_association(octets, hls))
    with session(peer, hls=hls, line=line, deadlines=IMPATIENT) as meter:
        with pytest.raises(errors.ResponseTimeout, match=r"of 2 APDUs .* another client than 1$") as failure:
            meter.get(CLOCK)
        assert failure.value.retryable
    assert heard == [DATA_NOTIFICATION]
