"""Processes forked from one that has imported everything: there at once, where a new one takes 1.5 s of CPU.

What they do from then on is what a new process does. Tests of how processes start run new ones.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.process_template import PATCHED

ROOT = Path(__file__).resolve().parent.parent.parent
PR_SET_CHILD_SUBREAPER = 36
"""Linux: orphans below this process become its children."""


class ForkedProcess:
    """What the tests use of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._lock = threading.Lock()
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit code if it has ended; a signal's number is negative."""
        with self._lock:
            if self._status is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self._status = os.waitstatus_to_exitcode(status)
            return self._status

    def wait(self, timeout: float) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Template:
    """A process that forks others; it ends with this one."""

    def __init__(self, program: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *program],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()

    def start(self, arguments: Sequence[str]) -> ForkedProcess:
        """Start a process as ``python ARGUMENT ...`` would."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            print(json.dumps(arguments), file=self._process.stdin, flush=True)
            return ForkedProcess(int(self._process.stdout.readline()))


def start(arguments: Sequence[str], environment: Mapping[str, str]) -> ForkedProcess:
    """Start a process as ``python ARGUMENT ...`` would, in that environment."""
    is_patched = list(arguments[: len(PATCHED)]) == PATCHED
    return _template(is_patched, frozenset(environment.items())).start(arguments)


@cache
def _template(is_patched: bool, environment: frozenset[tuple[str, str]]) -> Template:
    _take_orphans()
    program = [*PATCHED] if is_patched else ["-m"]
    return Template([*program, "tests.process_template"], dict(environment))


@cache
def _take_orphans() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
