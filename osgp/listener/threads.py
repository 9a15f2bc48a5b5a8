"""Calls that wait for a disk or the database, in a thread of their own beside the event loop."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CallThread:
    """Makes calls one after the other. A call that hangs keeps no process from ending."""

    def __init__(self, name: str, before_each: Callable[[], object] = lambda: None) -> None:
        self._before_each = before_each
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call when those before are done. Return or raise what it does.

        Whoever gives up waiting does not stop it.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def call() -> None:
            try:
                self._before_each()
                value = function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 (raised where it is waited for)
                _tell(loop, future, future.set_exception, error)
            else:
                _tell(loop, future, future.set_result, value)

        self._calls.put(call)
        return await future

    async def close(self, last: Callable[[], object], deadline: float) -> None:
        """Make a last call, and end the thread; give both up after ``deadline`` seconds."""
        try:
            async with asyncio.timeout(deadline):
                await self.run(last)
        except TimeoutError:
            return
        finally:
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call


def _tell(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], tell: Callable[[Any], None], what: Any
) -> None:
    def tell_if_waited_for() -> None:
        if not future.done():
            tell(what)

    if not loop.is_closed():
        loop.call_soon_threadsafe(tell_if_waited_for)
