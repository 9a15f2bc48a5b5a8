"""Figures, and what processes and machines tell about themselves."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 90
START_SECONDS = 120


@dataclass(frozen=True)
class Figure:
    """One measured value; ``budget`` says in words what it should be.

    ``peer`` is what the same work costs otherwise, measured in the same run; ``peer_is`` says what that is.
    """

    what: str
    value: float
    unit: str
    budget: str = ""
    peer: float | None = None
    peer_is: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The figure for the JSON file."""
        return asdict(self)


def find_percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of all values do not exceed; of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


def read_cpu_seconds(pid: int) -> float:
    """CPU that a process and its children have used so far, user and system, threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children")
    pids = children.read_text().split() if children.exists() else []
    return own + sum(read_cpu_seconds(int(child)) for child in pids)


def read_peak_memory(pid: int) -> float:
    """MiB that a process had in memory at most."""
    return _read_status(pid, "VmHWM")


def read_memory(pid: int) -> float:
    """MiB that a process has in memory."""
    return _read_status(pid, "VmRSS")


def _read_status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} does not tell its memory")


def count_threads(pid: int) -> int:
    """Threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@contextmanager
def running_process(
    *arguments: str, environment: Mapping[str, str], log: Path, ready: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python …`` while the block lasts; ``ready`` is text that its log shows when it can be used."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_until(lambda: ready is None or ready in log.read_text(), child, log)
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_until(condition: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    """Raises RuntimeError with the end of the log if the process ends or takes too long to get there."""
    end = time.monotonic() + START_SECONDS
    while not condition():
        if child.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{child.args!r} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def run_and_read(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a Python command prints. Raises RuntimeError with what it complained about."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def describe_machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
