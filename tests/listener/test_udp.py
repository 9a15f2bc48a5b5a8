"""Pushes over UDP: kept, and those that the kernel dropped are counted."""

import socket
import struct
from pathlib import Path

import pytest

from osgp.alarms.models import ReceivedPush
from osgp.listener import udp
from osgp.listener.intake import Intake
from osgp.listener.keeper import Keeper
from osgp.listener.limits import Limits
from osgp.listener.service import Listener
from osgp.listener.sockets import open_sockets
from osgp.listener.udp import DatagramReader
from osgp.protocol_dlms.push.joining import Joiner
from tests import processes
from tests.listener.conftest import run_listener, send_datagram
from tests.listener.samples import HDLC, SMR5
from tests.listener.test_tcp import read_counts, stored


def make_block(control: int, number: int, data: bytes) -> bytes:
    """A block of general-block-transfer in a wrapper frame."""
    block = struct.pack(">BBHHB", 0xE0, control, number, 0, len(data)) + data
    return struct.pack(">HHHH", 1, 1, 103, len(block)) + block


GBT = [make_block(0x40, 1, SMR5[8:24]), make_block(0xC0, 2, SMR5[24:])]


@pytest.mark.django_db(transaction=True)
def test_datagrams_are_stored(listener: Listener) -> None:
    send_datagram(listener, SMR5, HDLC, b"\xff\xff")
    processes.eventually(lambda: ReceivedPush.objects.count() == 3, "rows")
    assert stored() == [SMR5, HDLC]
    row = ReceivedPush.objects.get(outcome="UNKNOWN_FORM")
    assert (row.transport, row.source_address, bytes(row.octets)) == ("UDP", "127.0.0.1", b"\xff\xff")


@pytest.mark.django_db(transaction=True)
def test_what_is_there_when_the_listener_ends_is_still_read(transactional_db: None, tmp_path: Path) -> None:
    with run_listener(tmp_path) as listener:
        send_datagram(listener, *[SMR5] * 50)
    assert len(stored()) == 50
    assert read_counts("RECEIVED") == 50


class Counting(Keeper):
    """Only notes what it is given."""

    def __init__(self, limits: Limits) -> None:
        self.offered: list[bytes] = []
        self.counted: dict[str, int] = {}

    def offer(self, push: object, receipt: object = None) -> bool:
        self.offered.append(push.octets)  # type: ignore[attr-defined]
        return True

    def count(self, transport: object, outcome: str, number: int = 1) -> None:
        self.counted[outcome] = self.counted.get(outcome, 0) + number


def make_reader(tmp_path: Path, **changes: float) -> tuple[DatagramReader, Counting, socket.socket]:
    limits = Limits(spool_directory=tmp_path, spool_size=0, **changes)  # type: ignore[arg-type]
    [bound] = open_sockets(socket.SOCK_DGRAM, "127.0.0.1", 0)
    keeper = Counting(limits)
    reader = DatagramReader(bound, Intake(keeper, limits), limits, lambda: Joiner(limit=65536))
    return reader, keeper, bound


def read_all(reader: DatagramReader) -> None:
    while reader.read_burst():
        pass


def test_what_the_kernel_dropped_is_counted(tmp_path: Path) -> None:
    """Also the last ones, after which nothing comes that could tell of them."""
    reader, keeper, bound = make_reader(tmp_path, receive_buffer=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending, bound:
        for _ in range(3):
            for _ in range(200):
                sending.sendto(SMR5, bound.getsockname())
            read_all(reader)
        for _ in range(2):
            reader.note_losses()
    assert keeper.counted["LOST_BY_KERNEL"] > 0
    assert len(keeper.offered) + keeper.counted["LOST_BY_KERNEL"] == 600


@pytest.mark.django_db(transaction=True)
def test_a_listener_counts_what_the_kernel_dropped(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "read_dropped", lambda bound: 7)
    with run_listener(tmp_path):
        processes.eventually(lambda: read_counts("LOST_BY_KERNEL") >= 7, "a count")


def test_the_counter_of_the_kernel_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, keeper, bound = make_reader(tmp_path)
    with bound:
        for dropped in (0xFFFFFFFE, 3):
            monkeypatch.setattr(udp, "read_dropped", lambda bound, dropped=dropped: dropped)
            reader.note_losses()
    assert keeper.counted["LOST_BY_KERNEL"] == 0xFFFFFFFE + 5


def test_blocks_of_several_sources_do_not_mix(tmp_path: Path) -> None:
    reader, keeper, bound = make_reader(tmp_path)
    with (
        bound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for block in GBT:
            for sending in (one, other):
                sending.sendto(block, bound.getsockname())
        read_all(reader)
    assert keeper.offered == [b"".join(GBT)] * 2
    assert keeper.counted == {}


@pytest.mark.parametrize("too_many", [True, False], ids=["too-many", "too-late"])
def test_unfinished_blocks_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, too_many: bool
) -> None:
    monkeypatch.setattr(udp, "MOST_UNFINISHED", 1 if too_many else 5)
    reader, keeper, bound = make_reader(tmp_path, message=PATIENT if too_many else 0.0)
    with (
        bound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for sending in (one, other):
            sending.sendto(GBT[0], bound.getsockname())
        read_all(reader)
        reader.forget_unfinished()
    assert keeper.counted == {"TRUNCATED": 1 if too_many else 2}
    assert len(reader._unfinished) == len(reader._waits) == (1 if too_many else 0)


PATIENT = 600.0
