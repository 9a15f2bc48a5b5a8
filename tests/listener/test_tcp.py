"""Pushes over TCP: closed in good order means stored."""

import socket
import time
from pathlib import Path

import pytest
from django.db import connection

from osgp.alarms.models import LONGEST_PUSH, PushCount, ReceivedPush
from osgp.listener import storing
from osgp.listener.service import Listener
from scripts.benchmarks.push_sender import make_alarm
from tests import processes
from tests.listener.conftest import dial, hang_up, hear_end, push, run_listener
from tests.listener.samples import DSMR4, HDLC, SMR5

pytestmark = pytest.mark.django_db(transaction=True)


def stored() -> list[bytes]:
    """The octets of what was stored to be decoded, in order."""
    waiting = ReceivedPush.objects.filter(outcome="WAITING").order_by("pk")
    return [bytes(octets) for octets in waiting.values_list("octets", flat=True)]


def read_counts(outcome: str) -> int:
    return sum(PushCount.objects.filter(outcome=outcome).values_list("number", flat=True))


@pytest.mark.parametrize("half_close", [True, False], ids=["half-closed", "kept-open"])
@pytest.mark.parametrize("octets", [SMR5, HDLC, DSMR4], ids=["smr5", "hdlc", "dsmr4"])
def test_it_is_stored_when_the_connection_is_closed(
    listener: Listener, octets: bytes, half_close: bool
) -> None:
    assert push(listener, octets, half_close=half_close) == "closed"
    assert stored() == [octets]
    row = ReceivedPush.objects.get()
    assert (row.transport, row.source_address, row.outcome) == ("TCP", "127.0.0.1", "WAITING")
    assert row.source_port > 0
    assert row.details == {}
    assert not row.is_verified


def test_many_in_one_connection_keep_their_order(listener: Listener) -> None:
    alarms = [make_alarm(1, number) for number in range(200)]
    assert push(listener, b"".join(alarms)) == "closed"
    assert stored() == alarms


def test_octet_by_octet(listener: Listener) -> None:
    call = dial(listener)
    call.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in SMR5:
        call.sendall(bytes([octet]))
    assert hear_end(call) == "closed"
    assert stored() == [SMR5]


def test_a_connection_stays_while_more_pushes_follow(transactional_db: None, tmp_path: Path) -> None:
    with run_listener(tmp_path, quiet=PATIENT) as listener:
        call = dial(listener)
        for number in range(5):
            call.sendall(make_alarm(1, number))
            processes.eventually(lambda number=number: len(stored()) == number + 1, "a row")
        call.shutdown(socket.SHUT_WR)
        assert hear_end(call) == "closed"
    assert len(stored()) == 5


PATIENT = 600.0


@pytest.mark.parametrize("octets", [SMR5[:-1], SMR5 + SMR5[:9]], ids=["first", "second"])
def test_one_that_is_cut_off_is_not_acknowledged(listener: Listener, octets: bytes) -> None:
    assert push(listener, octets) == "reset"
    assert len(stored()) == len(octets) // len(SMR5)
    processes.eventually(lambda: read_counts("TRUNCATED") == 1, "a count")


def test_a_message_has_a_deadline(transactional_db: None, tmp_path: Path) -> None:
    with run_listener(tmp_path, message=0.3) as listener:
        assert push(listener, SMR5[:-1], half_close=False) == "reset"
        call = dial(listener)
        assert hear_end(call) == "reset"


def test_a_connection_has_a_deadline(transactional_db: None, tmp_path: Path) -> None:
    with run_listener(tmp_path, quiet=PATIENT, connection=0.5) as listener:
        assert push(listener, SMR5, half_close=False) == "closed"
        assert stored() == [SMR5]


def test_what_a_meter_sent_before_it_hung_up_is_kept(transactional_db: None, tmp_path: Path) -> None:
    with run_listener(tmp_path, quiet=PATIENT) as listener:
        call = dial(listener)
        call.sendall(DSMR4)
        time.sleep(0.2)  # octets that were not read are lost with a reset
        hang_up(call)
        processes.eventually(lambda: stored() == [DSMR4], "a row")


def test_garbage_is_kept_to_be_looked_at(listener: Listener) -> None:
    assert push(listener, b"\xff" * 50 + SMR5) == "closed"
    assert stored() == [SMR5]
    bad = ReceivedPush.objects.get(outcome="UNKNOWN_FORM")
    assert bytes(bad.octets) == b"\xff" * 50
    assert "no known form" in bad.details["reason"]


def test_only_some_of_it(transactional_db: None, tmp_path: Path) -> None:
    with run_listener(tmp_path, bad_kept=2) as listener:
        ends = [push(listener, b"\xff" * 50) for _ in range(4)]
    # What is kept nowhere is not acknowledged.
    assert ends == ["closed", "closed", "reset", "reset"]
    assert ReceivedPush.objects.filter(outcome="UNKNOWN_FORM").count() == 2
    assert read_counts("UNKNOWN_FORM") == 4


def test_too_long_a_message_is_refused_at_once(listener: Listener) -> None:
    header = (1).to_bytes(2, "big") + b"\x00\x67\x00\x66" + (0xFFFF).to_bytes(2, "big")
    assert len(header) + 0xFFFF > LONGEST_PUSH
    assert push(listener, header + b"\x0f" * 100, half_close=False) == "reset"
    processes.eventually(lambda: read_counts("TOO_LONG") == 1, "a count")


def test_a_source_has_a_rate(transactional_db: None, tmp_path: Path) -> None:
    with run_listener(tmp_path, rate=0.001) as listener:
        ends = [push(listener, SMR5) for _ in range(12)]
    assert ends == ["closed"] * 10 + ["reset"] * 2
    assert len(stored()) == 10
    assert read_counts("RATE_LIMITED") == 2
    assert read_counts("RECEIVED") == 10


def test_both_families_of_addresses(transactional_db: None, tmp_path: Path) -> None:
    with run_listener(tmp_path, host="") as listener:
        for host in ("127.0.0.1", "::1"):
            call = dial(listener, host)
            call.sendall(SMR5)
            call.shutdown(socket.SHUT_WR)
            assert hear_end(call) == "closed"
    addresses = ReceivedPush.objects.order_by("pk").values_list("source_address", flat=True)
    assert list(addresses) == ["127.0.0.1", "::1"]


def test_a_stopped_listener_keeps_what_it_has_read(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_listener(tmp_path, quiet=PATIENT) as listener:
        whole, begun = dial(listener), dial(listener)
        whole.sendall(SMR5)
        begun.sendall(SMR5[:-1])
        processes.eventually(lambda: stored() == [SMR5], "a row")
    assert hear_end(whole) == "closed"
    assert hear_end(begun) == "reset"


def test_nothing_is_acknowledged_before_the_commit(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is slow to store: until it has done so, the connection stays open."""
    seen: list[str] = []
    store = storing._insert

    def look_and_store(pushes: object) -> None:
        call.settimeout(0.5)
        try:
            call.recv(1)
        except TimeoutError:
            seen.append("open")
        store(pushes)  # type: ignore[arg-type]
        call.settimeout(30)

    monkeypatch.setattr(storing, "_insert", look_and_store)
    with run_listener(tmp_path) as listener:
        call = dial(listener)
        call.sendall(SMR5)
        call.shutdown(socket.SHUT_WR)
        processes.eventually(lambda: seen == ["open"], "the attempt to store it")
        processes.eventually(lambda: stored() == [SMR5], "a row")
        assert hear_end(call) == "closed"


def test_the_same_push_is_stored_once(transactional_db: None) -> None:
    from tests.listener.samples import make_push

    pushes = [make_push(number) for number in range(storing.SHARE + 10)]
    storing.store(pushes[:5])
    storing.store(pushes)
    assert stored() == [push.octets for push in pushes]
    assert ReceivedPush.objects.filter(uid=pushes[0].uid).get().received_at == pushes[0].received_at
    connection.close()
