"""Verification: goes through entries and seals once, in the order in which they were made.

Entries are read in slices, by id; those that are sealed late are held until their seal comes. So memory does
not grow with the trail.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from osgp.audit.chain import (
    COLUMNS,
    GENESIS,
    MARK,
    TABLE,
    KeyProblem,
    compute_hash,
    is_proven,
    load_keys,
    read_line,
    read_runs,
)
from osgp.audit.keeping import PLATFORM
from osgp.audit.models import AuditEntry, AuditEvent, AuditSeal
from osgp.audit.sealing import MOST
from osgp.sql import Statement

SEALS = 500
"""Seals that are read at a time."""
SLICE = 5000
"""Entries that are read at a time."""

_SLICE = Statement(
    f"SELECT {COLUMNS} FROM {TABLE} WHERE id > %s AND id <= %s ORDER BY id LIMIT {SLICE}",  # noqa: S608 (names)
    prepared=False,
)


class Kind(StrEnum):
    """What is wrong."""

    REMOVED = "removed"
    CHANGED = "changed"
    INSERTED = "inserted"
    SEAL_REMOVED = "seal removed"
    SEAL_CHANGED = "seal changed"
    NOT_KEYED = "sealed without the key"
    KEY_MISSING = "key missing"
    CUT_BY_OTHERS = "cut without the key"
    NOT_THE_HEAD = "not the seal that was kept"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, at an entry (its id) or at a seal (its position)."""

    kind: Kind
    entry: int | None = None
    seal: int | None = None

    def __str__(self) -> str:
        places = [f"entry {self.entry}"] if self.entry is not None else []
        places += [f"seal {self.seal}"] if self.seal is not None else []
        return f"{self.kind}: {', '.join(places)}"


@dataclass
class Verification:
    """What was gone through; complete once ``run`` has ended."""

    head: tuple[int, str] | None = None
    """Position and hash of a seal that was kept elsewhere: it must be in the chain."""
    sealed: int = 0
    seals: int = 0
    unsealed: int = 0
    oldest_unsealed: datetime | None = None
    begins_after: int = 0
    """The position up to which entries are past their retention and deleted."""
    last: AuditSeal | None = None
    first_keyed: int | None = None
    _loose: dict[int, bytes] = field(default_factory=dict)
    """Digests of entries whose seal has not come yet."""
    _read_to: int = 0

    def run(self) -> Iterator[Finding]:
        """Go through the trail and yield what is wrong. Raises KeyProblem for a key that cannot be read."""
        keys = load_keys()
        # What is written meanwhile is left to the next time.
        last = AuditSeal.objects.order_by("-position").first()
        former, position = yield from self._begin(last, keys)
        is_head_seen = self.head is None
        if self.head is not None and self.head[0] <= position:
            # Of what is past its retention only the last seal is there.
            is_head_seen = self.head[0] < position or self.head[1] == former
        for seal in self._read_seals(position, last.position if last else 0):
            for missing in range(position + 1, seal.position):
                yield Finding(Kind.SEAL_REMOVED, seal=missing)
            # After a seal that is not there, nothing says what the hash before was: the chain goes on here.
            whole = seal.position == position + 1
            yield from self._check(seal, former if whole else None, keys)
            former, position = seal.hash, seal.position
            if self.head == (position, former):
                is_head_seen = True
        yield from self._end(last)
        if self.head is not None and not is_head_seen:
            yield Finding(Kind.NOT_THE_HEAD, seal=self.head[0])

    def _begin(
        self, last: AuditSeal | None, keys: Mapping[str, bytes]
    ) -> Generator[Finding, None, tuple[str, int]]:
        """Find the seal after which the trail begins: that of the last cut, if there was one."""
        self.last = last
        cut = AuditEntry.objects.filter(event=AuditEvent.CUT, actor=PLATFORM).order_by("-pk").first()
        if cut is None:
            return GENESIS, 0
        position, hash_ = int(cut.details["position"]), str(cut.details["hash"])
        self.begins_after = position
        anchor = AuditSeal.objects.filter(position=position).first()
        if anchor is None:
            yield Finding(Kind.SEAL_REMOVED, seal=position)
        elif anchor.hash != hash_:
            yield Finding(Kind.SEAL_CHANGED, seal=position)
        elif anchor.key_id and keys and not is_proven(str(cut.details.get("proof")), position, hash_, keys):
            yield Finding(Kind.CUT_BY_OTHERS, seal=position)
        return hash_, position

    def _read_seals(self, after: int, last: int) -> Iterator[AuditSeal]:
        while seals := list(
            AuditSeal.objects.filter(position__gt=after, position__lte=last).order_by("position")[:SEALS]
        ):
            yield from seals
            after = seals[-1].position

    def _check(self, seal: AuditSeal, former: str | None, keys: Mapping[str, bytes]) -> Iterator[Finding]:
        self.seals += 1
        if seal.key_id and self.first_keyed is None:
            self.first_keyed = seal.position
        if not seal.key_id and self.first_keyed is not None:
            yield Finding(Kind.NOT_KEYED, seal=seal.position)
        marks = bytes(seal.marks)
        try:
            ids = read_runs(seal.runs, MOST)
        except ValueError:
            ids = []
        if len(ids) != seal.count or len(marks) != MARK * len(ids) or not ids:
            yield Finding(Kind.SEAL_CHANGED, seal=seal.position)
            return
        self._read_up_to(seal.top)
        digests, is_sound = [], True
        for place, number in enumerate(ids):
            digest = self._loose.pop(number, None)
            if digest is None:
                yield Finding(Kind.REMOVED, entry=number, seal=seal.position)
                is_sound = False
            elif digest[:MARK] != marks[MARK * place : MARK * (place + 1)]:
                yield Finding(Kind.CHANGED, entry=number, seal=seal.position)
                is_sound = False
            else:
                digests.append(digest)
        self.sealed += len(ids)
        if not is_sound or former is None:
            return
        try:
            if compute_hash(seal, former, digests, keys) != seal.hash:
                yield Finding(Kind.SEAL_CHANGED, seal=seal.position)
        except KeyProblem:
            yield Finding(Kind.KEY_MISSING, seal=seal.position)

    def _read_up_to(self, top: int) -> None:
        """Read the entries up to an id."""
        while self._read_to < top:
            rows = _SLICE.fetch_rows(self._read_to, top)
            for row in rows:
                line = read_line(row)
                self._loose[line.id] = line.digest
            self._read_to = rows[-1][0] if len(rows) == SLICE else top

    def _end(self, last: AuditSeal | None) -> Iterator[Finding]:
        """What has no seal: below the top of the last one, only what was still missing then may come."""
        awaited = [(first, end) for first, end, *_ in last.missing] if last else []
        waiting = []
        for number in sorted(self._loose):
            if any(first <= number <= end for first, end in awaited):
                waiting.append(number)
            else:
                yield Finding(Kind.INSERTED, entry=number)
        rest = AuditEntry.objects.filter(pk__gt=last.top if last else 0)
        self.unsealed = len(waiting) + rest.count()
        found = [row.at for row in (*AuditEntry.objects.filter(pk__in=waiting), *rest.order_by("pk")[:1])]
        self.oldest_unsealed = min(found, default=None)
