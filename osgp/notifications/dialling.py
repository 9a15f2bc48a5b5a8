"""Connections to receivers: to addresses that may be dialled only, and each step before a deadline.

Deadlines are points on the monotonic clock and hold for everything together: resolving, connecting, TLS,
sending and receiving. A receiver that sends an octet now and then gains nothing. TLS runs over memory buffers
for that reason: the timeouts of Python's own TLS sockets hold for one step each under gevent.
"""

import socket
import ssl
import threading
import time
from functools import lru_cache
from queue import Empty, SimpleQueue

from django.conf import settings

from osgp.events import receivers
from osgp.events.receivers import ReceiverUrl
from osgp.ip_addresses import parse_address

RECEIVED_AT_ONCE = 16 * 1024
"""Octets."""
MOST_ADDRESSES = 4
"""Addresses of a name that are tried, with an equal part of the time each."""


class SendError(Exception):
    """The notification did not get an answer; the text says why, for the organisation's delivery log."""


class Stream:
    """A connection to a receiver, encrypted or not."""

    def __init__(self, line: socket.socket, url: ReceiverUrl, deadline: float) -> None:
        self._line = line
        self._tls: ssl.SSLObject | None = None
        if url.scheme == "https":
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = _load_tls(settings.OSGP["WEBHOOK_CA_FILE"]).wrap_bio(
                self._incoming, self._outgoing, server_hostname=url.host
            )
            self._shake_hands(deadline)

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of it. Raises SendError and OSError."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        self._send(data, deadline)

    def receive(self, deadline: float) -> bytes:
        """Return what comes next, nothing at the end. Raises SendError and OSError."""
        if self._tls is None:
            return self._receive(deadline)
        while True:
            try:
                return self._tls.read(RECEIVED_AT_ONCE)
            except ssl.SSLWantReadError:
                self._exchange(deadline)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: no end, and nothing that was not asked for."""
        self._line.settimeout(0)
        try:
            self._line.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, TimeoutError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _shake_hands(self, deadline: float) -> None:
        assert self._tls is not None
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._exchange(deadline)
            else:
                self._send(self._outgoing.read(), deadline)
                return

    def _exchange(self, deadline: float) -> None:
        """Send what TLS has to say, and give it what comes next."""
        self._send(self._outgoing.read(), deadline)
        if data := self._receive(deadline):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            self._line.settimeout(count_remaining(deadline))
            view = view[self._line.send(view) :]

    def _receive(self, deadline: float) -> bytes:
        self._line.settimeout(count_remaining(deadline))
        return self._line.recv(RECEIVED_AT_ONCE)


def dial(url: ReceiverUrl, deadline: float) -> Stream:
    """Connect to a receiver. Raises SendError."""
    addresses = find_addresses(url, deadline)[:MOST_ADDRESSES]
    for tried, (family, address) in enumerate(addresses, start=1):
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            remaining = count_remaining(deadline)
            line.settimeout(remaining / (len(addresses) - tried + 1))
            line.connect(address)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Stream(line, url, deadline)
        except OSError as error:
            line.close()
            if tried == len(addresses) or isinstance(error, ssl.SSLError):
                raise SendError(describe(error)) from error
        except BaseException:
            line.close()
            raise
    raise SendError("The name has no address.")


def find_addresses(url: ReceiverUrl, deadline: float) -> list[tuple[int, tuple[str, int]]]:
    """Return where to connect to, as families and addresses that were checked: nothing resolves them again.

    Raises SendError, also if the name has any address that must not be dialled.
    """
    literal = parse_address(url.host)
    found = [str(literal)] if literal is not None else _resolve(url, deadline)
    addresses: list[tuple[int, tuple[str, int]]] = []
    for text in dict.fromkeys(found):
        address = parse_address(text)
        if address is None or not receivers.is_permitted(address):
            # Which address it is would tell callers about networks that they cannot see.
            raise SendError("The name has an address of a private or special network.")
        addresses.append((socket.AF_INET if address.version == 4 else socket.AF_INET6, (text, url.port)))
    return addresses


def _resolve(url: ReceiverUrl, deadline: float) -> list[str]:
    """The addresses of a name. The resolver knows no deadline, so a thread of its own waits for it."""
    answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
            answers.put([str(entry[4][0]) for entry in found])
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=look_up, name="webhook-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=count_remaining(deadline))
    except Empty:
        raise SendError("The name was not resolved in time.") from None
    if isinstance(answer, Exception):
        raise SendError("The name cannot be resolved.") from answer
    return answer


def count_remaining(deadline: float) -> float:
    """Return the seconds until a deadline. Raises TimeoutError when it has passed."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def describe(error: OSError) -> str:
    """Return a text for the delivery log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'the handshake failed'}"
    if isinstance(error, TimeoutError):
        return f"No answer within {settings.OSGP['WEBHOOK_DEADLINE'].total_seconds():g} s."
    if isinstance(error, ConnectionRefusedError):
        return "The connection was refused."
    if isinstance(error, ConnectionError):
        return "The connection was closed."
    return f"The connection failed: {error.strerror or type(error).__name__}."


@lru_cache(maxsize=2)
def _load_tls(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
