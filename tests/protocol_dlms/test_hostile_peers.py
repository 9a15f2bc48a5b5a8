"""Peers that refuse, hang, hang up, dribble, flood, forge and replay: a typed error, bounded time."""

import gc
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from osgp.protocol_dlms import (
    Deadlines,
    Limits,
    MeterAddress,
    Security,
    deadlines,
    errors,
    read_invocation_counter,
)
from osgp.protocol_dlms.ciphering import OVERHEAD
from osgp.protocol_dlms.transport import Stream
from osgp.protocol_dlms.transport import stream as stream_module
from tests.protocol_dlms.peers import (
    METER_TITLE,
    Peer,
    WrapperMeter,
    aare,
    initiate_response,
    receive_wrapped,
    seal,
    tlv,
    wrapped,
)
from tests.protocol_dlms.sessions import (
    ENERGY,
    IMPATIENT,
    INVOCATION_COUNTER,
    UNRELEASED,
    Talk,
    connect,
    session,
)

ANSWER = bytes.fromhex("c401c1000600003039")


def energy(request: bytes) -> bytes:
    return b"\xc4\x01" + request[2:3] + bytes.fromhex("000600003039")


def silent(_: bytes) -> None:
    return None


def associated(then: Callable[[socket.socket], None]) -> Talk:
    """A peer that associates without security, takes one request, and then does as told."""

    def talk(connection: socket.socket) -> None:
        receive_wrapped(connection)
        connection.sendall(wrapped(aare(initiate_response())))
        receive_wrapped(connection)
        then(connection)

    return talk


def get_from(talk: Talk, **settings: object) -> None:
    with session(talk, hls=False, **{"deadlines": UNRELEASED, **settings}) as meter:
        meter.get(ENERGY)


def expect(error: type[errors.DlmsError], code: int, talk: Talk, **settings: object) -> None:
    with pytest.raises(error) as failure:
        get_from(talk, **settings)  # type: ignore[arg-type]
    assert failure.value.code == code
    assert failure.value.component == "PROTOCOL_DLMS"
    assert failure.value.retryable


# Connecting


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(errors.ConnectionRefused) as failure:
        connect(port)
    assert (failure.value.code, failure.value.retryable) == (225, True)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 300])
def test_unknown_host(host: str) -> None:
    with pytest.raises(errors.ConnectionEstablishError) as failure:
        read_invocation_counter(MeterAddress(host, 4059), INVOCATION_COUNTER, UNRELEASED)
    assert failure.value.code == 228


@pytest.mark.parametrize(
    ("error", "expected", "code"),
    [
        (ConnectionRefusedError(), errors.ConnectionRefused, 225),
        (ConnectionResetError(), errors.ConnectionReset, 226),
        (TimeoutError(), errors.ConnectionTimedOut, 227),
        (OSError(113, "No route to host"), errors.ConnectionEstablishError, 228),
    ],
)
def test_what_the_operating_system_says_when_connecting(
    monkeypatch: pytest.MonkeyPatch, error: OSError, expected: type[errors.DlmsError], code: int
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(stream_module.socket.socket, "connect", refuse)
    with pytest.raises(expected) as failure:
        connect(4059)
    assert failure.value.code == code


def test_no_time_to_connect() -> None:
    with Peer(WrapperMeter(energy)) as peer:
        with pytest.raises(errors.ConnectionTimedOut):
            connect(peer.port, deadlines=Deadlines(connect=0))
        with pytest.raises(errors.CommunicationTimeout):
            connect(peer.port, deadlines=Deadlines(session=0))


# Waiting


def test_a_peer_that_says_nothing_at_all() -> None:
    expect(
        errors.ResponseTimeout,
        233,
        lambda connection: connection.recv(1000) and connection.recv(1),
        deadlines=IMPATIENT,
    )


def test_a_peer_that_says_nothing_to_a_request() -> None:
    expect(
        errors.ResponseTimeout, 233, associated(lambda connection: connection.recv(1)), deadlines=IMPATIENT
    )


def dribble(octets: bytes) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        for octet in octets:
            connection.sendall(bytes((octet,)))
            time.sleep(0.05)

    return send


def test_one_octet_at_a_time_is_not_for_ever() -> None:
    expect(
        errors.ResponseTimeout,
        233,
        associated(dribble(wrapped(ANSWER[:4] + bytes(500)))),
        deadlines=IMPATIENT,
    )


def test_one_octet_at_a_time_is_understood_when_it_ends_in_time() -> None:
    def promptly(connection: socket.socket) -> None:
        for octet in wrapped(ANSWER):
            connection.sendall(bytes((octet,)))
        connection.recv(1)

    get_from(associated(promptly), deadlines=Deadlines(apdu=20, release=0.1))


def test_the_time_for_the_session_ends_it_however_prompt_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with session(WrapperMeter(energy)) as meter:
        meter.get(ENERGY)
        in_a_minute = time.monotonic() + 60
        monkeypatch.setattr(deadlines.time, "monotonic", lambda: in_a_minute)
        with pytest.raises(errors.CommunicationTimeout) as failure:
            meter.get(ENERGY)
    assert (failure.value.code, failure.value.retryable) == (214, True)
    assert not meter.is_open


def test_a_peer_that_reads_nothing() -> None:
    """The octets to send pile up in both systems' buffers until the time is over."""
    finished = threading.Event()
    with Peer(lambda _: finished.wait(30)) as peer:
        stream = Stream("127.0.0.1", peer.port, deadlines.SessionClock(IMPATIENT))
        with pytest.raises(errors.ResponseTimeout):
            stream.send(bytes(64 * 1024 * 1024))
        finished.set()
        stream.close()


# Hanging up


def test_hanging_up_at_once() -> None:
    expect(errors.SocketClosedByRemote, 229, lambda connection: None)


@pytest.mark.parametrize("sent", range(len(wrapped(ANSWER))))
def test_hanging_up_amidst_the_answer(sent: int) -> None:
    expect(
        errors.SocketClosedByRemote,
        229,
        associated(lambda connection: connection.sendall(wrapped(ANSWER)[:sent])),
    )


def test_a_reset() -> None:
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def talk(connection: socket.socket) -> None:
        connection.recv(1)
        reset(connection)

    expect(errors.ConnectionReset, 226, talk)


# Garbage and floods


@pytest.mark.parametrize(
    ("octets", "error", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", errors.WrapperHeaderInvalid, 231),
        (bytes(8), errors.WrapperHeaderInvalid, 231),
        (bytes.fromhex("0002000100010009") + ANSWER, errors.WrapperHeaderInvalid, 231),
        (wrapped(b""), errors.IllegalResponse, 232),
        (wrapped(b"\x00"), errors.IllegalResponse, 232),
        (wrapped(ANSWER[:-1]), errors.DecodeError, 232),
        (wrapped(bytes.fromhex("c401c2000600003039")), errors.IllegalResponse, 232),
    ],
)  # fmt: skip
def test_garbage(octets: bytes, error: type[errors.DlmsError], code: int) -> None:
    def send(connection: socket.socket) -> None:
        connection.sendall(octets)
        connection.recv(1)

    expect(error, code, associated(send))


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (wrapped(ANSWER, server=2), "from another logical device than 1"),
        (wrapped(ANSWER, client=2), "to another client than 1"),
        (wrapped(bytes.fromhex("0f000000000002020000")), "a notification"),
        (wrapped(b"\xdb\x00"), "a notification"),
    ],
)
def test_what_is_no_answer_is_told_when_none_comes(octets: bytes, told: str) -> None:
    def send(connection: socket.socket) -> None:
        connection.sendall(octets)
        connection.recv(1)

    with (
        session(associated(send), hls=False, deadlines=IMPATIENT) as meter,
        pytest.raises(errors.ResponseTimeout, match=told),
    ):
        meter.get(ENERGY)


def test_what_is_no_wrapper_header_is_told_in_words() -> None:
    def send(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(1)

    with pytest.raises(errors.WrapperHeaderInvalid, match=r"not begin with a wrapper header$"):
        get_from(associated(send))


def test_an_apdu_larger_than_allowed_is_not_even_waited_for() -> None:
    def send(connection: socket.socket) -> None:
        connection.sendall(struct.pack(">HHHH", 1, 1, 1, 2001 + OVERHEAD))
        connection.recv(1)

    expect(errors.ReplyTooLarge, 232, associated(send), limits=Limits(apdu_size=2000))
    with pytest.raises(errors.ReplyTooLarge, match=f"^an APDU of more than {2000 + OVERHEAD} octets$"):
        get_from(associated(send), limits=Limits(apdu_size=2000))


def test_what_ciphering_adds_does_not_count_as_too_large() -> None:
    """Seen in the field: meters that fill the receive size with the plain APDU."""
    value = bytes(2000 - 7 - 3)

    def longest(request: bytes) -> bytes:
        return b"\xc4\x01" + request[2:3] + b"\x00\x09\x82" + len(value).to_bytes(2, "big") + value

    with session(WrapperMeter(longest), limits=Limits(apdu_size=2000)) as meter:
        assert meter.get(ENERGY).value == value


def flood(prefix: bytes) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        connection.sendall(prefix)
        while True:
            connection.sendall(bytes(65536))

    return send


@pytest.mark.parametrize(
    "prefix", [wrapped(ANSWER), b"", struct.pack(">HHHH", 1, 1, 1, 65535)], ids=["answer", "zeros", "length"]
)
def test_endless_octets_take_no_memory(prefix: bytes) -> None:
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        get_from(associated(flood(prefix)))
    except errors.DlmsError as failure:
        assert failure.code in (231, 232)  # noqa: PT017
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_an_answer_nobody_asked_for_is_not_taken_for_the_next() -> None:
    """Two answers to one request: the second would answer the next request, but it is known already."""
    answers = iter([wrapped(ANSWER) * 2, b""])

    def twice(connection: socket.socket) -> None:
        for octets in answers:
            connection.sendall(octets)
            receive_wrapped(connection)

    with session(associated(twice), hls=False, deadlines=IMPATIENT) as meter:
        meter.get(ENERGY)
        with pytest.raises(errors.ResponseTimeout, match="came twice"):
            meter.get(ENERGY)
        assert not meter.is_open


# Forgery. Answer 0 is the AARE, 1 that of pass 4, 2 that to the first GET.


def forging(change: Callable[[bytes], bytes], number: int = 2) -> WrapperMeter:
    return WrapperMeter(energy, tamper=lambda index, apdu: change(apdu) if index == number else apdu)


def expect_undecipherable(
    meter_side: WrapperMeter, error: type[errors.DlmsError] = errors.UnableToDecipher
) -> None:
    with session(meter_side) as meter:
        with pytest.raises(error) as failure:
            meter.get(ENERGY)
        # Wrong keys stay wrong; a stray frame does not come again.
        is_stray = error is errors.ReplayedCounter
        assert (failure.value.code, failure.value.retryable) == (230, is_stray)
        assert not meter.is_open
        with pytest.raises(errors.MeterClosed):
            meter.get(ENERGY)


SEALED_LENGTH = 2 + 5 + len(ANSWER) + 12


@pytest.mark.parametrize("position", range(2, SEALED_LENGTH))
def test_a_flipped_bit_anywhere_behind_the_header(position: int) -> None:
    def flip(apdu: bytes) -> bytes:
        assert len(apdu) == SEALED_LENGTH
        return apdu[:position] + bytes((apdu[position] ^ 0x20,)) + apdu[position + 1 :]

    expect_undecipherable(forging(flip))


def test_a_flipped_bit_in_the_answer_of_pass_4() -> None:
    with (
        pytest.raises(errors.UnableToDecipher),
        session(forging(lambda apdu: apdu[:-1] + bytes((apdu[-1] ^ 1,)), 1)),
    ):
        pass


def test_an_answer_in_plain_where_ciphering_was_agreed_on() -> None:
    expect_undecipherable(forging(lambda _: bytes.fromhex("c401c2000600003039")))


@pytest.mark.parametrize("control", [0x10, 0x20])
def test_an_answer_with_less_protection_than_agreed_on(control: int) -> None:
    sealed = seal(METER_TITLE, 9, bytes.fromhex("c401c2000600003039"), control=control)
    expect_undecipherable(forging(lambda _: tlv(0xCC, sealed)))


def test_a_replayed_answer() -> None:
    kept: list[bytes] = []

    def replay(index: int, apdu: bytes) -> bytes:
        kept.append(apdu)
        return kept[2] if index == 4 else apdu

    with session(WrapperMeter(energy, tamper=replay)) as meter:
        meter.get(ENERGY)
        meter.get(ENERGY)
        with pytest.raises(errors.ReplayedCounter) as failure:
            meter.get(ENERGY)
        assert failure.value.code == 230
        assert not meter.is_open


def test_an_answer_with_a_lower_counter() -> None:
    sealed = seal(METER_TITLE, 0, bytes.fromhex("c401c2000600003039"))
    expect_undecipherable(forging(lambda _: tlv(0xCC, sealed)), errors.ReplayedCounter)


@pytest.mark.parametrize(
    "apdu",
    [
        b"\xcc",
        b"\xcc\x00",
        b"\xcc\x05\x30",
        b"\xcc\x84\xff\xff\xff\xff",
        b"\xcc\x80",
        b"\xcd\x00",
    ],
)
def test_ciphered_answers_cut_short_or_of_another_kind(apdu: bytes) -> None:
    with session(forging(lambda _: apdu)) as meter:
        with pytest.raises(errors.DlmsError) as failure:
            meter.get(ENERGY)
        assert failure.value.code in (230, 232)
        assert not meter.is_open


def test_octets_behind_a_ciphered_answer() -> None:
    with session(forging(lambda apdu: apdu + b"\x00")) as meter, pytest.raises(errors.IllegalResponse):
        meter.get(ENERGY)


def test_a_sealed_answer_to_another_service_or_with_nothing_in_it() -> None:
    for plain in (b"", bytes.fromhex("c501c200"), b"\xc4", bytes.fromhex("0e050600")):
        sealed = seal(METER_TITLE, 9, plain)
        with (
            session(forging(lambda _, sealed=sealed: tlv(0xCC, sealed))) as meter,
            pytest.raises(errors.IllegalResponse),
        ):
            meter.get(ENERGY)


def test_a_sealed_service_error() -> None:
    sealed = seal(METER_TITLE, 9, bytes.fromhex("0e050600"))
    with (
        session(forging(lambda _: tlv(0x2E, sealed))) as meter,
        pytest.raises(errors.IllegalResponse, match="confirmed-service-error"),
    ):
        meter.get(ENERGY)


# Interruption


def test_an_interruption_closes_the_connection() -> None:
    class Interruption(BaseException):
        pass

    def interrupted() -> bytes:
        raise Interruption

    with session(WrapperMeter(energy)) as meter:
        meter._session._link.receive = interrupted  # type: ignore[method-assign]
        with pytest.raises(Interruption):
            meter.get(ENERGY)
        assert not meter.is_open


def test_an_interrupted_session_does_not_wait_for_the_release() -> None:
    said: list[str] = []
    with (
        pytest.raises(KeyboardInterrupt),
        session(
            WrapperMeter(energy, released=lambda: said.append("goodbye")),  # type: ignore[func-returns-value]
            security=Security.HLS5,
        ),
    ):
        raise KeyboardInterrupt
    assert said == []
