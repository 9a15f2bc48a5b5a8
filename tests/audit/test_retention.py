"""Retention: old entries go by whole seals, the chain goes on, and the command tells."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from osgp.audit import housekeeping, sealing
from osgp.audit.models import AuditEntry, AuditEvent, AuditSeal
from osgp.audit.sealing import seal_all
from osgp.audit.verifying import Finding, Kind
from osgp.processes import retention
from tests.audit.test_chain import add, seal_as_later, tamper, verify

pytestmark = pytest.mark.django_db(transaction=True)


def make_old(monkeypatch: pytest.MonkeyPatch, *days: float) -> None:
    for each in days:
        add(2)
        seal_as_later(monkeypatch, timedelta(days=-each))


def keep(settings: Any, days: float | None) -> None:
    kept = None if days is None else timedelta(days=days)
    settings.OSGP = settings.OSGP | {"AUDIT_RETENTION": kept}


def is_due() -> bool:
    return any(rows.exists() for rows in housekeeping.find_expired())


def test_old_entries_go_and_the_chain_goes_on(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(settings, 10)
    make_old(monkeypatch, 20, 15, 10.5, 9, 0)
    assert is_due()
    assert "audit entries" in {kind.name for kind in retention.list_kinds()}
    assert housekeeping.delete_slice() == 6
    assert not is_due()
    assert housekeeping.delete_slice() == 0
    cut = AuditEntry.objects.get(event=AuditEvent.CUT)
    assert (cut.details["position"], cut.details["entries"], cut.actor) == (3, 6, "platform")
    assert AuditSeal.objects.order_by("position").values_list("position", flat=True)[0] == 3
    seal_all()
    findings, verification = verify()
    assert (findings, verification.begins_after, verification.sealed) == ([], 3, 5)
    # The former head was kept somewhere: it is past its retention, and no fault.
    assert verify((2, "a" * 64))[0] == []
    assert verify((3, cut.details["hash"]))[0] == []
    assert verify((3, "a" * 64))[0] == [Finding(Kind.NOT_THE_HEAD, seal=3)]


def test_a_day_is_waited_for(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(settings, 10)
    make_old(monkeypatch, 10.5)
    assert not is_due()
    keep(settings, 9)
    assert is_due()
    keep(settings, None)
    assert not is_due()
    assert housekeeping.delete_slice() == 0


def test_it_is_cut_again(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_old(monkeypatch, 30, 20, 0)
    for days, left in ((25, 2), (15, 1)):
        keep(settings, days)
        assert housekeeping.delete_slice() == 2
        assert AuditSeal.objects.filter(position__gt=3 - left).count() == left
        assert verify()[0] == []


def test_a_cut_that_is_not_the_platforms_is_told(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 40)
    keep(settings, 10)
    settings.OSGP = settings.OSGP | {"AUDIT_KEY_FILES": str(key)}
    make_old(monkeypatch, 20, 15, 0)
    assert housekeeping.delete_slice() == 4
    assert verify()[0] == []
    position, hash_ = AuditSeal.objects.order_by("-position").values_list("position", "hash")[0]
    add(1)
    seal_all()
    [cut] = add(1)
    tamper(
        "UPDATE audit_auditentry SET event = 'CUT', actor = 'platform', details = %s WHERE id = %s",
        f'{{"position": {position}, "hash": "{hash_}"}}',
        cut,
    )
    tamper("DELETE FROM audit_auditseal WHERE position < %s", position)
    seal_all()
    assert Finding(Kind.CUT_BY_OTHERS, seal=position) in verify()[0]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()


def test_the_command() -> None:
    ids = add(3)
    [seal] = seal_all()
    add(1)
    told = run("--head", f"{seal.position}:{seal.hash}")
    assert "3 entries in 1 seals." in told
    assert "1 entries wait for their seal" in told
    assert f"Head: 1:{seal.hash}" in told
    assert "The chain is whole." in told
    tamper("DELETE FROM audit_auditentry WHERE id = %s", ids[1])
    out = StringIO()
    with pytest.raises(CommandError, match="1 findings"):
        call_command("verify_audit", stdout=out)
    assert f"removed: entry {ids[1]}, seal 1" in out.getvalue()
    with pytest.raises(CommandError, match="POSITION:HASH"):
        run("--head", "nonsense")


def test_memory_does_not_grow_with_the_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held are entries whose seal has not come yet."""
    from osgp.audit import verifying

    monkeypatch.setattr(verifying, "SEALS", 2)
    for _ in range(5):
        add(20)
        seal_all()
    held = []
    verification = verifying.Verification()
    original = verifying.Verification._check

    def check(self: Any, *args: Any) -> Any:
        yield from original(self, *args)
        held.append(len(self._loose))

    monkeypatch.setattr(verifying.Verification, "_check", check)
    assert list(verification.run()) == []
    assert held == [0] * 5
    assert sealing.MOST >= 20
