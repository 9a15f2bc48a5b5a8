"""The platform's time, and how far the clock of this machine is off it."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from osgp import platform_time
from osgp.devices import database_marks
from osgp.faults import FaultCode
from osgp.platform_time import ClocksDiffer, Offset
from osgp.sql import read_now
from tests.clocks.conftest import Wall

HOURS = 3 * 3600.0
START = datetime(2026, 6, 15, 10, tzinfo=UTC)


class Machine:
    """A machine with a clock that can be set, and a database; both count seconds from ``START``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.uptime = 1000.0
        self.ahead = 0.0
        self.database_ahead = 0.0
        monkeypatch.setattr(platform_time, "read_uptime", lambda: self.uptime)
        monkeypatch.setattr(timezone, "now", lambda: self.after(self.uptime - 1000 + self.ahead))

    @staticmethod
    def after(seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)

    def ask(self, there: float = 0.01, back: float = 0.01) -> None:
        """Ask the database for its time; seconds that the question and the answer take."""
        asked = self.uptime
        self.uptime += there
        told = self.after(self.uptime - 1000 + self.database_ahead)
        self.uptime += back
        platform_time.note(asked, told, self.uptime)

    @property
    def offset(self) -> Offset:
        found = platform_time.find_offset()
        assert found is not None
        return found


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_before_a_measurement_the_machine_tells_the_time_and_nobody_vouches_for_it(machine: Machine) -> None:
    assert platform_time.now() == START
    assert platform_time.find_offset() is None
    with pytest.raises(ClocksDiffer, match="could not be compared"):
        platform_time.check()


@pytest.mark.parametrize("ahead", [0.0, 1.5, -1.5])
def test_clocks_within_the_limit(machine: Machine, ahead: float) -> None:
    machine.ahead = ahead
    machine.ask()
    assert machine.offset.seconds == pytest.approx(ahead, abs=0.02)
    platform_time.check()


@pytest.mark.parametrize("ahead", [HOURS, -HOURS, 2.1, -2.1])
def test_the_time_is_that_of_the_database_whatever_the_clock_says(machine: Machine, ahead: float) -> None:
    machine.ahead = ahead
    machine.ask()
    assert abs(platform_time.now() - machine.after(0.02)) < timedelta(seconds=0.02)
    with pytest.raises(ClocksDiffer, match=f"differ by {abs(ahead):.1f} s") as fault:
        platform_time.check()
    assert (fault.value.code, fault.value.retryable) == (FaultCode.UNABLE_TO_PROCESS_REQUEST, True)


def test_a_clock_that_is_set_between_two_measurements_is_noticed_at_once(machine: Machine) -> None:
    machine.ask()
    machine.ahead = HOURS
    with pytest.raises(ClocksDiffer):
        platform_time.check()
    assert abs(platform_time.now() - machine.after(0.02)) < timedelta(seconds=0.02)
    machine.ahead = 0.0
    platform_time.check()


def test_a_machine_that_stood_still_measures_anew(machine: Machine) -> None:
    """Its clock and its uptime stood still together: nothing but the database tells."""
    machine.ask()
    machine.database_ahead = 600.0
    platform_time.check()
    machine.ask(back=0.5)  # less exact than before, and yet it counts
    assert machine.offset.seconds == pytest.approx(-600, abs=0.3)
    with pytest.raises(ClocksDiffer):
        platform_time.check()
    machine.ahead = 600.0
    platform_time.check()


def test_the_best_measurement_counts(machine: Machine) -> None:
    machine.ahead = 1.0
    machine.ask(0.002, 0.002)
    for _ in range(20):
        machine.ask(there=0.0, back=3.0)  # taken alone, this makes the clock 1.5 s further ahead
    assert machine.offset.seconds == pytest.approx(1.0, abs=0.05)
    platform_time.check()


def test_slow_answers_alone_prove_nothing(machine: Machine) -> None:
    machine.ask(there=2.5, back=2.5)
    assert not machine.offset.is_within_limit
    assert not machine.offset.is_beyond_limit
    with pytest.raises(ClocksDiffer, match="could not be compared to within 2 s"):
        platform_time.check()


def test_a_measurement_ages(machine: Machine) -> None:
    machine.ask()
    machine.uptime += 600
    assert machine.offset.bound == pytest.approx(0.6, abs=0.05)
    machine.uptime += 3000
    with pytest.raises(ClocksDiffer, match="could not be compared"):
        platform_time.check()


@pytest.mark.django_db
def test_the_database_of_the_tests_has_the_clock_of_this_machine() -> None:
    read_now()
    offset = platform_time.find_offset()
    assert offset is not None
    assert abs(offset.seconds) <= offset.bound + 0.01
    assert offset.is_within_limit


@pytest.mark.django_db
def test_marks_of_the_database_measure_it_as_well(wall: Wall) -> None:
    if connection.vendor != "postgresql":
        return  # SQLite has none
    database_marks.read()
    wall.ahead = HOURS
    with pytest.raises(ClocksDiffer, match="differ by 10800"):
        platform_time.check()


# --- Who uses which time -------------------------------------------------------------------------------

OSGP = Path(__file__).parents[2] / "osgp"
MESSAGES = ("adhoc", "bundle", "configuration", "installation", "management", "messages", "monitoring")
BEFORE = "checked when a request is accepted; during the visit clocks are compared"
READ = "when it was read, kept beside what was read"
RANGE = "what a range may be, when a request is accepted"
PLATFORM = "changes the platform alone"
WITHOUT_COMPARISON = {
    "adhoc/test_alarm_scheduler.py": BEFORE,
    "configuration/get_firmware_version.py": READ,
    "configuration/get_firmware_version_gas.py": READ,
    "configuration/set_activity_calendar.py": BEFORE,
    "installation/probing/buffers.py": "how old rows are, in a report",
    "installation/probing/clocks.py": "how far the clock of a meter is off, in a report",
    "management/application_keys.py": PLATFORM,
    "management/disable_debugging.py": PLATFORM,
    "management/enable_debugging.py": PLATFORM,
    "management/escrowed_keys.py": PLATFORM,
    "management/find_events.py": RANGE,
    "management/read_relay_status.py": READ,
    "management/relay_switching.py": READ,
    "management/set_device_lifecycle_status_by_channel.py": PLATFORM,
    "messages/visited_meter.py": "the default of tests",
    "monitoring/actual_meter_reads_gas.py": READ,
    "monitoring/get_power_quality_profile.py": RANGE,
    "monitoring/log_times.py": READ,
    "monitoring/periodic_reads.py": RANGE,
}
"""Where messages use the platform's time without comparing clocks, and why that is enough.

A machine whose clock is wrong knows the platform's time as well. What goes to a meter as the time, or is
decided by it, asks :meth:`VisitedMeter.read_platform_time`.
"""


def test_messages_compare_clocks_or_say_why_not() -> None:
    paths = [path for package in MESSAGES for path in (OSGP / package).rglob("*.py")]
    using = {str(path.relative_to(OSGP)) for path in paths if "platform_time.now" in path.read_text()}
    assert using == set(WITHOUT_COMPARISON)


def test_no_other_clock_is_read() -> None:
    """Linters refuse the usual ways to read the clock of the machine; everywhere but where they are told."""
    settings = tomllib.loads((OSGP.parent / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "TID251" in settings["select"]
    assert {"datetime.datetime.now", "django.utils.timezone.now", "time.time"} <= set(
        settings["flake8-tidy-imports"]["banned-api"]
    )
    free = {pattern for pattern, rules in settings["per-file-ignores"].items() if "TID251" in rules}
    assert free == {
        "tests/**",
        "scripts/**",
        "**/migrations/*.py",
        "osgp/platform_time.py",
        "osgp/simulator/**",
    }
    excused = [path for path in OSGP.rglob("*.py") if "noqa: TID251" in path.read_text()]
    assert {str(path.relative_to(OSGP)) for path in excused} == {
        "batches/models.py",
        "protocol_dlms/tracing.py",
    }
