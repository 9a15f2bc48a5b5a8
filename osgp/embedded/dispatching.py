"""The dispatcher in a thread of this process."""

import threading
from types import TracebackType
from typing import Self

from osgp.visits.dispatcher import Dispatcher

STOP_SECONDS = 30


class DispatcherThread:
    """Context manager: dispatches until it is left."""

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=Dispatcher().run, args=(self._stop,), name="dispatcher", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(STOP_SECONDS)
