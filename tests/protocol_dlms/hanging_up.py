"""Situations in which somebody waits for a meter and another thread (or greenlet) hangs up."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from osgp.catalogue.communication import Carrier
from osgp.faults import Fault
from osgp.protocol_dlms import Line, MeterAddress
from tests.protocol_dlms.peers import Peer, WrapperMeter
from tests.protocol_dlms.sessions import ENERGY, connect


@contextmanager
def _peer_without_answers() -> Iterator[tuple[int, Callable[[], bool]]]:
    """Associates, then keeps silent."""
    asked, over = threading.Event(), threading.Event()

    def silent(request: bytes) -> bytes:
        asked.set()
        over.wait(60)
        return request

    with Peer(WrapperMeter(silent)) as peer:
        try:
            yield peer.port, asked.is_set
        finally:
            over.set()


@contextmanager
def _peer_that_does_not_associate() -> Iterator[tuple[int, Callable[[], bool]]]:
    """Takes the call and keeps silent from the beginning."""
    called, over = threading.Event(), threading.Event()

    def silent(connection: socket.socket) -> None:
        connection.recv(1)
        called.set()
        over.wait(60)

    with Peer(silent) as peer:
        try:
            yield peer.port, called.is_set
        finally:
            over.set()


@contextmanager
def _host_that_does_not_take_the_call() -> Iterator[tuple[int, Callable[[], bool]]]:
    """More callers wait to be accepted than the system allows: it leaves further ones without an answer."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1], lambda: True


@contextmanager
def _peer_that_loses_datagrams() -> Iterator[tuple[int, Callable[[], bool]]]:
    """Takes what comes over UDP and keeps silent."""
    called = threading.Event()

    def silent(bound: socket.socket) -> None:
        bound.recv(1000)
        called.set()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=silent, args=(bound,))
        thread.start()
        yield bound.getsockname()[1], called.is_set
        thread.join()


_SITUATIONS = {
    "answer": _peer_without_answers,
    "association": _peer_that_does_not_associate,
    "connection": _host_that_does_not_take_the_call,
    "datagram": _peer_that_loses_datagrams,
}
CASES = tuple(_SITUATIONS)


class WatchedLine(Line):
    """Tells when it has a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.is_taken = False

    def attach(self, connection: socket.socket) -> None:
        super().attach(connection)
        self.is_taken = True


def error_of(case: str) -> str:
    """The name of the error of a session that was hung up on while it waited; deadlines are far away."""
    line = WatchedLine()
    outcomes: list[str] = []
    with _SITUATIONS[case]() as (port, waits):
        carrier = Carrier.UDP if case == "datagram" else Carrier.TCP
        address = MeterAddress("127.0.0.1", port, carrier=carrier)

        def visit() -> None:
            try:
                with connect(port, address=address, line=line) as meter:
                    meter.get(ENERGY)
            except Fault as error:
                outcomes.append(type(error).__name__)

        thread = threading.Thread(target=visit)
        thread.start()
        while not (line.is_taken and waits()):
            time.sleep(0.01)
        line.hang_up()
        thread.join()
    return outcomes[0]
