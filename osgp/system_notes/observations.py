"""What was observed of a device during a visit, before it is stored (osgp/system_notes/keeping.py)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from osgp.system_notes.kinds import NoteKind


@dataclass(frozen=True)
class Noticed:
    """What a note says: what is so, and what to do about it. No secrets, and nothing about people.

    ``details`` is JSON. A dismissed note is open again once they are other ones.
    """

    text: str
    what_to_do: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """Something was looked at: ``noticed`` is None if all is well, which resolves an open note.

    ``judged_by`` has the columns of ``kind.judged_by`` with the values by which it was judged.
    """

    kind: NoteKind
    noticed: Noticed | None
    judged_by: Mapping[str, Any] = field(default_factory=dict)
