"""What the platform has of a device, for operations that ask during a visit; in database lanes."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Protocol

from osgp.messages.history import History
from osgp.messages.readings import Period
from osgp.messages.relative_periods import Between
from osgp.requests import last_results
from osgp.requests.work import WorkDevice
from osgp.visits.outages import PatientLanes


class FindUnread(Protocol):
    """As :meth:`History.find_unread`, of a device by its key and channel."""

    def __call__(
        self, device_id: int, channel: int | None, period: Period, between: Between, *, since_first: bool
    ) -> Between | None: ...


_find_unread: FindUnread | None = None


def register(find_unread: FindUnread) -> None:
    """Let visits find out what is missing; called at start-up by the app that knows."""
    global _find_unread
    _find_unread = find_unread


class StoredHistory(History):
    """The history of a device, looked up when a visit asks. Outlasts outages as other calls of visits do."""

    def __init__(self, device: WorkDevice, database: PatientLanes) -> None:
        self._device = device
        self._database = database

    def find_unread(self, period: Period, between: Between, *, since_first: bool) -> Between | None:
        assert _find_unread is not None
        find = partial(_find_unread, since_first=since_first)
        return self._database.run(find, self._device.pk, self._device.channel, period, between)

    def find_last_result(
        self, message: str, parameters: Mapping[str, Any], times: Collection[str]
    ) -> Mapping[str, Any] | None:
        return self._database.run(
            last_results.find_last_result, self._device.pk, message, parameters, frozenset(times)
        )
