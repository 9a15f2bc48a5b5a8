"""Figures and processes of the benchmarks."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 60


@dataclass(frozen=True)
class Figure:
    """One measured value; ``budget`` says what it should be, in words."""

    what: str
    value: float
    unit: str
    budget: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The figure for the JSON file."""
        return asdict(self)


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used so far, user and system, its own threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def process(
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


def wait_until(condition: Any, child: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    """Raises RuntimeError with the end of the log if the process ends or takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        if child.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{' '.join(map(str, child.args))} did not start:\n{log.read_text()[-2000:]}")  # type: ignore[arg-type]
        time.sleep(0.1)


def output_of(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
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
