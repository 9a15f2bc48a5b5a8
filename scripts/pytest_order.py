"""pytest plugin: files whose tests wait for processes, outages and points of time come first.

Meanwhile other processes of pytest-xdist use the CPU. A file that is begun last keeps one of them busy when
all others have nothing left to do.
"""

import pytest

FIRST = (
    "tests/benchmarks/",
    "tests/chaos/test_outages.py",
    "tests/chaos/test_sudden_death.py",
    "tests/chaos/test_beat.py",
    "tests/chaos/test_key_changes.py",
    "tests/chaos/test_lost_hints.py",
    "tests/chaos/",
    "tests/embedded/",
    "tests/visits/test_outages.py",
    "tests/visits/test_visits.py",
    "tests/visits/test_key_change_kills.py",
    "tests/visits/test_no_key_anywhere.py",
    "tests/visits/test_key_changes_at_once.py",
    "tests/visits/test_end_to_end.py",
    "tests/metrics/test_rollup.py",
    "tests/batches/test_large_groups.py",
)
"""Beginnings of paths, the longest time first."""


def find_place(path: str) -> int:
    """Where a file comes; those of no particular length share the last place."""
    return next((place for place, begin in enumerate(FIRST) if path.startswith(begin)), len(FIRST))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file; within a file, and among the others, the order stays."""
    items.sort(key=lambda item: find_place(item.nodeid))
