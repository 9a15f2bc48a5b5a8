"""Invocation counters of authentic pushes: each is taken once, and a restart does not forget it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from osgp.alarms.models import PushCounter
from osgp.protocol_dlms.push import replay

CounterKey = tuple[int, str]
"""The counter of the encryption key, and the system title of the sender."""


@dataclass
class PushCounters:
    """The counters of a slice of pushes, locked until the transaction ends."""

    rows: dict[CounterKey, PushCounter] = field(default_factory=dict)
    changed: set[CounterKey] = field(default_factory=set)

    @classmethod
    def lock(cls, keys: Sequence[CounterKey]) -> "PushCounters":
        """Lock the counters, which are made where there are none. Belongs in a transaction."""
        wanted = sorted(set(keys))
        if not wanted:
            return cls()
        PushCounter.objects.bulk_create(
            [PushCounter(key_id=key, system_title=title) for key, title in wanted], ignore_conflicts=True
        )
        known = PushCounter.objects.filter(
            key__in={key for key, _ in wanted}, system_title__in={title for _, title in wanted}
        )
        # In one order for all processes, so that none waits for another in a circle.
        locked = known.order_by("pk").select_for_update(of=("self",))
        return cls({(row.key_id, row.system_title): row for row in locked})

    def accept(self, key: CounterKey, counter: int) -> bool:
        """Take the counter of an authentic push; False if it came before, or is too old to tell."""
        row = self.rows[key]
        self.changed.add(key)
        accepted = replay.accept(row.highest, row.window, counter)
        if accepted is None:
            row.replayed += 1
            return False
        row.highest, row.window = accepted
        return True

    def save(self) -> None:
        """Store what was taken and refused."""
        rows = [self.rows[key] for key in sorted(self.changed)]
        PushCounter.objects.bulk_update(rows, ["highest", "window", "replayed"])
