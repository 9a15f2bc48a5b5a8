"""Meters made of a few lines each, on real sockets, for tests that decide on every octet.

They share no code with the package under test: what they cipher, they cipher with ``cryptography`` directly.
"""

import contextlib
import itertools
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AUTHENTICATION_KEY = bytes(range(0xD0, 0xE0))
ENCRYPTION_KEY = bytes(range(16))
CLIENT_TITLE = b"CLT\x00\x00\x00\x00\x01"
METER_TITLE = b"MTR\x00\x00\x00\x00\x07"
STOC = b"stoc-challenge-1"

GET_REQUEST, SET_REQUEST, ACTION_REQUEST = 0xC0, 0xC1, 0xC3
RLRQ, RLRE = 0x62, bytes.fromhex("6303800100")
CONFORMANCE = bytes.fromhex("00721f")  # block transfers, lists, selective access, get, set, action…


class Counter:
    """An invocation counter that remembers what it gave out."""

    def __init__(self, first: int = 100) -> None:
        self._values = itertools.count(first)
        self.taken: list[int] = []

    def take_value(self) -> int:
        self.taken.append(next(self._values))
        return self.taken[-1]


class Peer:
    """Listens on a free port and hands each connection to ``talk`` in a thread of its own."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.failures: list[BaseException] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for connection in self._connections:
            connection.close()
        assert not self.failures, self.failures

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._talk(connection)
        except (OSError, EOFError):
            pass  # the client hung up, as it may
        except BaseException as failure:  # noqa: BLE001 - shown by the test that caused it
            self.failures.append(failure)
        finally:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def receive(connection: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        some = connection.recv(size - len(octets))
        if not some:
            raise EOFError
        octets += some
    return octets


def receive_wrapped(connection: socket.socket) -> bytes:
    _, _, _, length = struct.unpack(">HHHH", receive(connection, 8))
    return receive(connection, length)


def wrapped(apdu: bytes, *, server: int = 1, client: int = 1) -> bytes:
    return struct.pack(">HHHH", 1, server, client, len(apdu)) + apdu


def tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + ber_length(len(content)) + content


def ber_length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def initiate_response(*, size: int = 0x0400, conformance: bytes = CONFORMANCE) -> bytes:
    return bytes.fromhex("0800065f1f0400") + conformance + size.to_bytes(2, "big") + b"\x00\x07"


def aare(
    information: bytes | None,
    *,
    context: int = 1,
    result: bytes = b"\x02\x01\x00",
    diagnostic: bytes = b"\xa1\x03\x02\x01\x00",
    title: bytes | None = None,
    stoc: bytes | None = None,
    first: bytes = b"",
    last: bytes = b"",
) -> bytes:
    """An AARE of the fields given; ``first`` and ``last`` are further ones."""
    body = first + tlv(0xA1, bytes.fromhex("0607608574050801") + bytes((context,)))
    body += tlv(0xA2, result) + tlv(0xA3, diagnostic)
    if title is not None:
        body += tlv(0xA4, tlv(0x04, title))
    if stoc is not None:
        body += bytes.fromhex("88020780") + bytes.fromhex("890760857405080205") + tlv(0xAA, tlv(0x80, stoc))
    if information is not None:
        body += tlv(0xBE, tlv(0x04, information))
    return tlv(0x61, body + last)


def seal(title: bytes, counter: int, plain: bytes, *, control: int = 0x30) -> bytes:
    """Security control, invocation counter, ciphertext and tag."""
    nonce = title + counter.to_bytes(4, "big")
    aad = bytes((control,)) + AUTHENTICATION_KEY
    sealed = AESGCM(ENCRYPTION_KEY).encrypt(nonce, plain, aad)
    return bytes((control,)) + counter.to_bytes(4, "big") + sealed[:-4]


def unseal(title: bytes, content: bytes) -> tuple[int, bytes]:
    """The invocation counter and plain octets of what :func:`seal` makes; verified by sealing anew."""
    counter = int.from_bytes(content[1:5], "big")
    nonce = title + content[1:5]
    plain = AESGCM(ENCRYPTION_KEY).encrypt(nonce, content[5:-12], b"")[:-16]
    assert seal(title, counter, plain, control=content[0]) == content
    return counter, plain


def gmac(title: bytes, counter: int, challenge: bytes) -> bytes:
    nonce = title + counter.to_bytes(4, "big")
    tag = AESGCM(ENCRYPTION_KEY).encrypt(nonce, b"", b"\x10" + AUTHENTICATION_KEY + challenge)[:12]
    return b"\x10" + counter.to_bytes(4, "big") + tag


Answer = Callable[[bytes], bytes | None]
Tamper = Callable[[int, bytes], bytes]


class WrapperMeter:
    """A meter behind the wrapper: associates, then answers what ``answer`` makes of each plain request.

    ``answer`` returns the plain response, or None to say nothing. ``tamper`` gets the number (the AARE is 0)
    and octets of each answer as it is about to be framed, and returns what is sent instead.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        hls: bool = True,
        tamper: Tamper = lambda _, apdu: apdu,
        first_counter: int = 0,
        size: int = 0x0400,
        conformance: bytes = CONFORMANCE,
        client: int = 1,
        released: Callable[[], bytes | None] = lambda: RLRE,
    ) -> None:
        self.answer = answer
        self.hls = hls
        self.tamper = tamper
        self.first_counter = first_counter
        self.size = size
        self.conformance = conformance
        self.client = client
        self.released = released
        self.requests: list[bytes] = []
        self.counters: list[int] = []
        self.longest_request = 0

    def __call__(self, connection: socket.socket) -> None:
        counters = itertools.count(self.first_counter)
        numbers = itertools.count()

        def send(apdu: bytes) -> None:
            connection.sendall(wrapped(self.tamper(next(numbers), apdu), client=self.client))

        aarq = receive_wrapped(connection)
        send(self._aare(counters))
        ctos = aarq.split(b"\xac", 1)[1][3:][: aarq.split(b"\xac", 1)[1][2]] if self.hls else b""
        while True:
            apdu = receive_wrapped(connection)
            self.longest_request = max(self.longest_request, len(apdu))
            if apdu[0] == RLRQ:
                goodbye = self.released()
                if goodbye is not None:
                    send(goodbye)
                return
            plain = self._unprotect(apdu)
            self.requests.append(plain)
            if self.hls and len(self.requests) == 1:
                response = self._pass_4(plain, ctos, counters)
            else:
                response = self.answer(plain)
            if response is not None:
                send(self._protect(response, counters))

    def _aare(self, counters: Iterator[int]) -> bytes:
        information = initiate_response(size=self.size, conformance=self.conformance)
        if not self.hls:
            return aare(information)
        content = seal(METER_TITLE, next(counters), information)
        return aare(
            tlv(0x28, content), context=3, diagnostic=b"\xa1\x03\x02\x01\x0e", title=METER_TITLE, stoc=STOC
        )

    def _pass_4(self, plain: bytes, ctos: bytes, counters: Iterator[int]) -> bytes:
        assert plain[:3] == b"\xc3\x01\xc1"
        assert plain[3:14] == bytes.fromhex("000f0000280000ff010109")
        assert plain[14] == 17
        proof = plain[15:]
        assert proof == gmac(CLIENT_TITLE, int.from_bytes(proof[1:5], "big"), STOC)
        self.counters.append(int.from_bytes(proof[1:5], "big"))
        return b"\xc7\x01\xc1\x00\x01\x00\x09\x11" + gmac(METER_TITLE, next(counters), ctos)

    def _unprotect(self, apdu: bytes) -> bytes:
        if not self.hls:
            return apdu
        assert apdu[0] in (0xC8, 0xC9, 0xCB)
        octets = apdu[1] & 0x7F if apdu[1] & 0x80 else 0
        counter, plain = unseal(CLIENT_TITLE, apdu[2 + octets :])
        self.counters.append(counter)
        return plain

    def _protect(self, plain: bytes, counters: Iterator[int]) -> bytes:
        if not self.hls or plain[0] in (0xD8, 0x0E):
            return plain
        return tlv(plain[0] + 8, seal(METER_TITLE, next(counters), plain))


def random_octets(size: int) -> bytes:
    return os.urandom(size)
