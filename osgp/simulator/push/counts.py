"""How pushes fared, counted by form and transport."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .delivery import Outcome

TOTALS = ("ordered", "sent", "acknowledged", "failed", "retries")
"""What is told of each form, and of all together."""


@dataclass(slots=True)
class FormCounts:
    """Pushes of one form.

    ``ordered``: that meters began to make; ``sent``: whose octets all left; ``acknowledged``: over TCP, the
    peer closed in good order; ``failed``: given up, after ``retries`` in all; ``attempts`` by outcome.
    """

    ordered: int = 0
    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    retries: int = 0
    attempts: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """The counts by name."""
        return {**{name: getattr(self, name) for name in TOTALS}, "attempts": dict(self.attempts)}

    def note(self, outcome: Outcome) -> None:
        """A push ended in ``outcome``."""
        self.sent += outcome.has_left
        self.acknowledged += outcome is Outcome.ACKNOWLEDGED
        self.failed += not outcome.is_good


@dataclass(slots=True)
class PushCounts:
    """All pushes of a fleet. ``withheld`` has why meters pushed nothing, ``dropped`` those that found no
    place among what waits."""

    forms: dict[str, FormCounts] = field(default_factory=dict)
    withheld: Counter[str] = field(default_factory=Counter)
    dropped: int = 0

    def of(self, form: str) -> FormCounts:
        """Those of a form."""
        return self.forms.setdefault(form, FormCounts())

    def as_dict(self) -> dict[str, Any]:
        """The counts, for JSON."""
        totals = {name: sum(getattr(each, name) for each in self.forms.values()) for name in TOTALS}
        return {
            **totals,
            "dropped": self.dropped,
            "withheld": dict(self.withheld),
            "forms": {name: counts.as_dict() for name, counts in self.forms.items()},
        }
