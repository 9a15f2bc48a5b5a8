"""Hanging up on a meter from elsewhere, with threads and under gevent."""

import socket
import subprocess
import sys
import threading

import pytest

from osgp.protocol_dlms import Line, errors
from tests.protocol_dlms import hanging_up
from tests.protocol_dlms.peers import Peer, WrapperMeter
from tests.protocol_dlms.sessions import ENERGY, connect, session


def energy(request: bytes) -> bytes:
    return bytes((0xC4, 1)) + request[2:3] + bytes.fromhex("001105")


@pytest.mark.parametrize("case", hanging_up.CASES)
def test_whoever_waits_is_woken(case: str) -> None:
    assert hanging_up.error_of(case) == "MeterClosed"


@pytest.mark.parametrize("case", hanging_up.CASES)
def test_whoever_waits_is_woken_under_gevent(case: str) -> None:
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "from osgp.protocol_dlms.transport import destinations\n"
        "from tests.protocol_dlms import hanging_up\n"
        "destinations.use(lambda address, port: True)\n"
        f"print(hanging_up.error_of({case!r}))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (result.stdout.split(), result.returncode) == (["MeterClosed"], 0), result.stderr


def test_the_meter_notices_at_once() -> None:
    gone = threading.Event()

    def talk(connection: socket.socket) -> None:
        try:
            WrapperMeter(energy)(connection)
        finally:
            gone.set()

    line = Line()
    with session(talk, line=line) as meter:
        meter.get(ENERGY)
        line.hang_up()
        assert gone.wait(60)
        with pytest.raises(errors.MeterClosed):
            meter.get(ENERGY)
    assert not meter.is_open


def test_a_line_that_is_down_stays_down() -> None:
    line = Line()
    line.hang_up()
    line.hang_up()
    calls: list[object] = []
    with Peer(calls.append) as peer, pytest.raises(errors.MeterClosed):
        connect(peer.port, line=line)
    assert calls == []


class Expired(Exception):
    pass


class LimitedLine(Line):
    """A line whose time is over after a number of looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise Expired


def test_nothing_is_sent_when_the_time_of_a_line_is_over() -> None:
    requests: list[bytes] = []

    def count(request: bytes) -> bytes:
        requests.append(request)
        return energy(request)

    line = LimitedLine(1_000)
    with session(WrapperMeter(count), line=line) as meter:
        meter.get(ENERGY)
        line.looks = 0
        with pytest.raises(Expired):
            meter.get(ENERGY)
    assert len(requests) == 1
    assert not meter.is_open
