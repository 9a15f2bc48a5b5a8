"""Threads that begin together, each with a database connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

Outcome = TypeVar("Outcome")


def at_once(count: int, work: Callable[[int], Outcome]) -> list[Outcome | Exception]:
    """Call ``work(0)`` … ``work(count - 1)`` in as many threads; what each returned or raised, in order."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Outcome | Exception:
        try:
            barrier.wait(timeout=180)
            return work(number)
        except Exception as error:  # noqa: BLE001 (handed to the test)
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
