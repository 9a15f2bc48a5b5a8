"""What all that can be made to happen to a meter has in common."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from . import fields as parsers
from .meter.meter import Meter


class OccurrenceError(ValueError):
    """A description that makes no sense; ``field`` says where."""

    def __init__(self, field_name: str, complaint: str) -> None:
        super().__init__(f"{field_name}: {complaint}")
        self.field = field_name
        self.complaint = complaint


def described(parser: parsers.Parser, **options: Any) -> Any:
    """A field of a kind, read by ``parser`` from what TOML or JSON says."""
    return field(metadata={"parser": parser}, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Base of all kinds. Each field has a parser of what TOML or JSON says."""

    kind: ClassVar[str]

    def complain(self) -> None:
        """OccurrenceError when the fields do not go together."""

    def befalls(self, meter: Meter) -> bool:
        """Whether a meter of its type can have this."""
        return True

    def make_misfit(self, meters: Iterable[Meter]) -> OccurrenceError:
        """What to say when it befalls none of these meters."""
        return OccurrenceError("kind", f"{self.kind}: no selected meter has the objects for this")

    def happen(self, meter: Meter, moment: float) -> None:
        """Let it happen to ``meter`` at ``moment`` (true time)."""
        raise NotImplementedError
