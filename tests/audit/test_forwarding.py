"""Sealing by one worker, and sending on: syslog over each way, in order, at least once."""

import json
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.db import connection, transaction

from osgp.audit import attending, duties, forwarding
from osgp.audit.checks import check_settings
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent, AuditSeal, AuditSealing
from osgp.audit.sealing import seal_all

LINE = re.compile(rb"<109>1 (\S+Z) \S+ osgp - (ENTRY|SEAL) - (\{.*\})")


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def row(transactional_db: None) -> None:
    AuditSealing.objects.create(pk=1)


def add(number: int = 1, **details: Any) -> list[int]:
    with transaction.atomic():
        return [record(AuditEvent.CHANGED, actor="portal", details=details) for _ in range(number)]


def use(settings: Any, target: str) -> forwarding.Sender:
    settings.OSGP = settings.OSGP | {"AUDIT_SYSLOG": target}
    sender = forwarding.make_sender()
    assert sender is not None
    return sender


def parse(lines: list[bytes]) -> list[tuple[str, dict[str, Any]]]:
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches), lines
    return [(match[2].decode(), json.loads(match[3])) for match in matches if match]


def send_all(sender: forwarding.Sender) -> None:
    while forwarding.send_some(sender):
        pass


def test_a_file_has_entries_and_seals_in_order(settings: Any, tmp_path: Path) -> None:
    target = tmp_path / "audit.log"
    sender = use(settings, f"file://{target}")
    ids = add(2, text="é\n")
    [seal] = seal_all()
    send_all(sender)
    send_all(sender)
    ids += add(1)
    seal_all()
    send_all(sender)
    told = parse(target.read_bytes().splitlines())
    assert [kind for kind, _ in told] == ["ENTRY", "ENTRY", "SEAL", "ENTRY", "SEAL"]
    assert [body["id"] for kind, body in told if kind == "ENTRY"] == ids
    assert (told[2][1]["position"], told[2][1]["hash"]) == (1, seal.hash)
    assert told[0][1]["details"] == {"text": "é\n"}


def test_what_was_not_taken_is_sent_again(settings: Any, tmp_path: Path) -> None:
    target = tmp_path / "folder" / "audit.log"
    sender = use(settings, f"file://{target}")
    add()
    seal_all()
    with pytest.raises(OSError):
        forwarding.send_some(sender)
    target.parent.mkdir()
    send_all(sender)
    assert len(target.read_bytes().splitlines()) == 2


def test_tcp_counts_octets(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = use(settings, f"tcp://127.0.0.1:{server.getsockname()[1]}")
        add(2)
        seal_all()
        send_all(sender)
        sender.close()
        peer, _ = server.accept()
        with peer:
            data = b"".join(iter(lambda: peer.recv(65536), b""))
    lines = []
    while data:
        size, _, rest = data.partition(b" ")
        lines.append(rest[: int(size)])
        data = rest[int(size) :]
    assert [kind for kind, _ in parse(lines)] == ["ENTRY", "ENTRY", "SEAL"]


def test_udp_leaves_out_what_is_too_long(settings: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        door.settimeout(10)
        sender = use(settings, f"udp://127.0.0.1:{door.getsockname()[1]}")
        add(1, text="x" * 100_000)
        seal_all()
        send_all(sender)
        told = parse([door.recv(65536), door.recv(65536)])
    assert told[0][1]["details"] == "too long for a datagram"
    assert told[1][0] == "SEAL"


@pytest.mark.parametrize(
    "target", ["nonsense", "http://x", "tcp://", "udp://h:99999", "file://host/x", "file://"]
)
def test_a_target_that_is_none_is_refused(settings: Any, target: str) -> None:
    settings.OSGP = settings.OSGP | {"AUDIT_SYSLOG": target, "AUDIT_KEY_FILES": "/nowhere"}
    found = check_settings()
    assert [(type(each), each.id) for each in found] == [
        (checks.Warning, "audit.W001"),
        (checks.Error, "audit.E001"),
    ]


def test_one_attends_and_seals_what_comes(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "audit.log"
    use(settings, f"file://{target}")
    monkeypatch.setattr(attending, "LONGEST", 4.0)
    caplog.set_level("INFO", "osgp.audit.head")
    assert not duties.is_due()
    add(3)
    assert duties.is_due()

    def work() -> None:
        try:
            attending.attend()
        finally:
            connection.close()

    attendant = threading.Thread(target=work)
    attendant.start()
    deadline = time.monotonic() + 30
    while not (attending.is_attended() and AuditSeal.objects.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert attending.is_attended()
    assert not duties.is_due()
    assert attending.attend() is False
    add(1)
    attendant.join(60)
    assert sum(AuditSeal.objects.values_list("count", flat=True)) == 4
    assert not attending.is_attended()
    assert target.read_bytes().count(b" ENTRY ") == 4
    head = AuditSeal.objects.order_by("-position")[0]
    told = [json.loads(record.message)["audit_head"] for record in caplog.records]
    assert (told[-1]["position"], told[-1]["hash"]) == (head.position, head.hash)
