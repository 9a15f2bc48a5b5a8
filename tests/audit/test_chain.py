"""The hash chain: what is sealed, in which order, and that every manipulation is found."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from osgp.audit import chain, sealing, triggers
from osgp.audit.keeping import record
from osgp.audit.models import AuditEntry, AuditEvent, AuditSeal
from osgp.audit.sealing import has_unsealed, seal_all
from osgp.audit.verifying import Finding, Kind, Verification


def add(number: int = 1, **details: object) -> list[int]:
    with transaction.atomic():
        return [
            record(AuditEvent.CHANGED, organisation="UTILITY", actor="portal", device="E1", details=details)
            for _ in range(number)
        ]


def verify(head: tuple[int, str] | None = None) -> tuple[list[Finding], Verification]:
    verification = Verification(head=head)
    return list(verification.run()), verification


def find(*wanted: Kind) -> list[Finding]:
    return [finding for finding in verify()[0] if not wanted or finding.kind in wanted]


def tamper(statement: str, *parameters: object) -> None:
    """What somebody does who owns the database."""
    with connection.schema_editor(atomic=False) as editor, transaction.atomic():
        triggers.drop(editor)
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            assert cursor.rowcount > 0
        triggers.create(editor)


@pytest.mark.django_db(transaction=True)
def test_what_was_sealed_is_sound_and_what_is_not_yet_is_told_apart() -> None:
    assert verify()[0] == []
    assert not has_unsealed()
    add(3, reason="é \ud800 \0 \\u0000")
    assert has_unsealed()
    [seal] = seal_all()
    assert (seal.position, seal.count, has_unsealed()) == (1, 3, False)
    assert seal_all() == []
    add(2)
    seal_all()
    add(1)
    findings, verification = verify()
    assert findings == []
    assert (verification.sealed, verification.seals, verification.unsealed) == (5, 2, 1)
    assert verification.oldest_unsealed is not None


MANIPULATIONS: dict[str, tuple[str, Kind]] = {
    "actor": ("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", Kind.CHANGED),
    "time": ("UPDATE audit_auditentry SET at = '2020-01-01 00:00:00' WHERE id = %s", Kind.CHANGED),
    "event": ("UPDATE audit_auditentry SET event = 'ADDED' WHERE id = %s", Kind.CHANGED),
    "details": ("""UPDATE audit_auditentry SET details = '{"a": 2}' WHERE id = %s""", Kind.CHANGED),
    "address": ("UPDATE audit_auditentry SET address = '192.0.2.1' WHERE id = %s", Kind.CHANGED),
    "request id": ("UPDATE audit_auditentry SET request_id = 'x' WHERE id = %s", Kind.CHANGED),
    "device": ("UPDATE audit_auditentry SET device_identification = 'x' WHERE id = %s", Kind.CHANGED),
    "organisation": (
        "UPDATE audit_auditentry SET organisation_identification = 'x' WHERE id = %s",
        Kind.CHANGED,
    ),
    "removed": ("DELETE FROM audit_auditentry WHERE id = %s", Kind.REMOVED),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("statement", "kind"), MANIPULATIONS.values(), ids=MANIPULATIONS)
@pytest.mark.parametrize("place", [0, 4, 6])
def test_a_line_that_was_removed_or_changed_is_named(statement: str, kind: Kind, place: int) -> None:
    ids = []
    for _ in range(3):
        ids += add(3, a=1)
        seal_all()
    add(1)
    tamper(statement, ids[place])
    findings, verification = verify()
    assert findings == [Finding(kind, entry=ids[place], seal=place // 3 + 1)]
    assert verification.unsealed == 1


@pytest.mark.django_db(transaction=True)
def test_a_line_that_was_put_among_others_is_named() -> None:
    with transaction.atomic():
        [first] = add()
    tamper("UPDATE audit_auditentry SET id = id + 10 WHERE id = %s", first)
    seal_all()
    # The gap below is forgotten once no transaction can fill it.
    tamper("UPDATE audit_auditseal SET missing = '[]' WHERE position = %s", 1)
    tamper(
        "INSERT INTO audit_auditentry (id, at, event, organisation_identification, actor, "
        "device_identification, details) SELECT id - 5, at, event, organisation_identification, actor, "
        "device_identification, details FROM audit_auditentry WHERE id = %s",
        first + 10,
    )
    assert Finding(Kind.INSERTED, entry=first + 5) in find()
    seal_all()
    assert Finding(Kind.INSERTED, entry=first + 5) in find()


CHANGED, REMOVED = Finding(Kind.SEAL_CHANGED, seal=2), Finding(Kind.SEAL_REMOVED, seal=2)
SEAL_MANIPULATIONS: dict[str, tuple[str, Finding]] = {
    "hash": ("UPDATE audit_auditseal SET hash = 'ab' WHERE position = %s", CHANGED),
    "time": ("UPDATE audit_auditseal SET sealed_at = '2020-01-01 00:00:00' WHERE position = %s", CHANGED),
    "runs": ("UPDATE audit_auditseal SET runs = '5-4' WHERE position = %s", CHANGED),
    "top": ("UPDATE audit_auditseal SET top = top + 1 WHERE position = %s", CHANGED),
    "removed": ("DELETE FROM audit_auditseal WHERE position = %s", REMOVED),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("statement", "finding"), SEAL_MANIPULATIONS.values(), ids=SEAL_MANIPULATIONS)
def test_a_seal_that_was_removed_or_changed_is_named(statement: str, finding: Finding) -> None:
    for _ in range(3):
        add(3)
        seal_all()
    tamper(statement, 2)
    assert finding in find()


@pytest.mark.django_db(transaction=True)
def test_a_head_that_was_kept_shows_a_chain_that_was_computed_anew() -> None:
    ids = add(3)
    [seal] = seal_all()
    add(3)
    seal_all()
    head = seal.position, seal.hash
    assert verify(head)[0] == []
    tamper("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", ids[0])
    tamper("DELETE FROM audit_auditseal WHERE position >= %s", 1)
    seal_all()
    assert verify()[0] == []
    assert verify(head)[0] == [Finding(Kind.NOT_THE_HEAD, seal=1)]


@pytest.mark.django_db(transaction=True)
def test_with_a_key_nobody_computes_the_chain_without_it(settings: Any, tmp_path: Path) -> None:
    add()
    seal_all()
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_text("a" * 64)
    other.write_text("b" * 64)
    settings.OSGP = settings.OSGP | {"AUDIT_KEY_FILES": str(key)}
    ids = add(2)
    [seal] = seal_all()
    assert seal.key_id
    findings, verification = verify()
    assert (findings, verification.first_keyed) == ([], 2)
    # Another key is used from now on; the former one stays to verify.
    settings.OSGP = settings.OSGP | {"AUDIT_KEY_FILES": f"{other},{key}"}
    add()
    seal_all()
    assert find() == []
    settings.OSGP = settings.OSGP | {"AUDIT_KEY_FILES": str(other)}
    assert find() == [Finding(Kind.KEY_MISSING, seal=2)]
    # Without the key, a changed line leads to seals without a key, which is told.
    settings.OSGP = settings.OSGP | {"AUDIT_KEY_FILES": ""}
    tamper("UPDATE audit_auditentry SET actor = 'x' WHERE id = %s", ids[0])
    add()
    seal_all()
    assert Finding(Kind.NOT_KEYED, seal=4) in find()


@pytest.mark.django_db
@pytest.mark.parametrize("content", [None, b"short"])
def test_a_key_that_is_none_is_refused(settings: Any, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    settings.OSGP = settings.OSGP | {"AUDIT_KEY_FILES": str(path)}
    with pytest.raises(chain.KeyProblem, match="OSGP_AUDIT_KEY_FILES"):
        chain.load_keys()


class Writer(threading.Thread):
    """Adds entries in a transaction that ends when it is told to."""

    def __init__(self, *, commits: bool = True) -> None:
        super().__init__()
        self.ids: list[int] = []
        self.written, self.end = threading.Event(), threading.Event()
        self._commits = commits
        self.start()
        assert self.written.wait(20)

    def run(self) -> None:
        try:
            with transaction.atomic():
                self.ids = [record(AuditEvent.CHANGED, actor="late") for _ in range(3)]
                self.written.set()
                self.end.wait(60)
                transaction.set_rollback(not self._commits)
        finally:
            connection.close()

    def finish(self) -> None:
        self.end.set()
        self.join(20)


def seal_as_later(monkeypatch: pytest.MonkeyPatch, later: timedelta) -> list[AuditSeal]:
    now = sealing.read_now
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "read_now", lambda: now() + later)
        return seal_all()


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_late_is_sealed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        return
    late = Writer()
    early = add(2)
    assert late.ids[0] < early[0]
    [seal] = seal_all()
    assert chain.read_runs(seal.runs, 1000) == early
    # However long it takes: the transaction that has the ids has not ended.
    add(1)
    [seal] = seal_as_later(monkeypatch, timedelta(hours=1))
    assert seal.missing[-1][1] == late.ids[-1]
    assert not has_unsealed()
    late.finish()
    assert has_unsealed()
    assert verify()[1].unsealed == 3
    assert find() == []
    [seal] = seal_all()
    assert chain.read_runs(seal.runs, 1000) == late.ids
    assert (find(), verify()[1].unsealed, verify()[1].sealed) == ([], 0, 6)


@pytest.mark.django_db(transaction=True)
def test_ids_that_were_rolled_back_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        return
    add(1)
    seal_all()
    late = Writer(commits=False)
    add(1)
    [seal] = seal_all()
    assert [gap[:2] for gap in seal.missing][-1] == [late.ids[0], late.ids[-1]]
    late.finish()
    add(1)
    [seal] = seal_as_later(monkeypatch, timedelta(seconds=1))
    assert seal.missing, "the pause is not over"
    # Transactions of other databases of the server count as well: as if they had ended.
    monkeypatch.setattr(sealing, "_read_oldest_transaction", sealing._take_number)
    add(1)
    [seal] = seal_as_later(monkeypatch, timedelta(seconds=10))
    assert seal.missing == []
    tamper(
        "INSERT INTO audit_auditentry (id, at, event, organisation_identification, actor, "
        "device_identification, details) SELECT %s, at, event, organisation_identification, actor, "
        "device_identification, details FROM audit_auditentry LIMIT 1",
        late.ids[1],
    )
    assert find() == [Finding(Kind.INSERTED, entry=late.ids[1])]


@pytest.mark.django_db(transaction=True)
def test_many_write_while_several_seal() -> None:
    """Every line gets one seal, whoever commits when, and whoever seals."""
    number, rounds = (8, 40) if connection.vendor == "postgresql" else (2, 10)
    stop = threading.Event()

    def work(action: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                action()
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write() -> None:
        for turn in range(rounds):
            with transaction.atomic():
                record(AuditEvent.CHANGED, actor="writer")
                with transaction.atomic():
                    record(AuditEvent.CHANGED, actor="writer")
                transaction.set_rollback(turn % 5 == 4)

    def keep_sealing() -> None:
        while not stop.is_set():
            seal_all()

    sealers = [work(keep_sealing) for _ in range(2)]
    for writer in [work(write) for _ in range(number)]:
        writer.join(60)
    stop.set()
    for sealer in sealers:
        sealer.join(60)
    seal_all()
    findings, verification = verify()
    assert findings == []
    assert (verification.sealed, verification.unsealed) == (AuditEntry.objects.count(), 0)
    assert verification.sealed == number * rounds * 2 * 4 // 5
