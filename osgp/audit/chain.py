"""The hash chain that seals the audit trail.

A seal is a row for a run of entries: which ones, the beginning of the digest of each, and a hash over all
this, the digests and the hash of the former seal. So whoever removes, changes or adds an entry behind the
platform's back would have to compute all later seals anew, and with a key (``OSGP_AUDIT_KEY_FILES``) cannot.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from osgp.audit.models import AuditEntry, AuditSeal
from osgp.sql import parse_json, parse_moment, parse_uuid

GENESIS = "0" * 64
"""The hash before the first seal."""
MARK = 8
"""Octets of each digest that are kept in the seal, to tell which entry was changed."""

COLUMNS = (
    "id, at, event, organisation_identification, actor, device_identification, correlation_uid, address, "
    "request_id, details"
)
"""In which order statements select entries for ``read_line``."""
TABLE = AuditEntry._meta.db_table

_RUN = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_SHORTEST_KEY = 32
"""Octets."""


class KeyProblem(Exception):
    """The key of the chain cannot be had; the text says why."""


@dataclass(frozen=True)
class Line:
    """An entry as it is sealed and sent on."""

    id: int
    at: datetime
    body: Mapping[str, Any]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(write_canonical(self.body)).digest()


def read_line(row: Sequence[Any]) -> Line:
    """Return the line of a row with COLUMNS, the same on each kind of database."""
    number, at, event, organisation, actor, device, uid, address, request_id, details = row
    moment = parse_moment(at).astimezone(UTC)
    body = {
        "id": number,
        "at": format_time(moment),
        "event": event,
        "organisation": organisation,
        "actor": actor,
        "device": device,
        "correlation_uid": str(parse_uuid(uid)) if uid is not None else None,
        "address": address,
        "request_id": request_id,
        "details": parse_json(details),
    }
    return Line(number, moment, body)


def write_canonical(value: Any) -> bytes:
    """Return JSON with sorted names, no blanks and ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def format_time(moment: datetime) -> str:
    """Return a UTC time with microseconds, as it is hashed."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write_runs(ids: Iterable[int]) -> str:
    """Return rising ids in short: 7-9 12."""
    runs: list[list[int]] = []
    for number in ids:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def read_runs(text: str, most: int) -> list[int]:
    """Return the ids of ``write_runs``. Raises ValueError unless they are rising, and ``most`` at most."""
    ids: list[int] = []
    for part in text.split():
        match = _RUN.fullmatch(part)
        if match is None:
            raise ValueError(part)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or (ids and first <= ids[-1]) or len(ids) + last - first + 1 > most:
            raise ValueError(part)
        ids += range(first, last + 1)
    return ids


def compute_hash(seal: AuditSeal, former: str, digests: Iterable[bytes], keys: Mapping[str, bytes]) -> str:
    """Return the hash of a seal after that of the former one. Raises KeyProblem without its key."""
    head = [
        former,
        seal.position,
        format_time(seal.sealed_at),
        seal.count,
        seal.runs,
        bytes(seal.marks).hex(),
        seal.top,
        seal.missing,
        seal.key_id,
    ]
    sealed = write_canonical(head) + b"\n" + b"".join(digests)
    if not seal.key_id:
        return hashlib.sha256(sealed).hexdigest()
    if seal.key_id not in keys:
        raise KeyProblem(f"the key {seal.key_id} is not here")
    return hmac.new(keys[seal.key_id], sealed, hashlib.sha256).hexdigest()


def load_keys() -> dict[str, bytes]:
    """Return the keys of OSGP_AUDIT_KEY_FILES by their ids, the current one first; none if none is set.

    Raises KeyProblem for a file that cannot be read or is too short for a key.
    """
    return dict(_read_keys())


def _read_keys() -> Iterator[tuple[str, bytes]]:
    for name in filter(None, settings.OSGP["AUDIT_KEY_FILES"].split(",")):
        try:
            key = Path(name.strip()).read_bytes().strip()
        except OSError as error:
            raise KeyProblem(f"OSGP_AUDIT_KEY_FILES: {name}: {error.strerror}") from None
        if len(key) < _SHORTEST_KEY:
            raise KeyProblem(f"OSGP_AUDIT_KEY_FILES: {name} has less than {_SHORTEST_KEY} octets")
        # Of a digest of its own, which tells nothing of the key.
        yield hashlib.sha256(b"id of an audit key\n" + key).hexdigest()[:16], key


def compute_proof(position: int, hash_: str, keys: Mapping[str, bytes]) -> str:
    """Return what shows that the platform itself cut the trail after a seal; empty without a key."""
    for key_id, key in keys.items():
        return f"{key_id}:{_prove(key, position, hash_)}"
    return ""


def is_proven(proof: str, position: int, hash_: str, keys: Mapping[str, bytes]) -> bool:
    """Return whether a proof is that of one of the keys."""
    key_id, _, told = proof.partition(":")
    return key_id in keys and hmac.compare_digest(told, _prove(keys[key_id], position, hash_))


def _prove(key: bytes, position: int, hash_: str) -> str:
    return hmac.new(key, write_canonical(["cut", position, hash_]), hashlib.sha256).hexdigest()
